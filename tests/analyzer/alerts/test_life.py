"""The life of an alert: what people are told of findings, when, and when no more."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from analyzer.alerts.condition import Condition
from analyzer.alerts.retention import forget_old
from analyzer.finding import Finding
from analyzer.rules.loader import load
from analyzer.settings import AlertSettings, MuteSettings, RouteSettings
from analyzer.sight import Sight
from collector.batch import PartitionState
from collector.times import US_PER_S
from tests.analyzer.alerts.desk import START, Desk, finding

MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0
Open = Callable[..., Desk]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Open]:
    opened: list[Desk] = []

    def make(**settings: Any) -> Desk:
        rules = settings.pop("rules", None)
        sinks = settings.pop("sinks", ("hook",))
        opened.append(
            Desk(tmp_path / f"{len(opened)}.duckdb", AlertSettings(**settings), rules, sinks)
        )
        return opened[-1]

    yield make
    for one in opened:
        one.close()


def changes(told: list[Any]) -> list[tuple[str, int]]:
    return [(one.change, one.count) for one in told]


def test_a_thousand_findings_make_one_notification(desk: Open) -> None:
    d = desk()
    d.found(*(finding(str(n)) for n in range(1_000)))
    (told,) = d.at(0)
    assert (told.status, told.change, told.count, told.new) == ("firing", "new", 1000, 1000)
    assert len(told.findings) == 20
    assert told.findings[0]["link"] == "http://here/flows/flow-0"
    assert told.findings[0]["labels"] == {"environment": "test"}
    d.found(finding("one more"))
    assert d.at(5 * MINUTE - 1) == []
    (more,) = d.at(5 * MINUTE)
    assert (more.change, more.count, more.new) == ("more", 1001, 1)
    assert [one["id"] for one in more.findings] == ["one more"]
    assert more.oldest == "flow-0"
    assert more.fingerprint == told.fingerprint
    assert more.id != told.id


def test_what_goes_on_is_told_again_after_repeat_interval(desk: Open) -> None:
    d = desk(keep_firing_for="1d")
    d.found(finding("a"))
    d.at(0)
    assert d.at(4 * HOUR - 1) == []
    assert changes(d.at(4 * HOUR)) == [("again", 1)]


def test_an_alert_is_over_when_its_last_finding_is_and_says_why(desk: Open) -> None:
    d = desk()
    a, b = finding("a"), finding("b")
    d.found(a, b)
    d.at(0)
    d.gone(a, why="payment arrived 12s after its deadline passed")
    assert d.at(10) == []
    d.gone(b, why="payment arrived 14s after its deadline passed")
    (told,) = d.at(20)
    assert (told.status, told.count) == ("resolved", 2)
    assert told.reason == "payment arrived 14s after its deadline passed"
    assert told.until is not None
    assert d.alerts()["paid"].state == "resolved"


def test_what_had_ended_when_it_was_found_is_told_and_stands_a_minute(desk: Open) -> None:
    d = desk()
    twice = finding("a", finding="repeated", state="closed", text="charged twice")
    d.found(twice)
    (told,) = d.at(0)
    assert (told.status, told.text, told.count) == ("firing", "charged twice", 1)
    d.restart()
    assert d.at(MINUTE - 1) == []
    (over,) = d.at(MINUTE)
    assert (over.status, over.reason) == ("resolved", "charged twice")


def test_what_comes_late_soon_after_it_was_missed_is_over_after_a_minute(desk: Open) -> None:
    d = desk()
    a = finding("a")
    d.found(a)
    d.at(2)
    d.gone(a, "closed", "payment came 2s after its deadline")
    assert d.at(MINUTE - 1) == []
    (over,) = d.at(MINUTE)
    assert over.reason == "payment came 2s after its deadline"


@pytest.mark.parametrize("over", ["closed by bob", "it stood for 10m, and nothing closed it"])
@pytest.mark.parametrize("restarted", [False, True])
def test_nobody_is_told_anew_of_what_was_over_because_it_comes_late(
    desk: Open, over: str, restarted: bool
) -> None:
    d = desk(keep_firing_for="10m")
    a = finding("a")
    d.found(a)
    (told,) = d.at(0)
    if over == "closed by bob":
        d.now = MINUTE
        d.act("close", "bob", alert=told.fingerprint)
    assert [one.reason for one in d.at(HOUR)] == [over]
    if restarted:
        d.restart()
    d.gone(a, "closed", "payment came 1h after its deadline")
    assert d.at(2 * HOUR) == []
    assert d.alerts()["paid"].state == "resolved"


def test_what_comes_back_at_once_wakes_nobody_before_the_interval_is_over(desk: Open) -> None:
    d = desk()
    a = finding("a")
    d.found(a)
    d.at(0)
    d.gone(a)
    assert changes(d.at(1)) == [("resolved", 1)]
    d.found(finding("b"))
    assert d.at(5 * MINUTE - 1) == []
    assert changes(d.at(5 * MINUTE)) == [("new", 1)]


def test_a_finding_stands_no_longer_than_keep_firing_for(desk: Open) -> None:
    d = desk(keep_firing_for="10m")
    d.found(finding("a"))
    d.at(0)
    assert d.at(10 * MINUTE - 1) == []
    (told,) = d.at(10 * MINUTE)
    assert told.status == "resolved"
    assert told.reason == "it stood for 10m, and nothing closed it"


def test_what_waits_for_longer_than_that_is_told_all_the_same(desk: Open, tmp_path: Path) -> None:
    """It counts from when somebody could hear of it."""
    (tmp_path / "order.yaml").write_text(
        "version: 1\nflow: order\nbegins: A\nexpectations:\n"
        "  - {name: paid, after: A, expect: B, within: 1s, for: 2h}\n"
        "  - {name: own, after: A, expect: C, within: 1s, for: 2h, keep_firing_for: 10m}\n"
    )
    d = desk(rules=load([tmp_path / "order.yaml"]))
    d.found(finding("a"), finding("b", expectation="own"))
    assert d.at(2 * HOUR - 1) == []
    d.restart()
    assert changes(d.at(2 * HOUR)) == [("new", 1)] * 2
    (over,) = d.at(2 * HOUR + 10 * MINUTE)
    assert (over.expectation, over.status) == ("own", "resolved")
    assert d.at(3 * HOUR - 1) == []
    (over,) = d.at(3 * HOUR)
    assert over.reason == "it stood for 3h, and nothing closed it"


def test_links_lead_to_the_flow_or_else_to_the_findings_of_the_expectation(desk: Open) -> None:
    d = desk()
    beat = finding("c", flow=None, correlation_id=None, expectation="a beat")
    d.found(finding("a/b c"), beat)
    assert {one.findings[0]["link"] for one in d.at(0)} == {
        "http://here/flows/flow-a%2Fb%20c", "http://here/findings?expectation=a%20beat",
    }  # fmt: skip


def test_group_wait_lets_an_alert_gather(desk: Open) -> None:
    d = desk(group_wait="30s")
    d.found(finding("a"))
    assert d.at(29) == []
    d.found(finding("b"))
    assert changes(d.at(30)) == [("new", 2)]


def test_expectations_and_labels_part_alerts(desk: Open) -> None:
    d = desk()
    d.found(
        finding("a"),
        finding("b", labels={"region": "eu"}),
        finding("c", expectation="shipped"),
        finding("d", labels={"region": "eu"}),
    )
    told = d.at(0)
    assert sorted((one.expectation, one.labels.get("region", ""), one.count) for one in told) == [
        ("paid", "", 1), ("paid", "eu", 2), ("shipped", "", 1),
    ]  # fmt: skip
    assert len({one.fingerprint for one in told}) == 3


def ten_rules(flows: range, **more: Any) -> list[Finding]:
    return [
        finding(f"{rule}-{flow}", expectation=f"rule {rule}", flow=f"ord-{flow}", **more)
        for rule in range(10)
        for flow in flows
    ]


def test_ten_rules_that_fail_for_the_same_flows_are_one_notification(desk: Open) -> None:
    d = desk()
    d.found(*ten_rules(range(30)))
    (told,) = d.at(0)
    assert told.count == 30
    assert len(told.also) == 9
    assert {one.count for one in told.also} == {30}
    for one in ten_rules(range(30)):
        d.gone(one)
    (over,) = d.at(10)
    assert over.status == "resolved"
    assert len(over.also) == 9


def test_a_rule_that_fails_later_for_the_same_flows_waits_for_the_next_word(desk: Open) -> None:
    d = desk()
    d.found(*(finding(f"p{n}", flow=f"ord-{n}") for n in range(10)))
    d.at(0)
    d.found(*(finding(f"s{n}", flow=f"ord-{n}", expectation="shipped") for n in range(10)))
    assert d.at(5 * MINUTE - 1) == []
    assert [one.expectation for one in d.at(5 * MINUTE)] == ["shipped"]


def test_what_is_worse_or_about_other_flows_does_not_wait(desk: Open) -> None:
    d = desk()
    d.found(finding("p", flow="ord-1"))
    d.at(0)
    d.found(finding("x", flow="ord-1", expectation="worse", severity="critical"))
    d.found(finding("y", flow="ord-2", expectation="elsewhere"))
    assert {one.expectation for one in d.at(1)} == {"worse", "elsewhere"}


def test_who_looks_after_an_alert_hears_only_that_it_is_over(desk: Open) -> None:
    d = desk()
    a = finding("a")
    d.found(a)
    (told,) = d.at(0)
    d.act("acknowledge", "bob", alert=told.fingerprint)
    d.found(finding("b"))
    assert d.at(HOUR - 1) == []
    assert d.alerts()["paid"].acknowledged == "bob"
    d.act("take_back", alert=told.fingerprint)
    assert changes(d.at(HOUR - 0.5)) == [("more", 2)]
    assert d.alerts()["paid"].acknowledged is None


def test_an_acknowledgement_ends_with_its_alert(desk: Open) -> None:
    d = desk(group_interval="1m")
    a = finding("a")
    d.found(a)
    (told,) = d.at(0)
    d.act("acknowledge", alert=told.fingerprint)
    d.gone(a)
    d.at(10)
    d.found(finding("b"))
    assert changes(d.at(2 * MINUTE)) == [("new", 1)]


def test_somebody_closes_an_alert(desk: Open) -> None:
    d = desk()
    d.found(finding("a"), finding("b"))
    (told,) = d.at(0)
    d.now = 10
    d.act("close", "bob", "known", alert=told.fingerprint)
    (over,) = d.at(11)
    assert over.reason == "closed by bob: known"
    with d.store.reader() as cursor:
        states = cursor.execute("SELECT id, state, closed_by FROM findings ORDER BY id").fetchall()
    assert states == [("a", "closed", "bob"), ("b", "closed", "bob")]


def test_somebody_closes_one_finding(desk: Open) -> None:
    d = desk()
    d.found(finding("a"), finding("b"))
    d.at(1)
    d.act("close", finding="a")
    d.at(20)
    assert d.alerts()["paid"].count == 1


def test_a_silence_holds_until_it_ends_and_what_still_fires_is_told_then(desk: Open) -> None:
    d = desk()
    d.act(
        "silence", "bob", "release", matchers=("expectation=paid",),
        ends=START + round(10 * MINUTE * US_PER_S),
    )  # fmt: skip
    d.found(finding("a"), finding("b", expectation="shipped"))
    assert [one.expectation for one in d.at(10 * MINUTE - 1)] == ["shipped"]
    assert d.alerts()["paid"].quiet == "silenced by bob until 2001-09-09T01:56:40.000Z: release"
    assert [one.expectation for one in d.at(10 * MINUTE)] == ["paid"]


def test_a_silence_is_ended_early(desk: Open) -> None:
    d = desk()
    silence = d.act("silence", matchers=("type=order",))
    d.found(finding("a"))
    assert d.at(60) == []
    d.act("expire", of=silence.seq)
    assert changes(d.at(61)) == [("new", 1)]


def test_what_people_heard_of_is_over_for_them_though_it_is_silenced(desk: Open) -> None:
    d = desk()
    a = finding("a")
    d.found(a)
    d.at(0)
    d.act("silence", matchers=("type=order",))
    d.gone(a)
    assert changes(d.at(10)) == [("resolved", 1)]


def test_maintenance_silences_and_a_deploy_does_not(desk: Open) -> None:
    d = desk()
    ends = START + round(HOUR * US_PER_S)
    d.act("mark", what="deploy", ends=ends)
    d.act("mark", "ops", what="maintenance", matchers=("region=~e.*",), ends=ends)
    d.found(finding("a"), finding("b", labels={"region": "eu"}))
    assert [one.labels.get("region") for one in d.at(HOUR - 1)] == [None]


def test_mute_times_are_hours_of_the_week_on_a_clock(desk: Open) -> None:
    # START is 2001-09-09T01:46:40Z, a Sunday; in Tokyo it is 10:46:40.
    mute = MuteSettings(during="Sun 10:00-11:00", tz="Asia/Tokyo", match=["severity=warning"])
    d = desk(mute_times=[mute])
    d.found(finding("a"), finding("b", expectation="worse", severity="critical"))
    assert [one.expectation for one in d.at(13 * MINUTE)] == ["worse"]
    assert [one.expectation for one in d.at(14 * MINUTE)] == ["paid"]


BY_ITS_NAMES = """\
version: 1
flow: order
begins: order.created
expectations:
  - {name: paid, after: order.created, expect: payment.authorized, within: 1s}
  - {name: shipped, after: order.created, expect: order.shipped, within: 1s}
  - {name: next, after: order.created, next: order.shipped, within: 1s}
  - {name: payments an hour, rate: payment.authorized, at_least: 9, per: 1h}
  - {name: orders an hour, rate: order.created, at_least: 9, per: 1h}
