"""A desk for tests of alerts: findings and acts go in, with a clock that is moved by hand; what
sinks are told comes out. The store is a real one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from analyzer.alerts.condition import Condition
from analyzer.alerts.making import make_alerts
from analyzer.alerts.rows import ALERT_LOG, ActRow, AlertRow
from analyzer.alerts.stage import AlertStage, store_act
from analyzer.finding import Finding
from analyzer.notification import Notification
from analyzer.rules.ruleset import RuleSet
from analyzer.settings import AlertSettings
from analyzer.sight import Sight
from analyzer.tables import ANALYZER_TABLES, ANALYZER_VIEWS, FINDING_LOG, OUTBOX, FindingRow
from collector.batch import Batch
from collector.store.store import Store
from collector.times import US_PER_S

START = 10**15
LABELS = {"environment": "test"}


def finding(id: str, **changes: Any) -> Finding:
    fields: dict[str, Any] = {
        "id": id, "expectation": "paid", "type": "order", "finding": "missing", "state": "open",
        "flow": f"flow-{id}", "correlation_id": f"flow-{id}", "at": START, "deadline": START,
        "severity": "warning", "labels": {}, "rule_version": "1", "values": (),
        "activation": None, "evidence": (), "text": f"no payment for {id}",
    }  # fmt: skip
    return Finding(**{**fields, **changes})


class Desk:
    """Seconds count from START."""

    def __init__(
        self,
        path: Path,
        settings: AlertSettings | None = None,
        rules: RuleSet | None = None,
        sinks: tuple[str, ...] = ("hook",),
    ) -> None:
        self._path = path
        self._settings = settings or AlertSettings()
        self._rules = rules or RuleSet()
        self._sinks = sinks
        self.now = 0.0
        self.sight = Sight.everything_until(START)
        self.heard: list[tuple[float, str, Notification]] = []
        """(second, sink, what it is told), in order."""
        self._batch = Batch(now=START)
        self._seq = 1
        self._open()

    def _open(self) -> None:
        self.store = Store(self._path, tables=ANALYZER_TABLES, views=ANALYZER_VIEWS)
        self.stage: AlertStage = make_alerts(
            self._settings, LABELS, self._sinks, self._rules, self.store, self._close,
            lambda: "http://here", lambda: self.sight,
        )  # fmt: skip

    def restart(self, *taken_back: Finding) -> None:
        """As after `kill -9`: what was not committed is gone. The judge takes these back."""
        self.store.close()
        self._open()
        self._batch = Batch(now=self._moment())
        for one in taken_back:
            self.gone(one)
        self.stage.restore(self._batch)
        self._commit()

    def close(self) -> None:
        self.store.close()

    # What goes in

    def found(self, *findings: Finding, news: bool = True, historical: bool = False) -> None:
        """The judge announces these; they are seen with the next `at`."""
        for one in findings:
            row = FindingRow.of(
                one, self._seq, None, self._moment(), historical=historical, news=news
            )
            self._batch.add(FINDING_LOG.name, row)
            self._seq += 1

    def gone(self, one: Finding, state: str = "retracted", why: str = "it came") -> None:
        changed = msgspec.structs.replace(one, state=state)
        row = FindingRow.of(changed, self._seq, why, self._moment(), historical=False, news=True)
        self._batch.add(FINDING_LOG.name, row)
        self._seq += 1

    def act(self, kind: str, author: str = "ann", comment: str = "", **fields: Any) -> ActRow:
        """Somebody does something, as by the API."""
        act = ActRow(0, kind, self._moment(), author, comment, **fields)
        stored = self.store.submit(lambda connection: store_act(connection, act)).result()
        assert isinstance(stored, ActRow)
        self.stage.act(stored)
        return stored

    def itself(self, *conditions: Condition) -> None:
        self.stage.watch_itself(conditions)

    # What comes out

    def at(self, second: float) -> list[Notification]:
        """Takes what was said so far, then moves the clock there, second by second where something
        might become due; what sinks were told on the way."""
        before = len(self.heard)
        self._take()
        while self.now < second:
            self.now = min(self.now + 1, second)
            self._batch.now = self._moment()
            self._take()
        return [told for _, _, told in self.heard[before:]]

    def alerts(self) -> dict[str, AlertRow]:
        """By expectation, as the store has them."""
        with self.store.reader() as cursor:
            from analyzer.alerts.reading import alert_rows

            return {row.expectation: row for row in alert_rows(cursor)}

    def _take(self) -> None:
        batch, self._batch = self._batch, Batch(now=self._moment())
        batch.now = self._moment()
        self.stage.process(batch)
        self._commit(batch)

    def _commit(self, batch: Batch | None = None) -> None:
        batch = self._batch if batch is None else batch
        for row in batch.rows.get(OUTBOX.name, ()):
            told = msgspec.json.decode(row.body, type=Notification)
            assert told.fingerprint == row.fingerprint
            self.heard.append((self.now, row.sink, told))
        self.written = [*batch.rows.get(ALERT_LOG.name, ())]
        if batch.rows:
            self.store.commit(batch).result()
        self._batch = Batch(now=self._moment())

    def _moment(self) -> int:
        return START + round(self.now * US_PER_S)

    def _close(self, batch: Batch, rows: Any, by: str, reason: str) -> None:
        """As the judge's stage does."""
        for row in rows:
            closed = msgspec.structs.replace(
                row, seq=self._seq, state="closed", reason=reason, news=False,
                moment=batch.now, closed_by=by,
            )  # fmt: skip
            batch.add(FINDING_LOG.name, closed)
            self._seq += 1
