"""The pages in a real browser: they lead to the missing event, on a phone as well."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.analyzer.alerts.desk import finding
from tests.ui.alerted import House, Make
from tests.ui.conftest import FakeQueries
from tests.ui.test_chart import counted, mark
from ui.alert_models import MarkPage
from ui.models import CountPage
from ui.server import Server


@pytest.fixture
def complaints() -> list[str]:
    """What the browser's console said: errors, and violations of the content policy."""
    return []


@pytest.fixture
def page(
    browser: Browser, plain_server: Server, queries: FakeQueries, complaints: list[str]
) -> Iterator[Page]:
    """A tab at the list of flows."""
    opened = browser.new_page(base_url=plain_server.url, viewport={"width": 1200, "height": 800})
    opened.on("console", lambda message: complaints.append(message.text))
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.on("requestfailed", lambda request: complaints.append(f"failed: {request.url}"))
    opened.goto("/")
    yield opened
    opened.close()


def test_from_the_list_to_the_missing_event(page: Page, complaints: list[str]) -> None:
    page.get_by_role("link", name="ord-8812", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("ord-8812")
    ghost = page.locator(".ghost.missing")
    expect(ghost).to_be_visible()
    expect(ghost).to_contain_text("payment.authorized, payment.declined")
    border = ghost.locator(".line").evaluate("row => getComputedStyle(row).borderTopStyle")
    assert border == "dashed"

    payload = page.get_by_text('"currency": "EUR"').first
    expect(payload).to_be_hidden()
    page.locator("summary.line").first.click()
    expect(payload).to_be_visible()
    assert complaints == []


def test_searching_for_a_business_key(page: Page, complaints: list[str]) -> None:
    page.get_by_role("searchbox").fill("8812")
    page.get_by_role("searchbox").press("Enter")
    page.wait_for_url("**/flows/ord-8812")
    assert complaints == []


def test_a_flow_with_an_odd_id_is_reached(page: Page) -> None:
    page.get_by_role("link", name="shop/ord 8813?#%").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("shop/ord 8813?#%")


@pytest.mark.parametrize(
    "path", ["/", "/?name=x", "/flows/ord-8812", "/findings", "/flows/none", "/expectations"]
)
@pytest.mark.parametrize("width", [400, 1400])
def test_no_page_scrolls_sideways(page: Page, path: str, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    page.goto(path)
    for details in page.locator("details").all():
        details.evaluate("row => { row.open = true }")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate("getComputedStyle(document.body).fontSize") == "14px"


@pytest.fixture
def busy(queries: FakeQueries) -> None:
    """An hour in which each minute was busier than the one before it, with three marks."""
    queries.count_page = CountPage(items=counted(*range(1, 60)), next=None)
    marks = [mark(59.5, comment="payments 4.2"), mark(59.6, id=2), mark(20, "maintenance", 30)]
    queries.mark_page = MarkPage(items=marks, next=None)


@pytest.mark.parametrize("width", [400, 1400])
@pytest.mark.usefixtures("busy")  # before the page is there
def test_the_last_hour_is_drawn_with_its_marks(
    page: Page, complaints: list[str], width: int
) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    chart = page.get_by_role("img", name="Events by minute")
    expect(chart).to_be_visible()
    whole = chart.bounding_box()
    flags = page.locator(".flag line")
    assert whole is not None
    lines = [box for one in flags.all() if (box := one.bounding_box()) is not None]
    assert len(lines) == 2, "two marks of one minute are one line"
    first, last = sorted(box["x"] - whole["x"] for box in lines)
    assert first / whole["width"] == pytest.approx(19.5 / 60, abs=0.02)
    assert last / whole["width"] == pytest.approx(58.5 / 60, abs=0.02)
    bars = [box["height"] for one in page.locator(".minute").all() if (box := one.bounding_box())]
    assert len(bars) == 59
    assert bars == sorted(bars)
    page.get_by_text("3 marks").click()
    expect(page.get_by_text("deploy by ann: payments 4.2").last).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert complaints == []


@pytest.fixture
def alarmed(browser: Browser, house: Make, complaints: list[str]) -> Iterator[tuple[Page, House]]:
    """A tab at the list of alerts, of which one fires."""
    h = house()
    h.desk.found(finding("a", labels={"team": 'the "A" <team>'}), finding("b", expectation="other"))
    h.desk.at(0)
    opened = browser.new_page(base_url=h.server.url, viewport={"width": 1200, "height": 800})
    opened.on("console", lambda message: complaints.append(message.text))
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.goto("/alerts")
    yield opened, h
    opened.close()


def test_acknowledging_an_alert(alarmed: tuple[Page, House], complaints: list[str]) -> None:
    page, h = alarmed
    page.get_by_role("link", name="paid", exact=True).click()
    form = page.locator('form[action$="/acknowledge"]')
    form.get_by_label("Your name").fill("Ann")
    form.get_by_label("Comment").fill("on it")
    form.get_by_role("button", name="Acknowledge").click()
    expect(page.locator(".head")).to_contain_text("acknowledged by Ann")
    h.desk.at(1)
    assert {one["expectation"]: one["acknowledged"] for one in h.alerts()} == {
        "paid": "Ann", "other": None,
    }  # fmt: skip
    taking = page.locator('form[action$="/take-back"]')
    taking.get_by_label("Your name").fill("Ann")
    taking.get_by_role("button", name="Take back").click()
    expect(page.get_by_role("button", name="Acknowledge")).to_be_visible()
    form.get_by_label("Your name").fill("Ann")
    form.get_by_role("button", name="Close").click()
    expect(page.get_by_text("close by Ann")).to_be_visible()
    h.desk.at(2)
    assert {one["expectation"]: one["state"] for one in h.alerts()} == {
        "paid": "resolved", "other": "firing",
    }  # fmt: skip
    assert complaints == []


def test_closing_one_finding(alarmed: tuple[Page, House], complaints: list[str]) -> None:
    page, h = alarmed
    h.desk.found(finding("c", labels={"team": 'the "A" <team>'}))
    h.desk.at(1)
    page.get_by_role("link", name="paid", exact=True).click()
    expect(page.get_by_role("img", name="Events by minute")).to_have_count(0)
    card = page.locator("#finding-a")
    card.locator("summary", has_text="Close").click()
    card.get_by_label("Your name").fill("Ann")
    card.get_by_label("Comment").fill("refunded")
    card.get_by_role("button", name="Close this finding").click()
    expect(page).to_have_url(re.compile(r"/alerts/\w+#finding-a$"))
    h.desk.at(2)
    page.reload()
    expect(page.locator("#finding-a")).to_contain_text("Closed: closed by Ann: refunded")
    expect(page.get_by_role("button", name="Close this finding")).to_have_count(0)
    page.locator("#finding-c summary", has_text="Close").click()
    expect(page.get_by_role("button", name="Close this finding")).to_be_visible()
    assert complaints == []


def test_silencing_an_alert(alarmed: tuple[Page, House], complaints: list[str]) -> None:
    page, h = alarmed
    page.get_by_role("link", name="paid", exact=True).click()
    page.locator("summary", has_text="Silence").click()
    form = page.locator('form[action="/silences"]')
    form.get_by_label("Your name").fill("Ann")
    form.get_by_role("button", name="Silence").click()
    expect(page.get_by_role("heading", name="Silences")).to_be_visible()
    h.desk.at(1)
    quiet = {one["expectation"]: one["quiet"] for one in h.alerts()}
    assert quiet["other"] is None
    assert quiet["paid"].startswith("silenced by Ann until ")
    page.get_by_role("link", name="All silences and marks").click()
    row = page.get_by_role("row").filter(has_text='team="the "A" <team>"')
    row.get_by_label("Your name").fill("Bob")
    row.get_by_role("button", name="Expire").click()
    expect(page.get_by_role("cell", name="ended by Bob")).to_be_visible()
    assert complaints == []


@pytest.mark.parametrize("path", ["/alerts", "/silences", "/acts"])
@pytest.mark.parametrize("width", [400, 1400])
def test_no_page_of_alerts_scrolls_sideways(
    alarmed: tuple[Page, House], path: str, width: int
) -> None:
    page, h = alarmed
    h.did("/silences", matchers=["team=" + "x" * 200], **{"for": "1h"})
    page.set_viewport_size({"width": width, "height": 800})
    for one in (path, f"/alerts/{h.alerts()[0]['fingerprint']}"):
        page.goto(one)
        for details in page.locator("details").all():
            details.evaluate("row => { row.open = true }")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
