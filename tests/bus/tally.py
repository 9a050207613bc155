"""What a scenario went through, counted by those that it uses: for the results that are kept."""

from __future__ import annotations

from collections import Counter

TALLY: Counter[str] = Counter()
"""`events` that were stored or read, `kills` of daemons; of the scenario that runs now."""
