"""The pages of alerts: what they show, what their forms do, and from whom forms are taken."""

import base64
import html
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.analyzer.alerts.desk import finding
from tests.ui import samples
from tests.ui.alerted import House, Make
from tests.ui.conftest import FakeQueries
from tests.ui.samples import NASTY
from ui.alert_pages import matchers_of

ODD = {"team": 'a "quoted" one', "html": "<b>&amp;</b>"}


class Visitor:
    """A browser, as far as pages can tell one without scripts."""

    def __init__(self, house: House) -> None:
        self.client = httpx.Client(
            base_url=house.server.url, headers={"Accept": "text/html"}, trust_env=False, timeout=30
        )

    def page(self, path: str, **headers: str) -> str:
        answer = self.client.get(path, headers=headers)
        assert answer.status_code == 200, answer.text
        return answer.text

    def token(self, path: str) -> str:
        return re.findall(r'name="token" value="([^"]+)"', self.page(path))[0]

    def send(
        self, path: str, of: str, headers: dict[str, str] | None = None, **fields: str
    ) -> httpx.Response:
        """Fills in the form of a page."""
        filled = {"token": self.token(of), "author": "ann", **fields}
        return self.client.post(path, data=filled, headers=headers or {})


def fired(h: House, *ids: str, **changes: Any) -> str:
    h.desk.found(*(finding(id, **changes) for id in ids))
    (told, *_) = h.desk.at(h.desk.now)
    return str(told.fingerprint)


def test_alerts_that_fire_stand_first_and_count_in_the_navigation(house: Make) -> None:
    h = house(keep_firing_for="10m")
    fired(h, "old", expectation="over")
    h.desk.at(700)
    fired(h, "a", labels=ODD)
    page = Visitor(h).page("/alerts")
    assert 'Alerts <b class="count">1</b>' in page
    assert page.index(">paid</a>") < page.index("Pending") < page.index(">over</a>")
    assert "html=&lt;b&gt;&amp;amp;&lt;/b&gt;" in page
    assert "it stood for 10m, and nothing closed it" in page
    only = Visitor(h).page("/alerts?state=resolved&label=&expectation=")
    assert ">over</a>" in only
    assert ">paid</a>" not in only
    assert ">paid</a>" in Visitor(h).page("/alerts?label=html=~.b.*")


def test_where_nothing_fires_the_page_says_so(house: Make) -> None:
    page = Visitor(house()).page("/alerts")
    assert "Nothing fires" in page
    assert 'class="count"' not in page


def test_an_alert_shows_its_findings_and_what_became_of_it(house: Make) -> None:
    h = house()
    h.did("/marks", what="deploy", comment="payments <4.2>")
    fingerprint = fired(h, "a", "b", labels=ODD)
    h.did(f"/alerts/{fingerprint}/acknowledge", comment="on & off")
    page = Visitor(h).page(f"/alerts/{fingerprint}")
    for told in (
        "no payment for a", "no payment for b", 'href="/flows/flow-a#finding-a"',
        "hook</b>: firing",
        "payments &lt;4.2&gt;", "on &amp; off", "acknowledged</span> by bob", "Take back",
    ):  # fmt: skip
        assert told in page, told
    assert f'href="/alerts/{fingerprint}"' in Visitor(h).page("/findings")
    assert Visitor(h).client.get("/alerts/nobody").status_code == 404


def test_forms_acknowledge_take_back_and_close(house: Make) -> None:
    h = house()
    v, fingerprint = Visitor(h), fired(h, "a")
    path = f"/alerts/{fingerprint}"
    answer = v.send(f"{path}/acknowledge", path, comment="looking <i>")
    assert (answer.status_code, answer.headers["location"]) == (303, path)
    # At once, before the alert is judged anew.
    assert "acknowledged</span> by ann" in v.page(path)
    assert v.send(f"{path}/take-back", path).status_code == 303
    assert "acknowledged</span>" not in v.page(path).partition("History")[0]
    h.desk.now = 1
    assert v.send(f"{path}/close", path, comment="known").status_code == 303
    h.desk.at(2)
    closed = v.page(path)
    assert "closed by ann: known" in closed
    assert 'name="token"' not in closed, "what is over can no longer be closed"
    assert [act.comment for act in h.heard] == ["looking <i>", "", "known"]
    assert "looking &lt;i&gt;" in v.page("/acts")


