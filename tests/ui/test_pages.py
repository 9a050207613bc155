"""The pages: what they show, where they lead, and that nothing escapes from them."""

from collections.abc import Callable

import httpx
import pytest

from tests.ui import samples
from tests.ui.conftest import FakeQueries
from ui.models import (
    ExpectationPage,
    FindingPage,
    FlowDetail,
    FlowPage,
    Ghost,
    InstanceItem,
    Status,
)

Make = Callable[..., httpx.Client]
NOTHING = FlowPage(items=[], next=None)
BROWSER = {"Accept": "text/html"}


def test_the_list_shows_flows_states_and_open_findings(client: httpx.Client) -> None:
    page = client.get("/").text
    for told in ("ord-8812", "order_id=8812", "runaway", "1</b> open finding", "10:04:54"):
        assert told in page
    assert 'href="/flows/ord-8812"' in page
    assert 'href="/flows/shop%2Ford%208813%3F%23%25"' in page


def test_the_list_filters_and_leads_on(client: httpx.Client, queries: FakeQueries) -> None:
    page = client.get("/?state=failed&type=order&q=&since=1h").text
    assert queries.asked["flows"]["state"] == "failed"
    assert queries.asked["flows"]["type"] == "order"
    assert "<option selected>failed" in page
    assert "/?type=order&amp;state=failed&amp;since=1h&amp;cursor=older-than-these" in page


@pytest.mark.parametrize("asked", ["8812", " ord-8812 "])
def test_a_search_for_one_flow_goes_there(client: httpx.Client, asked: str) -> None:
    answer = client.get("/", params={"q": asked, "state": ""})
    assert answer.status_code == 303
    assert answer.headers["location"] == "/flows/ord-8812"


def test_a_search_for_several_lists_them(client: httpx.Client, queries: FakeQueries) -> None:
    answer = client.get("/", params={"q": "c-204"})
    assert answer.status_code == 200
    assert queries.asked["flows"]["q"] == "c-204"


def test_a_blocked_partition_is_told_with_what_it_holds_back(
    client: httpx.Client, queries: FakeQueries
) -> None:
    queries.now_status = samples.blocked_status()
    for path in ("/", "/flows/ord-8812", "/findings", "/expectations"):
        page = client.get(path).text
        assert "Blind on" in page
        assert "orders-3</code> since 10:02:00" in page
        assert "214 judgements held" in page


def test_a_bus_that_is_away_and_topics_that_are_denied_are_told(
    client: httpx.Client, queries: FakeQueries
) -> None:
    queries.now_status = samples.troubled_status()
    page = client.get("/").text
    assert "<code>us-prod</code> cannot be reached since 10:01:00" in page
    assert "kafka.us:9092: connection refused" in page
    assert "<code>secrets</code> (grant &lt;READ&gt;)" in page


def test_mistakes_in_rule_files_are_told(client: httpx.Client, queries: FakeQueries) -> None:
    queries.now_status = samples.status(rule_errors=["order.yaml:3:5: 'afterr', meant 'after'?"])
    assert "order.yaml:3:5" in client.get("/").text


def test_mistakes_of_our_own_are_told(client: httpx.Client, queries: FakeQueries) -> None:
    said = "order: paid: judging failed once, last in <b>1</b>: KeyError"
    queries.now_status = samples.status(failures=[said])
    page = client.get("/").text
    assert "order: paid: judging failed once, last in &lt;b&gt;1&lt;/b&gt;: KeyError" in page
    assert "please report it" in page


@pytest.mark.parametrize(
    ("status", "cure"),
    [
        (samples.unread_status(), "nonevent run --bootstrap"),
        (samples.status(events=0), "start:"),
        (samples.status(), "correlation: ["),
    ],
)
def test_an_empty_list_says_what_to_do(
    client: httpx.Client, queries: FakeQueries, status: Status, cure: str
) -> None:
    queries.flow_page, queries.now_status = NOTHING, status
    assert cure in client.get("/").text


def test_an_empty_search_says_how_far_was_read(client: httpx.Client, queries: FakeQueries) -> None:
    queries.flow_page = NOTHING
    page = client.get("/?q=ord-1").text
    assert "ord-1" in page
    assert "10:04:54" in page


def test_a_page_without_a_flow_that_fits_leads_on_when_there_are_more(
    client: httpx.Client, queries: FakeQueries
) -> None:
    queries.flow_page = FlowPage(items=[], next="123:x")
    page = client.get("/?state=partial").text
    assert "No flow fits" not in page
    assert 'rel="next" href="/?state=partial&amp;cursor=123%3Ax"' in page


def test_a_flow_shows_its_timeline_with_ghosts(client: httpx.Client) -> None:
    page = client.get("/flows/ord-8812").text
    assert page.count('class="row event"') == 3
    assert page.count('class="row ghost') == 2
    assert "row ghost missing" in page
    assert "row ghost pending" in page
    for told in ("+120 ms", "+4.2 s", "2@4711", "10:02:30.000", "2026-03-02", "no event id"):
        assert told in page
    assert "order.created at 10:02:00 expected payment.authorized" in page
    assert page.index("notification.sent") < page.index("row ghost missing")


