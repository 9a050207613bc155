"""Who is to be told of what, now; and what everybody was told."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from analyzer.alerts.alert import FIRING, Alert
from analyzer.alerts.bundle import Bundle, bundles, covers, together
from analyzer.alerts.routes import Routes
from analyzer.alerts.rows import TellingRow
from analyzer.alerts.telling import NEW, RESOLVED, change


@dataclass(frozen=True, slots=True)
class Tell:
    """One notification that is due: to whom, why, and of which alerts."""

    sink: str
    change: str
    bundle: Bundle
    known: int
    """The newest finding of the first that the sink was told of, by its number."""
    count: int
    """Of what is over: how many findings it had when it was last told."""


@dataclass
class Teller:
    routes: Routes
    told: dict[str, dict[str, TellingRow]] = field(default_factory=dict)
    """By sink and alert, the newest."""

    def remember(self, row: TellingRow) -> None:
        self.told.setdefault(row.sink, {})[row.fingerprint] = row

    def due(self, looked: Iterable[Alert], alerts: Mapping[str, Alert], moment: int) -> list[Tell]:
        """What there is to say of the alerts that were looked at; `alerts` are all."""
        found: dict[str, dict[str, list[Alert]]] = {}
        for alert in looked:
            for sink, timing in alert.sinks.items():
                told = self.told.get(sink, {}).get(alert.fingerprint)
                yet = change(alert, told, timing, moment)
                if yet is None or moment < yet[1]:
                    continue
                if yet[0] == NEW and self._waits(alert, sink, alerts, moment):
                    continue
                found.setdefault(sink, {}).setdefault(yet[0], []).append(alert)
        return [
            tell
            for sink, changes in found.items()
            for what, those in changes.items()
            for tell in self._tells(sink, what, those)
        ]

    def note(self, tell: Tell, moment: int) -> Iterator[TellingRow]:
        """What the sink knows once it was told."""
        status = RESOLVED if tell.change == RESOLVED else FIRING
        for alert in (tell.bundle.first, *tell.bundle.also):
            row = TellingRow(
                alert.fingerprint, tell.sink, status, moment, alert.newest(moment),
                alert.mature(moment), tell.bundle.first.fingerprint,
            )  # fmt: skip
            self.remember(row)
            yield row

    def forget(self, moment: int, age: int) -> None:
        """What was over so long ago that it decides nothing."""
        for rows in self.told.values():
            for fingerprint, row in list(rows.items()):
                if row.status == RESOLVED and moment - row.moment > age:
                    del rows[fingerprint]

    def _waits(self, alert: Alert, sink: str, alerts: Mapping[str, Alert], moment: int) -> bool:
        """Whether who is to hear of it knows of its flows by another alert, and was told of that
        just now: then it is told when that may be told again."""
        if self.routes.immediate(sink):
            return False
        interval = alert.sinks[sink].interval
        for fingerprint, row in self.told.get(sink, {}).items():
            other = alerts.get(fingerprint)
            if other is None or other is alert or row.status != FIRING:
                continue
            if 0 <= moment - row.moment < interval and covers(other, alert):
                return True
        return False

    def _tells(self, sink: str, what: str, alerts: Sequence[Alert]) -> Iterator[Tell]:
        told = self.told.get(sink, {})
        if self.routes.immediate(sink):
            found = [Bundle(alert) for alert in alerts]
        elif what == RESOLVED:
            found = together(alerts, {one: row.bundle for one, row in told.items()})
        else:
            found = bundles(alerts)
        for bundle in found:
            row = told.get(bundle.first.fingerprint)
            known = row.upto if row is not None and row.status == FIRING else 0
            yield Tell(sink, what, bundle, known, 0 if row is None else row.count)
