"""Delivery: from the store to the sinks, at least once, in order for each alert."""
