"""Who runs which step, and how it balances: asked of a store, and over HTTP."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import msgspec
import pytest

from analyzer.rules.loader import load
from analyzer.rules.ruleset import RuleSet
from collector.batch import Batch
from collector.event import Event
from collector.store.store import Store
from tests.analyzer.services.bus import SOURCE, Bus, Consumer, orders, us
from tests.analyzer.services.shop import LOST, fill, shop
from tests.ui.conftest import FakeQueries
from ui.models import BalanceCounts, LearnedStep, MinuteBalance, ServiceItem, ServicePage
from ui.store_queries import StoreQueries


@pytest.fixture(scope="module")
def shop_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    store = Store(tmp_path_factory.mktemp("shop") / "store.duckdb")
    fill(store, shop())
    yield store
    store.close()


def rules(folder: Path, services: dict[str, object], **head: object) -> RuleSet:
    path = folder / "rules.yaml"
    rule = {"name": "r", "after": "A", "expect": "B", "within": "5s", "grace": "0s"}
    written = {"version": 1, "flow": "order", "begins": "A", "services": services,
               "expectations": [rule], **head}  # fmt: skip
    path.write_bytes(msgspec.json.encode(written))
    return load([path])


def ask(store: Store, ruleset: RuleSet | None = None, **asked: object) -> ServicePage:
    return StoreQueries(store, lambda: ruleset or RuleSet()).services(**asked)  # type: ignore[arg-type]


def test_services_are_learned_and_their_numbers_add_up(shop_store: Store) -> None:
    page = ask(shop_store)
    found = {one.service: one for one in page.items}
    assert found.keys() == {"payment-svc", "stock-svc"}
    payment = found["payment-svc"]
    assert (payment.origin, payment.confidence) == ("learned", "likely")
    assert (payment.consumes, payment.emits, payment.groups) == (["A"], ["B"], ["payment-svc"])
    (step,) = payment.learned
    assert (step.against, step.confused_with) == (0, [])
    assert payment.balance == BalanceCounts(
        came=600,
        consumed=600,
        answered=594,
        in_work=0,
        put_away=0,
        unaccounted=len(LOST),
        waiting=0,
        unknown=0,
    )
    assert sum(one.came for one in payment.minutes) == 600
    assert sum(one.unaccounted for one in payment.minutes) == len(LOST)
    assert found["stock-svc"].confidence == "possible"
    assert found["stock-svc"].balance is not None
    assert found["stock-svc"].balance.answered == 594
    assert (page.events, page.learned_from > 1_000) == (600 + 2 * 594, True)


def test_what_is_declared_wins_and_has_its_balance(shop_store: Store, tmp_path: Path) -> None:
    ruleset = rules(
        tmp_path, {"payment": {"group": "payment-svc", "consumes": "A", "emits": ["B", "N"]}}
    )
    items = ask(shop_store, ruleset).items
    assert [(one.service, one.origin, one.type) for one in items] == [
        ("payment", "declared", "order"), ("stock-svc", "learned", None)
    ]  # fmt: skip
    assert items[0].balance is not None
    assert (items[0].balance.unaccounted, items[0].confidence, items[0].learned) == (6, None, [])


def test_a_service_is_asked_for_by_its_name_or_its_group(shop_store: Store, tmp_path: Path) -> None:
    ruleset = rules(tmp_path, {"pay": {"group": "payment-svc", "consumes": "A", "emits": "B"}})
    for name in ("pay", "payment-svc"):
        (one,) = ask(shop_store, ruleset, service=name).items
        assert one.service == "pay"
    assert ask(shop_store, ruleset, service="nobody").items == []


def test_only_what_happened_since_is_counted(shop_store: Store) -> None:
    page = ask(shop_store, service="payment-svc", since=us(250))
    (one,) = page.items
    assert one.balance is not None
    assert one.balance.came == sum(5 + n * 0.5 >= 250 for n in range(600))
    assert page.since == "2025-06-15T15:10:50.000Z"


def test_names_that_mean_something_else_in_the_file_are_not_counted(
    shop_store: Store, tmp_path: Path
) -> None:
    services = {"pay": {"group": "payment-svc", "consumes": "A", "emits": "paid"}}
    named = {"paid": {"name": "B", "where": "event.payload.ok"}}
    (one, _) = ask(shop_store, rules(tmp_path, services, events=named)).items
    assert (one.service, one.balance, one.minutes) == ("pay", None, [])


def test_of_a_larger_store_the_newest_are_counted_and_it_says_since_when(
    shop_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("analyzer.services.stored.newest_events.__defaults__", (1_000,))
    page = ask(shop_store)
    payment = next(one for one in page.items if one.service == "payment-svc")
    assert page.events == 1_000
    assert page.since is not None
    assert page.since > "2025-06-15T15:08:00Z"
    assert payment.balance is not None
    # What came of the oldest of them may have come before: they are context alone.
    assert 0 < payment.balance.came < 333
    assert payment.balance.came == payment.balance.answered + payment.balance.unaccounted


def test_an_empty_store_has_no_services(tmp_path: Path) -> None:
    store = Store(tmp_path / "store.duckdb")
    assert ask(store).model_dump() == {
        "items": [], "next": None, "since": None, "until": None, "events": 0, "learned_from": 0
    }  # fmt: skip
    store.close()


# Why


def test_why_is_told_by_a_learned_service_and_says_so(shop_store: Store, tmp_path: Path) -> None:
    queries = StoreQueries(shop_store, lambda: ruleset)
    ruleset = rules(tmp_path, {})
    found = queries.why("f99", "r")
    assert found is not None
    (item,) = found.items
    assert (item.verdict, item.confidence) == ("swallowed", "likely")
    assert "that payment-svc makes B of A is learned and likely" in item.text
    proof = item.evidence[-1]
    assert (proof["kind"], proof["group"], proof["learned"]) == ("service", "payment-svc", "likely")
    declared = rules(tmp_path, {"p": {"group": "payment-svc", "consumes": "A", "emits": "B"}})
    told = StoreQueries(shop_store, lambda: declared).why("f99", "r")
    assert told is not None
    assert (told.items[0].verdict, told.items[0].confidence) == ("swallowed", "likely")
    assert "learned" not in told.items[0].text


def test_an_answer_that_was_not_learned_may_be_what_came(tmp_path: Path) -> None:
    store = Store(tmp_path / "store.duckdb")
    bus = shop()
    fill(store, bus)
    (cause,) = [one for one in bus.sightings() if one.name == "A" and one.flows == ("f99",)]
    seldom = Event(SOURCE, "R", "id-R", 0, 0, cause.time + 10, cause.time, "reviewed", ("f99",))
    store.commit(Batch(events=[seldom])).result()
    ruleset = rules(tmp_path, {})
    queries = StoreQueries(store, lambda: ruleset)
    found, other = queries.why("f99", "r"), queries.why("f199", "r")
    store.close()
    assert found is not None
    assert other is not None
    assert (found.items[0].verdict, found.items[0].confidence) == ("swallowed", "possible")
    assert "nobody is known who makes reviewed" in found.items[0].text
    assert other.items[0].confidence == "likely"


def test_why_finds_its_way_over_learned_steps(shop_store: Store, tmp_path: Path) -> None:
    rule = {"name": "r", "after": "A", "expect": "C", "within": "5s", "grace": "0s"}
    ruleset = rules(tmp_path, {}, expectations=[rule])
    found = StoreQueries(shop_store, lambda: ruleset).why("f99", "r")
    assert found is not None
    # Nothing makes C of A: what is missing is B, and it is payment that makes it.
    assert (found.items[0].verdict, found.items[0].confidence) == ("swallowed", "likely")
    assert found.items[0].text.startswith("payment-svc read A")


def test_what_is_merely_possible_makes_no_verdict_surer(tmp_path: Path) -> None:
    """One group alone reads it and keeps up; then it stops."""
    bus = Bus([Consumer("payment-svc", ("A",), {"A": ("B",)}, down=((100, 1000),))])
    orders(bus, 300)
    bus.run(200)
    store = Store(tmp_path / "store.duckdb")
    fill(store, bus, 200)
    ruleset = rules(tmp_path, {})
    queries = StoreQueries(store, lambda: ruleset)
    found = queries.why("f250", "r")
    declared = rules(tmp_path, {"p": {"group": "payment-svc", "consumes": "A", "emits": "B"}})
    surely = StoreQueries(store, lambda: declared).why("f250", "r")
    store.close()
    assert found is not None
    assert surely is not None
    assert found.items[0].verdict == surely.items[0].verdict == "stalled"
    assert (found.items[0].confidence, surely.items[0].confidence) == ("possible", "certain")


def test_groups_that_cannot_be_told_apart_are_not_blamed(tmp_path: Path) -> None:
    bus = Bus([Consumer("one", ("A",), {"A": ("B",)}, share=0.9), Consumer("other", ("A",))])
    orders(bus, 100)
    bus.run(200)
    lost = {f"f{n}" for n in range(100)} - {s.flows[0] for s in bus.sightings() if s.name == "B"}
    store = Store(tmp_path / "store.duckdb")
    fill(store, bus, 200)
    ruleset = rules(tmp_path, {})
    found = StoreQueries(store, lambda: ruleset).why(min(lost), "r")
    store.close()
    assert found is not None
    assert (found.items[0].verdict, found.items[0].confidence) == ("never_published", "possible")


def test_it_is_learned_once_for_many_flows(
    shop_store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []

    def counted(*given: object) -> object:
        calls.append(given)
        return learn(*given)  # type: ignore[arg-type]

    from ui import service_queries

    learn = service_queries.learn
    monkeypatch.setattr(service_queries, "learn", counted)
    ruleset = rules(tmp_path, {})
    queries = StoreQueries(shop_store, lambda: ruleset)
    for flow in sorted(LOST):
        assert queries.why(flow, "r") is not None
    assert queries.services().items
    assert len(calls) == 1


def test_it_is_learned_anew_once_consumers_were_seen_for_a_minute_more(tmp_path: Path) -> None:
    bus = Bus([Consumer("payment-svc", ("A",), {"A": ("B",)})])
    orders(bus, 200)
    bus.run(100)
    store, ruleset = Store(tmp_path / "store.duckdb"), RuleSet()
    queries = StoreQueries(store, lambda: ruleset)

    def learned_from(since: float, until: float) -> int:
        fill(store, bus, until, since)
        return queries.services().learned_from

    assert queries.services().learned_from == 0
    first = learned_from(0, 20)
    assert first > 0
    assert learned_from(20, 79) == first
    assert learned_from(79, 81) > first
    store.close()


# Over HTTP

COUNTS = BalanceCounts(
    came=12_040,
    consumed=11_750,
    answered=11_702,
    in_work=0,
    put_away=0,
    unaccounted=48,
    waiting=290,
    unknown=0,
)
PAY = ServiceItem(
    service="pay<b>", type="order", origin="declared", confidence=None, groups=["payment-svc"],
    consumes=["order.created"], emits=["payment.authorized"], learned=[], balance=COUNTS,
    minutes=[MinuteBalance(minute="2026-03-01T10:02:00Z", **COUNTS.model_dump())],
)  # fmt: skip
STEP = LearnedStep(
    consumes="payment.authorized", emits="stock.reserved", confidence="possible", cases_for=3,
    against=0, undecided=120, confused_with=["audit-svc"], or_of=["order.created"],
)  # fmt: skip
STOCK = ServiceItem(
    service="stock-svc", type=None, origin="learned", confidence="possible", groups=["stock-svc"],
    consumes=["payment.authorized"], emits=["stock.reserved"], learned=[STEP], balance=None,
    minutes=[],
)  # fmt: skip


@pytest.fixture
def asked(client: httpx.Client, queries: FakeQueries) -> httpx.Client:
    queries.service_page = ServicePage(
        items=[PAY, STOCK], since="2026-03-01T09:05:00Z", until="2026-03-01T10:04:58Z",
        events=100_000, learned_from=99_000,
    )  # fmt: skip
    return client


def test_the_page_shows_who_runs_what_and_its_balance(asked: httpx.Client) -> None:
    text = asked.get("/services").raise_for_status().text
    for words in ("pay&lt;b&gt;", "11,702", "290", "<b>48</b>", "stock.reserved",
                  "come from audit-svc", "be of order.created", "learned, possible",
                  "the newest 100,000 events"):  # fmt: skip
        assert words in text, words
    assert "pay<b>" not in text
    assert '<a href="/services" aria-current="page">' in text
    assert 'class="list minutes"' not in text


def test_one_service_is_shown_minute_by_minute(asked: httpx.Client, queries: FakeQueries) -> None:
    text = asked.get("/services", params={"service": "pay", "since": "1h"}).raise_for_status().text
    assert queries.asked["services"]["service"] == "pay"
    assert queries.asked["services"]["since"] is not None
    assert 'class="list minutes"' in text
    assert 'class="list learned"' in text


def test_where_no_service_is_known_the_page_says_what_to_do(client: httpx.Client) -> None:
    text = client.get("/services").raise_for_status().text
    assert "No service is known" in text
    assert "<code>services:</code>" in text


def test_the_api_answers_with_the_items(asked: httpx.Client) -> None:
    answer = asked.get("/api/services", params={"service": "pay"}).raise_for_status().json()
    assert answer["next"] is None
    assert [one["service"] for one in answer["items"]] == ["pay<b>", "stock-svc"]
    assert answer["items"][0]["balance"]["unaccounted"] == 48
    assert answer["items"][1]["learned"][0]["confused_with"] == ["audit-svc"]
    assert asked.get("/api/services", params={"servce": "pay"}).status_code == 400
    assert asked.get("/api/services", params={"since": "soon"}).status_code == 400


def test_every_count_has_its_heading(asked: httpx.Client) -> None:
    text = asked.get("/services", params={"service": "pay"}).raise_for_status().text
    for table in re.findall(r"<table.*?</table>", text, re.S):
        columns = len(re.findall(r"<th[ >]", table))
        rows = re.findall(r"<tr[^>]*>(?=\s*<td)(.*?)</tr>", table, re.S)
        assert rows
        assert all(row.count("<td") == columns for row in rows)
