"""The options of `nonevent demo`."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

from demo.errors import OptionError
from demo.plan import FaultPlan, default_plan, parse_faults

FOREIGN_PREFIX = "nonevent-demo."  # on somebody else's bus


@dataclass(frozen=True)
class DemoOptions:
    """The options of `nonevent demo`; `faults` as they were written (`NAME` or `NAME=SHARE`)."""

    port: int | None = None
    rate: float = 2.0  # orders a second
    duration: float | None = None  # seconds; None: until Ctrl-C
    seed: int | None = None
    faults: tuple[str, ...] = ()
    truth: Path | None = None
    bootstrap: str | None = None  # a bus that is there already
    prefix: str | None = None  # before the names of topics and groups
    force: bool = False  # use topics that hold records already
    shop_only: bool = False  # without nonevent beside it
    open_page: bool = True

    @property
    def named_with(self) -> str:
        return self.prefix if self.prefix is not None else FOREIGN_PREFIX if self.bootstrap else ""

    def plan(self) -> FaultPlan:
        """What is to go wrong; raises OptionError for what makes no sense."""
        if self.rate <= 0:
            raise OptionError(f"--rate {self.rate:g}: orders a second, more than 0")
        if self.duration is not None and self.duration <= 0:
            raise OptionError("--duration: more than 0 s, or leave it out to run until Ctrl-C")
        seed = random.randrange(10**9) if self.seed is None else self.seed
        if not self.faults:
            return default_plan(seed)
        return FaultPlan(seed, parse_faults(self.faults))
