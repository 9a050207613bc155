"""Findings about windows of time, as the daemon leaves them and as people ask for them."""

import io
from pathlib import Path

from rich.console import Console

from analyzer.backtest.past import Period, StorePast
from analyzer.backtest.run import backtest
from analyzer.finding import Finding
from analyzer.rules.loader import load
from analyzer.tables import OUTBOX
from collector.settings import StoreSettings
from nonevent.config import Configuration
from nonevent.opening import open_store
from nonevent.terminal import print_findings
from tests.watching import START, happened, watch, write_events
from ui.store_queries import StoreQueries

RULES = """\
version: 1
events:
  vip: {name: login, where: event.payload.vip}
expectations:
  - {name: a beat a minute, every: "* * * * *", expect: beat, within: 20s, severity: critical}
  - {name: logins, rate: login, at_least: 2, at_most: 3, per: 1m}
  - {name: vip logins, rate: vip, at_most: 1, per: 1m}
  - {name: answers, latency: {from: asked, to: answered}, p90: 2s, per: 1m}
"""
NOW = START + 300_000_000

EVENTS = [
    happened(1, "beat"),
    happened(2, "login", payload={"vip": True}),
    happened(3, "login", payload={"vip": False}),
    happened(65, "beat"),
    *(happened(70 + n, "login", payload={"vip": n < 2}) for n in range(4)),
    happened(120, "asked", "q-1"),
    happened(124, "answered", "q-1"),
    happened(125, "login"),
    happened(126, "login"),
    happened(290, "the last event seen"),
]
FOUND = {
    # From 10:02 on nothing beats; of the last minute it is not known yet.
    ("a beat a minute", "missing", 140), ("a beat a minute", "missing", 200),
    ("a beat a minute", "missing", 260),
    ("logins", "too_many", 73), ("logins", "too_few", 240),
    ("vip logins", "too_many", 71),
    ("answers", "too_slow", 180),
}  # fmt: skip


def found(store: Path, rules: Path) -> set[tuple[str, str, int]]:
    opened = open_store(Configuration(store=StoreSettings(path=store)), read_only=True)
    try:
        with opened.reader() as cursor:
            rows = cursor.execute(
                'SELECT expectation, finding, epoch_us("at"), flow FROM findings '
                "WHERE state <> 'retracted'"
            ).fetchall()
    finally:
        opened.close()
    assert {flow for _, _, _, flow in rows} == {None}
    return {(name, what, (at - START) // 1_000_000) for name, what, at, _ in rows}


def test_windows_are_judged_by_the_daemon_whether_it_is_restarted_or_not(tmp_path: Path) -> None:
    rules, events, store = (tmp_path / name for name in ("r.yaml", "e.jsonl", "s.duckdb"))
    rules.write_text(RULES)
    for number, event in enumerate(EVENTS):
        write_events(events, [event])
        if number in (3, 6, 10):
            # Completeness is the daemon's clock: what is due by then is judged.
            watch(events, [rules], store, now=START + 75_000_000)
    watch(events, [rules], store, now=NOW)
    assert found(store, rules) == FOUND
    once = tmp_path / "once.duckdb"
    watch(events, [rules], once, now=NOW)
    assert found(once, rules) == FOUND


def test_people_see_findings_without_a_flow(tmp_path: Path) -> None:
    rules, events, store = (tmp_path / name for name in ("r.yaml", "e.jsonl", "s.duckdb"))
    rules.write_text(RULES)
    write_events(events, EVENTS)
    watch(events, [rules], store, now=NOW)
    opened = open_store(Configuration(store=StoreSettings(path=store)), read_only=True)
    try:
        queries = StoreQueries(opened, lambda: load([rules]))
        listed = queries.findings()
        assert len(listed.items) == len(FOUND)
        assert {item.flow for item in listed.items} == {None}
        out = io.StringIO()
        print_findings(listed, Console(file=out, width=200))
        assert "expected beat within 20s of 2026-03-01T10:02:00" in out.getvalue()
        assert queries.flows(state="failed").items == []
        with opened.reader() as cursor:
            (sent,) = cursor.execute(f"SELECT count(*) FROM {OUTBOX.name}").fetchall()
    finally:
        opened.close()
    assert sent == (len({expectation for expectation, *_ in FOUND}),), "an alert for each"


def test_a_backtest_finds_what_the_daemon_does(tmp_path: Path) -> None:
    rules, events, store = (tmp_path / name for name in ("r.yaml", "e.jsonl", "s.duckdb"))
    rules.write_text(RULES)
    write_events(events, EVENTS)
    watch(events, [rules], store, now=NOW)
    # Without `flow` a file's name is the type of what it finds.
    loaded, others = load([rules]), tmp_path / "others" / "r.yaml"
    others.parent.mkdir()
    others.write_text(RULES.replace("at_most: 3", "at_most: 4"))
    opened = open_store(Configuration(store=StoreSettings(path=store)), read_only=True)
    try:
        told: list[Finding] = []
        outcome = backtest(
            StorePast(opened, Period(None, None)), loaded, load([others]), told.append
        )
    finally:
        opened.close()
    came = {(one.expectation, one.finding, (one.at - START) // 1_000_000) for one in told}
    assert came == FOUND
    counts = {tally.name: tally.counts for tally in outcome.tallies}
    assert counts["a beat a minute"]["missing"] == 3
    assert counts["logins"]["violated"] == 1
    assert outcome.difference is not None
    assert (outcome.difference.new, outcome.difference.gone) == (1, 0)
    (waits,) = [w for tally in outcome.tallies if (w := tally.waits()) is not None]
    assert (waits.count, waits.max) == (2, 5_000_000)
