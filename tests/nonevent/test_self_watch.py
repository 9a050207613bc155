"""What nonevent says of itself, and when its heartbeat stops."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import httpx
import pytest

from analyzer.alerts.condition import Condition
from analyzer.outbox.errand import Trouble
from analyzer.rules.loader import load
from analyzer.settings import SelfSettings
from analyzer.undecided import Unknown
from collector.batch import PartitionState
from collector.settings import StoreSettings
from collector.sources.condition import Condition as TapCondition
from collector.times import US_PER_S
from nonevent.config import Configuration
from nonevent.opening import open_store
from nonevent.self_watch import Seen, SelfWatch
from nonevent.silence import unusually_silent
from tests.analyzer.sinks.receiver import receiver
from tests.nonevent.conftest import Running, free_port
from tests.watching import START, happened, watch, write_events

NOW = START
MINUTE = 60 * US_PER_S
SETTINGS = SelfSettings()


def partition(number: int = 3, **changes: Any) -> PartitionState:
    fields = {"complete_to": NOW, **changes}
    return PartitionState("eu-prod", "orders", "id", number, 10, 0, **fields)


def told(seen: Seen, now: int = NOW) -> list[tuple[str, str]]:
    return [(one.name, one.text) for one in SelfWatch(SETTINGS).conditions(seen, now)]


def test_all_well_is_nothing_to_tell() -> None:
    well = Seen([partition()], {"eu-prod": TapCondition("kafka", "reading", NOW)}, room=10**12)
    assert told(well) == []


def test_a_partition_that_cannot_be_read_is_told_with_what_it_holds_back() -> None:
    seen = Seen([partition(blocked_since=NOW - MINUTE), partition(4)], held=214)
    ((name, text),) = told(seen)
    assert name == "tap blind"
    assert text == (
        "blind on orders-3 of eu-prod since 2026-03-01T09:59:00.000Z; 214 judgements are held"
    )


def test_partitions_of_one_bus_are_one_alert() -> None:
    seen = Seen([partition(n, blocked_since=NOW) for n in range(3)])
    found = SelfWatch(SETTINGS).conditions(seen, NOW)
    assert len({one.id for one in found}) == 3
    assert {(one.name, one.labels) for one in found} == {("tap blind", (("source", "eu-prod"),))}


def test_what_is_no_longer_read_is_not_missed() -> None:
    assert told(Seen([partition(blocked_since=NOW, retired=True)])) == []


def test_a_bus_that_is_away_is_told_once_and_not_as_late() -> None:
    away = TapCondition("kafka", "connecting", NOW - MINUTE, why="nobody answers")
    seen = Seen([partition(complete_to=NOW - 30 * MINUTE)], {"eu-prod": away})
    assert [name for name, _ in told(seen)] == ["bus away"]


def test_what_is_seen_late_is_told_and_how_late() -> None:
    seen = Seen([partition(complete_to=NOW - 6 * MINUTE), partition(4)])
    ((name, text),) = told(seen)
    assert name == "tap behind"
    assert "6m late" in text
    assert told(Seen([partition(complete_to=NOW - 4 * MINUTE)])) == []
    file = {"eu-prod": TapCondition("file", "reading", NOW)}
    assert told(Seen([partition(complete_to=NOW - 6 * MINUTE)], file)) == []


def test_an_open_transaction_is_told_by_its_partition_and_offset() -> None:
    seen = Seen([partition(hidden_since=NOW - MINUTE, last_stable_offset=41)], held=2)
    ((name, text),) = told(seen)
    assert name == "records hidden"
    assert "offset 41 of orders-3" in text


def test_a_sink_rules_and_the_disk() -> None:
    seen = Seen(
        troubles={"pager": Trouble(NOW, "the answer was 500", 3, NOW)},
        rule_errors=["order.yaml:3:1: what", "order.yaml:9:1: more"],
        silent=[("order", "paid", "nothing to judge since ten")],
        room=10**8,
    )
    found = {one.name: one for one in SelfWatch(SETTINGS).conditions(seen, NOW)}
    assert set(found) == {"outbox stuck", "rules refused", "silent", "disk nearly full"}
    assert "order.yaml:3:1: what (and 1 more)" in found["rules refused"].text
    assert found["disk nearly full"].text == "100 MB are left where the store lies"


def test_that_judging_failed_is_told_for_an_hour_after_the_last_time() -> None:
    own, hour = SelfWatch(SETTINGS), 60 * MINUTE
    paid = ("order", "paid")
    once = Seen(unknown={paid: Unknown(1, (), 1, "ord-1: could not be judged: KeyError: 'n'")})
    (first,) = own.conditions(once, NOW)
    assert (first.name, first.severity) == ("judging failed", "warning")
    assert first.text.startswith(
        "order: paid: judging failed once, last in ord-1: could not be judged: KeyError: 'n'"
    )
    assert own.healthy([first], NOW + hour), "all else is judged"
    again = Seen(unknown={paid: Unknown(3, (), 2_000, "ord-9: why")})
    assert own.conditions(once, NOW + hour - 1) == [first]
    (second,) = own.conditions(again, NOW + hour)
    assert "failed 2,000 times, last in ord-9" in second.text
    assert (second.id, second.since) == (first.id, NOW)
    assert own.conditions(again, NOW + 2 * hour - 1) == [second]
    assert own.conditions(again, NOW + 2 * hour) == []
    assert own.conditions(Seen(unknown={paid: Unknown(7, ())}), NOW + 2 * hour) == []
    # Other rules were read, and it failed anew.
    (third,) = own.conditions(once, NOW + 3 * hour)
    assert third.since == NOW + 3 * hour


def test_a_condition_keeps_its_beginning_while_it_holds() -> None:
    own = SelfWatch(SETTINGS)
    low = Seen(room=1)
    (first,) = own.conditions(low, NOW)
    (second,) = own.conditions(low, NOW + MINUTE)
    assert first.since == second.since == NOW
    assert own.conditions(Seen(), NOW + 2 * MINUTE) == []
    (third,) = own.conditions(low, NOW + 3 * MINUTE)
    assert third.since == NOW + 3 * MINUTE


def test_it_is_well_until_what_cripples_it_has_lasted() -> None:
    own = SelfWatch(SETTINGS)
    blind = own.conditions(Seen([partition(blocked_since=NOW)]), NOW)
    assert own.healthy(blind, NOW + MINUTE - 1)
    assert not own.healthy(blind, NOW + MINUTE)
    assert own.healthy([Condition("rules refused", "rules", "", NOW)], NOW + MINUTE)


RULES = """
version: 1
flow: order
begins: order.created
ends: order.paid
within: 1h
expectations:
  - {name: paid, after: order.created, expect: order.paid, within: 30s}
  - {name: shipped, after: order.shipped, expect: order.paid, within: 30s}
