"""The webhook: what it sends, what it takes for an answer, and what it never tells."""

import hashlib
import hmac
import logging
import ssl
from pathlib import Path

import msgspec
import pytest
import trustme
from pydantic import SecretStr

from analyzer.notification import Notification
from analyzer.settings import WebhookSettings
from analyzer.sinks.answers import LONGEST_WISH_S, retry_after
from analyzer.sinks.sink import NotDelivered, Refused
from analyzer.sinks.webhook import Webhook
from nonevent.clock import clock
from tests.analyzer.sinks.receiver import DRIP, HANG, LONG, RESET, Receiver, receiver
from tests.analyzer.sinks.told import told

SECRET = "sixteen characters or more"
MOMENT = 1_800_000_000_000_000


def webhook(server: Receiver, **changes: object) -> Webhook:
    settings = WebhookSettings.model_validate({"url": server.url, "timeout": 5, **changes})
    return Webhook("hook", settings, lambda: MOMENT)


async def test_the_body_is_the_notification(server: Receiver) -> None:
    sink = webhook(server)
    assert await sink.deliver(told()) == "200 OK"
    await sink.close()
    (request,) = server.taken
    assert request.path == "/secret-path"
    assert request.headers["content-type"] == "application/json"
    assert msgspec.json.decode(request.body, type=Notification) == told()
    assert request.json["version"] == 1
    assert request.headers["nonevent-id"] == told().id
    assert request.headers["nonevent-fingerprint"] == told().fingerprint
    assert "nonevent-signature" not in request.headers


async def test_a_receiver_can_check_the_signature_with_the_secret_alone(server: Receiver) -> None:
    sink = webhook(server, secret=SECRET)
    await sink.deliver(told(text="ünïcode, \n and 'quotes'"))
    await sink.close()
    (request,) = server.taken
    parts = dict(part.split("=") for part in request.headers["nonevent-signature"].split(","))
    signed = parts["t"].encode() + b"." + request.body
    assert parts["t"] == str(MOMENT // 10**6)
    assert parts["v1"] == hmac.new(SECRET.encode(), signed, hashlib.sha256).hexdigest()


async def test_headers_of_ones_own_are_sent_and_ours_stay_ours(server: Receiver) -> None:
    sink = webhook(server, headers={"Authorization": "Bearer x", "NONEVENT-ID": "mine"})
    await sink.deliver(told(id="ünï\r\ncode: x"))
    await sink.close()
    (request,) = server.taken
    assert request.headers["authorization"] == "Bearer x"
    assert request.headers["nonevent-id"] == "%C3%BCn%C3%AF%0D%0Acode: x"


async def test_a_template_makes_another_body(server: Receiver) -> None:
    template = '{"msg": {{ (expectation ~ ": " ~ text) | tojson }}, "n": {{ findings | length }}}'
    sink = webhook(server, template=template, headers={"content-type": "text/x-own"})
    await sink.deliver(told())
    await sink.close()
    (request,) = server.taken
    assert request.json == {"msg": f"paid: {told().text}", "n": 3}
    assert request.headers["content-type"] == "text/x-own"


async def test_a_template_that_fails_lets_the_notification_itself_go(
    server: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    sink = webhook(
        server, template="{{ 1 // 0 }}", headers={"content-type": "text/x-own", "x-key": "k"}
    )
    await sink.deliver(told())
    await sink.close()
    (request,) = server.taken
    assert request.json["id"] == told().id
    assert request.headers["content-type"] == "application/json"
    assert request.headers["x-key"] == "k"
    assert "`template` failed" in request.headers["nonevent-note"]
    assert "`template` failed" in caplog.text


@pytest.mark.parametrize("code", [300, 401, 403, 404, 408, 410, 425, 429, 500, 502, 503])
async def test_what_speaks_of_address_login_or_moment_is_tried_again(
    server: Receiver, code: int
) -> None:
    server.next = [code]
    sink = webhook(server)
    with pytest.raises(NotDelivered, match=str(code)) as failure:
        await sink.deliver(told())
    assert not isinstance(failure.value, Refused)
    await sink.deliver(told())
    await sink.close()
    assert server.ids == [told().id]


@pytest.mark.parametrize("code", [400, 409, 413, 415, 422])
async def test_what_speaks_of_the_message_is_a_refusal(server: Receiver, code: int) -> None:
    server.next = [code]
    sink = webhook(server)
    with pytest.raises(Refused, match=str(code)):
        await sink.deliver(told())
    await sink.close()


async def test_one_connection_serves_many_and_an_endless_answer_is_not_read(
    server: Receiver,
) -> None:
    sink = webhook(server)
    for n in range(5):
        await sink.deliver(told(n))
    assert server.connections == 1
    server.next = [LONG]
    assert await sink.deliver(told(6)) == "200 OK"
    await sink.close()


async def test_a_receiver_is_trusted_by_the_authority_that_is_named(tmp_path: Path) -> None:
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    with receiver(context) as server:
        sink = webhook(server, tls={"ca": tmp_path / "ca.pem"})
        assert await sink.deliver(told()) == "200 OK"
        await sink.close()
        stranger = webhook(server)
        with pytest.raises(NotDelivered, match="cannot be reached"):
            await stranger.deliver(told())
        await stranger.close()
    assert len(server.requests) == 1


@pytest.mark.parametrize("trouble", [HANG, DRIP, RESET])
async def test_a_server_that_hangs_drips_or_resets_has_perhaps_taken_it(
    server: Receiver, trouble: str
) -> None:
    server.next = [trouble]
    sink = webhook(server, timeout=0.5)
    with pytest.raises(NotDelivered) as failure:
        await sink.deliver(told())
    assert failure.value.perhaps_taken
    await sink.deliver(told(2))
    await sink.close()
    assert server.ids == [told(2).id]


async def test_a_server_that_is_away_has_taken_nothing(server: Receiver) -> None:
    server.stop()
    sink = webhook(server)
    with pytest.raises(NotDelivered, match="cannot be reached") as failure:
        await sink.deliver(told())
    assert not failure.value.perhaps_taken
    await sink.close()


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "17"}, 17.0),
        ({"retry-after": "9999999999999"}, LONGEST_WISH_S),
        ({"retry-after": "-3"}, None),
        ({"retry-after": "soon"}, None),
        ({}, None),
        (
            {
                "date": "Sun, 01 Mar 2026 10:00:00 GMT",
                "retry-after": "Sun, 01 Mar 2026 10:02:00 GMT",
            },
            120.0,
        ),
        (
            {
                "date": "Sun, 01 Mar 2026 10:00:00 GMT",
                "retry-after": "Sun, 01 Mar 2020 10:02:00 GMT",
            },
            0.0,
        ),
        ({"retry-after": "Sun, 01 Mar 2026 10:02:00 GMT"}, None),
    ],
)
def test_retry_after_is_seconds_or_a_date_by_the_servers_clock(
    headers: dict[str, str], seconds: float | None
) -> None:
    assert retry_after(headers) == seconds


