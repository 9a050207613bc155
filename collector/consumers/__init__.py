"""Consumers as observed: which groups there are, how far each has committed, and what it owes."""
