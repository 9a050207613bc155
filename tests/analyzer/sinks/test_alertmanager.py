"""What Alertmanager is sent, held against its own definition of an alert."""

import asyncio
from typing import Any

import jsonschema
import pytest

from analyzer.settings import AlertmanagerSettings
from analyzer.sinks.alertmanager import Alertmanager, labels
from analyzer.sinks.sink import NotDelivered, Refused
from collector.times import US_PER_S, parse_time
from tests.analyzer.sinks.receiver import HANG, Receiver, receiver
from tests.analyzer.sinks.told import SINCE, UNTIL, resolved, told

NOW = (parse_time(SINCE) or 0) + 600 * US_PER_S

LABEL_SET = {"type": "object", "additionalProperties": {"type": "string"}}
POSTABLE_ALERTS = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["labels"],
        "additionalProperties": False,
        "properties": {
            "startsAt": {"type": "string", "format": "date-time"},
            "endsAt": {"type": "string", "format": "date-time"},
            "annotations": LABEL_SET,
            "labels": {
                **LABEL_SET,
                "minProperties": 1,
                "propertyNames": {"pattern": "^[a-zA-Z_][a-zA-Z0-9_]*$"},
                "additionalProperties": {"type": "string", "minLength": 1},
            },
            "generatorURL": {"type": "string", "format": "uri"},
        },
    },
}
"""`postableAlerts` of its OpenAPI definition; labels as its validation has them, beyond that."""


def alertmanager(*servers: Receiver, **changes: Any) -> Alertmanager:
    urls = [server.url for server in servers]
    settings = AlertmanagerSettings.model_validate({"urls": urls, "timeout": 5, **changes})
    return Alertmanager("am", settings, lambda: NOW)


def alert_of(server: Receiver) -> dict[str, Any]:
    """The last that it took, by which it is well formed."""
    request = server.taken[-1]
    assert request.path == "/secret-path/api/v2/alerts"
    jsonschema.validate(
        request.json, POSTABLE_ALERTS, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER
    )
    (alert,) = request.json
    assert (parse_time(alert["startsAt"]) or 0) <= (parse_time(alert["endsAt"]) or 0)
    return dict(alert)


async def test_what_fires_ends_four_rhythms_from_now_unless_told_again(server: Receiver) -> None:
    sink = alertmanager(server, resend_every="30s")
    assert sink.resend_every == 30
    await sink.deliver(told())
    await sink.close()
    alert = alert_of(server)
    assert alert["labels"] == {
        "alertname": "paid",
        "flow_type": "order",
        "severity": "critical",
        "team": "payments",
        "fingerprint": "alert-1",
    }
    assert alert["startsAt"] == SINCE
    assert parse_time(alert["endsAt"]) == NOW + 120 * US_PER_S
    assert alert["generatorURL"] == told().link
    assert alert["annotations"]["summary"] == "[CRITICAL] order: paid, 3 open"
    assert alert["annotations"]["description"].startswith(told().text)
    assert alert["annotations"]["flows"] == "ord-1, ord-2, ord-3"
    assert alert["annotations"]["runbook_url"] == told().runbook


async def test_what_is_resolved_ended_when_it_did(server: Receiver) -> None:
    sink = alertmanager(server)
    await sink.deliver(resolved())
    ended = alert_of(server)["endsAt"]
    await sink.deliver(resolved(since="2030-01-01T00:00:00.000Z"))
    await sink.close()
    assert ended == UNTIL
    alert_of(server)  # it does not end before it starts, whatever the clocks said


@pytest.mark.parametrize(
    "given",
    [
        {"a.b": "1", "a_b": "2", "a-b": "3"},
        {"": "x", "1st": "y", "ünï": "z", "emoji 🎉": "🎉\n", "empty": ""},
        {"alertname": "mine", "severity": "mine", "fingerprint": "mine", "flow_type": "mine"},
        {f"label {n}": "x" * n for n in range(50)},
    ],
)
async def test_labels_with_every_kind_of_character_are_made_valid_and_none_is_lost(
    server: Receiver, given: dict[str, str]
) -> None:
    sink = alertmanager(server)
    await sink.deliver(told(labels=given))
    await sink.close()
    alert = alert_of(server)
    own = {"alertname": "paid", "flow_type": "order", "severity": "critical"}
    assert alert["labels"].items() >= {**own, "fingerprint": "alert-1"}.items()
    others = [v for k, v in alert["labels"].items() if k not in (*own, "fingerprint")]
    assert sorted(others) == sorted(value for value in given.values() if value)