async def test_the_sinks_wish_to_be_left_alone_is_handed_on(server: Receiver) -> None:
    server.next, server.headers = [429], {"Retry-After": "17"}
    sink = webhook(server)
    with pytest.raises(NotDelivered) as failure:
        await sink.deliver(told())
    await sink.close()
    assert failure.value.retry_after == 17


@pytest.mark.parametrize(
    "trouble", [400, 404, 500, HANG, RESET, 301], ids=lambda trouble: str(trouble)
)
async def test_secrets_are_never_told(
    server: Receiver, trouble: int | str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    server.always = trouble
    settings = WebhookSettings.model_validate(
        {
            "url": server.url.replace("127.0.0.1", "nobody:hidden-word@127.0.0.1"),
            "timeout": 0.5,
            "secret": SECRET,
            "headers": {"x": "hidden-word"},
        }
    )
    sink = Webhook("hook", settings, clock)
    logging.getLogger("httpx").setLevel(logging.WARNING)  # as `nonevent.logs` does
    with pytest.raises(NotDelivered) as failure:
        await sink.deliver(told())
    await sink.close()
    said = repr(settings) + str(failure.value) + caplog.text + repr(failure.value)
    assert server.requests
    for hidden in ("secret-path", "hidden-word", SECRET):
        assert hidden not in said


@pytest.mark.parametrize("url", ["", "host/x", "ftp://host/x", "http://", "http://h:99999/", "a b"])
def test_an_address_that_is_none_is_not_repeated_in_its_error(url: str) -> None:
    with pytest.raises(ValueError, match="this is no address") as failure:
        WebhookSettings(url=SecretStr(url))
    assert "secret" not in str(failure.value)
