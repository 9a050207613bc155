"""What was learned of who runs a step, and on how many cases it rests."""

from dataclasses import dataclass
from typing import Literal

Confidence = Literal["likely", "possible"]


@dataclass(frozen=True, slots=True)
class Learned:
    """This group takes `consumes` and brings out `emits` in the same flow."""

    source: str
    group: str
    consumes: str
    emits: str
    confidence: Confidence
    cases_for: int
    """It took the event late, and what came of it came as late."""
    against: int
    """It came long before or after that, or even before the event."""
    undecided: int
    """They fit, as those of any group would that keeps up."""
    confused_with: tuple[str, ...] = ()
    """Groups that fit as well."""
    or_of: tuple[str, ...] = ()
    """Other events that the group takes, of which the same may come."""
