"""From a finding to a sink: routed, written with its transaction, delivered until it is taken."""

import asyncio
import http.server
import json
import logging
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from analyzer.routes import Routes
from pydantic import SecretStr

from analyzer.finding import Finding
from analyzer.notification import notification
from analyzer.outbox import Outbox
from analyzer.settings import (
    AlertSettings,
    LogSettings,
    RouteSettings,
    SinkSettings,
    WebhookSettings,
)
from analyzer.sinks.sink import NotDelivered, Sink
from analyzer.sinks.table import make_sinks
from analyzer.stages import AlertStage
from analyzer.tables import ANALYZER_TABLES, ANALYZER_VIEWS, FINDING_LOG, OUTBOX, FindingRow
from collector.batch import Batch
from collector.errors import ConfigurationError
from collector.store.store import Store


def finding(**changes: Any) -> Finding:
    fields: dict[str, Any] = {
        "id": "f-1", "expectation": "paid", "type": "order", "finding": "missing", "state": "open",
        "flow": "a/b c", "correlation_id": "a/b c", "at": 10**15, "deadline": 10**15,
        "severity": "critical", "labels": {"team": "payments"}, "rule_version": "1",
        "values": ("payment",), "activation": None, "evidence": (), "text": "none came",
    }  # fmt: skip
    return Finding(**{**fields, **changes})


