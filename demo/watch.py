"""What nonevent says about the shop, held against what the shop has really done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import httpx
import msgspec

from demo.faults import FAULTS
from demo.services.work import Work
from demo.truth import Truth, TruthLine, in_the_end

LEEWAY = 5  # seconds that a busy machine may need beyond the usual

Key = tuple[str, str, str]  # flow, expectation, finding


class Finding(msgspec.Struct, frozen=True):
    """The part of a finding line that the demo reads."""

    id: str
    expectation: str
    finding: str
    state: str
    flow: str | None = None
    text: str = ""

    @property
    def key(self) -> Key:
        return (self.flow or "", self.expectation, self.finding)


class Page(msgspec.Struct):
    """One page of /api/findings."""

    items: list[Finding]
    next: str | None = None


_page = msgspec.json.Decoder(Page).decode


async def findings(client: httpx.AsyncClient) -> list[Finding]:
    """All that stand or stood; what was retracted was never true."""
    found: list[Finding] = []
    cursor: str | None = None
    while True:
        words = {"limit": "1000"} | ({"cursor": cursor} if cursor else {})
        answer = await client.get("/api/findings", params=words)
        answer.raise_for_status()
        page = _page(answer.content)
        found += [finding for finding in page.items if finding.state != "retracted"]
        cursor = page.next
        if cursor is None:
            return found


@dataclass
class Watch:
    """Which injected faults nonevent has told of, and which findings nothing was injected for.

    It looks at the faults that the rules can see; `works` has what is behind each correlation ID.
    """

    truth: Truth
    works: Mapping[str, Work]
    _confirmed: set[Key] = field(default_factory=set)
    _unexplained: set[Key] = field(default_factory=set)

    def look(self, found: list[Finding]) -> list[tuple[TruthLine, Finding]]:
        """The faults that are told of for the first time."""
        by_key = {finding.key: finding for finding in found}
        new = []
        for line in self.truth.lines:
            key = key_of(line)
            if key in by_key and key not in self._confirmed:
                self._confirmed.add(key)
                new.append((line, by_key[key]))
        suffering = {line.flow for line in self.truth.lines}
        self._unexplained = {
            finding.key for finding in found if not self._is_explained(finding, suffering)
        }
        return new

    def confirmed(self, fault: str) -> int:
        return sum(key_of(line) in self._confirmed for line in self._visible(fault))

    def injected(self, fault: str) -> int:
        return len(self._visible(fault))

    def overdue(self, fault: str, now: datetime) -> int:
        """Injected so long ago that they should have been told of, and were not."""
        patience = timedelta(seconds=FAULTS[fault].seen_after + LEEWAY)
        return sum(
            key_of(line) not in self._confirmed and now - datetime.fromisoformat(line.at) > patience
            for line in self._visible(fault)
        )

    @property
    def unexplained(self) -> list[Key]:
        return sorted(self._unexplained)

    def _visible(self, fault: str) -> list[TruthLine]:
        return [line for line in in_the_end(self.truth.lines) if line.fault == fault]

    def _is_explained(self, finding: Finding, suffering: set[str | None]) -> bool:
        """By the lot: a late payment is first of all missing, before the truth can say late.

        An order that got stuck is also unfinished and not shipped when its hour is over.
        """
        work = self.works.get(finding.flow or "")
        return finding.flow in suffering or (work is not None and work.fault is not None)


def key_of(line: TruthLine) -> Key:
    expect = line.expect
    return (line.flow or "", expect.get("expectation", ""), expect.get("finding", ""))
