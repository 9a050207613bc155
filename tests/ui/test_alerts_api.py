"""Alerts by API: what they are, what people do about them, and what becomes of it."""

from typing import Any

import pytest

from collector.times import format_time
from tests.analyzer.alerts.desk import START, finding
from tests.ui.alerted import US, House, Make
from tests.ui.samples import NASTY

ODD = {"team": 'a "quoted" one', "note": "two\nlines", "html": "<b>&amp;</b>", "ü": "日本 \u202e"}


def at(second: float) -> str:
    return format_time(START + round(second * US))


def fired(h: House, *ids: str, **changes: Any) -> str:
    """The fingerprint of the alert that these findings make."""
    h.desk.found(*(finding(id, **changes) for id in ids))
    (told, *_) = h.desk.at(h.desk.now)
    return told.fingerprint


def test_an_alert_is_listed_with_what_the_contract_says(house: Make) -> None:
    h = house()
    h.desk.found(finding("a"), finding("b", labels={"team": "payments"}, severity="critical"))
    h.desk.at(2)
    plain, team = sorted(h.alerts(), key=lambda one: one["severity"], reverse=True)
    assert plain == {
        "fingerprint": plain["fingerprint"], "expectation": "paid", "type": "order",
        "state": "firing", "severity": "warning", "labels": {"environment": "test"},
        "since": at(0), "began": at(0), "count": 1, "flow": "flow-a", "oldest": at(0),
        "text": "no payment for a", "reason": None, "acknowledged": None, "quiet": None,
        "changed_at": at(0), "link": f"http://here/alerts/{plain['fingerprint']}",
    }  # fmt: skip
    assert team["labels"] == {"environment": "test", "team": "payments"}


def test_alerts_are_filtered_by_state_severity_expectation_labels_and_change(house: Make) -> None:
    h = house()
    a = finding("a", labels={"team": "payments"})
    h.desk.found(a, finding("b", expectation="shipped", severity="critical", labels=ODD))
    h.desk.at(1)
    h.desk.gone(a)
    h.desk.at(100)
    names = [one["expectation"] for one in h.alerts()]
    assert names == ["paid", "shipped"], "the newest change first"
    for asked in (
        {"state": "firing"}, {"severity": "critical"}, {"expectation": "shipped"},
        {"label": "team!=payments"}, {"label": ["environment=test", "type=order", "ü=~日本.*"]},
        {"label": f'note="{ODD["note"]}"'}, {"label": "html=<b>&amp;</b>"},
        {"label": f"team={ODD['team']}"},
    ):  # fmt: skip
        assert [one["expectation"] for one in h.alerts(**asked)] == ["shipped"], asked
    assert [one["expectation"] for one in h.alerts(since=at(0.5))] == ["paid"]
    first = h.client.get("/api/alerts", params={"limit": 1}).json()
    rest = h.client.get("/api/alerts", params={"limit": 1, "cursor": first["next"]}).json()
    assert [one["expectation"] for one in first["items"] + rest["items"]] == names
    assert rest["next"] is None


def test_one_alert_comes_with_its_findings_and_everything_that_became_of_it(house: Make) -> None:
    h = house()
    ours = [finding(str(n), labels={"b": "2", "a": "1"}) for n in range(25)]
    # The same labels in another order, and other ones.
    h.desk.found(*ours, finding("turned", labels={"a": "1", "b": "2"}), finding("other"))
    fingerprint = next(told.fingerprint for told in h.desk.at(0) if "a" in told.labels)
    h.did("/marks", what="deploy", comment="payments 4.2", **{"from": at(-60)})
    h.did("/marks", what="deploy", comment="long ago", **{"from": at(-7200)})
    h.did(f"/alerts/{fingerprint}/acknowledge", comment="on it")
    h.desk.gone(ours[0])
    h.desk.at(20)
    h.did("/silences", matchers=["a=1"], **{"for": "1h"})
    found = h.alert(fingerprint[:8])
    assert found["fingerprint"] == fingerprint
    assert found["acknowledged"] == "bob"
    assert len(found["findings"]) == 20
    assert found["more_findings"]
    assert {one["state"] for one in found["findings"]} == {"open"}
    assert {one["alert"] for one in found["findings"]} == {fingerprint}
    assert [(one["kind"], one["author"], one["comment"]) for one in found["acts"]] == [
        ("acknowledge", "bob", "on it")
    ]
    (told,) = found["told"]
    assert (told["sink"], told["status"], told["count"], told["outcome"]) == (
        "hook", "firing", 26, None,
    )  # fmt: skip
    assert [one["comment"] for one in found["marks"]] == ["payments 4.2"]
    assert [one["matchers"] for one in found["silences"]] == [["a=1"]]
    assert [one["acknowledged"] for one in found["history"]] == ["bob", None]
    listed = h.client.get("/api/findings", params={"alert": fingerprint, "limit": 100}).json()
    assert {one["id"] for one in listed["items"]} == {"turned", *(one.id for one in ours)}


