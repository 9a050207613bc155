"""How many examples a property is tried with."""

import os

TIMES = int(os.environ.get("EXAMPLES", "1"))


def examples(usual: int) -> int:
    """As many as a test run has time for, or `EXAMPLES` times as many (`make properties`)."""
    return usual * TIMES
