"""The questions that people ask, answered from the store alone: the same for API, pages and CLI."""

from collections.abc import Iterator, Sequence
from typing import Protocol

from collector.selection import Selection
from ui.alert_models import ActPage, AlertDetail, AlertPage, MarkPage, SilencePage, Tally
from ui.models import (
    ConsumerPage,
    CountedBy,
    CountPage,
    DroppedPage,
    EventPage,
    ExpectationPage,
    FindingPage,
    FlowDetail,
    FlowPage,
    NamePage,
    ServicePage,
    Status,
    WhyPage,
)


class Queries(Protocol):
    """Every method may be called from any thread; each reads one consistent state of the store."""

    def flows(
        self,
        *,
        type: str | None = None,
        state: str | None = None,
        q: str | None = None,
        name: str | None = None,
        without: str | None = None,
        since: int | None = None,
        until: int | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> FlowPage:
        """Flows, the one whose newest event was stored last first; `since` and `until` in µs."""
        ...

    def flow(self, flow_or_key: str) -> FlowDetail | None:
        """One flow, by its correlation ID or, if exactly one flow carries it, by a key's value."""
        ...

    def why(self, flow_or_key: str, expectation: str | None = None) -> WhyPage | None:
        """Why things are missing from a flow; None where there is no such flow."""
        ...

    def findings(
        self,
        *,
        expectation: str | None = None,
        state: str | None = None,
        flow: str | None = None,
        alert: str | None = None,
        since: int | None = None,
        limit: int = 100,
        cursor: str | None = None,
    ) -> FindingPage:
        """Findings, the one that changed last first."""
        ...

    def alerts(
        self,
        *,
        state: str | None = None,
        expectation: str | None = None,
        severity: str | None = None,
        label: Sequence[str] = (),
        since: int | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> AlertPage:
        """Alerts that fit every matcher in `label`, the one that changed last first."""
        ...

    def alert(self, fingerprint: str) -> AlertDetail:
        """By its fingerprint, or the beginning of it; raises NothingSuchError."""
        ...

    def silences(
        self, *, state: str | None = None, limit: int = 100, cursor: str | None = None
    ) -> SilencePage:
        """The newest first."""
        ...

    def marks(
        self, *, state: str | None = None, limit: int = 100, cursor: str | None = None
    ) -> MarkPage:
        """The newest first."""
        ...

    def acts(
        self,
        *,
        kind: str | None = None,
        author: str | None = None,
        alert: str | None = None,
        since: int | None = None,
        limit: int = 100,
        cursor: str | None = None,
    ) -> ActPage:
        """What people did, the newest first."""
        ...

    def tally(self) -> Tally:
        """How many findings, alerts and notifications there are."""
        ...

    def events(
        self,
        *,
        after: int | None = None,
        topic: str | None = None,
        name: str | None = None,
        untied: bool = False,
        problems: bool = False,
        limit: int = 100,
    ) -> EventPage:
        """Events in the order in which they were stored; without `after` the newest `limit`."""
        ...

    def dropped(self) -> DroppedPage:
        """Which topics, names and producers drop correlation IDs, and since when."""
        ...

    def counts(
        self,
        *,
        since: int | None = None,
        until: int | None = None,
        by: CountedBy | None = None,
        limit: int = 10_000,
        cursor: str | None = None,
    ) -> CountPage:
        """Events of each minute that begins in between, the first minute first; times in µs."""
        ...

    def expectations(self) -> ExpectationPage:
        """Every live expectation, with what was found and when it had something to judge."""
        ...

    def consumers(self, *, group: str | None = None) -> ConsumerPage:
        """Every consumer group's partitions, or those of one group, with their verdicts."""
        ...

    def services(self, *, service: str | None = None, since: int | None = None) -> ServicePage:
        """Who runs which step, declared or learned, and how what it took in balances with what it
        brought out; `since` in µs, else an hour before the newest that was seen."""
        ...

    def names(self) -> NamePage:
        """Every name of events that is stored, by topic."""
        ...

    def export(self, wanted: Selection) -> Iterator[bytes]:
        """Stored events as event lines, some thousands at a time."""
        ...

    def status(self) -> Status: ...
