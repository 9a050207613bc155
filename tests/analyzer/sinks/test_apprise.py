"""Apprise: real services of the library's, at a real server; in a thread that may hang."""

import asyncio
import contextlib
import logging
from typing import Any

import pytest

from analyzer.settings import AppriseSettings
from analyzer.sinks import wording
from analyzer.sinks.apprise import AppriseSink, without_secrets
from analyzer.sinks.sink import NotDelivered
from collector.errors import ConfigurationError
from tests.analyzer.sinks.receiver import HANG, SLOW, Receiver, receiver
from tests.analyzer.sinks.told import resolved, told


def address(server: Receiver, path: str = "hidden-word") -> str:
    """The library's own JSON service."""
    return f"json://127.0.0.1:{server.port}/{path}"


def apprise(*urls: str, **changes: Any) -> AppriseSink:
    settings = AppriseSettings.model_validate({"urls": list(urls), "timeout": 10, **changes})
    assert "hidden-word" not in repr(settings)
    return AppriseSink("chat", settings)


@pytest.mark.parametrize(
    ("one", "kind"),
    [
        (told(), "failure"),
        (told(severity="warning"), "warning"),
        (told(severity="info"), "info"),
        (resolved(), "success"),
    ],
)
async def test_title_text_and_kind_say_how_it_stands(server: Receiver, one: Any, kind: str) -> None:
    sink = apprise(address(server))
    assert await sink.deliver(one) == "taken"
    (request,) = server.taken
    assert request.path == "/hidden-word"
    assert request.json["title"] == wording.title(one)
    assert request.json["message"] == wording.body(one)
    assert request.json["type"] == kind


async def test_texts_can_be_templates(server: Receiver) -> None:
    sink = apprise(address(server), title="{{ expectation }}", body="{{ oldest }} & <b>")
    await sink.deliver(told())
    assert server.taken[0].json["title"] == "paid"
    assert server.taken[0].json["message"] == "ord-1 & <b>"


async def test_an_address_can_name_the_alert(server: Receiver) -> None:
    """A pager's incident is known by it."""
    sink = apprise(address(server, "incident/{fingerprint}"))
    await sink.deliver(told())
    await sink.deliver(resolved())
    assert [one.path for one in server.taken] == ["/incident/alert-1"] * 2


async def test_who_took_it_is_not_told_again_with_who_did_not(server: Receiver) -> None:
    with receiver() as other:
        sink = apprise(address(server), address(other))
        other.always = 500
        with pytest.raises(NotDelivered, match=r"^urls\.1: ") as failure:
            await sink.deliver(told())
        assert failure.value.perhaps_taken
        with pytest.raises(NotDelivered, match=r"^urls\.1: "):
            await sink.deliver(told())
        other.always = 200
        assert await sink.deliver(told()) == "taken by 2"
        assert await sink.deliver(told(2)) == "taken by 2"
    assert len(server.taken) == 2
    assert len(other.taken) == 2


async def test_a_service_that_hangs_keeps_one_thread_and_nothing_else(server: Receiver) -> None:
    server.next = [HANG]
    sink = apprise(address(server) + "?rto=60", timeout=0.5)
    with pytest.raises(NotDelivered, match="no answer in"):
        await sink.deliver(told())
    with pytest.raises(NotDelivered, match="still under way"):
        await sink.deliver(told(2))
    assert len(server.requests) == 1


async def test_what_was_taken_too_late_is_not_told_again(server: Receiver) -> None:
    server.next = [SLOW]
    sink = apprise(address(server) + "?rto=60", timeout=0.3)
    with pytest.raises(NotDelivered, match="no answer in"):
        await sink.deliver(told())
    server.go_on()
    async with asyncio.timeout(30):
        while True:
            with contextlib.suppress(NotDelivered):
                assert await sink.deliver(told()) == "taken"
                break
            await asyncio.sleep(0.01)
    assert len(server.requests) == 1


async def test_what_failed_is_told_without_the_address(
    server: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    sink = apprise(address(server))
    server.always = 403
    with pytest.raises(NotDelivered) as refused:
        await sink.deliver(told())
    server.stop()
    with pytest.raises(NotDelivered) as away:
        await sink.deliver(told())
    assert "403" in str(refused.value)
    for said in (str(refused.value), str(away.value), caplog.text):
        assert "hidden-word" not in said


def test_an_address_that_is_none_is_an_error_without_it() -> None:
    with pytest.raises(ConfigurationError) as failure:
        apprise("json://localhost", "nothing://hidden-word")
    assert str(failure.value).startswith("alerts.sinks.chat.apprise.urls.1: ")
    assert "hidden-word" not in str(failure.value)


def test_no_piece_of_an_address_is_repeated() -> None:
    url = "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/#general"
    said = "Failed to send Slack notification: /services/T1JJ3T3L2/a1brtd4jd/x: error=404"
    assert without_secrets(said, url) == (
        "Failed to send Slack notification: /services/…/…/x: error=404"
    )