def test_findings_and_flows_name_the_alert_they_belong_to(house: Make) -> None:
    h = house()
    fingerprint = fired(h, "a")
    h.desk.found(finding("old", expectation="history"), historical=True, news=False)
    h.desk.at(1)
    items = h.client.get("/api/findings").json()["items"]
    assert {one["id"]: one["alert"] for one in items} == {"a": fingerprint, "old": None}


def test_acknowledging_and_taking_it_back(house: Make) -> None:
    h = house()
    fingerprint = fired(h, "a")
    act = h.did(f"/alerts/{fingerprint[:6]}/acknowledge", comment="looking")
    assert (act["kind"], act["alert"], act["author"]) == ("acknowledge", fingerprint, "bob")
    # At once, although the alert itself is judged anew a moment later.
    assert h.did(f"/alerts/{fingerprint}/take-back")["kind"] == "take_back"
    again = h.post(f"/alerts/{fingerprint}/take-back")
    assert (again.status_code, "acknowledged by nobody" in again.text) == (409, True)
    h.did(f"/alerts/{fingerprint}/acknowledge", author="ann")
    h.desk.at(1)
    assert h.alert(fingerprint)["acknowledged"] == "ann"
    assert [act.kind for act in h.heard] == ["acknowledge", "take_back", "acknowledge"]


def test_closing_an_alert_closes_its_findings_and_it_is_over(house: Make) -> None:
    h = house()
    fingerprint = fired(h, "a", "b")
    h.desk.now = 1
    h.did(f"/alerts/{fingerprint}/close", comment="known & <harmless>")
    (told,) = h.desk.at(2)
    assert (told.status, told.reason) == ("resolved", "closed by bob: known & <harmless>")
    assert h.alert(fingerprint)["state"] == "resolved"
    assert {one["state"] for one in h.alert(fingerprint)["findings"]} == {"closed"}
    again = h.post(f"/alerts/{fingerprint}/close")
    assert again.status_code == 409
    assert f"(paid) is resolved since {at(1)}" in again.json()["error"]


def test_closing_one_finding(house: Make) -> None:
    h = house()
    fingerprint = fired(h, "a", "b")
    h.desk.now = 1
    h.did("/findings/a/close")
    h.desk.at(20)
    assert h.alert(fingerprint)["count"] == 1
    assert h.post("/findings/a/close").status_code == 409
    assert h.post("/findings/nobody/close").status_code == 404


def test_a_finding_that_stands_in_no_alert_is_closed_too_and_stays_so(house: Make) -> None:
    h = house(keep_firing_for="10m")
    h.desk.found(finding("old"), historical=True, news=False)
    h.desk.found(finding("b"))
    h.desk.at(700)
    assert h.alerts()[0]["state"] == "resolved"
    for id in ("old", "b"):
        h.did(f"/findings/{id}/close")
    h.desk.at(701)
    for _ in range(2):
        items = h.client.get("/api/findings").json()["items"]
        assert {one["id"]: (one["state"], one["reason"]) for one in items} == {
            "old": ("closed", "closed by bob"), "b": ("closed", "closed by bob"),
        }  # fmt: skip
        changes = h.client.get("/api/acts").json()["items"]
        assert len(changes) == 2


