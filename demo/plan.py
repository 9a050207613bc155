"""Which order suffers which fault: decided by seed and number alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from demo.chance import chance
from demo.errors import OptionError
from demo.faults import FAULTS, LOTS, Fault, Reach

EVERYDAY_SHARE = 0.025
EARLY = {
    "lost-outcome": 3,
    "late": 5,
    "duplicate": 7,
    "dropped-correlation": 9,
    "double-processing": 11,
    "dead-letter": 13,
    "retry-storm": 15,
    "cancel-ship-race": 17,
    "dead-letter-bare": 19,
    "agent-silent": 2,
    "agent-late": 4,
}


@dataclass(frozen=True)
class FaultPlan:
    """The faults that a run begins with, and how much of each.

    `early` gives faults the number of an order (or conversation) that suffers them for certain,
    so that nobody has to wait for luck.
    """

    seed: int = 0
    shares: Mapping[str, float] = field(default_factory=dict)
    early: Mapping[str, int] = field(default_factory=dict)

    def fault_of(self, number: int, reach: Reach = Reach.ORDER) -> Fault | None:
        """The one fault that this order or conversation suffers, if any."""
        for name, suffering in self.early.items():
            if suffering == number and FAULTS[name].reach is reach:
                return FAULTS[name]
        drawn = chance(self.seed, number, LOT_OF[reach]).random()
        for fault in FAULTS.values():
            if fault.reach is reach:
                share = self.shares.get(fault.name, 0.0)
                if drawn < share:
                    return fault
                drawn -= share
        return None

    def is_written(self, fault: Fault, number: int) -> bool:
        """Whether a fault of fields is in what is written about this order."""
        return chance(self.seed, number, fault.name).random() < self.shares.get(fault.name, 0.0)


LOT_OF = {Reach.ORDER: "fault", Reach.CONVERSATION: "agents' fault"}


def default_plan(seed: int) -> FaultPlan:
    """A little of all that strikes single flows, and one of each among the first."""
    lots = [fault.name for fault in FAULTS.values() if fault.reach in LOTS]
    return FaultPlan(seed=seed, shares=dict.fromkeys(lots, EVERYDAY_SHARE), early=EARLY)


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
        shares[name] = _share(word, share) if equals else default_share(FAULTS[name])
    if problem := too_much(shares):
        raise OptionError(f"--fault: {problem}")
    return shares


def default_share(fault: Fault) -> float:
    return 1.0 if fault.reach is Reach.SERVICE else fault.share


def too_much(shares: Mapping[str, float]) -> str | None:
    """What is wrong with these shares, if anything."""
    for reach in LOTS:
        total = sum(share for name, share in shares.items() if FAULTS[name].reach is reach)
        if total > 1 + 1e-9:
            return (
                f"the shares of faults that strike single {reach}s add up to {total:g}, and one "
                f"{reach} suffers at most one; let them add up to 1 at most"
            )
    return None


def _share(word: str, text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise OptionError(f"--fault {word}: a share is a number from 0 to 1, such as 0.1")
    return share
