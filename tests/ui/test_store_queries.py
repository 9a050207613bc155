"""The questions people ask, answered from a store that the real parts have filled."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from analyzer.rules.loader import load
from collector.settings import StoreSettings
from collector.store.store import Store
from nonevent.config import Configuration
from nonevent.opening import open_store
from tests.watching import START, happened, moment, watch, write_events
from ui.errors import BadParameterError
from ui.models import FlowDetail, FlowPage, Ghost, TimelineEvent
from ui.store_queries import StoreQueries

RULES = """
version: 1
flow: order
begins: order.created
ends: order.completed
expectations:
  - name: payment follows order
    after: order.created
    expect: [order.paid, order.declined]
    within: 30s
    severity: critical
    labels: {team: payments}
  - {name: shipped by the end, after: order.paid, expect: order.shipped}
  - {name: shipped once, once: order.shipped}
  - {name: nothing after declining, after: order.declined, never: order.shipped}
"""
REFUNDS = """
version: 1
flow: refund
begins: refund.asked
within: 1h
expectations:
  - {name: refund follows, after: refund.asked, expect: refund.paid, within: 10s}
"""
EVENTS = [
    happened(0, "early.bird", "before"),
    # In order, and ended.
    happened(
        1, "order.created", "ord-1", keys={"order_id": "1", "customer": "ann"}, payload={"n": 1},
    ),
    happened(2, "order.paid", "ord-1"),
    happened(3, "order.shipped", "ord-1"),
    happened(4, "order.completed", "ord-1", keys={"order_id": "1"}),
    # The payment never came.
    happened(10, "order.created", "ord-2", keys={"order_id": "2", "customer": "ann"}),
    # It came late, and then came shipping twice.
    happened(20, "order.created", "ord-3", keys={"order_id": "3"}, id="e-3"),
    happened(60, "order.paid", "ord-3"),
    happened(61, "order.shipped", "ord-3"),
    happened(62, "order.shipped", "ord-3"),
    # Waits: for a payment until 1:45, and for shipping until it ends.
    happened(70, "order.created", "ord-4"),
    happened(71, "order.created", "ord-5"),
    happened(72, "order.paid", "ord-5"),
    # Two pieces of work under one ID.
    happened(30, "order.created", "twice"),
    happened(31, "order.paid", "twice"),
    happened(32, "order.shipped", "twice"),
    happened(33, "order.completed", "twice"),
    happened(40, "order.created", "twice"),
    # A flow that no rule file knows, one of another type, and one that was seen too late.
    happened(50, "other.thing", "unknown/with?odd#chars"),
    happened(51, "refund.asked", "ref-1", payload={"of": "ord-1"}),
    happened(52, "refund.paid", "ref-1"),
    # A batch event belongs to two flows.
    happened(80, "batch.settled", ["ord-1", "ord-2"], topic="batches", topic_id="b-id", offset=5),
    # What is wrong in itself.
    happened(81, "order.paid"),
    happened(82, "", "nameless"),
    b"broken",
]  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("questions")
    (made / "rules").mkdir()
    (made / "rules" / "order.yaml").write_text(RULES)
    (made / "rules" / "refund.yaml").write_text(REFUNDS)
    write_events(made / "events.jsonl", EVENTS)
    watch(made / "events.jsonl", [made / "rules"], made / "store.duckdb")
    return made


@pytest.fixture(scope="module")
def asked(folder: Path) -> Iterator[StoreQueries]:
    store = opened(folder / "store.duckdb")
    rules = load([folder / "rules"])
    yield StoreQueries(store, lambda: rules)
    store.close()


def opened(path: Path) -> Store:
    return open_store(Configuration(store=StoreSettings(path=path)), read_only=True)


def ids(page: FlowPage) -> list[str]:
    return [item.flow for item in page.items]


def shown(asked: StoreQueries, flow_or_key: str) -> FlowDetail:
    found = asked.flow(flow_or_key)
    assert found is not None
    return found


# The list of flows


def test_flows_are_listed_with_the_newest_stored_event_first(asked: StoreQueries) -> None:
    page = asked.flows()
    assert ids(page) == [
        "nameless", "ord-1", "ord-2", "ref-1", "unknown/with?odd#chars", "twice", "ord-5",
        "ord-4", "ord-3", "before",
    ]  # fmt: skip
    assert page.next is None


def test_a_flow_in_the_list_says_what_it_is(asked: StoreQueries) -> None:
    (item,) = asked.flows(q="ord-1").items
    assert item.model_dump() == {
        "flow": "ord-1",
        "aliases": [],
        "type": "order",
        "state": "ended",
        "began": moment(1),
        "last": moment(80),
        "events": 5,
        "names": [
            "order.created", "order.paid", "order.shipped", "order.completed", "batch.settled",
        ],
        "keys": {"order_id": ["1"], "customer": ["ann"]},
        "findings": 0,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("filters", "flows"),
    [
        ({"state": "ended"}, ["ord-1"]),
        ({"state": "open", "type": "refund"}, ["ref-1"]),
        ({"state": "failed"}, ["ord-2", "twice", "ord-3"]),
        ({"type": "refund"}, ["ref-1"]),
        ({"type": "order", "state": "open"}, ["ord-5", "ord-4"]),
        ({"type": "nothing"}, []),
        ({"state": "runaway"}, []),
        ({"q": "ord-"}, ["ord-1", "ord-2", "ord-5", "ord-4", "ord-3"]),
        ({"q": "ann"}, ["ord-1", "ord-2"]),
        ({"q": "an"}, []),
        ({"q": "1"}, ["ord-1", "ref-1"]),
        ({"q": "%"}, []),
        ({"q": "?odd#"}, ["unknown/with?odd#chars"]),
        ({"q": "nobody"}, []),
        ({"name": "order.shipped"}, ["ord-1", "twice", "ord-3"]),
        ({"name": "order.created", "without": "order.paid"}, ["ord-2", "ord-4"]),
        ({"name": "order.%"}, []),
        ({"without": "order.created"},
         ["nameless", "ref-1", "unknown/with?odd#chars", "before"]),
        ({"since": START + 72_000_000}, ["nameless", "ord-1", "ord-2", "ord-5"]),
        ({"since": START + 72_000_001}, ["nameless", "ord-1", "ord-2"]),
        ({"until": START + 1_000_000}, ["ord-1", "before"]),
        ({"until": START + 999_999}, ["before"]),
        ({"since": START + 2_000_000, "until": START + 1_000_000}, ["ord-1"]),
    ],
)  # fmt: skip
def test_flows_are_found_by(asked: StoreQueries, filters: dict[str, Any], flows: list[str]) -> None:
    assert ids(asked.flows(**filters)) == flows


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
@pytest.mark.parametrize("filters", [{}, {"q": "o"}, {"type": "order"}, {"state": "failed"}])
def test_pages_together_are_the_whole_list_without_repeats(
    asked: StoreQueries, limit: int, filters: dict[str, str]
) -> None:
    paged: list[str] = []
    cursor: str | None = None
    for _ in range(20):
        page = asked.flows(limit=limit, cursor=cursor, **filters)  # type: ignore[arg-type]
        assert len(page.items) <= limit
        paged += ids(page)
        cursor = page.next
        if cursor is None:
            break
    assert cursor is None
    assert paged == ids(asked.flows(**filters))  # type: ignore[arg-type]


def test_a_flow_whose_last_event_is_of_the_same_moment_is_not_lost_between_pages(
    tmp_path: Path,
) -> None:
    write_events(tmp_path / "events.jsonl", [happened(5, "x", f"f{n}") for n in range(7)])
    watch(tmp_path / "events.jsonl", [], tmp_path / "store.duckdb")
    store = opened(tmp_path / "store.duckdb")
    queries = StoreQueries(store, lambda: load([]))
    first = queries.flows(limit=4)
    rest = queries.flows(limit=4, cursor=first.next)
    store.close()
    assert ids(first) + ids(rest) == [f"f{n}" for n in reversed(range(7))]


@pytest.mark.parametrize(
    "cursor", ["", "x", "5", ":x", "--5:x", "9" * 30 + ":x", "-:x", "5.5:x", "k:x", "kk5:x"]
)
def test_a_cursor_that_is_none_is_refused(asked: StoreQueries, cursor: str) -> None:
    with pytest.raises(BadParameterError, match="cursor: give the `next` of the page before"):
        asked.flows(cursor=cursor)


# One flow


@pytest.mark.parametrize(
    ("asked_for", "flow"),
    [("ord-1", "ord-1"), ("1", "ord-1"), ("3", "ord-3"), ("twice#2", "twice"), ("twice#1", "twice"),
     ("unknown/with?odd#chars", "unknown/with?odd#chars")],
)  # fmt: skip
def test_a_flow_is_found_by_its_id_an_episode_or_a_key_of_its_own(
    asked: StoreQueries, asked_for: str, flow: str
) -> None:
    assert shown(asked, asked_for).flow == flow


@pytest.mark.parametrize("asked_for", ["ann", "nobody", "", "ord", "#2", "nobody#2", "e-3"])
def test_what_names_no_flow_or_several_finds_none(asked: StoreQueries, asked_for: str) -> None:
    assert asked.flow(asked_for) is None


def test_a_flow_is_shown_in_the_order_of_time_with_the_gaps_between(asked: StoreQueries) -> None:
    detail = shown(asked, "ord-1")
    events = [item for item in detail.timeline if isinstance(item, TimelineEvent)]
    assert [(e.name, e.time, e.gap_ms) for e in events] == [
        ("order.created", moment(1), None),
        ("order.paid", moment(2), 1000),
        ("order.shipped", moment(3), 1000),
        ("order.completed", moment(4), 1000),
        ("batch.settled", moment(80), 76_000),
    ]
    assert events[0].payload == '{"n":1}'
    assert (events[4].topic, events[4].offset) == ("batches", 5)
    assert events[4].correlation_ids == ["ord-1", "ord-2"]


def timeline(detail: FlowDetail) -> list[tuple[str, str]]:
    return [
        (f"{item.state} {' or '.join(item.names)}", item.time or "-")
        if isinstance(item, Ghost)
        else (item.name, item.time)
        for item in detail.timeline
    ]


def test_what_is_missing_stands_where_it_should_have_been(asked: StoreQueries) -> None:
    assert timeline(shown(asked, "ord-2")) == [
        ("order.created", moment(10)),
        ("missing order.paid or order.declined", moment(40)),
        ("batch.settled", moment(80)),
        ("pending order.shipped", "-"),
    ]


def test_what_came_late_stands_at_its_deadline_and_where_it_came(asked: StoreQueries) -> None:
    assert timeline(shown(asked, "ord-3")) == [
        ("order.created", moment(20)),
        ("late order.paid or order.declined", moment(50)),
        ("order.paid", moment(60)),
        ("order.shipped", moment(61)),
        ("order.shipped", moment(62)),
    ]


def test_what_is_still_awaited_stands_at_its_deadline_or_else_last(asked: StoreQueries) -> None:
    assert timeline(shown(asked, "ord-4")) == [
        ("order.created", moment(70)),
        ("pending order.shipped", "-"),
        ("pending order.paid or order.declined", moment(100)),
    ]


def test_a_flow_shows_its_expectations_and_findings(asked: StoreQueries) -> None:
    detail = shown(asked, "ord-3")
    assert detail.state == "failed"
    assert {(i.expectation, i.state) for i in detail.instances} == {
        ("payment follows order", "late"),
        ("shipped by the end", "met"),
        ("shipped once", "violated"),
    }
    assert [(f.expectation, f.finding, f.state) for f in detail.found] == [
        ("payment follows order", "late", "closed"),
        ("shipped once", "repeated", "open"),
    ]
    assert detail.findings == 2


def test_both_episodes_of_one_id_are_judged_and_the_newest_names_the_flow(
    asked: StoreQueries,
) -> None:
    detail = shown(asked, "twice")
    assert (detail.state, detail.events) == ("failed", 5)
    assert [(f.flow, f.finding) for f in detail.found] == [("twice#2", "missing")]
    assert [i.state for i in detail.instances if i.expectation == "shipped once"] == [
        "met", "pending",
    ]  # fmt: skip


def test_a_flow_without_rules_is_shown_as_it_is(asked: StoreQueries) -> None:
    detail = shown(asked, "unknown/with?odd#chars")
    assert (detail.type, detail.instances, detail.found) == (None, [], [])
    assert len(detail.timeline) == 1


# Findings


def test_findings_are_listed_the_one_that_changed_last_first(asked: StoreQueries) -> None:
    found = [(f.flow, f.expectation, f.finding, f.state) for f in asked.findings().items]
    assert sorted(found) == [
        ("ord-2", "payment follows order", "missing", "open"),
        ("ord-3", "payment follows order", "late", "closed"),
        ("ord-3", "shipped once", "repeated", "open"),
        ("twice#2", "payment follows order", "missing", "open"),
    ]


@pytest.mark.parametrize(
    ("filters", "flows"),
    [
        ({"state": "closed"}, {"ord-3"}),
        ({"state": "retracted"}, set()),
        ({"expectation": "shipped once"}, {"ord-3"}),
        ({"flow": "twice"}, {"twice#2"}),
        ({"flow": "twice#2"}, {"twice#2"}),
        ({"flow": "ord"}, set()),
        ({"state": "open", "expectation": "payment follows order"}, {"ord-2", "twice#2"}),
        ({"since": START + 2 * 86_400_000_000}, set()),
    ],
)
def test_findings_are_found_by(
    asked: StoreQueries, filters: dict[str, Any], flows: set[str]
) -> None:
    assert {f.flow for f in asked.findings(**filters).items} == flows


@pytest.mark.parametrize("limit", [1, 2, 3, 4])
def test_pages_of_findings_are_the_whole_list(asked: StoreQueries, limit: int) -> None:
    paged, cursor = [], None
    for _ in range(10):
        page = asked.findings(limit=limit, cursor=cursor)
        paged += [f.id for f in page.items]
        cursor = page.next
        if cursor is None:
            break
    assert paged == [f.id for f in asked.findings().items]


@pytest.mark.parametrize("cursor", ["", "x", "-1", "1.5", "9" * 30])
def test_a_findings_cursor_that_is_none_is_refused(asked: StoreQueries, cursor: str) -> None:
    with pytest.raises(BadParameterError):
        asked.findings(cursor=cursor)


def test_a_finding_has_what_an_alert_needs(asked: StoreQueries) -> None:
    (finding,) = asked.findings(flow="ord-2").items
    assert (finding.severity, finding.labels) == ("critical", {"team": "payments"})
    assert (finding.at, finding.deadline) == (moment(40), moment(40))
    assert finding.activation is not None
    assert (finding.activation.name, finding.activation.time) == ("order.created", moment(10))
    assert "expected order.paid or order.declined within 30s of order.created" in finding.text
    assert not finding.historical


# Events


def test_the_newest_events_are_shown_in_the_order_of_storing(asked: StoreQueries) -> None:
    page = asked.events(limit=3)
    assert [e.seq for e in page.items] == [len(EVENTS) - 2, len(EVENTS) - 1, len(EVENTS)]
    assert page.next == str(len(EVENTS))


def test_events_go_on_after_the_last_one(asked: StoreQueries) -> None:
    seen: list[int] = []
    after: int | None = 0
    while True:
        page = asked.events(after=after, limit=7)
        if page.next is None:
            break
        seen += [e.seq for e in page.items]
        after = int(page.next)
    assert seen == list(range(1, len(EVENTS) + 1))


@pytest.mark.parametrize(
    ("filters", "names"),
    [
        ({"untied": True}, ["order.paid", ""]),
        ({"problems": True}, ["order.paid", "", ""]),
        ({"topic": "batches"}, ["batch.settled"]),
        ({"name": "order.declined"}, []),
        ({"name": "refund.paid"}, ["refund.paid"]),
        ({"untied": True, "name": "order.paid"}, ["order.paid"]),
    ],
)
def test_events_are_found_by(
    asked: StoreQueries, filters: dict[str, Any], names: Sequence[str]
) -> None:
    assert [e.name for e in asked.events(**filters).items] == names


# Status


def test_status_counts_what_there_is(asked: StoreQueries, folder: Path) -> None:
    status = asked.status()
    assert (status.events, status.untied, status.unnamed) == (len(EVENTS), 2, 2)
    assert status.problems == {"bad-line": 1, "no-correlation-id": 1, "no-name": 1}
    assert status.findings == {"open": 3, "closed": 1}
    assert status.alerts == {"firing": 2, "pending": 0}
    assert status.outbox == 1, "they are about the same flows, and told in one breath"
    assert status.settled_to == moment(82)
    assert (status.running, status.held) == (False, 0)
    assert status.store == str(folder / "store.duckdb")
    assert status.store_bytes > 0
    assert "order: shipped once" in status.expectations
    (source,) = status.sources
    assert (source.name, source.kind) == ("export", "file")
    (partition,) = source.partitions
    assert partition.position == (folder / "events.jsonl").stat().st_size
    assert partition.complete_to == moment(82)


def test_events_are_counted_by_minute(asked: StoreQueries) -> None:
    assert [(c.minute, c.of, c.events, c.untied, c.problems) for c in asked.counts().items][:1] == [
        (moment(0), None, 15, 0, 0)
    ]
    by_topic = asked.counts(since=START + 60_000_000, until=START + 120_000_000, by="topic").items
    assert [(c.events, c.untied, c.problems) for c in by_topic] == [(8, 1, 2), (1, 0, 0)]
    assert by_topic[1].of == "batches"
    assert sum(c.events for c in asked.counts(by="name").items) == asked.status().events
    assert asked.counts(until=START).items == []
    pages, cursor = [], None
    while True:
        page = asked.counts(by="name", limit=4, cursor=cursor)
        pages += page.items
        if (cursor := page.next) is None:
            break
    assert pages == asked.counts(by="name").items


def test_an_empty_store_answers_too(tmp_path: Path) -> None:
    open_store(Configuration(store=StoreSettings(path=tmp_path / "s.duckdb"))).close()
    store = opened(tmp_path / "s.duckdb")
    queries = StoreQueries(store, lambda: load([]))
    assert (queries.flows().items, queries.findings().items, queries.events().items) == ([], [], [])
    assert queries.flow("x") is None
    assert queries.counts().items == []
    status = queries.status()
    assert (status.events, status.settled_to, status.sources) == (0, None, [])
    store.close()


def test_changed_rules_are_judged_by_at_once(asked: StoreQueries, folder: Path) -> None:
    store = opened(folder / "store.duckdb")
    current = [load([folder / "rules"])]
    queries = StoreQueries(store, lambda: current[0])
    assert shown(queries, "ord-2").type == "order"
    current[0] = load([folder / "rules" / "refund.yaml"])
    assert shown(queries, "ord-2").type is None
    store.close()