"""
BY_NAMES_OF_THE_FILE = """\
version: 1
flow: order
begins: order.created
events:
  money: {name: payment.authorized}
  payment.parcel: {name: order.shipped}
  payment.order: {name: order.created}
expectations:
  - {name: paid, after: order.created, expect: money, within: 1s}
  - {name: shipped, after: order.created, expect: payment.parcel, within: 1s}
  - {name: next, after: order.created, next: payment.parcel, within: 1s}
  - {name: payments an hour, rate: money, at_least: 9, per: 1h}
  - {name: orders an hour, rate: payment.order, at_least: 9, per: 1h}
"""


def with_payments(tmp_path: Path, desk: Open, rules: str = BY_ITS_NAMES) -> tuple[Desk, Sight]:
    """A desk that cannot see one partition with payments, and what it sees when it can again."""
    (tmp_path / "order.yaml").write_text(rules)
    d = desk(rules=load([tmp_path / "order.yaml"]))
    orders = PartitionState("bus", "orders", "o", 0, 9, 0, carries=("order.*",))
    payments = PartitionState("bus", "payments", "p", 3, 9, 0, carries=("payment.*",))
    d.sight = Sight([orders, replace(payments, blocked_since=START - 5 * US_PER_S)])
    return d, Sight([orders, payments])


BLIND = "blind on payments-3 of bus since 2001-09-09T01:46:35.000Z"


@pytest.mark.parametrize("rules", [BY_ITS_NAMES, BY_NAMES_OF_THE_FILE], ids=["as called", "events"])
@pytest.mark.parametrize(
    ("held", "other"),
    [("paid", "shipped"), ("payments an hour", "orders an hour"), ("next", "shipped")],
)
def test_a_blind_tap_keeps_quiet_what_awaits_what_it_would_have_seen_and_nothing_else(
    desk: Open, tmp_path: Path, held: str, other: str, rules: str
) -> None:
    d, sight = with_payments(tmp_path, desk, rules)
    d.found(finding("a", expectation=held), finding("b", expectation=other, flow="another"))
    assert [one.expectation for one in d.at(HOUR / 2)] == [other]
    alerts = d.alerts()
    assert (alerts[held].state, alerts[held].quiet) == ("firing", BLIND)
    assert alerts[other].quiet is None
    d.sight = sight
    (told,) = d.at(HOUR / 2 + 1)
    assert (told.expectation, told.change, told.count) == (held, "new", 1)
    assert d.alerts()[held].quiet is None


def test_of_what_was_seen_people_are_told_though_a_tap_is_blind(desk: Open, tmp_path: Path) -> None:
    """But not where what cannot be seen may excuse it."""
    twice = "  - {name: charged once, once: payment.authorized, within: 1h}\n"
    excused = "  - {name: excused, once: payment.authorized, within: 1h, unless: payment.retried}\n"
    d, _ = with_payments(tmp_path, desk, BY_ITS_NAMES + twice + excused)
    charged = finding("a", expectation="charged once", finding="repeated")
    d.found(charged, finding("b", expectation="excused", finding="repeated", flow="another"))
    assert [one.expectation for one in d.at(1)] == ["charged once"]
    d.restart()
    assert d.alerts()["charged once"].quiet is None
    # What else it finds may be undone by what is not seen: that is no news now.
    d.gone(charged)
    assert changes(d.at(2)) == [("resolved", 1)]
    d.found(finding("c", expectation="charged once", finding="missing"))
    assert d.at(HOUR - 1) == []


def test_what_consumers_committed_no_blind_partition_hides_whatever_it_may_carry(
    desk: Open, tmp_path: Path
) -> None:
    handled = "  - {name: read, handled: order.created, groups: [payment-svc], within: 1s}\n"
    excused = handled.replace("read,", "read or paid, unless: payment.authorized,")
    d, _ = with_payments(tmp_path, desk, BY_ITS_NAMES + handled + excused)
    names = ("paid", "shipped", "read", "read or paid")
    d.found(*(finding(name, expectation=name) for name in names))
    assert {one.expectation for one in d.at(1)} == {"shipped", "read"}
    anything = PartitionState("bus", "payments", "p", 3, 9, 0, blocked_since=START)
    d, _ = with_payments(tmp_path, desk, BY_ITS_NAMES + handled + excused)
    d.sight = Sight([anything])
    d.found(*(finding(name, expectation=name) for name in names))
    assert [one.expectation for one in d.at(1)] == ["read"]


def test_nobody_is_told_of_what_no_longer_stands_when_the_tap_sees_again(
    desk: Open, tmp_path: Path
) -> None:
    d, sight = with_payments(tmp_path, desk)
    a = finding("a")
    d.found(a)
    assert d.at(MINUTE) == []
    d.sight = sight
    d.gone(a)
    assert d.at(HOUR) == []


def test_of_what_people_heard_before_the_tap_went_blind_they_hear_no_more_until_it_sees_again(
    desk: Open, tmp_path: Path
) -> None:
    d, sight = with_payments(tmp_path, desk)
    blind, d.sight = d.sight, sight
    d.found(finding("a"))
    assert changes(d.at(0)) == [("new", 1)]
    d.sight = blind
    d.found(finding("b"))
    assert d.at(10 * MINUTE) == []
    d.restart()
    assert d.at(11 * MINUTE) == []
    d.sight = sight
    assert changes(d.at(11 * MINUTE + 1)) == [("more", 2)]


def test_history_is_told_to_nobody(desk: Open) -> None:
    d = desk()
    d.found(finding("a"), historical=True, news=False)
    assert d.at(10) == []
    assert d.alerts() == {}


def test_routes_say_who_hears_of_what_and_how_patiently(desk: Open) -> None:
    routes = [
        RouteSettings(match={"severity": "critical"}, to=["pager", "chat"]),
        RouteSettings(to="chat", group_wait="30s"),
    ]
    d = desk(routes=routes, sinks=("pager", "chat"))
    d.found(finding("a"), finding("b", expectation="worse", severity="critical"))
    d.at(30)
    assert [(when, sink, told.expectation) for when, sink, told in d.heard] == [
        (0, "pager", "worse"), (0, "chat", "worse"), (30, "chat", "paid"),
    ]  # fmt: skip


def test_what_nonevent_says_of_itself_is_told_until_it_says_it_no_more(desk: Open) -> None:
    d = desk()
    blind = Condition("tap blind", "orders-3", "blind on orders-3", START, wait=60 * US_PER_S)
    d.itself(blind)
    assert d.at(MINUTE - 1) == []
    assert d.alerts()["tap blind"].state == "pending"
    (told,) = d.at(MINUTE)
    assert (told.type, told.severity, told.text) == ("nonevent", "critical", "blind on orders-3")
    d.restart()
    assert d.at(2 * MINUTE) == []
    d.itself(blind)
    assert d.at(3 * MINUTE) == []
    d.itself()
    assert changes(d.at(4 * MINUTE)) == [("resolved", 1)]


def test_a_restart_forgets_nothing_and_tells_nothing_twice(desk: Open) -> None:
    d = desk()
    a = finding("a")
    d.found(a)
    (told,) = d.at(0)
    d.act("acknowledge", "bob", alert=told.fingerprint)
    d.at(1)
    d.restart()
    d.found(finding("b"))
    assert d.at(HOUR - 1) == []
    assert d.alerts()["paid"].acknowledged == "bob"
    d.restart()
    d.gone(a)
    d.gone(finding("b"))
    (over,) = d.at(HOUR - 0.5)
    assert (over.status, over.fingerprint) == ("resolved", told.fingerprint)


def test_retention_keeps_the_last_word_on_what_is_not_over(desk: Open) -> None:
    d = desk(keep_firing_for="100d")
    a, b = finding("a"), finding("b", expectation="shipped", flow="other")
    d.found(a, b)
    d.at(0)
    d.gone(a)
    d.at(1)
    d.store.submit(lambda c: forget_old(c, START + round(DAY * US_PER_S))).result()
    d.restart()
    with d.store.reader() as cursor:
        left = cursor.execute("SELECT expectation, state FROM alert_log").fetchall()
        told = cursor.execute("SELECT status FROM tellings").fetchall()
    assert (left, told) == ([("shipped", "firing")], [("firing",)])
    assert d.at(4 * HOUR - 1) == []
    assert changes(d.at(4 * HOUR)) == [("again", 1)]


def test_batches_that_come_a_little_out_of_order_tell_nothing_twice(desk: Open) -> None:
    d = desk()
    d.now = 10
    d.found(finding("a"))
    assert changes(d.at(10)) == [("new", 1)]
    d.now = 9.5
    assert d.at(9.5) == []
    d.now = 10 - 2 * HOUR
    assert changes(d.at(10 - 2 * HOUR)) == [("again", 1)], "the clock was set back"


def test_what_was_done_before_a_crash_is_done_after_it(desk: Open) -> None:
    d = desk()
    d.found(finding("a"))
    (told,) = d.at(0)
    d.now = 1
    d.act("close", "bob", alert=told.fingerprint)
    d.restart()
    assert [(one.status, one.reason) for _, _, one in d.heard[1:]] == [
        ("resolved", "closed by bob")
    ]


def test_an_act_that_is_read_back_and_handed_over_is_done_once(desk: Open) -> None:
    d = desk()
    d.found(finding("a"))
    (told,) = d.at(0)
    d.now = 1
    act = d.act("acknowledge", "bob", alert=told.fingerprint)
    d.restart()
    d.stage.act(act)
    d.at(2)
    assert [one.seq for one in d.stage.book.acts] == [act.seq]
    assert d.alerts()["paid"].acknowledged == "bob"


def test_what_the_judge_takes_back_at_a_start_nobody_closes_afterwards(desk: Open) -> None:
    d = desk()
    a = finding("a")
    d.found(a)
    (told,) = d.at(0)
    d.now = 1
    d.act("close", "bob", alert=told.fingerprint)
    d.restart(a)
    with d.store.reader() as cursor:
        rows = cursor.execute("SELECT state FROM finding_log ORDER BY seq").fetchall()
    assert rows == [("open",), ("retracted",)]


def test_a_finding_that_stands_in_no_alert_is_closed_once_though_it_is_read_back(
    desk: Open,
) -> None:
    d = desk()
    d.found(finding("old"), historical=True, news=False)
    d.at(0)
    d.now = 1
    d.act("close", "bob", finding="old")
    for _ in range(2):
        d.restart()
    with d.store.reader() as cursor:
        rows = cursor.execute("SELECT state, closed_by FROM finding_log ORDER BY seq").fetchall()
    assert rows == [("open", None), ("closed", "bob")]