def test_one_finding_is_closed_where_it_stands(house: Make) -> None:
    h = house()
    v, fingerprint = Visitor(h), fired(h, "a", "b", "c")
    path = f"/alerts/{fingerprint}"
    h.desk.now = 1
    for id, back in (("a", f"{path}#finding-a"), ("c", f"{path}#finding-c")):
        assert f'value="{back}"' in v.page(path)
        form = {"comment": "refunded <by hand>", "back": back}
        answer = v.send(f"/findings/{id}/close", path, **form)
        assert (answer.status_code, answer.headers["location"]) == (303, back)
    h.desk.at(2)
    page = v.page(path)
    assert page.count("Close this finding") == 1, "that one alone is open"
    assert "closed by ann: refunded &lt;by hand&gt;" in page
    assert h.alert(fingerprint)["state"] == "firing"
    states = {one["id"]: one["state"] for one in h.alert(fingerprint)["findings"]}
    assert states == {"a": "closed", "b": "open", "c": "closed"}
    assert "finding <span" in v.page("/acts")
    again = v.send("/findings/a/close", path)
    assert (again.status_code, "is closed already" in again.text) == (409, True)
    elsewhere = v.send("/findings/b/close", path, back="//elsewhere.example/")
    assert elsewhere.headers["location"] == "/findings"
    assert v.client.post("/findings/b/close", data={"author": "ann"}).status_code == 403


def test_one_finding_is_closed_on_the_page_of_its_flow(
    house: Make, make_client: Callable[..., httpx.Client], queries: FakeQueries
) -> None:
    h = house()
    open_one = next(one for one in samples.broken_flow().found if one.state == "open")
    fired(h, open_one.id)
    h.desk.now = 1
    client = make_client(queries, acts=h.acts)
    page = client.get("/flows/ord-8812").text
    (action,) = re.findall(r'action="([^"]+/close)"', page)
    fields = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]+)"', page))
    answer = client.post(action, data={**fields, "author": "ann"})
    place = f"/flows/ord-8812#finding-{open_one.id}"
    assert (answer.status_code, answer.headers["location"]) == (303, place)
    assert [(act.kind, act.finding, act.author) for act in h.heard] == [
        ("close", open_one.id, "ann")
    ]
    assert "/close" not in client.get("/findings").text, "a list is for looking"


@pytest.mark.parametrize("labels", [ODD, {"note": "two\nlines"}, {"a b": "c"}, {"x": "\u202e"}])
def test_the_form_of_an_alert_silences_that_alert(house: Make, labels: dict[str, str]) -> None:
    h = house()
    v, fingerprint = Visitor(h), fired(h, "a", labels=labels)
    fired(h, "other", expectation="other", flow="elsewhere")
    path = f"/alerts/{fingerprint}"
    (area,) = re.findall(r"<textarea[^>]*>(.*?)</textarea>", v.page(path), re.S)
    written = "\r\n".join(matchers_of(h.queries.alert(fingerprint)))
    assert html.unescape(area) == written.replace("\r\n", "\n")
    answer = v.send(
        "/silences", path, matchers=written, alert=fingerprint, comment="release", **{"for": "2h"}
    )
    assert (answer.status_code, answer.headers["location"]) == (303, path)
    assert "release" in v.page(path)
    h.desk.at(2)
    quiet = {one["expectation"]: one["quiet"] is not None for one in h.alerts()}
    assert quiet == {"paid": True, "other": False}


