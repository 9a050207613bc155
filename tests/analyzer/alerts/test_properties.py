"""Whatever happens, in whatever order, with restarts between: alerts are what the log of findings,
the acts and the moment make them, and people are told the same."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from analyzer.alerts.alert import RESOLVED, fingerprint
from analyzer.notification import Notification
from analyzer.rules.loader import load
from analyzer.rules.ruleset import RuleSet
from analyzer.settings import AlertSettings
from analyzer.tables import FindingRow
from collector.times import US_PER_S
from tests.analyzer.alerts.desk import LABELS, START, Desk, finding
from tests.analyzer.alerts.naive import Stand, alerts
from tests.examples import examples

EXPECTATIONS = ("paid", "shipped")
WAITS = {"paid": 0, "shipped": 5}
PRINTS = {name: fingerprint("order", name, LABELS) for name in EXPECTATIONS}
KEEP, INTERVAL, REPEAT = 200, 30, 70

ids = st.sampled_from(["a", "b"])
names = st.sampled_from(EXPECTATIONS)
found = st.tuples(st.just("found"), ids, names)
waited = st.tuples(st.just("wait"), st.sampled_from([1, 5, INTERVAL, REPEAT]))
restart = st.tuples(st.just("restart"))
step = st.one_of(
    found, found, found, waited, waited, waited, restart, restart,
    st.tuples(st.just("gone"), ids, names),
    st.tuples(st.just("late"), ids, names),
    st.tuples(st.just("close"), names),
    st.tuples(st.just("close one"), ids, names),
    st.tuples(st.just("acknowledge"), names),
    st.tuples(st.just("take_back"), names),
    st.tuples(st.just("silence"), names, st.integers(5, 200)),
)  # fmt: skip


def rules(folder: Path) -> RuleSet:
    """Two expectations, one of which waits before it is told."""
    path = folder / "rules.yaml"
    path.write_text(
        "version: 1\nflow: order\nbegins: A\nends: Z\nexpectations:\n"
        + "".join(
            f"  - {{name: {name}, after: A, expect: B, within: 1s, for: {wait}s}}\n"
            for name, wait in WAITS.items()
        )
    )
    return load([path])


@dataclass
class Play:
    """The same steps before a desk; with `restarts` it is closed and opened where they say so."""

    desk: Desk
    restarts: bool

    def __post_init__(self) -> None:
        self.open: set[str] = set()
        self.log: list[FindingRow] = []

    def run(
        self, steps: list[Any], checked: bool = True
    ) -> list[tuple[float, str, dict[str, Any]]]:
        for what, *rest in steps:
            self._do(what, *rest)
            self.desk.at(self.desk.now)
            if checked:
                self.check()
        return [(when, sink, _told(body)) for when, sink, body in self.desk.heard]

    def check(self) -> None:
        desk, book = self.desk, self.desk.stage.book
        moment = START + round(desk.now * US_PER_S)
        waits = {name: wait * US_PER_S for name, wait in WAITS.items()}
        wanted = alerts(_log(desk), book.acts, moment, waits, KEEP * US_PER_S, PRINTS)
        got = {
            one.fingerprint: Stand(one.state, frozenset(one.standing))
            for one in book.alerts.values()
            if one.state != RESOLVED
        }
        assert got == wanted

    def _do(self, what: str, *rest: Any) -> None:
        desk = self.desk
        match what, rest:
            case "found", (id, name) if f"{name}-{id}" not in self.open:
                desk.found(finding(f"{name}-{id}", expectation=name, flow=id))
                self.open.add(f"{name}-{id}")
            case "gone" | "late", (id, name) if f"{name}-{id}" in self.open:
                one = finding(f"{name}-{id}", expectation=name, flow=id)
                desk.gone(one, "retracted" if what == "gone" else "closed")
                self.open.discard(one.id)
            case "wait", (seconds,):
                desk.at(desk.now + seconds)
            case "close", (name,):
                desk.act("close", alert=PRINTS[name])
            case "close one", (id, name):
                desk.act("close", finding=f"{name}-{id}")
            case "acknowledge" | "take_back", (name,):
                desk.act(what, alert=PRINTS[name])
            case "silence", (name, seconds):
                ends = START + round((desk.now + seconds) * US_PER_S)
                desk.act("silence", matchers=(f"expectation={name}",), ends=ends)
            case "restart", ():
                desk.at(desk.now)
                if self.restarts:
                    desk.restart()


def _log(desk: Desk) -> list[FindingRow]:
    """As the judge said it: a person's closing is the acts' affair."""
    with desk.store.reader() as cursor:
        from analyzer.tables import FINDING_LOG

        names = ", ".join(
            f'epoch_us("{n}")' if kind == "TIMESTAMP" else f'"{n}"'
            for n, kind in FINDING_LOG.columns.items()
        )
        rows = cursor.execute(
            f"SELECT {names} FROM finding_log WHERE closed_by IS NULL ORDER BY seq"
        ).fetchall()
    return [FindingRow(*row) for row in rows]


def _told(body: Notification) -> dict[str, Any]:
    told = msgspec.to_builtins(body)
    del told["id"]
    return told  # type: ignore[no-any-return]


def make(folder: Path, name: str) -> Desk:
    wanted = AlertSettings(
        group_interval=f"{INTERVAL}s", repeat_interval=f"{REPEAT}s", keep_firing_for=f"{KEEP}s"
    )
    return Desk(folder / f"{name}.duckdb", wanted, rules(folder))


@settings(max_examples=examples(30))
@given(st.lists(step, min_size=6, max_size=25))
def test_alerts_are_a_function_of_findings_acts_and_the_moment(steps: list[Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        with_restarts, without = make(Path(folder), "one"), make(Path(folder), "two")
        try:
            told = Play(with_restarts, restarts=True).run(steps)
            assert told == Play(without, restarts=False).run(steps, checked=False)
            check_manners(told)
        finally:
            with_restarts.close()
            without.close()


def check_manners(told: list[tuple[float, str, dict[str, Any]]]) -> None:
    """Nobody is told that something is over who had not heard of it, or of one alert too often."""
    last: dict[str, tuple[float, str]] = {}
    for when, _, body in told:
        status = body["status"]
        for print in (body["fingerprint"], *(one["fingerprint"] for one in body["also"])):
            before = last.get(print)
            if status == "resolved":
                assert before is not None
                assert before[1] == "firing"
            elif before is not None and before[1] == "firing":
                assert when - before[0] >= INTERVAL
            last[print] = (when, status)
