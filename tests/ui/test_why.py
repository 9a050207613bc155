"""Why something is missing, asked of a store: each verdict over the table of cases in `why.yaml`.

A case has `events` and `commits` in the shorthand of `tests/analyzer/cases.py`; `_key`, `_keys` and
`_headers` in a payload are the record's. `partitions` and `gaps` bound what was seen by `until`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from ruamel.yaml import YAML

from analyzer.clocks import Clocks
from analyzer.consumers.stated import Stated
from analyzer.rules.ruleset import RuleSet
from analyzer.tables import ANALYZER_TABLES, ANALYZER_VIEWS
from analyzer.why.table import VERDICTS
from analyzer.why.words import WORDS
from collector.batch import Batch, Gap, PartitionState
from collector.consumers.observation import GroupRow
from collector.event import Event
from collector.store.store import Store
from collector.store.tables import COMMITS, ENDS, GROUPS, WATCHES
from tests.analyzer.cases import BASE, commits, events, microseconds, rule_file
from tests.ui import samples
from tests.ui.conftest import FakeQueries
from ui.models import WhyAnswer, WhyItem, WhyPage
from ui.store_queries import StoreQueries

TABLE: dict[str, Any] = YAML(typ="safe").load(Path(__file__).with_name("why.yaml"))
CASES = [
    {"until": "20s"} | case | {"verdict": verdict}
    for verdict, listed in TABLE["cases"].items()
    for case in listed
]


def with_record(event: Event) -> Event:
    """With what its payload says of the record."""
    body = msgspec.json.decode(event.payload or "{}")
    key, keys, headers = (body.pop(name, None) for name in ("_key", "_keys", "_headers"))
    return msgspec.structs.replace(
        event,
        id=None if body.pop("_bare", False) else event.id,
        key=key,
        keys=tuple((keys or {}).items()),
        headers=msgspec.json.encode(list((headers or {}).items())).decode(),
        payload=msgspec.json.encode(body).decode(),
    )


@contextmanager
def asked_of(case: dict[str, Any], folder: Path) -> Iterator[StoreQueries]:
    with filled(case, folder) as (store, rules):
        yield StoreQueries(store, lambda: rules)


@contextmanager
def filled(case: dict[str, Any], folder: Path) -> Iterator[tuple[Store, RuleSet]]:
    """A store as a daemon would have filled it by `until`, and what it was judged by."""
    head = {"services": case.get("services", TABLE["services"]), **case.get("flow", {})}
    rule = TABLE["rule"] | case.get("and", {})
    file = rule_file({"flow": head, "rule": rule, **case}, folder)
    until = BASE + microseconds(case["until"])
    happened = [with_record(one) for one in events(case)]
    seen = [one for one in happened if one.arrival <= until]
    states = {
        (one.topic, one.partition): PartitionState(
            "case", one.topic, one.topic, one.partition, 100, 0, complete_to=until, seen_from=BASE
        )
        for one in seen
    }
    for told in case.get("partitions", []):
        topic = told.pop("topic")
        moments = {k: BASE + microseconds(v) for k, v in told.items() if isinstance(v, str)}
        state = PartitionState("case", topic, topic, 0, 100, 0, complete_to=until, seen_from=BASE)
        states[topic, 0] = msgspec.structs.replace(state, **told | moments)
    rows: dict[str, list[Any]] = {}
    if (stated := commits(case)) is not None:
        consumers = Stated(stated, happened, BASE)
        by_then = consumers.until(until)
        if "denied" in case:
            by_then.groups.append(
                GroupRow(
                    until - 1,
                    "case",
                    case["denied"],
                    "",
                    "Unknown",
                    None,
                    until - 1,
                    "grant DESCRIBE",
                )
            )
        if case.get("first_look"):
            known = [one for one in by_then.commits if one.committed is not None]
            by_then.commits[:] = [msgspec.structs.replace(one, before=None) for one in known]
        looked = BASE + microseconds(case.get("watched_to", case["until"]))
        rows = {GROUPS.name: by_then.groups, COMMITS.name: by_then.commits, ENDS.name: by_then.ends,
                WATCHES.name: [consumers.watch(looked)]}  # fmt: skip
    store = Store(folder / "store.duckdb", tables=ANALYZER_TABLES, views=ANALYZER_VIEWS)
    try:
        Clocks({"case": microseconds(case.get("skew", "0s"))}).save(store)
        kept = {name: some for name, some in rows.items() if some}
        batch = Batch(events=seen, partitions=list(states.values()), now=until, rows=kept)
        store.commit(batch).result()
        for start, end in (text.split("-") for text in case.get("gaps", [])):
            gap = Gap("case", "case", "case", 0, 0, 1, "lost", BASE + microseconds(start),
                      BASE + microseconds(end))  # fmt: skip
            store.commit(Batch(now=until, rows={"gaps": [gap]})).result()
        yield store, RuleSet.of([file])
    finally:
        store.close()


def why(case: dict[str, Any], folder: Path) -> WhyItem:
    with asked_of(case, folder) as queries:
        found = queries.why("x", "r")
    assert found is not None
    # What a retry or a dead letter activates again has the same reason.
    assert len({one.verdict for one in found.items}) == 1
    return found.items[0]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['verdict']}, {case['name']}")
def test_the_table_of_cases(case: dict[str, Any], tmp_path: Path) -> None:
    told = why(case, tmp_path)
    said = (told.verdict, told.confidence)
    assert said == (case["verdict"], case["sure"]), told.model_dump_json(indent=1)
    for words in case.get("says", []):
        assert words in told.text
    evidence = msgspec.json.encode([dict(one) for one in told.evidence]).decode()
    for words in case.get("shows", []):
        assert words in evidence
    # Each of the others says why it is not so, unless it would be so, too.
    assert told.verdict not in {one.verdict for one in told.ruled_out}
    assert all(one.why for one in told.ruled_out)


def test_every_verdict_has_its_cases() -> None:
    assert set(TABLE["cases"]) == set(WORDS) == {word for word, _ in VERDICTS}


CASE = {"name": "swallowed", "until": "20s", "events": ["0s start", "1s A"],
        "commits": ["0s g 0", "2s g 2"]}  # fmt: skip


def test_the_object_is_the_one_of_the_contract(tmp_path: Path) -> None:
    with asked_of(CASE, tmp_path) as queries:
        page = queries.why("x")
    assert page is not None
    line = WhyAnswer.of(page).model_dump()
    assert list(line) == [
        "flow", "expectation", "verdict", "confidence", "text", "evidence", "ruled_out",
    ]  # fmt: skip
    assert (line["flow"], line["expectation"]) == ("x", "r")


def test_of_several_there_is_a_list_and_of_none_an_empty_one(tmp_path: Path) -> None:
    rules = [{"name": n, "after": "A", "expect": "B", "within": "5s"} for n in ("one", "two")]
    with asked_of(CASE | {"rules": rules}, tmp_path) as queries:
        both, one, none = (queries.why("x", name) for name in (None, "two", "three"))
        assert queries.why("nobody") is None
    assert both is not None
    assert one is not None
    assert none is not None
    assert list(WhyAnswer.of(both).model_dump()) == ["items", "next"]
    assert WhyAnswer.of(one).model_dump()["expectation"] == "two"
    assert WhyAnswer.of(none).model_dump() == {"items": [], "next": None}


def test_what_is_missing_is_told_before_what_is_awaited_still(tmp_path: Path) -> None:
    rules = [
        {"name": "due", "after": "A", "expect": "B", "within": "5s"},
        {"name": "not yet", "after": "A", "expect": "C", "within": "1h"},
    ]
    with asked_of(CASE | {"rules": rules}, tmp_path) as queries:
        found, later = queries.why("x"), queries.why("x", "not yet")
    assert found is not None
    assert [one.expectation for one in found.items] == ["due"]
    assert later is not None
    assert [one.verdict for one in later.items] == ["unobserved"]


DUE = "2026-03-01T10:02:30Z"
ITEM = WhyItem(
    type="order", deadline=DUE, flow="ord-8812", expectation="payment",
    verdict="in_queue", confidence="certain", text=f"41 before it {samples.NASTY}",
    evidence=[{"kind": "cause", "offset": 3}],
    ruled_out=[{"verdict": "swallowed", "why": "not read"}],  # type: ignore[list-item]
)  # fmt: skip


def test_the_api_answers_one_object_or_a_list(client: httpx.Client, queries: FakeQueries) -> None:
    queries.details = {"ord-8812": samples.broken_flow()}
    queries.whys = WhyPage(items=[ITEM])
    answer = client.get("/api/flows/ord-8812/why", params={"expectation": "payment"})
    assert answer.json()["verdict"] == "in_queue"
    assert queries.asked["why"] == {"flow_or_key": "ord-8812", "expectation": "payment"}
    queries.whys = WhyPage(items=[])
    assert client.get("/api/flows/ord-8812/why").json() == {"items": [], "next": None}
    assert client.get("/api/flows/nobody/why").status_code == 404
    assert client.get("/api/flows/ord-8812/why?expectaton=x").status_code == 400


def test_a_page_says_why_beside_the_ghost(client: httpx.Client, queries: FakeQueries) -> None:
    flow = samples.broken_flow()
    item = ITEM.model_copy(update={"expectation": "payment follows order", "deadline": DUE})
    queries.details, queries.whys = {"ord-8812": flow}, WhyPage(items=[item])
    page = client.get("/flows/ord-8812").text
    assert page.count('class="why"') == 1
    ghost, why, other = (page.index(text) for text in (
        "row ghost missing", 'class="why"', "row ghost pending"))  # fmt: skip
    assert ghost < why < other
    assert "<b>in queue</b>" in page
    assert "not read" in page[why:other]
    assert samples.NASTY not in page


def test_a_page_says_why_what_came_was_not_stopped(
    client: httpx.Client, queries: FakeQueries
) -> None:
    raced = samples.broken_flow().instances[0].model_copy(
        update={"state": "violated", "finding": "forbidden", "deadline": None}
    )  # fmt: skip
    told = {"expectation": raced.expectation, "type": raced.type, "deadline": None}
    item = ITEM.model_copy(update=told | {"verdict": "out_of_order"})
    flow = samples.broken_flow(timeline=samples.broken_flow().timeline[:3], instances=[raced])
    queries.details, queries.whys = {"ord-8812": flow}, WhyPage(items=[item])
    page = client.get("/flows/ord-8812").text
    assert page.count('class="why"') == 1
    assert page.index("<h2>Expectations") < page.index("<b>out of order</b>")
    assert samples.NASTY not in page


def test_a_flow_in_which_nothing_is_awaited_is_not_asked_about(
    client: httpx.Client, queries: FakeQueries
) -> None:
    flow = samples.broken_flow(timeline=samples.broken_flow().timeline[:3])
    queries.details = {"ord-8812": flow}
    assert client.get("/flows/ord-8812").status_code == 200
    assert "why" not in queries.asked
