"""Alerts: findings, grouped for people. State is judged from findings, acts and the moment."""