def test_silences_and_marks_are_made_and_ended_on_their_page(house: Make) -> None:
    h = house()
    v = Visitor(h)
    made = v.send("/silences", "/silences", matchers="team=a\r\n\r\nregion=~b.*", **{"for": "1h"})
    assert (made.status_code, made.headers["location"]) == (303, "/silences")
    marks = {"what": "maintenance", "matchers": "a=b", "for": "30m"}
    assert v.send("/marks", "/silences", **marks).status_code == 303
    assert v.send("/marks", "/silences", what="deploy", matchers="", **{"for": ""}).is_redirect
    page = v.page("/silences")
    assert "<code>team=a</code> <code>region=~b.*</code>" in page
    assert "<b>maintenance</b>" in page
    assert v.send("/silences/1/expire", "/silences").status_code == 303
    assert v.send("/marks/2/end", "/silences").status_code == 303
    assert {one["state"] for one in h.client.get("/api/silences").json()["items"]} == {"over"}
    assert {one["state"] for one in h.client.get("/api/marks").json()["items"]} == {"over"}
    everything = {"matchers": "team!=nobody", "for": "1h"}
    refused = v.send("/silences", "/silences", **everything)
    assert (refused.status_code, "fits every alert" in refused.text) == (400, True)
    assert v.send("/silences", "/silences", confirm="yes", **everything).status_code == 303


def test_a_form_that_came_from_elsewhere_is_refused(house: Make) -> None:
    h = house()
    v, fingerprint = Visitor(h), fired(h, "a")
    path = f"/alerts/{fingerprint}"
    own = v.client.headers.get("host", h.server.url[7:])
    for headers, fields in (
        ({}, {"token": ""}),
        ({}, {"token": "guessed"}),
        ({}, {"token": "ü"}),
        ({"Origin": "https://evil.example"}, {}),
        ({"Sec-Fetch-Site": "cross-site"}, {}),
        ({"Sec-Fetch-Site": "same-site"}, {}),
    ):
        answer = v.send(f"{path}/close", path, headers, **fields)
        assert (answer.status_code, "load the page again" in answer.text) == (403, True), headers
    as_json = v.client.post(f"{path}/close", json={"author": "x", "token": v.token(path)})
    assert as_json.status_code == 415
    assert v.send(f"{path}/close", path, comment="x" * 70_000).status_code == 413
    many = v.client.post(
        f"{path}/close", content="&".join(f"a{n}=1" for n in range(100)),
        headers={"Content-Type": "application/x-www-form-urlencoded"},
    )  # fmt: skip
    assert many.status_code == 400
    assert h.heard == []
    for headers in (
        {"Origin": "null", "Sec-Fetch-Site": "same-origin"},
        {"Origin": f"http://{own}"},
    ):
        assert v.send(f"{path}/acknowledge", path, headers).status_code == 303, headers


def test_the_name_given_with_the_token_is_put_down(house: Make) -> None:
    h = house()
    fingerprint = fired(h, "a")
    basic = "Basic " + base64.b64encode('Jörg "J" <x>:pw'.encode()).decode()
    page = Visitor(h).page(f"/alerts/{fingerprint}", Authorization=basic)
    assert 'name="author" value="Jörg &#34;J&#34; &lt;x&gt;"' in page


def test_whatever_people_and_events_write_is_escaped(house: Make) -> None:
    h = house()
    said = NASTY.strip()
    fingerprint = fired(h, "a", labels={"team": said}, expectation=said, text=said, flow=said)
    h.did("/silences", matchers=[f'team="{said}"'], comment=said, author=said, **{"for": "1h"})
    h.did("/marks", what="deploy", comment=said, author=said)
    h.did(f"/alerts/{fingerprint}/acknowledge", comment=said, author=said)
    h.desk.at(2)
    for path in ("/alerts", f"/alerts/{fingerprint}", "/silences", "/acts", "/findings"):
        page = Visitor(h).page(path)
        assert "<script" not in page
        assert "<img src=x" not in page
        assert "\u202e" not in page
        assert "&lt;script&gt;" in page


def test_pages_without_acts_have_no_forms(
    make_client: Callable[..., httpx.Client], queries: FakeQueries, tmp_path: Path
) -> None:
    h = House(tmp_path)
    try:
        fingerprint = fired(h, "a")
        client = make_client(h.queries)  # type: ignore[arg-type]
        for path in (f"/alerts/{fingerprint}", "/silences"):
            assert 'method="post"' not in client.get(path).text
        assert client.post(f"/alerts/{fingerprint}/close").status_code == 404
    finally:
        h.close()