class Answers:
    """A real HTTP server that answers as it is told, and remembers what it was sent."""

    def __init__(self) -> None:
        self.next: list[int] = []
        self.taken: list[tuple[str, dict[str, Any]]] = []
        answers = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                code = answers.next.pop(0) if answers.next else 200
                if code == 200:
                    answers.taken.append((self.headers["nonevent-fingerprint"], body))
                self.send_response(code)
                self.end_headers()

            def log_message(self, *args: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/secret-path"


@pytest.fixture
def answers() -> Iterator[Answers]:
    found = Answers()
    thread = threading.Thread(target=found.server.serve_forever, daemon=True)
    thread.start()
    yield found
    found.server.shutdown()
    found.server.server_close()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(tmp_path / "s.duckdb", tables=ANALYZER_TABLES, views=ANALYZER_VIEWS)
    yield opened
    opened.close()


def webhook(url: str) -> SinkSettings:
    return SinkSettings(webhook=WebhookSettings(url=SecretStr(url), timeout=2))


def tell(store: Store, *findings: Finding, sinks: tuple[str, ...] = ("hook",)) -> None:
    """What the judge and the alert stage do with these in one transaction."""
    batch = Batch(now=10**15)
    for number, one in enumerate(findings):
        row = FindingRow.of(one, number, None, 10**15, historical=False, news=True)
        batch.add(FINDING_LOG.name, row)
    routes = Routes.of(AlertSettings(), sinks)
    AlertStage(routes, {"environment": "test"}, lambda: "http://x", 1).process(batch)
    store.commit(batch).result()


def waiting(store: Store) -> int:
    with store.reader() as cursor:
        row = cursor.execute(f"SELECT count(*) FROM {OUTBOX.name} WHERE delivered IS NULL")
        return int(row.fetchall()[0][0])


async def deliver(store: Store, sinks: dict[str, Sink], until: Any) -> None:
    """Runs the outbox until something holds."""
    outbox = asyncio.create_task(Outbox(store, sinks, lambda: 10**15).run())
    try:
        async with asyncio.timeout(20):
            while not until():
                await asyncio.sleep(0.02)
    finally:
        outbox.cancel()
        await asyncio.gather(outbox, return_exceptions=True)


async def test_a_notification_is_delivered_and_marked(store: Store, answers: Answers) -> None:
    tell(store, finding())
    sinks = make_sinks(AlertSettings(sinks={"hook": webhook(answers.url)}))
    await deliver(store, sinks, lambda: not waiting(store))
    ((fingerprint, body),) = answers.taken
    assert fingerprint == body["fingerprint"] == "f-1"
    assert body["status"] == "firing"
    assert body["link"] == "http://x/flows/a%2Fb%20c"
    assert body["finding"]["labels"] == {"environment": "test", "team": "payments"}


async def test_what_is_refused_comes_again_in_order(store: Store, answers: Answers) -> None:
    answers.next = [500, 503]
    tell(store, finding(id="first"), finding(id="second"))
    sinks = make_sinks(AlertSettings(sinks={"hook": webhook(answers.url)}))
    await deliver(store, sinks, lambda: not waiting(store))
    assert [fingerprint for fingerprint, _ in answers.taken] == ["first", "second"]


async def test_a_sink_that_is_away_delays_no_other(store: Store, answers: Answers) -> None:
    tell(store, finding(), sinks=("gone", "hook"))
    settings = {"gone": webhook("http://127.0.0.1:9/x"), "hook": webhook(answers.url)}
    sinks = make_sinks(AlertSettings(sinks=settings))
    await deliver(store, sinks, lambda: answers.taken and waiting(store) == 1)


async def test_what_was_not_taken_before_a_crash_is_sent_after_it(
    store: Store, answers: Answers
) -> None:
    tell(store, finding())
    answers.next = [500] * 3
    sinks = make_sinks(AlertSettings(sinks={"hook": webhook(answers.url)}))
    await deliver(store, sinks, lambda: len(answers.next) < 3)
    assert waiting(store) == 1
    answers.next = []
    sinks = make_sinks(AlertSettings(sinks={"hook": webhook(answers.url)}))
    await deliver(store, sinks, lambda: not waiting(store))
    assert len(answers.taken) == 1


async def test_a_webhooks_address_is_never_told(
    answers: Answers, caplog: pytest.LogCaptureFixture
) -> None:
    answers.next = [404]
    settings = AlertSettings(sinks={"hook": webhook(answers.url)})
    assert "secret-path" not in repr(settings)
    (sink,) = make_sinks(settings).values()
    with pytest.raises(NotDelivered) as refusal:
        await sink.deliver("f", "{}")
    assert "404" in str(refusal.value)
    assert "secret-path" not in str(refusal.value) + caplog.text
    await sink.close()


async def test_every_kind_of_sink_takes_what_is_told(
    answers: Answers, caplog: pytest.LogCaptureFixture
) -> None:
    """The contract of the table: each row delivers every state of a finding."""
    kinds = {"webhook": webhook(answers.url), "log": SinkSettings(log=LogSettings())}
    assert set(kinds) == set(SinkSettings.model_fields)
    caplog.set_level(logging.INFO)
    for sink in make_sinks(AlertSettings(sinks=kinds)).values():
        for state in ("open", "closed", "retracted"):
            body = notification(finding(state=state), "why not", "http://x")
            await sink.deliver("f-1", body)
        await sink.close()
    assert [body["status"] for _, body in answers.taken] == ["firing", "resolved", "resolved"]
    assert caplog.text.count("why not") == 3


def test_routes_match_on_fields_and_labels() -> None:
    settings = AlertSettings(
        routes=[
            RouteSettings(match={"severity": "critical", "team": "payments"}, to="pager"),
            RouteSettings(match={"team": "warehouse"}, to="mail"),
            RouteSettings(to="all"),
        ]
    )
    routes = Routes.of(settings, ["pager", "mail", "all"])
    assert routes.sinks_for(finding()) == ["pager", "all"]
    assert routes.sinks_for(finding(severity="info")) == ["all"]
    assert routes.sinks_for(finding(labels={"team": "warehouse"})) == ["mail", "all"]


def test_a_route_to_nowhere_is_refused() -> None:
    settings = AlertSettings(routes=[RouteSettings(to="pagr")])
    with pytest.raises(ConfigurationError, match="no sink is called `pagr`; there are: pager"):
        Routes.of(settings, ["pager"])


def test_a_sink_is_of_exactly_one_kind() -> None:
    with pytest.raises(ConfigurationError, match="exactly one"):
        make_sinks(AlertSettings(sinks={"none": SinkSettings()}))


def test_history_is_stored_and_told_to_nobody(store: Store) -> None:
    batch = Batch(now=10**15)
    batch.add(
        FINDING_LOG.name,
        FindingRow.of(finding(), 1, None, 10**15, historical=True, news=False),
    )
    AlertStage(Routes.of(AlertSettings(), ("hook",)), {}, lambda: "", 1).process(batch)
    assert OUTBOX.name not in batch.rows