def test_a_silence_is_made_listed_and_ended(house: Make) -> None:
    h = house()
    made = h.did("/silences", matchers=["expectation=paid"], comment="release", **{"for": "10m"})
    assert made == {
        "id": 1, "state": "active", "author": "bob", "comment": "release",
        "matchers": ["expectation=paid"], "starts": at(0), "ends": at(600), "ended_by": None,
    }  # fmt: skip
    later = h.did("/silences", matchers=["a=b"], **{"from": at(60), "until": at(120)})
    assert later["state"] == "coming"
    h.desk.found(finding("a"))
    assert h.desk.at(50) == []
    assert h.alerts()[0]["quiet"] == f"silenced by bob until {at(600)}: release"
    ended = h.client.delete("/api/silences/1", params={"author": "ann"})
    assert ended.json()["kind"] == "expire"
    assert len(h.desk.at(51)) == 1
    over = h.client.get("/api/silences", params={"state": "over"}).json()["items"]
    assert [(one["id"], one["ends"], one["ended_by"]) for one in over] == [(1, at(50), "ann")]
    again = h.client.delete("/api/silences/1", params={"author": "ann"})
    assert (again.status_code, "was ended by ann" in again.text) == (409, True)
    assert h.client.delete("/api/silences/99", params={"author": "ann"}).status_code == 404
    assert h.client.delete("/api/marks/2", params={"author": "ann"}).status_code == 404
    listed = h.client.get("/api/silences").json()["items"]
    assert [one["id"] for one in listed] == [2, 1]


def test_marks_of_deploys_and_maintenance(house: Make) -> None:
    h = house()
    deploy = h.did("/marks", what="deploy", comment="shop 12")
    assert (deploy["state"], deploy["ends"]) == ("over", at(0))
    work = h.did("/marks", what="maintenance", matchers=["region=~e.*"], **{"for": "1h"})
    h.desk.found(finding("a", labels={"region": "eu"}))
    assert h.desk.at(30) == []
    assert h.client.delete(f"/api/marks/{work['id']}", params={"author": "bob"}).is_success
    assert len(h.desk.at(31)) == 1
    marks = h.client.get("/api/marks").json()["items"]
    assert [(one["what"], one["state"]) for one in marks] == [
        ("maintenance", "over"), ("deploy", "over"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"matchers": ["team"], "for": "1h"}, "matchers: 'team' is not a matcher; write name="),
        ({"matchers": ["team=~(("], "for": "1h"}, "is not a pattern"),
        ({"matchers": [], "for": "1h"}, "fits every alert"),
        ({"matchers": ["team!=nobody"], "for": "1h"}, "fits every alert"),
        ({"matchers": ["team=~.*"], "for": "1h"}, "`confirm: true`, --yes"),
        ({"matchers": ["a=b"]}, "a silence needs an end"),
        ({"matchers": ["a=b"], "for": "31d"}, "lasts 30 d at most"),
        ({"matchers": ["a=b"], "for": "soon"}, "for: 'soon' is no duration"),
        ({"matchers": ["a=b"], "for": "0s"}, "for: '0s' is no duration"),
        ({"matchers": ["a=b"], "until": "2h"}, "for so long from now on is `for` 2h"),
        ({"matchers": ["a=b"], "until": at(9), "for": "1h"}, "either `until` or `for`"),
        ({"matchers": ["a=b"], "from": at(10), "until": at(9)}, "it ends before it begins"),
        ({"matchers": ["a=b"], "from": at(-10), "until": at(-9)}, "is over already"),
        ({"matchers": ["a=b"], "until": "2026-03-01"}, "has no zone"),
        ({"matchers": ["a=b"], "for": "1h", "author": "  "}, "author: say who you are"),
        ({"matchers": ["a=b"], "for": "1h", "matcher": 1}, "matcher: there is no such"),
        ({"matchers": "a=b", "for": "1h"}, "matchers: 'a=b' will not do"),
    ],
)
def test_a_silence_that_is_not_meant_is_refused_with_its_cure(
    house: Make, body: dict[str, Any], said: str
) -> None:
    h = house()
    answer = h.post("/silences", **body)
    assert answer.status_code == 400
    assert said in answer.json()["error"]
    assert h.client.get("/api/acts").json() == {"items": [], "next": None}
    assert h.heard == []


def test_what_fits_every_alert_is_silenced_once_it_is_confirmed(house: Make) -> None:
    h = house()
    assert h.post("/marks", what="maintenance", **{"for": "1h"}).status_code == 400
    h.did("/marks", what="maintenance", confirm=True, **{"for": "1h"})
    h.did("/silences", matchers=["team!=nobody"], confirm=True, **{"for": "1h"})
    h.desk.found(finding("a"))
    assert h.desk.at(10) == []


