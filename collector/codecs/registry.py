"""The schema registry: asked over HTTP once for each schema, and seldom while it is away."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Collection
from urllib.parse import quote

import httpx
import msgspec

from collector.codecs.schema import BadSchema, Schema, Unusable
from collector.codecs.schema_types import SCHEMA_TYPES
from collector.errors import RegistryAway
from collector.payload import UNDECODABLE
from collector.settings import RegistrySettings
from collector.times import US_PER_S, format_duration, parse_duration
from collector.tls import tls_context

log = logging.getLogger(__name__)

FIRST_PAUSE, LONGEST_PAUSE = US_PER_S, 60 * US_PER_S
"""So long it is left alone after it did not answer; twice as long each time."""
UNKNOWN_FOR = 60 * US_PER_S
"""An ID that it does not know may be known later: so long that is taken for an answer."""
UNKNOWN_AT_ONCE = 100
"""So many such answers in that time, and IDs not asked for yet are taken for unknown, too: a topic
whose payloads only look like Avro would else cost a question an event."""
UNKNOWN_REMEMBERED = 10_000
MOST_REFERENCES = 200


class _Reference(msgspec.Struct):
    subject: str
    version: int


class _Answer(msgspec.Struct, rename="camel"):
    schema: str
    schema_type: str | None = None
    references: list[_Reference] | None = None


_answer = msgspec.json.Decoder(_Answer).decode


class _Unknown(Exception):
    """It answered that it has no such thing."""


class Registry:
    """The schemas of one source. Decoding looks into its memory only; `ask` is what waits."""

    def __init__(self, source: str, settings: RegistrySettings, clock: Callable[[], int]) -> None:
        self._place = f"source {source}: the schema registry at {settings.url}"
        self._settings = settings
        self._clock = clock
        self._timeout = (parse_duration(settings.timeout) or 0) / US_PER_S
        self._known: dict[int, Schema | Unusable] = {}
        self._unknown: dict[int, int] = {}
        """IDs that it did not know, with the moment until which that is believed."""
        self._refusals: deque[int] = deque(maxlen=UNKNOWN_AT_ONCE)
        """Until when its last answers of that kind are believed."""
        self._away: RegistryAway | None = None
        self._pause = 0
        self._next_try = 0
        self._tls = tls_context(f"source {source}: registry.tls", settings.tls)
        self._client: httpx.AsyncClient | None = None

    def knows(self, id: int) -> bool:
        return id in self._known or id in self._unknown

    def schema(self, id: int) -> Schema | Unusable:
        """What was learnt of it; raises RegistryAway where that is nothing yet."""
        found = self._known.get(id)
        if found is not None:
            return found
        if id in self._unknown:
            return Unusable("unknown-schema")
        raise self._away or RegistryAway(f"{self._place} was not asked yet for schema {id}")

    async def ask(self, ids: Collection[int]) -> None:
        """Learns what is not known of these; raises RegistryAway while it cannot."""
        if len(self._unknown) > UNKNOWN_REMEMBERED:
            self._unknown.clear()
        for id in sorted(ids):
            if id not in self._known and not self._taken_for_unknown(id):
                await self._learn(id)

    def _taken_for_unknown(self, id: int) -> bool:
        now = self._clock()
        if self._unknown.get(id, now) > now:
            return True
        if len(self._refusals) < UNKNOWN_AT_ONCE or self._refusals[0] <= now:
            return False
        self._unknown[id] = now
        return True

    async def _learn(self, id: int) -> None:
        now = self._clock()
        if self._away is not None and now < self._next_try:
            raise self._away
        try:
            async with asyncio.timeout(2 * self._timeout):
                self._known[id] = await self._fetched(id)
            self._unknown.pop(id, None)
        except _Unknown:
            log.warning("%s has no schema %d", self._place, id)
            self._unknown[id] = now + UNKNOWN_FOR
            self._refusals.append(now + UNKNOWN_FOR)
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, RegistryAway) as error:
            raise self._left_alone(error) from error
        if self._away is not None:
            log.warning("%s answers again", self._place)
        self._away, self._pause = None, 0

    def _left_alone(self, error: Exception) -> RegistryAway:
        self._pause = min(max(2 * self._pause, FIRST_PAUSE), LONGEST_PAUSE)
        self._next_try = self._clock() + self._pause
        why = str(error) or type(error).__name__
        self._away = RegistryAway(f"{self._place} does not help: {why}")
        log.warning("%s; asked again in %s", self._away, format_duration(self._pause))
        return self._away

    async def _fetched(self, id: int) -> Schema | Unusable:
        answer = await self._get(f"schemas/ids/{id}")
        kind = answer.schema_type or "AVRO"
        compiled = SCHEMA_TYPES.get(kind)
        if compiled is None:
            log.warning("%s: schema %d is of the type %s", self._place, id, kind)
            return Unusable("unsupported-schema")
        try:
            references: dict[tuple[str, int], str] = {}
            await self._collect(answer, references)
            return compiled(answer.schema, list(references.values()))
        except BadSchema as error:
            log.warning("%s: schema %d cannot be used: %s", self._place, id, error)
            return Unusable("bad-schema")

    async def _collect(
        self, answer: _Answer, found: dict[tuple[str, int], str], depth: int = 0
    ) -> None:
        """The schemas that an answer refers to; those that others need stand before them."""
        for one in answer.references or ():
            name = (one.subject, one.version)
            if name in found:
                continue
            if depth > 50 or len(found) >= MOST_REFERENCES:
                raise BadSchema("too many references")
            try:
                inner = await self._get(f"subjects/{quote(one.subject, '')}/versions/{one.version}")
            except _Unknown:
                raise BadSchema(f"{one.subject} {one.version} is not there") from None
            await self._collect(inner, found, depth + 1)
            found[name] = inner.schema

    async def _get(self, path: str) -> _Answer:
        if self._client is None:
            self._client = self._new_client()
        answer = await self._client.get(path)
        if answer.status_code != 200:
            # A registry gives its code with a 404; a proxy or a wrong address gives a page.
            said = answer.content
            if answer.status_code == 404 and (not said or b"error_code" in said):
                raise _Unknown
            raise RegistryAway(f"it answers {answer.status_code} to {path}")
        try:
            return _answer(answer.content)
        except UNDECODABLE:
            raise RegistryAway(
                f"its answer to {path} is no schema; is this the address of a schema registry?"
            ) from None

    def _new_client(self) -> httpx.AsyncClient:
        given = self._settings
        headers = {"accept": "application/vnd.schemaregistry.v1+json, application/json"}
        auth = None
        if given.token is not None:
            headers["authorization"] = f"Bearer {given.token.get_secret_value()}"
        elif given.username is not None and given.password is not None:
            auth = httpx.BasicAuth(given.username, given.password.get_secret_value())
        return httpx.AsyncClient(
            base_url=given.url, timeout=self._timeout, headers=headers, auth=auth, verify=self._tls
        )

    async def close(self) -> None:
        if self._client is not None:
            await self._client.aclose()
            self._client = None
