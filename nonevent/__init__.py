"""Puts it together: command line, configuration, daemon."""
