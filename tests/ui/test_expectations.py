"""What is expected, what came of it, and what is silent, from a store as the daemon leaves it."""

import io
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from rich.console import Console

from analyzer.clocks import Clocks
from analyzer.rules.loader import load
from collector.batch import Batch
from collector.event import Event
from collector.settings import StoreSettings
from collector.store.store import Store
from nonevent.config import Configuration
from nonevent.opening import open_store
from nonevent.terminal import print_expectations
from tests.collector.records import NOW, source
from tests.ui import samples
from tests.ui.conftest import FakeQueries
from tests.watching import happened, moment, watch, write_events
from ui.models import ExpectationItem, ExpectationPage, FieldsMissing, FindingPage, Sampled
from ui.store_queries import StoreQueries

RULES = """
version: 1
flow: order
begins: order.created
ends: order.completed
within: 1d
events:
  big: {name: order.created, where: event.payload.total > 100}
  card: {topic: payments}
  vanished: {topic: no.such, name: order.created}
expectations:
  - name: payment follows order
    about: somebody pays
    after: order.created
    expect: order.paid
    within: 30s
    severity: critical
    labels: {team: payments}
    runbook: https://wiki/payments
  - {after: big, expect: order.checked, within: 1m}
  - {name: misspelt, after: order.creatd, expect: order.paid, within: 30s}
  - {name: cards, after: card, never: order.created}
  - {name: elsewhere, after: vanished, never: order.paid}
  - {name: narrowed, before: order.completed, require: order.paid, where: event.payload.x == 1}
  - {name: in order, order: [order.lost, order.paid]}
  - {name: nothing of it, order: [order.lost, order.gone]}
  - {name: once, once: order.completed}
  - {name: any two agree, agree: event.payload.total}
"""
WINDOWS = """
version: 1
expectations:
  - {name: beats, every: "@hourly", expect: beat, within: 20s}
  - {name: enough, rate: order.created, at_least: 1, per: 1h, unless: holiday}
  - {name: quick, latency: {from: asked, to: order.paid}, p99: 2s, per: 1h}
"""
EVENTS = [
    happened(0, "order.created", "a", topic="orders", payload={"total": 5}),
    # Comes after its time: the finding closes.
    happened(40, "order.paid", "a", topic="payments"),
    happened(130, "order.created", "b", topic="orders", payload={"total": 5}),
    happened(300, "order.completed", "a", topic="orders"),
]


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StoreQueries]:
    folder = tmp_path_factory.mktemp("expectations")
    (folder / "order.yaml").write_text(RULES)
    (folder / "windows.yaml").write_text(WINDOWS)
    write_events(folder / "events.jsonl", EVENTS)
    watch(folder / "events.jsonl", [folder], folder / "store.duckdb")
    store = opened(folder / "store.duckdb")
    rules = load([folder])
    yield StoreQueries(store, lambda: rules)
    store.close()


def opened(path: Path) -> Store:
    return open_store(Configuration(store=StoreSettings(path=path)), read_only=True)


def items(asked: StoreQueries) -> dict[str, ExpectationItem]:
    page = asked.expectations()
    assert page.next is None
    return {item.name: item for item in page.items}


def shown(client: httpx.Client) -> str:
    """The page, on which no name is markup."""
    page = client.get("/expectations").raise_for_status().text
    assert "<script" not in page
    return page


def metered(client: httpx.Client, name: str) -> dict[str, str]:
    """By expectation."""
    metrics = client.get("/metrics").raise_for_status().text
    found = re.findall(rf'^{name}{{expectation="(.*)",type="order"}} (.*)$', metrics, re.MULTILINE)
    return dict(found)


def printed(page: ExpectationPage) -> str:
    out = io.StringIO()
    print_expectations(page, Console(file=out, width=400))
    return out.getvalue()


def test_every_live_expectation_is_there_with_what_it_says(asked: StoreQueries) -> None:
    found = asked.expectations().items
    assert [(one.type, one.name) for one in found] == [
        ("order", "payment follows order"), ("order", "after big expect order.checked within 1m"),
        ("order", "misspelt"), ("order", "cards"), ("order", "elsewhere"), ("order", "narrowed"),
        ("order", "in order"), ("order", "nothing of it"), ("order", "once"),
        ("order", "any two agree"), ("order", "unfinished"),
        ("windows", "beats"), ("windows", "enough"), ("windows", "quick"),
    ]  # fmt: skip
    first = found[0]
    assert first.kind == "expect"
    assert first.sentence == "after order.created expect order.paid within 30s"
    assert (first.about, first.severity, first.labels, first.runbook) == (
        "somebody pays", "critical", {"team": "payments"}, "https://wiki/payments",
    )  # fmt: skip
    assert Path(first.file).name == "order.yaml"
    assert first.rule_version
    assert items(asked)["unfinished"].sentence == (
        "begins order.created ends order.completed within 1d"
    )
    assert items(asked)["beats"].kind == "every"