"""


def test_silence_is_unusual_when_it_is_longer_than_ever(tmp_path: Path) -> None:
    rules, events, store = (tmp_path / name for name in ("r.yaml", "e.jsonl", "s.duckdb"))
    rules.write_text(RULES)
    # An order every five minutes for three hours; shipped was ever seen but twice.
    made = [happened(300 * n, "order.created", f"o{n}") for n in range(36)]
    write_events(events, [*made, *(happened(n, "order.shipped", "o1") for n in (1, 99))])
    watch(events, [rules], store)
    opened = open_store(Configuration(store=StoreSettings(path=store)), read_only=True)
    last = START + 35 * 5 * MINUTE
    with opened.reader() as cursor:

        def silent(now: int) -> list[tuple[str, str]]:
            return [(type, one) for type, one, _ in unusually_silent(cursor, load([rules]), now)]

        assert silent(last + 15 * MINUTE) == []
        assert silent(last + 16 * MINUTE) == [("order", "paid"), ("order", "unfinished")]
    opened.close()


@pytest.fixture
def house(tmp_path: Path) -> Callable[[str], Path]:
    """A folder with a daemon's configuration, and what `alerts:` says there."""

    def make(more: str) -> Path:
        (tmp_path / "rules").mkdir(exist_ok=True)
        (tmp_path / "rules" / "r.yaml").write_text(RULES)
        (tmp_path / "nonevent.yaml").write_text(
            "sources: [{name: export, file: {path: e.jsonl}}]\nexpectations: [rules]\n"
            f"http: {{listen: '127.0.0.1:{free_port()}'}}\n{more}\n"
        )
        write_events(tmp_path / "e.jsonl", [happened(0, "order.created", "o1")])
        return tmp_path / "nonevent.yaml"

    return make


def ready(daemon: Running, config: Path) -> str:
    url = "http://" + config.read_text().split("listen: '")[1].split("'")[0]
    daemon.wait_ready(url)
    return url


