"""The pages in a real browser: they lead to the missing event, on a phone as well."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.ui.conftest import FakeQueries
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
