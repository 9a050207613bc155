"""Alerts' step in a batch's way to its commit: findings become what people are told."""

import threading
from collections.abc import Callable, Sequence
from itertools import islice

import duckdb
import msgspec

from analyzer.alerts import reading
from analyzer.alerts.alert import LEAST, RESOLVED, Alert, Manner
from analyzer.alerts.book import Book
from analyzer.alerts.condition import Condition, finding_of
from analyzer.alerts.message import message
from analyzer.alerts.rows import ALERT_LOG, TELLINGS, ActRow, AlertRow
from analyzer.alerts.teller import Tell, Teller
from analyzer.finding import Finding
from analyzer.notification import FINDINGS
from analyzer.reading import next_seq
from analyzer.tables import FINDING_LOG, OUTBOX, FindingRow, OutboxRow
from collector.batch import Batch
from collector.store.store import Store
from collector.times import US_PER_S

FOR_EVER = 2**62
OUT_OF_ORDER = 60 * US_PER_S
CloseFindings = Callable[[Batch, Sequence[FindingRow], str, str], None]


class AlertStage:
    """Turns what the judge added, what people did, and what nonevent says of itself into alerts and
    notifications, in the same transaction."""

    name = "alert"

    def __init__(
        self,
        book: Book,
        teller: Teller,
        link_base: Callable[[], str],
        store: Store,
        close_findings: CloseFindings,
        age: int,
    ) -> None:
        """`close_findings` notes in the log of findings that somebody closed these; `age`: how long
        what was told of an alert that is over is remembered, µs."""
        self.book = book
        self._teller = teller
        self._link_base = link_base
        self._store = store
        self._close_findings = close_findings
        self._age = age
        self._inbox: list[ActRow] = []
        self._lock = threading.Lock()
        self._now = 0
        self._own: dict[str, Finding] | None = None
        """What nonevent said of itself; None: it has said nothing yet."""
        with store.reader() as cursor:
            self._seq = next_seq(cursor, ALERT_LOG.name)
            self._outbox_seq = next_seq(cursor, OUTBOX.name)

    def restore(self, judged: Batch) -> None:
        """Reads back what stands, then takes what the judge found in restoring itself."""
        with self._store.reader() as cursor:
            acts = reading.acts(cursor)
            for alert in reading.standing_alerts(cursor, self.book):
                self.book.restore(alert)
            for one in reading.standing_findings(cursor, judged.now - LEAST):
                self.book.open(one.row.to_finding(), one.seq, one.found)
                if one.row.state == "closed":
                    self.book.close(one.row.id, one.row.reason or one.row.text, one.row.moment)
            for telling in reading.tellings(cursor):
                self._teller.remember(telling)
        with self._lock:
            self._inbox[:0] = acts
        self.process(judged)

    def act(self, act: ActRow) -> None:
        """Somebody did something, and it is stored; from any thread."""
        with self._lock:
            self._inbox.append(act)

    def process(self, batch: Batch) -> None:
        new = self._hear(batch)
        with self._lock:
            inbox, self._inbox = self._inbox, []
        self._do(inbox, batch)
        self._step(batch, new)

    def watch_itself(self, conditions: Sequence[Condition]) -> None:
        """What nonevent has to say of itself, all of it; what it said before and does not say now
        is over."""
        now = {one.id: (one, finding_of(one)) for one in conditions}
        before = self._own or {}
        self._own = {id: finding for id, (_, finding) in now.items()}
        for id in before.keys() - now.keys():
            self.book.close(id, "it is over")
        for id, (condition, finding) in now.items():
            if before.get(id) != finding:
                manner = Manner(wait=condition.wait, keep=FOR_EVER)
                self.book.open(finding, condition.since, condition.since, manner)

    def _hear(self, batch: Batch) -> dict[str, FindingRow]:
        """The findings that are announced in this batch, by id."""
        new: dict[str, FindingRow] = {}
        for row in batch.rows.get(FINDING_LOG.name, ()):
            told = row.news and not row.historical
            if row.state != "retracted" and (told or self.book.has(row.id)):
                new[row.id] = row
                # Closed and yet to be heard of is only what closed as it was found: without a
                # reason it is new. Of what a person closed, or was heard of for long enough,
                # nobody is told anew because it came late.
                if row.state == "open" or (row.reason is None and not self.book.has(row.id)):
                    self.book.open(row.to_finding(), row.seq, row.moment)
            if row.state != "open":
                turned = row.moment if row.state == "closed" else None
                self.book.close(row.id, row.reason or row.text, turned)
        return new

    def _do(self, inbox: Sequence[ActRow], batch: Batch) -> None:
        """What was read back and what was handed over may both hold an act: it is done once."""
        if not inbox:
            return
        done = {act.seq for act in self.book.acts}
        known = {row.id: row for row in batch.rows.get(FINDING_LOG.name, ())}
        apart: dict[str, ActRow] = {}
        for act in inbox:
            if act.seq in done:
                continue
            done.add(act.seq)
            self.book.act(act)
            if ids := self.book.closed_by(act):
                self._close(self._rows(ids, known), act, batch)
                for id in ids:
                    self.book.close(id, _by(act))
            elif act.kind == "close" and act.finding is not None:
                apart[act.finding] = act
        # Findings that stand in no alert: nobody was told of them, or their alert is over.
        alone = [id for id in apart if not self.book.has(id)]
        for row in self._rows(alone, known) if alone else ():
            if row.state == "open" and row.moment < apart[row.id].moment:
                self._close([row], apart[row.id], batch)

    def _close(self, rows: Sequence[FindingRow], act: ActRow, batch: Batch) -> None:
        self._close_findings(batch, rows, act.author, _by(act))

    def _step(self, batch: Batch, new: dict[str, FindingRow]) -> None:
        moment = self._moment(batch)
        # What it said of itself before a restart holds until it says something again.
        looked = self.book.step(moment, leave=None if self._own is not None else Condition.TYPE)
        if not looked.at:
            return
        changed = {alert.fingerprint: alert for alert in looked.changed}
        for tell in self._teller.due(looked.at, self.book.alerts, moment):
            body = self._body(tell, moment, new)
            row = OutboxRow(
                self._outbox_seq, tell.sink, tell.bundle.first.fingerprint, body, moment
            )
            batch.add(OUTBOX.name, row)
            self._outbox_seq += 1
            for telling in self._teller.note(tell, moment):
                batch.add(TELLINGS.name, telling)
            for alert in (tell.bundle.first, *tell.bundle.also):
                if len(alert.standing) != alert.written[1]:
                    changed[alert.fingerprint] = alert
        for alert in changed.values():
            batch.add(ALERT_LOG.name, self._row(alert, moment))
        self.book.forget(looked.at)
        self._teller.forget(moment, self._age)

    def _moment(self, batch: Batch) -> int:
        """Batches of several taps come a little out of order: for alerts time does not go back,
        but where the clock was set."""
        if not batch.now < self._now <= batch.now + OUT_OF_ORDER:
            self._now = batch.now
        return self._now

    def _row(self, alert: Alert, moment: int) -> AlertRow:
        oldest = alert.oldest()
        alert.written = (moment, len(alert.standing))
        row = AlertRow(
            self._seq, alert.fingerprint, alert.expectation, alert.type, alert.state,
            alert.severity, _json(alert.labels), _json(alert.own_labels), alert.since, alert.began,
            len(alert.standing), oldest.flow if oldest else None, oldest.at if oldest else None,
            alert.text, alert.reason if alert.state == RESOLVED else None, alert.acknowledged,
            alert.quiet, moment,
        )  # fmt: skip
        self._seq += 1
        return row

    def _body(self, tell: Tell, moment: int, new: dict[str, FindingRow]) -> str:
        alert = tell.bundle.first
        old = list(islice(alert.standing.values(), alert.mature(moment)))
        news = [one for one in old if one.seq > tell.known]
        standing = sorted(news or old, key=lambda one: (one.at, one.seq))[:FINDINGS]
        if alert.type == Condition.TYPE:
            own = self._own or {}
            found = [own[one.id] for one in standing if one.id in own]
        else:
            found = [row.to_finding() for row in self._rows([one.id for one in standing], new)]
        number = f"{alert.fingerprint}-{self._outbox_seq}"
        return message(tell, found, len(news), self.book.labels, number, self._link_base(), moment)

    def _rows(self, ids: Sequence[str], new: dict[str, FindingRow]) -> list[FindingRow]:
        """These findings as they stand: of this batch, or as they were stored before it."""
        missing = [id for id in ids if id not in new]
        stored = {}
        if missing:
            # Through the writer's queue: what was submitted before is committed by then.
            job = self._store.submit(lambda cursor: reading.rows_of(cursor, missing))
            stored = {row.id: row for row in job.result()}
        found = (new.get(id) or stored.get(id) for id in ids)
        return [row for row in found if row is not None]


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _by(act: ActRow) -> str:
    return f"closed by {act.author}" + (f": {act.comment}" if act.comment else "")


def store_act(connection: duckdb.DuckDBPyConnection, act: ActRow) -> ActRow:
    """Writes down what somebody did, under the next number; a job of the store's writer."""
    ((seq,),) = connection.execute("SELECT coalesce(max(seq), 0) + 1 FROM acts").fetchall()
    numbered = msgspec.structs.replace(act, seq=int(seq))
    connection.execute(reading.INSERT_ACT, reading.act_values(numbered))
    return numbered
