"""A flow of too many events: stored, no longer judged, and reported."""

import io
from collections.abc import Iterator

import pytest
from rich.console import Console

from analyzer.judge import RUNAWAY
from analyzer.rules.loader import load
from collector.settings import StoreSettings
from nonevent.config import Configuration
from nonevent.opening import open_store
from nonevent.status_terminal import print_status
from tests.watching import happened, watch, write_events
from ui.metrics import status_metrics
from ui.store_queries import StoreQueries

RULES = """\
version: 1
flow: order
begins: order.created
ends: [order.completed]
expectations:
  - {name: payment follows, after: order.created, expect: order.paid, within: 30s}
"""


@pytest.fixture(scope="module", params=["order.created", "no.rule.names.it"])
def queries(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[StoreQueries]:
    """One flow that reaches the bound, one that passes it: first by a finding, then by events."""
    folder = tmp_path_factory.mktemp("runaway")
    rules, events, path = folder / "rules.yaml", folder / "events.jsonl", folder / "store.duckdb"
    rules.write_text(RULES)
    write_events(
        events,
        [
            happened(0, "order.created", "full"),
            happened(0, "order.created", "over"),
            happened(60, "clock.struck", "clock"),
            *(happened(70, request.param, "full") for _ in range(RUNAWAY - 1)),
            *(happened(70, request.param, "over") for _ in range(RUNAWAY - 1)),
        ],
    )
    watch(events, [rules], path)
    # The one that makes it too many comes after a restart.
    write_events(events, [happened(71, request.param, "over"), happened(200, "clock", "clock")])
    watch(events, [rules], path)
    store = open_store(Configuration(store=StoreSettings(path=path)), read_only=True)
    loaded = load([rules])
    yield StoreQueries(store, lambda: loaded)
    store.close()


def test_it_is_stored_and_no_longer_judged(queries) -> None:
    listed = {item.flow: item for item in queries.flows().items}
    assert (listed["full"].events, listed["over"].events) == (RUNAWAY, RUNAWAY + 1)
    assert (listed["full"].state, listed["over"].state) == ("failed", "runaway")
    assert listed["over"].findings == 0


def test_what_had_been_found_in_it_is_taken_back_with_the_reason(queries) -> None:
    found = queries.findings(flow="over").items
    assert {one.state for one in found} == {"retracted"}
    assert {one.reason for one in found} == {
        "its flow is a runaway: more than 10,000 events, and no longer judged"
    }
    assert "open" in {one.state for one in queries.findings(flow="full").items}


def test_it_is_reported(queries) -> None:
    status = queries.status()
    assert status.runaway == 1
    metrics = {metric.name: metric for metric in status_metrics(status)}
    assert metrics["nonevent_runaway_flows"].samples[0].value == 1
    console = Console(record=True, width=120, file=io.StringIO())
    print_status(status, console)
    assert "1 flow of more than 10,000 events: no longer judged" in console.export_text()
