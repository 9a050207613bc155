"""Why many are missing: each has the reason that it has by itself, and an alert counts them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analyzer.alerts.rows import ALERT_LOG, AlertRow
from analyzer.finding import Finding, findings
from analyzer.instance import finding_id
from analyzer.rules.ruleset import RuleSet
from analyzer.tables import FINDING_LOG, FindingRow
from analyzer.why import beside
from collector.batch import Batch
from collector.store.store import Store
from nonevent.alert_terminal import print_alert
from tests.analyzer.cases import BASE
from tests.examples import examples
from tests.ui.test_why import TABLE, filled
from ui import alert_reasons
from ui.access import allowed_hosts
from ui.api import create_app
from ui.flow_queries import FlowReader
from ui.server import Server
from ui.store_queries import StoreQueries
from ui.why_queries import WhyReader

FLOWS = [f"f{number}" for number in range(8)]
SECONDS = st.integers(0, 15)


@st.composite
def cases(draw: st.DrawFn) -> dict[str, Any]:
    """Flows that begin, of which some go wrong in one way or another; and how groups stood."""
    happened: list[tuple[int, str]] = []
    for flow in FLOWS:
        at = draw(st.integers(0, 4))
        partition = draw(st.integers(0, 1))
        key = draw(st.sampled_from(["1", "2", flow]))
        happened.append((at, f"start@{flow}/{partition}"))
        record = f"{{_keys: {{order: '{key}'}}, _key: k{draw(st.integers(0, 2))}, n: {key[-1]}}}"
        happened.append((at + 1, f"A@{flow}/{partition} {record}"))
        then = draw(st.sampled_from(["", "B", "N", "late", "stray", "bare", "letter", "retry"]))
        later = at + draw(st.integers(2, 4))
        match then:
            case "B" | "N":
                happened.append((later, f"{then}@{flow}"))
            case "late":
                happened.append((at + 9, f"B@{flow}"))
            case "stray":
                happened.append((later, f"B@- {{_keys: {{order: '{key}'}}}}"))
            case "bare":
                happened.append((later, "B@-"))
            case "letter" | "retry":
                topic = "case.DLT" if then == "letter" else "case-retry-0"
                happened.append((later, f"A@- {record[:-1]}, _bare: true, _topic: {topic}}}"))
    happened.sort(key=lambda one: one[0])
    commits = ["0s g 0", "0s g/1 0"]
    offset = dict.fromkeys(("g", "g/1"), 0)
    for at in sorted(draw(st.lists(SECONDS, max_size=6))):
        where = draw(st.sampled_from(sorted(offset)))
        offset[where] += draw(st.integers(1, 12))
        commits.append(f"{at}s {where} {offset[where]}")
    if draw(st.booleans()):
        commits.append(f"{draw(SECONDS)}s g Empty")
    return {
        "until": f"{draw(st.integers(8, 30))}s",
        "events": [f"{at}s {text}" for at, text in happened],
        "commits": sorted(commits, key=lambda text: int(text.partition("s")[0])),
        "services": TABLE["services"],
    }


def answers(case: dict[str, Any], folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Why, by finding: of all at once, and of each flow by itself."""
    with filled(case, folder) as (store, rules), store.reader() as cursor:
        flows = FlowReader(cursor, rules)
        ids = [
            (flow, finding_id(one.episode, instance))
            for flow, events in flows.whole_events(FLOWS).items()
            for one in flows.judge(flow, events)
            for instance in one.instances
            if instance.state in ("missing", "late", "unknown", "pending")
        ]
        at_once = WhyReader(flows, rules).explain_findings(ids)
        alone = [
            one for pair in ids for one in WhyReader(flows, rules).explain_findings([pair])
        ]  # fmt: skip
        assert len(at_once) == len(ids)
        by_id = [
            {finding_id(one.lack.episode, one.lack.instance): one.why for one in found}
            for found in (at_once, alone)
        ]
    return by_id[0], by_id[1]


def test_what_is_found_for_one_does_not_depend_on_who_else_is_asked_about() -> None:
    seen: Counter[str] = Counter()

    @settings(max_examples=examples(15), suppress_health_check=list(HealthCheck))
    @given(cases(), st.sampled_from([1_000, 3, 1]))
    def look(case: dict[str, Any], most: int) -> None:
        usual, beside.MOST = beside.MOST, most
        try:
            with TemporaryDirectory() as folder:
                at_once, alone = answers(case, Path(folder))
        finally:
            beside.MOST = usual
        assert at_once == alone
        seen.update(one.verdict for one in alone.values())

    for _ in range(5):  # some random houses may go wrong in few ways
        look()
        if len(seen) > 5:
            break
    assert len(seen) > 5, seen


