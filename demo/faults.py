"""What can be made to go wrong in the shop, and in which orders it does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from demo.chance import chance
from demo.errors import OptionError

DEFAULT_SHARE = 0.1


@dataclass(frozen=True)
class Fault:
    """One way to go wrong, and the one finding that must tell of it."""

    name: str
    about: str
    finding: str
    expectation: str
    seen_after: int  # seconds from the order on, roughly, with the deadlines that ship

    @property
    def expect(self) -> dict[str, str]:
        return {"finding": self.finding, "expectation": self.expectation}


LOST_OUTCOME = Fault(
    name="lost-outcome",
    about="payment takes an order off its topic, commits, and nothing comes out",
    finding="missing",
    expectation="payment follows order",
    seen_after=15,
)
LATE = Fault(
    name="late",
    about="payment's outcome comes after its deadline",
    finding="late",
    expectation="payment follows order",
    seen_after=18,
)
DUPLICATE = Fault(
    name="duplicate",
    about="shipping publishes one shipment twice",
    finding="repeated",
    expectation="shipped once",
    seen_after=6,
)
DROPPED_CORRELATION = Fault(
    name="dropped-correlation",
    about="inventory forgets the correlation ID of what it publishes",
    finding="missing",
    expectation="stock follows payment",
    seen_after=15,
)

FAULTS: Mapping[str, Fault] = {
    fault.name: fault for fault in (LOST_OUTCOME, LATE, DUPLICATE, DROPPED_CORRELATION)
}


@dataclass(frozen=True)
class FaultPlan:
    """Which order suffers which fault: at most one each, and decided by its number alone.

    `early` names orders whose fault is certain, so that nobody has to wait for luck.
    """

    seed: int = 0
    shares: Mapping[str, float] = field(default_factory=dict)
    early: Mapping[int, str] = field(default_factory=dict)

    def fault_of(self, number: int) -> Fault | None:
        if number in self.early:
            return FAULTS[self.early[number]]
        drawn = chance(self.seed, number, "fault").random()
        for fault in FAULTS.values():
            share = self.shares.get(fault.name, 0.0)
            if drawn < share:
                return fault
            drawn -= share
        return None


def default_plan(seed: int) -> FaultPlan:
    """A little of everything, and one of each among the first ten orders."""
    early = {3: LOST_OUTCOME, 5: LATE, 7: DUPLICATE, 9: DROPPED_CORRELATION}
    return FaultPlan(
        seed=seed,
        shares=dict.fromkeys(FAULTS, 0.05),
        early={number: fault.name for number, fault in early.items()},
    )


def parse_faults(words: Sequence[str]) -> dict[str, float]:
    """Shares by name out of `NAME` and `NAME=SHARE`; `none` stands alone and means none."""
    if "none" in words:
        if len(words) > 1:
            raise OptionError("--fault none stands alone: leave it out, or the others")
        return {}
    shares: dict[str, float] = {}
    for word in words:
        name, equals, share = word.partition("=")
        if name not in FAULTS:
            names = ", ".join([*FAULTS, "none"])
            raise OptionError(f"--fault {word}: no fault is called {name!r}; there are: {names}")
        if name in shares:
            raise OptionError(f"--fault {word}: {name} is given twice; give it once")
        shares[name] = _share(word, share) if equals else DEFAULT_SHARE
    if sum(shares.values()) > 1:
        raise OptionError(
            f"--fault: the shares add up to {sum(shares.values()):g}, and an order suffers at "
            "most one fault; let them add up to 1 at most"
        )
    return shares


def _share(word: str, text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise OptionError(f"--fault {word}: a share is a number from 0 to 1, such as 0.1")
    return share