def test_wrong_rules_are_an_alert_and_right_ones_end_it(
    house: Callable[[str], Path], start_daemon: Callable[..., Running]
) -> None:
    with receiver() as hook:
        config = house(
            f"alerts: {{sinks: {{hook: {{webhook: {{url: '{hook.url}'}}}}}}, "
            "watch_itself: {blind: 1s}}"
        )
        daemon = start_daemon(config)
        ready(daemon, config)
        rules = config.parent / "rules" / "r.yaml"
        rules.write_text(RULES.replace("within: 1h", "wthin: 1h"))
        daemon.wait_until(lambda: bool(hook.taken))
        first = hook.taken[0].json
        assert (first["type"], first["expectation"], first["status"]) == (
            "nonevent", "rules refused", "firing",
        )  # fmt: skip
        assert "r.yaml:6:1" in first["text"]
        rules.write_text(RULES)
        daemon.wait_until(lambda: len(hook.taken) == 2)
        assert hook.taken[1].json["status"] == "resolved"
        assert daemon.stop() == 0


def test_a_bus_that_is_away_from_the_start_is_told_and_keeps_no_other_waiting(
    house: Callable[[str], Path], start_daemon: Callable[..., Running]
) -> None:
    with receiver() as hook:
        config = house(
            f"alerts: {{sinks: {{hook: {{webhook: {{url: '{hook.url}'}}}}}}, "
            "watch_itself: {blind: 1s}}"
        )
        away = "{name: away, kafka: {bootstrap: '127.0.0.1:9', topics: [x]}}"
        config.write_text(config.read_text().replace("e.jsonl}}]", f"e.jsonl}}}}, {away}]"))
        daemon = start_daemon(config)
        url = "http://" + config.read_text().split("listen: '")[1].split("'")[0]

        def stored() -> bool:
            try:
                return bool(httpx.get(f"{url}/api/status", trust_env=False).json()["events"])
            except httpx.HTTPError:
                return False

        daemon.wait_until(stored)
        daemon.wait_until(lambda: bool(hook.taken))
        assert hook.taken[0].json["expectation"] == "bus away"
        assert hook.taken[0].json["labels"] == {"source": "away"}
        assert httpx.get(f"{url}/readyz", trust_env=False).status_code == 503
        assert daemon.stop() == 0


def test_the_heart_beats_while_all_is_well_and_stops_when_a_sink_takes_nothing(
    house: Callable[[str], Path], start_daemon: Callable[..., Running]
) -> None:
    with receiver() as heart, receiver() as hook:
        hook.always = 500
        config = house(
            f"alerts: {{heartbeat: {{url: '{heart.url}', every: 200ms}}, "
            f"sinks: {{hook: {{webhook: {{url: '{hook.url}'}}}}}}, "
            "watch_itself: {blind: 1s, outbox: 1s}}"
        )
        daemon = start_daemon(config)
        ready(daemon, config)
        daemon.wait_until(lambda: len(heart.requests) > 3)
        (config.parent / "rules" / "r.yaml").write_text("wrong")
        daemon.wait_until(lambda: "the heartbeat has stopped" in daemon.log())
        stopped = len(heart.requests)
        assert heart.url not in daemon.log()
        hook.always = 200
        daemon.wait_until(lambda: len(heart.requests) > stopped)
        assert daemon.stop() == 0


def test_a_standby_judges_and_tells_nobody(
    house: Callable[[str], Path], start_daemon: Callable[..., Running]
) -> None:
    with receiver() as hook:
        config = house(
            f"role: standby\nalerts: {{sinks: {{hook: {{webhook: {{url: '{hook.url}'}}}}}}, "
            "watch_itself: {blind: 1s}}"
        )
        daemon = start_daemon(config)
        url = ready(daemon, config)
        assert httpx.get(f"{url}/api/status", trust_env=False).json()["role"] == "standby"
        (config.parent / "rules" / "r.yaml").write_text("wrong")
        daemon.wait_until(lambda: bool(_alerts(url)))
        assert daemon.stop() == 0
        with duckdb.connect(str(config.parent / "nonevent.duckdb"), read_only=True) as store:
            assert store.execute("SELECT expectation FROM alerts").fetchall() == [
                ("rules refused",)
            ]
            assert store.execute("SELECT count(*) FROM outbox").fetchall() == [(0,)]
        assert hook.requests == []


def _alerts(url: str) -> Any:
    return httpx.get(f"{url}/api/alerts", trust_env=False).json()["items"]
