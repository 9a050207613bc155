"""Which faults are on while the demo runs; what a switch changes concerns what comes after it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from demo.errors import OptionError
from demo.faults import FAULTS, LOTS, Fault, Reach
from demo.plan import FaultPlan, default_share, too_much

Clock = Callable[[], datetime]


@dataclass
class Spell:
    """From when to when a service's fault was on."""

    fault: Fault
    since: datetime
    until: datetime | None = None
    struck: bool = False


class Switches:
    """The plan as it is now, and what was decided for those that came before a change.

    Every service asks for the same order, and must hear the same: a number is decided once.
    """

    def __init__(self, plan: FaultPlan, clock: Clock = lambda: datetime.now(UTC)) -> None:
        self.plan = plan
        self.spells: list[Spell] = []
        self._clock = clock
        self._decided = dict.fromkeys(LOTS, 0)
        self._suffering: dict[Reach, dict[int, Fault]] = {reach: {} for reach in LOTS}
        self._changed = asyncio.Event()
        self._note_spells()

    @property
    def seed(self) -> int:
        return self.plan.seed

    def fault_of(self, number: int, reach: Reach = Reach.ORDER) -> Fault | None:
        for undecided in range(self._decided[reach] + 1, number + 1):
            if fault := self.plan.fault_of(undecided, reach):
                self._suffering[reach][undecided] = fault
            self._decided[reach] = undecided
        return self._suffering[reach].get(number)

    def is_written(self, fault: Fault, number: int) -> bool:
        return self.plan.is_written(fault, number)

    def share(self, fault: Fault) -> float:
        return self.plan.shares.get(fault.name, 0.0)

    def is_on(self, fault: Fault) -> bool:
        return self.share(fault) > 0

    def switch(self, name: str, on: bool, share: float | None = None) -> Fault:
        """Switch a fault; raises OptionError for what makes no sense, and changes nothing then."""
        fault = FAULTS.get(name)
        if fault is None:
            raise OptionError(f"no fault is called {name!r}; there are: {', '.join(FAULTS)}")
        if share is not None and not on:
            raise OptionError("a share goes with on, not with off")
        if share is not None and fault.reach is Reach.SERVICE:
            raise OptionError(f"{name} strikes a whole service and has no share; leave it out")
        if share is not None and not 0 < share <= 1:
            raise OptionError(f"{share:g} is no share: a number above 0 and up to 1, such as 0.1")
        shares = {**self.plan.shares, name: (share or default_share(fault)) if on else 0.0}
        if problem := too_much(shares):
            raise OptionError(f"{problem}: switch another off, or give a smaller share")
        early = {one: number for one, number in self.plan.early.items() if one != name}
        self.plan = replace(self.plan, shares=shares, early=early)
        self._note_spells()
        self._changed.set()
        self._changed = asyncio.Event()
        return fault

    async def until(self, fault: Fault, on: bool) -> None:
        """Return when the fault is on (or off)."""
        while self.is_on(fault) is not on:
            await self._changed.wait()

    def blamed(self, service: str, since: datetime, until: datetime) -> Fault | None:
        """The fault that kept this service from its work at some moment between these two."""
        for spell in reversed(self.spells):
            over = spell.until is not None and spell.until < since
            if spell.fault.service == service and spell.since <= until and not over:
                return spell.fault
        return None

    def strikes_once(self, fault: Fault) -> bool:
        """True for who asks first after the fault was switched on."""
        spell = next((s for s in self.spells if s.fault is fault and s.until is None), None)
        if spell is None or spell.struck:
            return False
        spell.struck = True
        return True

    def _note_spells(self) -> None:
        now = self._clock()
        lasting = {spell.fault.name: spell for spell in self.spells if spell.until is None}
        for fault in FAULTS.values():
            if fault.reach is not Reach.SERVICE:
                continue
            spell = lasting.get(fault.name)
            if spell and not self.is_on(fault):
                spell.until = now
            elif not spell and self.is_on(fault):
                self.spells.append(Spell(fault, now))