def test_labels_are_the_same_whatever_is_said_of_an_alert() -> None:
    said = [told(), told(2, change="more", count=9, text="x"), told(3, change="again"), resolved()]
    assert all(labels(one) == labels(told()) for one in said)
    assert labels(told(about="orders-3"))["about"] == "orders-3"
    assert labels(told(fingerprint="alert-2")) != labels(told())


async def test_every_member_of_a_cluster_is_told(server: Receiver) -> None:
    with receiver() as other:
        sink = alertmanager(server, other)
        assert await sink.deliver(told()) == "200 OK by 2 of 2"
        other.always = 500
        assert await sink.deliver(told(2)) == "200 OK by 1 of 2"
        other.stop()
        assert await sink.deliver(told(3)) == "200 OK by 1 of 2"
        await sink.close()
        assert len(server.taken) == 3
        assert len(other.taken) == 1


async def test_nobody_waits_for_a_member_that_hangs(server: Receiver) -> None:
    with receiver() as other:
        other.always = HANG
        sink = alertmanager(other, server, timeout=120)
        async with asyncio.timeout(60):
            for n in range(1, 101):
                assert await sink.deliver(told(n)) == "200 OK by 1 of 2"
        assert len(server.taken) == 100
        assert len(other.requests) == 1
        other.always = 200
        other.go_on()
        async with asyncio.timeout(60):
            while await sink.deliver(told(101)) != "200 OK by 2 of 2":
                await asyncio.sleep(0.01)
        await sink.close()


async def test_while_all_hang_nothing_is_taken(server: Receiver) -> None:
    server.always = HANG
    sink = alertmanager(server, timeout=120)
    first = asyncio.create_task(sink.deliver(told(1)))
    async with asyncio.timeout(60):
        while not server.requests:
            await asyncio.sleep(0.01)
    with pytest.raises(NotDelivered, match="still under way"):
        await sink.deliver(told(2))
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    await sink.close()


async def test_only_what_no_member_takes_is_not_delivered(server: Receiver) -> None:
    with receiver() as other:
        server.always, other.always = 400, 503
        sink = alertmanager(server, other)
        with pytest.raises(NotDelivered, match="503") as failure:
            await sink.deliver(told())
        assert not isinstance(failure.value, Refused)
        other.always = 400
        with pytest.raises(Refused, match="400"):
            await sink.deliver(told())
        await sink.close()


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"username": "me", "password": "hidden-word"}, "Basic bWU6aGlkZGVuLXdvcmQ="),
        ({"token": "hidden-word"}, "Bearer hidden-word"),
        ({"headers": {"Authorization": "Own hidden-word"}}, "Own hidden-word"),
    ],
)
async def test_it_says_who_it_is(server: Receiver, settings: dict[str, Any], expected: str) -> None:
    sink = alertmanager(server, **settings)
    await sink.deliver(told())
    await sink.close()
    assert server.taken[-1].headers["authorization"] == expected
    assert "hidden-word" not in repr(AlertmanagerSettings(urls=[server.url], **settings))


async def test_summary_and_description_can_be_templates(server: Receiver) -> None:
    sink = alertmanager(server, title="{{ count }} x {{ expectation }}", body="{{ 1 // 0 }}")
    await sink.deliver(told())
    await sink.close()
    annotations = alert_of(server)["annotations"]
    assert annotations["summary"] == "3 x paid"
    assert annotations["description"].startswith(told().text)
    assert "the template `body` failed" in annotations["description"]


def test_telling_again_ever_and_ever_is_refused() -> None:
    with pytest.raises(ValueError, match="too often"):
        AlertmanagerSettings.model_validate({"urls": ["http://h"], "resend_every": "10ms"})