def test_findings_are_counted_by_state_with_the_moment_of_the_last(asked: StoreQueries) -> None:
    first = items(asked)["payment follows order"]
    told = [f for f in asked.findings(limit=1000).items if f.expectation == first.name]
    assert len(told) == 2
    assert first.findings == {"open": 1, "closed": 1, "retracted": 0}
    assert first.last_finding == moment(160)
    nothing = items(asked)["misspelt"]
    assert nothing.findings == {"open": 0, "closed": 0, "retracted": 0}
    assert nothing.last_finding is None


def test_silence_is_told_of_what_activates(asked: StoreQueries) -> None:
    found = items(asked)
    seen = {name: (one.activated_by, one.last_seen, one.at_most) for name, one in found.items()}
    created = moment(120)  # to the minute
    paid = moment(0)
    assert seen == {
        "payment follows order": (["order.created"], created, False),
        "after big expect order.checked within 1m": (["big"], created, True),
        "misspelt": (["order.creatd"], None, False),
        # Named by its topic alone, it is whatever came there.
        "cards": (["card"], paid, False),
        "elsewhere": (["vanished"], None, False),
        "narrowed": (["order.completed"], moment(300), True),
        "in order": (["order.lost", "order.paid"], paid, False),
        "nothing of it": (["order.lost", "order.gone"], None, False),
        # Of a whole flow, from its begin on.
        "once": (["order.created"], created, False),
        "any two agree": (["*"], moment(300), False),
        "unfinished": (["order.created"], created, False),
        "beats": (["beat"], None, False),
        "enough": (["order.created"], created, False),
        "quick": (["asked"], None, False),
    }
    silent = {name for name, one in found.items() if one.silent}
    assert silent == {"misspelt", "elsewhere", "nothing of it", "beats", "quick"}
    # The events are of March, and it is later.
    assert {one.last_day for one in found.values()} == {0}


def test_names_are_told_with_their_topics(asked: StoreQueries) -> None:
    told = [(one.topic, one.name, one.events, one.first, one.last) for one in asked.names().items]
    assert told == [
        ("orders", "order.completed", 1, moment(300), moment(300)),
        ("orders", "order.created", 2, moment(0), moment(120)),
        ("payments", "order.paid", 1, moment(0), moment(0)),
    ]


def test_the_terminal_says_silent_and_never_well(asked: StoreQueries) -> None:
    told = printed(asked.expectations())
    lines = told.splitlines()
    (misspelt,) = [line for line in lines if " misspelt " in line]
    (seen,) = [line for line in lines if " payment follows order " in line]
    assert "silent" in misspelt
    assert "silent" not in seen
    assert "silent: no event that it could judge is stored" in told


def test_page_api_and_metric_say_the_same(client: httpx.Client, queries: FakeQueries) -> None:
    quiet = samples.silent_expectation(about=samples.NASTY)
    loud = samples.expectation(name="loud")
    queries.expectation_page = ExpectationPage(items=[quiet, loud])
    told = client.get("/api/expectations").raise_for_status().json()
    assert told["next"] is None
    assert [ExpectationItem(**one) for one in told["items"]] == [quiet, loud]
    page = shown(client)
    assert page.count(">silent</span>") == 1
    assert "at most 1,234 in 24 h" in page
    assert "3 open" in page
    metrics = client.get("/metrics").raise_for_status().text
    assert 'nonevent_expectation_silent{expectation="loud",type="order"} 0.0' in metrics
    assert 'type="order"} 1.0' in metrics


def test_fields_that_were_not_there_are_told_with_the_condition_that_reads_them(
    client: httpx.Client, queries: FakeQueries
) -> None:
    text = "event.payload.amout > 3"
    lacks = FieldsMissing(text=text, missing=1_312, asked=2_000)
    one = samples.expectation(fields_missing=[lacks, FieldsMissing(text="x", missing=1, asked=1)])
    queries.expectation_page = ExpectationPage(items=[one, samples.expectation(name="fine")])
    page = shown(client)
    assert page.count("a field was not there") == 2
    assert "1,312 of 2,000 times: <code>event.payload.amout &gt; 3</code>" in page
    counted = {one.name: "1313.0", "fine": "0.0"}
    assert metered(client, "nonevent_expectation_fields_missing_total") == counted
    told = printed(queries.expectation_page)
    assert f"✗ {one.name}: a field was not there 1,312 of 2,000 times: {text}" in told


