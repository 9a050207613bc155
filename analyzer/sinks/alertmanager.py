"""Prometheus' Alertmanager, by its API v2: it groups, silences and routes what fires."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence

import httpx
import msgspec

from analyzer.notification import Notification
from analyzer.settings import AlertmanagerSettings
from analyzer.sinks.answers import Http
from analyzer.sinks.sink import NotDelivered, Refused
from analyzer.sinks.templates import Texts
from analyzer.sinks.wording import flows_of
from collector.times import US_PER_S, format_time, parse_duration, parse_time

SLOWER_S = 1.0
LASTS = 4
"""So many times `resend_every` an alert fires on that nobody tells of any more."""


class PostableAlert(msgspec.Struct, frozen=True, rename="camel"):
    """As Alertmanager's definition has it."""

    labels: dict[str, str]
    annotations: dict[str, str]
    starts_at: str
    ends_at: str
    generator_url: str = msgspec.field(name="generatorURL")


class Alertmanager:
    """Taken is what one member of the cluster took: the others hear of it when it is told again.
    A member that has not answered yet is asked nothing more, and nobody waits for it."""

    def __init__(self, name: str, settings: AlertmanagerSettings, clock: Callable[[], int]) -> None:
        self._urls = [
            f"{url.get_secret_value().rstrip('/')}/api/v2/alerts" for url in settings.urls
        ]
        self._headers = {
            key.lower(): value.get_secret_value() for key, value in settings.headers.items()
        }
        if settings.token is not None:
            self._headers["authorization"] = f"Bearer {settings.token.get_secret_value()}"
        auth = None
        if settings.username is not None and settings.password is not None:
            auth = httpx.BasicAuth(settings.username, settings.password.get_secret_value())
        self._resend = parse_duration(settings.resend_every) or 0
        self._clock = clock
        self._asked: dict[str, asyncio.Task[str | NotDelivered]] = {}
        self._texts = Texts(name, {"title": settings.title, "body": settings.body})
        self._http = Http(f"alerts.sinks.{name}.alertmanager", settings.timeout, settings.tls, auth)

    @property
    def resend_every(self) -> float:
        return self._resend / US_PER_S

    async def deliver(self, notification: Notification) -> str:
        title, body = await self._texts.title_and_body(notification)
        alert = self._alert(notification, title, body)
        content = msgspec.json.encode([alert])
        headers = {**self._headers, "content-type": "application/json"}
        fresh: list[asyncio.Task[str | NotDelivered]] = []
        for url in self._urls:
            if (asked := self._asked.get(url)) is None or asked.done():
                post = self._http.post(url, content, headers)
                self._asked[url] = asyncio.create_task(_outcome(post))
                fresh.append(self._asked[url])
        answers = await _until_one_has_it(fresh)
        taken = [answer for answer in answers if isinstance(answer, str)]
        if taken:
            more = f" by {len(taken)} of {len(self._urls)}" if len(self._urls) > 1 else ""
            return taken[0] + more
        failed = [answer for answer in answers if isinstance(answer, NotDelivered)]
        if not failed:
            raise NotDelivered("an earlier message is still under way", perhaps_taken=True)
        # One that is away may still take what another refuses.
        raise min(failed, key=lambda error: isinstance(error, Refused))

    def _alert(self, told: Notification, title: str, body: str) -> PostableAlert:
        annotations = {
            "summary": title,
            "description": body,
            "flows": ", ".join(flows_of(told)),
            "runbook_url": told.runbook or "",
        }
        return PostableAlert(
            labels=labels(told),
            annotations={key: text for key, text in annotations.items() if text},
            starts_at=told.since,
            ends_at=format_time(self._ends(told)),
            generator_url=told.link,
        )

    def _ends(self, told: Notification) -> int:
        """Of what fires, a moment that moves on as long as somebody says so. It never ends before
        it started: that would be refused."""
        ends = self._clock()
        if told.status != "resolved":
            ends += LASTS * self._resend
        elif told.until is not None:
            ends = parse_time(told.until) or ends
        return max(ends, parse_time(told.since) or ends)

    async def close(self) -> None:
        for asked in self._asked.values():
            asked.cancel()
        await asyncio.gather(*self._asked.values(), return_exceptions=True)
        await self._http.close()


async def _outcome(post: Awaitable[str]) -> str | NotDelivered:
    try:
        return await post
    except NotDelivered as error:
        return error


async def _until_one_has_it(
    asked: Sequence["asyncio.Task[str | NotDelivered]"],
) -> list[str | NotDelivered]:
    """What they answered; of those that are much slower than the first to take it, nothing."""
    waited: set[asyncio.Task[str | NotDelivered]] = set(asked)
    while waited:
        done, waited = await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
        if any(isinstance(one.result(), str) for one in done):
            if waited:
                await asyncio.wait(waited, timeout=SLOWER_S)
            break
    return [one.result() for one in asked if one.done()]


def labels(told: Notification) -> dict[str, str]:
    """What an alert is known by there: equal from every nonevent, and for all that is said of it.

    The fingerprint keeps two alerts apart whose other labels are equal.
    """
    own = {
        "alertname": told.expectation,
        "flow_type": told.type,
        "severity": told.severity,
        "about": told.about or "",
        "fingerprint": told.fingerprint,
    }
    return {**_valid(told.labels, own), **{key: text for key, text in own.items() if text}}


def _valid(given: Mapping[str, str], taken: Mapping[str, str]) -> dict[str, str]:
    """Labels whose names Prometheus has, too; none is lost where two become one name."""
    found: dict[str, str] = {}
    for name in sorted(given):
        valid = re.sub(r"[^a-zA-Z0-9_]", "_", name) or "_"
        if valid[0].isdecimal():
            valid = f"_{valid}"
        while valid in found or valid in taken:
            valid += "_"
        if given[name]:
            found[valid] = given[name]
    return found