QUEUE = {
    "until": "30s",
    "services": TABLE["services"],
    "events": [
        *(f"{n}s start@f{n}" for n in range(6)),
        *(f"{n}s A@f{n}" for n in range(6)),
        "4s B@f0", "4s N@f1",
    ],
    "commits": ["0s g 0", "3s g 9", "4s g Empty"],
}  # fmt: skip
"""The group reads the A of f0 to f2 and is gone: f2 is swallowed, and the last three wait."""


@contextmanager
def alerted(state: str, folder: Path) -> Iterator[StoreQueries]:
    """The findings of all its flows, written down in one alert."""
    with filled(QUEUE, folder) as (store, rules):
        found = [
            FindingRow.of(one, number + 1, None, BASE, historical=False, news=True)
            for number, one in enumerate(_findings(store, rules))
        ]
        assert len(found) == 5
        for row in found:
            row.state = "closed" if state == "resolved" else row.state
        alert = AlertRow(
            1, "f" * 24, "r", "case", state, "warning", "{}", "{}", BASE, BASE,
            len(found), "f1", BASE, "text", None, None, None, BASE,
        )  # fmt: skip
        rows = {FINDING_LOG.name: found, ALERT_LOG.name: [alert]}
        store.commit(Batch(now=BASE, rows=rows)).result()
        yield StoreQueries(store, lambda: rules)


def _findings(store: Store, rules: RuleSet) -> list[Finding]:
    with store.reader() as cursor:
        flows = FlowReader(cursor, rules)
        return [
            finding
            for flow, events in flows.whole_events(FLOWS).items()
            for one in flows.judge(flow, events)
            for finding in findings(one, rules.by_name)
        ]


def test_an_alert_counts_the_reasons_of_its_findings(tmp_path: Path) -> None:
    with alerted("firing", tmp_path) as queries:
        why = queries.alert("f" * 24).why
    assert why is not None
    assert (why.asked, why.count) == (5, 5)
    assert why.text == (
        "5 missing: 3 queued behind g (down since 2025-06-15T15:06:44.000Z), "
        "1 answered with N instead, 1 likely swallowed by s"
    )
    assert [(one.verdict, one.count) for one in why.items] == [
        ("consumer_down", 3), ("other_path", 1), ("swallowed", 1),
    ]  # fmt: skip
    assert why.items[2].flow == "f2"
    assert "case-0@8" in why.items[2].text


def test_of_very_many_the_newest_are_looked_at_and_fewer_where_people_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alert_reasons, "MOST", 3)
    monkeypatch.setattr(alert_reasons, "MOST_AT_ONCE", 2)
    with alerted("firing", tmp_path) as queries:
        why, at_once = queries.alert("f" * 24).why, queries.reasons("f" * 24, at_once=True)
    assert why is not None
    assert at_once is not None
    assert (why.asked, at_once.asked) == (3, 2)
    assert at_once.text == (
        "5 missing; of 2 that were looked at: all queued behind g "
        "(down since 2025-06-15T15:06:44.000Z)"
    )


def test_of_what_is_resolved_nothing_is_asked(tmp_path: Path) -> None:
    with alerted("resolved", tmp_path) as queries:
        assert queries.alert("f" * 24).why is None


def test_the_page_and_the_terminal_say_why(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with alerted("firing", tmp_path) as queries:
        app = create_app(
            queries, token=None, allowed_hosts=allowed_hosts("127.0.0.1"), ready=lambda: True
        )
        server = Server(app, host="127.0.0.1", port=0)
        server.start()
        try:
            page = httpx.get(f"{server.url}/alerts/{'f' * 24}", headers={"Accept": "text/html"})
        finally:
            server.stop()
        print_alert(queries.alert("f" * 24))
    assert page.status_code == 200
    assert "<p>5 missing: 3 queued behind g (down since" in page.text
    assert '<a class="id" href="/flows/f2">f2</a>' in page.text
    said = " ".join(capsys.readouterr().out.split())
    assert "Why: 5 missing: 3 queued behind g (down since" in said
    assert "1 swallowed, likely, such as f2: g read A" in said
