"""How long things take in the demo."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Timing:
    """In seconds. `within` is the deadline of each step, as the rules have it."""

    within: float = 10.0
    late_by: float = 8.0  # by so much a late step misses it
    quickest: float = 0.005  # a step takes between this
    slowest: float = 0.060  # and this
    sluggish: float = 1.5  # and so long where a service is slow
    race: float = 1.6  # from a cancellation to the shipment: more than clocks may differ
