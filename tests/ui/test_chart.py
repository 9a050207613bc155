"""Events by minute with the marks that were set: what the drawing shows, to eyes and to readers."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import httpx

from analyzer.rules.ruleset import RuleSet
from analyzer.tables import ANALYZER_TABLES, ANALYZER_VIEWS
from collector.batch import Batch
from collector.event import Event
from collector.store.store import Store
from collector.times import US_PER_S, format_time
from tests.analyzer.alerts.desk import START
from tests.ui.alerted import Make
from tests.ui.conftest import NOW, FakeQueries
from tests.ui.samples import NASTY
from tests.ui.test_alert_pages import Visitor, fired
from ui.alert_models import Mark, MarkPage
from ui.chart import HOUR, MINUTE, Chart, chart, last_hour
from ui.models import Count, CountPage
from ui.rendering import ENVIRONMENT
from ui.store_queries import StoreQueries

UNTIL = int(NOW) * US_PER_S
SINCE = UNTIL - HOUR


def counted(*events: int) -> list[Count]:
    """Of one minute after another, from the beginning."""
    return [
        Count(minute=format_time(SINCE + n * MINUTE), of=None, events=some, untied=0, problems=0)
        for n, some in enumerate(events)
    ]


def mark(minute: float, what: str = "deploy", lasts: float = 0, **changes: Any) -> Mark:
    starts = SINCE + round(minute * MINUTE)
    fields: dict[str, Any] = {
        "id": 1, "state": "over", "author": "ann", "comment": "4.2", "matchers": [],
        "starts": format_time(starts), "ends": format_time(starts + round(lasts * MINUTE)),
        "ended_by": None, "what": what,
    }  # fmt: skip
    return Mark(**{**fields, **changes})


def of(counts: Sequence[Count], *marks: Mark, began: str | None = None) -> Chart:
    return chart(counts, marks, SINCE, UNTIL, NOW, began)


def drawn(found: Chart) -> ElementTree.Element:
    """As a reader of XML takes it: well formed, or it fails."""
    template = ENVIRONMENT.from_string('{% from "chart.html" import drawn %}{{ drawn(chart) }}')
    return ElementTree.fromstring(template.render(chart=found))


def titles(figure: ElementTree.Element, kind: str) -> list[str]:
    found = [one for one in figure.iter() if kind in one.get("class", "").split()]
    return [one.findtext("title") or "" for one in found]


def test_a_minute_is_as_high_as_it_was_busy() -> None:
    figure = drawn(of(counted(10, 0, 5)))
    bars = [one for one in figure.iter("rect") if one.get("class") == "minute"]
    assert [one.get("height") for one in bars] == ["100.0%", "50.0%"]
    assert [one.get("x") for one in bars] == ["0.0%", "3.333%"]
    assert titles(figure, "minute") == ["09:05: 10 events", "09:07: 5 events"]
    svg = figure.find("svg")
    assert svg is not None
    assert svg.get("role") == "img"
    assert svg.get("aria-label") == (
        "Events by minute from 09:05:00 to 10:05:00 UTC: 15, at most 10 in one"
    ).replace(":00 ", " ")


def test_a_mark_tells_what_who_when_and_about_what() -> None:
    one = mark(30, comment="payments 4.2", matchers=["team=payments", "region=~eu.*"])
    figure = drawn(of(counted(1), one))
    said = "09:35:00 deploy by ann (team=payments, region=~eu.*): payments 4.2"
    assert titles(figure, "flag") == [said]
    assert [item.text for item in figure.iter("li")] == [said], "for who cannot point at it"
    assert figure.findtext("details/summary") == "1 mark"
    (flag,) = (one for one in figure.iter("svg") if "flag" in one.get("class", ""))
    assert flag.get("x") == "50.833%", "in the middle of its minute"


def test_many_marks_of_one_minute_are_one_line_with_their_number() -> None:
    many = [mark(7 + n / 60, comment=f"no. {n}", id=n) for n in range(50)]
    figure = drawn(of(counted(1), *reversed(many), mark(8)))
    first, second = titles(figure, "flag")
    lines = first.split("\n")
    assert lines[0] == "50 marks in this minute"
    assert lines[1] == "09:12:00 deploy by ann: no. 0"
    assert lines[-1] == "and 30 more"
    assert len(lines) == 22
    assert second.startswith("09:13:00")
    assert [one.text for one in figure.iter("text")] == ["50"]
    assert figure.findtext("details/summary") == "51 marks"


def test_kinds_of_marks_differ_in_shape_and_not_in_colour_alone() -> None:
    marks = [mark(5), mark(10, "maintenance", 20), mark(20), mark(20.5, "maintenance", 1)]
    figure = drawn(of(counted(1), *marks, began=format_time(SINCE + 40 * MINUTE)))
    shapes = {
        one.get("class"): [part.get("d") or part.tag for part in one if part.tag in SHAPES]
        for one in figure.iter("svg")
        if "flag" in one.get("class", "")
    }
    assert shapes.keys() == {"flag deploy", "flag maintenance", "flag both", "flag began"}
    assert len({str(shape) for shape in shapes.values()}) == 4
    assert shapes["flag both"][0] == shapes["flag deploy"][0]
    said = [one.text for one in figure.iter("span")][2:]
    assert said == ["▼ deploy", "◆ maintenance", "● the alert began"]
    assert "● the alert began" not in [one.text for one in drawn(of([], mark(1))).iter("span")]
    assert titles(figure, "began") == ["the alert began at 09:45:00"]


SHAPES = ("path", "circle")


def test_what_lasts_is_drawn_as_long_as_it_lasts_and_within_the_hour() -> None:
    marks = [mark(-30, "maintenance", 45), mark(-60, "maintenance", 45), mark(45, lasts=30)]
    found = of(counted(1), *marks, mark(60), mark(-1))
    assert [(one.left, one.width) for one in found.spells] == [(0, 25), (75, 25)]
    assert [one.left for one in found.flags] == [0.833, 75.833]
    assert found.flags[0].told == ("08:35:00 until 09:20:00 maintenance by ann: 4.2",)
    assert found.marks == 2, "what was over before, or is yet to come, is elsewhere"


def test_whatever_a_mark_says_it_says_on_one_line_of_text() -> None:
    said = f'{NASTY}\n</title></svg><b>"x"\u202e'
    figure = drawn(of(counted(1), mark(3, comment=said, author=said, matchers=[f"a={said}"])))
    (title,) = titles(figure, "flag")
    assert "\n" not in title
    assert "\u202e" not in title
    assert "</title></svg><b>" in title
    assert not [*figure.iter("b")][1:], "our own alone"


def test_nothing_is_drawn_where_nothing_was() -> None:
    template = ENVIRONMENT.from_string('{% from "chart.html" import drawn %}{{ drawn(chart) }}')
    assert template.render(chart=of([])).strip() == ""
    assert drawn(of([], mark(1))).tag == "figure"


def test_the_list_of_flows_begins_with_the_last_hour(
    client: httpx.Client, queries: FakeQueries
) -> None:
    queries.count_page = CountPage(items=counted(3, 4), next=None)
    queries.mark_page = MarkPage(items=[mark(59)], next=None)
    page = client.get("/").text
    assert queries.asked["counts"] == {"since": SINCE + MINUTE, "until": UNTIL + MINUTE}
    assert "deploy by ann: 4.2" in page
    assert "<svg" not in client.get("/?state=open").text, "what is looked for stands first"


def test_what_is_stored_is_drawn_of_the_last_hour_alone(tmp_path: Path) -> None:
    store = Store(tmp_path / "s.duckdb", tables=ANALYZER_TABLES, views=ANALYZER_VIEWS)
    moments = [UNTIL - HOUR - MINUTE, *[UNTIL - 30 * MINUTE] * 3, UNTIL, UNTIL + MINUTE]
    events = [
        Event("s", "t", "id", 0, offset, moment, UNTIL, "tick", (f"f-{offset}",))
        for offset, moment in enumerate(moments)
    ]
    store.commit(Batch(events=events)).result()
    try:
        found = last_hour(StoreQueries(store, RuleSet), NOW)
    finally:
        store.close()
    assert [one.text for one in found.bars] == ["09:35: 3 events", "10:05: 1 event"]
    assert (found.events, found.most, found.since, found.until) == (4, 3, "09:06", "10:06")


def test_an_alert_shows_the_hour_before_it_with_the_marks_about_it(house: Make) -> None:
    h = house()
    h.did("/marks", what="deploy", matchers=["team=a"], comment="payments 4.2")
    h.did("/marks", what="deploy", matchers=["team=other"], comment="not this")
    fingerprint = fired(h, "a", labels={"team": "a"})
    page = Visitor(h).page(f"/alerts/{fingerprint}")
    (svg,) = re.findall(r'<svg class="drawing".*?</figure>', page, re.S)
    assert "deploy by bob (team=a): payments 4.2" in svg
    assert "not this" not in svg
    assert f"the alert began at {format_time(START)[11:19]}" in svg
