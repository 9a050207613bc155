"""What all services of one house share."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Generic

from demo.services.deadlines import Deadlines
from demo.services.ledger import Ledger
from demo.services.timing import Timing
from demo.services.work import Business, W
from demo.switches import Switches
from demo.truth import Truth


@dataclass(frozen=True)
class Setting(Generic[W]):
    """`prefix` stands before the topics, groups and transactional IDs."""

    bootstrap: str
    business: Business[W]
    switches: Switches
    truth: Truth
    ledger: Ledger[W]
    deadlines: Deadlines
    timing: Timing = field(default_factory=Timing)
    prefix: str = ""