def test_a_very_long_flow_is_cut_in_the_middle_but_keeps_its_ghosts(
    client: httpx.Client, queries: FakeQueries
) -> None:
    first, *_, ghost, _ = samples.broken_flow().timeline
    queries.details["long"] = samples.broken_flow(
        "long", timeline=[*[first] * 2_000, ghost, *[first] * 2_000]
    )
    page = client.get("/flows/long").text
    assert page.count('class="row event"') == 1_000
    assert "3,000 events between are not drawn" in page
    assert "row ghost missing" in page


def test_an_unknown_flow_is_a_page_that_leads_on(client: httpx.Client) -> None:
    answer = client.get("/flows/ord-1", headers=BROWSER)
    assert answer.status_code == 404
    assert "ord-1" in answer.text
    assert 'href="/?q=ord-1"' in answer.text


def test_a_wrong_filter_is_a_page_too(client: httpx.Client) -> None:
    answer = client.get("/?since=<b>soon</b>", headers=BROWSER)
    assert answer.status_code == 400
    assert "since: " in answer.text
    assert "<b>soon" not in answer.text


def test_findings_are_told_in_words_with_their_flow(
    client: httpx.Client, queries: FakeQueries
) -> None:
    page = client.get("/findings?state=open").text
    assert queries.asked["findings"]["state"] == "open"
    assert "expected payment.authorized or payment.declined within 30 s; none came" in page
    assert 'href="/flows/ord-8812#finding-5f0c1b2a"' in page
    assert "Retracted: payment.authorized arrived 12 s after" in page
    assert "/findings?state=open&amp;cursor=further-findings" in page


def test_no_open_finding_says_how_far_that_is_sure(
    client: httpx.Client, queries: FakeQueries
) -> None:
    queries.finding_page = FindingPage(items=[], next=None)
    queries.expectation_page = ExpectationPage(items=[])
    assert "Everything that was expected has happened" in client.get("/findings?state=open").text
    queries.now_status = samples.unread_status()
    assert "No expectation is declared" in client.get("/findings").text


def nasty_flow() -> FlowDetail:
    nasty = samples.NASTY
    position = samples.position(nasty, "10:02:00Z"[:-1], 1)
    return samples.broken_flow(
        nasty,
        type=nasty,
        names=[nasty],
        keys={nasty: [nasty]},
        timeline=[
            samples.event(
                nasty,
                "10:02:00",
                1,
                None,
                topic=nasty,
                id=nasty,
                key=nasty,
                keys={nasty: nasty},
                headers=[(nasty, nasty)],
                payload=nasty,
                encoding="text",
                problems=[nasty],
                correlation_ids=[nasty],
            ),
            Ghost(
                time=None, names=[nasty], state="missing", expectation=nasty, type=nasty, text=nasty
            ),
        ],
        found=[
            samples.finding(
                text=nasty,
                expectation=nasty,
                flow=nasty,
                labels={nasty: nasty},
                values=[nasty],
                activation=position,
                evidence=[position],
                reason=nasty,
                state="closed",
            )
        ],
        instances=[
            InstanceItem(
                expectation=nasty,
                type=nasty,
                state="missing",
                finding=nasty,
                activation=None,
                deadline=None,
                text=nasty,
            )
        ],
    )


@pytest.mark.parametrize("path", ["/", "/flows/nasty", "/findings", "/?q=" + "%3Cscript%3E%22%3E"])
def test_nothing_from_the_bus_escapes_or_hides(
    client: httpx.Client, queries: FakeQueries, path: str
) -> None:
    flow = nasty_flow()
    queries.details = {"nasty": flow}
    queries.flow_page = FlowPage(items=[samples.item_of(flow)], next=samples.NASTY)
    queries.finding_page = FindingPage(items=flow.found, next=samples.NASTY)
    answer = client.get(path)
    assert answer.status_code == 200
    assert "<script" not in answer.text
    assert "<img src=x" not in answer.text
    assert "\x00" not in answer.text
    assert "\u202e" not in answer.text
    if "q=" not in path:
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in answer.text
        assert "⟨LF⟩⟨NUL⟩⟨U+202E⟩evil" in answer.text


def test_a_payload_keeps_its_lines_and_is_cut_when_huge(
    client: httpx.Client, queries: FakeQueries
) -> None:
    payload = "first\nsecond " + "x" * 100_000
    queries.details["big"] = samples.broken_flow(
        "big", timeline=[samples.event("a", "10:02:00", 1, None, payload=payload)]
    )
    page = client.get("/flows/big").text
    assert "first\nsecond" in page
    assert "more characters" in page
    assert len(page) < 50_000


def test_the_sheet_may_be_kept_and_the_pages_may_not(client: httpx.Client) -> None:
    page = client.get("/")
    assert page.headers["cache-control"] == "no-store"
    sheet = page.text.partition('rel="stylesheet" href="')[2].partition('"')[0]
    kept = client.get(sheet)
    assert kept.headers["content-type"].startswith("text/css")
    assert "immutable" in kept.headers["cache-control"]