def test_what_could_not_be_told_is_counted_and_its_flows_are_named(
    client: httpx.Client, queries: FakeQueries
) -> None:
    one = samples.expectation(unknown=1_234, unknown_in=["ord-1", samples.NASTY])
    fine = samples.expectation(name="fine", unknown=0)
    away = samples.expectation(name="away", unknown=None)
    queries.expectation_page = ExpectationPage(items=[one, fine, away])
    page = shown(client)
    assert page.count(">unknown</span>") == 1
    assert "in 1,234 flows, last in" in page
    assert '<a href="/flows/ord-1">ord-1</a>' in page
    counted = {one.name: "1234.0", "fine": "0.0"}
    assert metered(client, "nonevent_expectation_unknown_flows_total") == counted
    assert f"– {one.name}: unknown in 1,234 flows, last in " in printed(queries.expectation_page)


def test_the_rules_that_judge_say_what_was_lacking(asked: StoreQueries) -> None:
    """Counted by the conditions themselves, whoever asks them."""
    before = {one.text: one for one in items(asked)["narrowed"].fields_missing}
    asked.flow("a")
    (lacks,) = items(asked)["narrowed"].fields_missing
    assert lacks.text == "event.payload.x == 1"
    assert lacks.missing == lacks.asked > (before[lacks.text].missing if before else 0)
    # It asks for what there is.
    assert items(asked)["after big expect order.checked within 1m"].fields_missing == []


def test_expectations_say_of_which_topics_that_they_look_at_a_part_is_kept(tmp_path: Path) -> None:
    (tmp_path / "order.yaml").write_text(RULES)
    rules = load([tmp_path])
    sampling = source(topics={"payments": {"sample": 0.1}})
    store = open_store(Configuration(store=StoreSettings(path=tmp_path / "store.duckdb")))
    events = [
        Event(of, topic, topic, 0, at, NOW, NOW, name, ("c",))
        for of, topic, at, name in (
            (sampling.name, "payments", 0, "order.paid"),
            (sampling.name, "orders", 0, "order.created"),
            # What another source has on a topic that is called so is kept whole.
            ("elsewhere", "payments", 0, "order.completed"),
        )
    ]
    store.commit(Batch(events=events, now=NOW)).result()
    Clocks.of([sampling]).save(store)
    found = items(StoreQueries(store, lambda: rules))
    store.close()
    told = {name: one.sampled for name, one in found.items() if one.sampled}
    assert set(told) == {
        "payment follows order", "misspelt", "cards", "elsewhere", "narrowed", "in order",
        "any two agree",
    }  # fmt: skip
    part = Sampled(source=sampling.name, topic="payments", share=0.1)
    assert all(some == [part] for some in told.values())


def test_page_api_and_terminal_say_what_is_sampled(
    client: httpx.Client, queries: FakeQueries
) -> None:
    part = Sampled(source="eu", topic="payments", share=0.07)
    looking = [samples.expectation(name=name, sampled=[part]) for name in ("one", "two")]
    queries.expectation_page = ExpectationPage(items=[*looking, samples.expectation(name="x")])
    told = client.get("/api/expectations").raise_for_status().json()["items"]
    assert [one["sampled"] for one in told] == [
        [{"source": "eu", "topic": "payments", "share": 0.07}]
    ] * 2 + [[]]
    page = shown(client)
    assert page.count(">sampled</span>") == 2
    assert "7 % of the flows on eu/payments are kept" in page
    told = printed(queries.expectation_page)
    assert (
        "– of eu/payments only 7 % of the flows are kept (`sample`), which these look at: one, two"
        in told
    )


def test_that_all_has_happened_is_not_said_of_what_is_silent(
    client: httpx.Client, queries: FakeQueries
) -> None:
    queries.finding_page = FindingPage(items=[], next=None)
    page = client.get("/findings?state=open").raise_for_status().text
    assert "silent: nothing that it could judge was seen. Of the others everything" in page
    queries.expectation_page = ExpectationPage(items=[samples.expectation()])
    page = client.get("/findings?state=open").raise_for_status().text
    assert "Everything that was expected has happened" in page


def test_the_page_without_expectations_says_so(client: httpx.Client, queries: FakeQueries) -> None:
    queries.expectation_page = ExpectationPage(items=[])
    assert "Nothing is expected" in client.get("/expectations").raise_for_status().text


def test_where_judging_failed_is_told_with_why(client: httpx.Client, queries: FakeQueries) -> None:
    why = f"{samples.NASTY}: could not be judged: KeyError: 'n' (guards.py:1)"
    one = samples.expectation(failed=1_234, last_failed=why)
    fine = samples.expectation(name="fine", failed=0)
    away = samples.expectation(name="away", failed=None)
    queries.expectation_page = ExpectationPage(items=[one, fine, away])
    page = shown(client)
    assert page.count(">judging failed</span> 1,234 times, last in ") == 1
    counted = {one.name: "1234.0", "fine": "0.0"}
    assert metered(client, "nonevent_expectation_failures_total") == counted
    told = printed(queries.expectation_page)
    assert f"✗ {one.name}: judging failed 1,234 times, last in " in told
    assert "please report this mistake" in told