def test_alerts_that_are_not_there_or_not_the_only_ones(house: Make) -> None:
    h = house()
    for n in range(20):
        h.desk.found(finding(str(n), expectation=f"rule {n}"))
    h.desk.at(0)
    prints = sorted(one["fingerprint"] for one in h.alerts())
    several = next(p[0] for p in prints if sum(q[0] == p[0] for q in prints) > 1)
    answer = h.post(f"/alerts/{several}/acknowledge")
    assert answer.status_code == 400
    assert "begins several: " in answer.json()["error"]
    for nobody in ("zzz", "%", "%25", "a'b"):
        answer = h.post(f"/alerts/{nobody}/acknowledge")
        assert (answer.status_code, "lists them" in answer.text or "list them" in answer.text) == (
            404, True,
        )  # fmt: skip


def test_what_changes_something_needs_the_header_that_no_other_site_can_send(house: Make) -> None:
    h = house()
    fingerprint = fired(h, "a")
    del h.client.headers["Nonevent-Command"]
    for path in ("/silences", "/marks", f"/alerts/{fingerprint}/close", "/findings/a/close"):
        assert h.post(path, matchers=["a=b"], what="deploy").status_code == 403
    for path in ("/silences/1", "/marks/1"):
        gone = h.client.delete(f"/api{path}", params={"author": "bob"})
        assert gone.status_code == 403
    assert h.heard == []


def test_whatever_people_write_comes_back_as_it_was(house: Make) -> None:
    h = house()
    matchers = [f'note="{ODD["note"]}"', f"team={ODD['team']}", f'ü=~{NASTY}[^"]*'][:2]
    said = NASTY.strip()
    made = h.did(
        "/silences", matchers=matchers, comment=said, author="Ann <ann@x>", **{"for": "1h"}
    )
    assert made["matchers"] == matchers
    (act,) = h.client.get("/api/acts", params={"author": "Ann <ann@x>"}).json()["items"]
    assert (act["comment"], act["matchers"]) == (said, matchers)
    h.desk.found(finding("a", labels=ODD), finding("b", expectation="other"))
    assert [one.expectation for one in h.desk.at(10)] == ["other"]


def test_the_audit_trail_is_paged_the_newest_first(house: Make) -> None:
    h = house()
    fingerprint = fired(h, "a")
    for n in range(5):
        h.desk.now = n
        h.did(f"/alerts/{fingerprint}/acknowledge", author=f"person {n % 2}")
    seen: list[int] = []
    cursor = None
    while True:
        asked = {"limit": 2, **({"cursor": cursor} if cursor else {})}
        page = h.client.get("/api/acts", params=asked).json()
        seen += [one["id"] for one in page["items"]]
        if (cursor := page["next"]) is None:
            break
    assert seen == [5, 4, 3, 2, 1]
    ones = h.client.get("/api/acts", params={"author": "person 1", "since": at(2)}).json()["items"]
    assert [one["id"] for one in ones] == [4]
    assert h.client.get("/api/acts", params={"alert": "x"}).json()["items"] == []
    assert len(h.client.get("/api/acts", params={"kind": "acknowledge"}).json()["items"]) == 5
    assert h.client.get("/api/acts", params={"kind": "nap"}).status_code == 400


def test_the_tally_counts_findings_alerts_and_notifications(house: Make) -> None:
    h = house()
    a = finding("a")
    h.desk.found(a, finding("b"), finding("c", expectation="shipped", severity="critical"))
    h.desk.at(1)
    h.desk.gone(a)
    h.desk.at(20)
    tally = h.client.get("/api/tally").json()
    assert {(t["expectation"], t["severity"], t["state"]): t["findings"] for t in tally["findings"]
    } == {("paid", "warning", "open"): 1, ("paid", "warning", "retracted"): 1,
          ("shipped", "critical", "open"): 1}  # fmt: skip
    assert {(t["state"], t["severity"]): t["alerts"] for t in tally["alerts"]} == {
        ("firing", "warning"): 1, ("firing", "critical"): 1,
    }  # fmt: skip
    (sink,) = tally["sinks"]
    assert (sink["sink"], sink["waiting"], sink["oldest"], sink["refused"]) == ("hook", 2, at(0), 0)
    assert h.client.get("/api/status").json()["alerts"] == {"firing": 2, "pending": 0}
