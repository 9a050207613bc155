"""The registry is asked once for each schema, and left alone while it is away."""

import json
from collections.abc import AsyncIterator, Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from collector.codecs import registry as module
from collector.codecs.registry import Registry
from collector.codecs.schema import Schema, Unusable
from collector.errors import ConfigurationError, RegistryAway
from collector.settings import RegistrySettings
from collector.times import US_PER_S
from tests.collector.codecs.registry_server import RegistryServer, registry_server, wire

ORDER = {"type": "record", "name": "Order", "fields": [{"name": "id", "type": "string"}]}


class Clock:
    now = 1_772_359_500 * US_PER_S

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def server() -> Iterator[RegistryServer]:
    with registry_server() as started:
        started.add(7, ORDER)
        yield started


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def registry_of(
    server: RegistryServer, clock: Clock
) -> AsyncIterator[Callable[..., Registry]]:
    opened = []

    def of(**settings: Any) -> Registry:
        described = RegistrySettings.model_validate({"url": server.url, **settings})
        opened.append(Registry("bus", described, clock))
        return opened[-1]

    yield of
    for one in opened:
        await one.close()


Of = Callable[..., Registry]


def usable(found: Schema | Unusable) -> Schema:
    assert not isinstance(found, Unusable)
    return found


async def away(registry: Registry, *ids: int) -> str:
    with pytest.raises(RegistryAway) as raised:
        await registry.ask(ids)
    return str(raised.value)


async def test_a_schema_is_asked_for_once(server: RegistryServer, registry_of: Of) -> None:
    registry = registry_of()
    for _ in range(3):
        await registry.ask({7})
    body = wire(7, ORDER, {"id": "x"})[5:]
    assert usable(registry.schema(7)).decode(body) == (b'{"id":"x"}', ())
    assert server.asked == ["/registry/schemas/ids/7"]


def test_a_schema_that_was_not_asked_for_is_not_guessed(registry_of: Of) -> None:
    with pytest.raises(RegistryAway, match="schema 7"):
        registry_of().schema(7)


async def test_an_unknown_id_is_believed_for_a_minute_and_then_asked_for_again(
    server: RegistryServer, registry_of: Of, clock: Clock
) -> None:
    registry = registry_of()
    for _ in range(5):
        await registry.ask({8})
    assert registry.schema(8) == Unusable("unknown-schema")
    assert len(server.asked) == 1
    server.add(8, ORDER)
    clock.now += module.UNKNOWN_FOR
    await registry.ask({8})
    usable(registry.schema(8))


async def test_ids_without_end_that_it_does_not_know_are_not_all_asked_for(
    server: RegistryServer, registry_of: Of, clock: Clock
) -> None:
    registry = registry_of()
    for first in range(1_000, 6_000, 1_000):
        await registry.ask(range(first, first + 1_000))
    assert len(server.asked) == module.UNKNOWN_AT_ONCE
    assert registry.schema(5_999) == Unusable("unknown-schema")
    await registry.ask({7})
    assert registry.schema(7) == Unusable("unknown-schema")
    clock.now += module.UNKNOWN_FOR
    await registry.ask({7})
    usable(registry.schema(7))


async def test_while_it_is_away_it_is_asked_with_growing_pauses(
    server: RegistryServer, registry_of: Of, clock: Clock
) -> None:
    registry = registry_of()
    server.status = 503
    assert "503" in await away(registry, 7)
    asked = []
    for _ in range(300):
        clock.now += US_PER_S
        await away(registry, 7)
        asked.append(len(server.asked))
    moments = [0] + [1 + i for i in range(300) if asked[i] > (asked[i - 1] if i else 1)]
    pauses = [b - a for a, b in pairwise(moments)]
    assert pauses[:7] == [1, 2, 4, 8, 16, 32, 60]
    assert set(pauses[7:]) == {60}
    server.status = 200
    clock.now += 60 * US_PER_S
    await registry.ask({7})
    usable(registry.schema(7))
    server.status = 503
    await away(registry, 9)
    clock.now += module.FIRST_PAUSE
    await away(registry, 9)
    assert server.asked[-2:] == ["/registry/schemas/ids/9"] * 2, "the pauses begin anew"


async def test_what_it_told_is_known_while_it_is_away(
    server: RegistryServer, registry_of: Of
) -> None:
    registry = registry_of()
    await registry.ask({7})
    server.stop()
    await registry.ask({7})
    assert server.url in await away(registry, 7, 8)
    usable(registry.schema(7))
    assert not registry.knows(8)


@pytest.mark.parametrize(
    ("status", "page"),
    [(401, b"who?"), (403, b""), (404, b"<html>no such page</html>"), (429, b""), (500, b"oops"),
     (302, b""), (200, b"<html>hello</html>"), (200, b""), (200, b"[]"), (200, b'{"schema":5}'),
     (200, b"[" * 10_000), (200, b'{"schema":"\xff"}'),
     (200, b'{"schema":"int","references":[{}]}')],
)  # fmt: skip
async def test_any_other_answer_is_no_answer(
    server: RegistryServer, registry_of: Of, status: int, page: bytes
) -> None:
    server.status, server.page = status, page
    await away(registry_of(), 7)


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        ({"schema": "{no schema"}, "bad-schema"),
        ({"schema": '{"type":"array","items":"null"}'}, "bad-schema"),
        ({"schema": 'syntax = "proto3";', "schemaType": "PROTOBUF"}, "unsupported-schema"),
        ({"schema": '"Gone"', "references": [{"name": "Gone", "subject": "g", "version": 1}]},
         "bad-schema"),
    ],
)  # fmt: skip
async def test_a_schema_that_cannot_be_used_holds_nothing_up(
    server: RegistryServer, registry_of: Of, answer: dict[str, Any], problem: str
) -> None:
    server.schemas[9] = answer
    registry = registry_of()
    await registry.ask({9})
    await registry.ask({9})
    assert registry.schema(9) == Unusable(problem)
    assert server.asked.count("/registry/schemas/ids/9") == 1


def refers(subject: str, version: int = 1) -> dict[str, Any]:
    return {"references": [{"name": subject, "subject": subject, "version": version}]}


async def test_references_are_followed(server: RegistryServer, registry_of: Of) -> None:
    money = {"type": "record", "name": "Money", "fields": [{"name": "in", "type": "Code"}]}
    code = {"type": "enum", "name": "Code", "symbols": ["EUR", "USD"]}
    server.schemas[9] = {"schema": '["null", "Money"]', **refers("shop money")}
    server.subjects["shop%20money", 1] = {"schema": json.dumps(money), **refers("code", 3)}
    server.subjects["code", 3] = {"schema": json.dumps(code)}
    registry = registry_of()
    await registry.ask({9})
    body = wire(9, ["null", "Money"], {"in": "USD"}, names=[code, money])[5:]
    assert usable(registry.schema(9)).decode(body) == (b'{"in":"USD"}', ())


async def test_references_in_a_circle_end(server: RegistryServer, registry_of: Of) -> None:
    server.schemas[9] = {"schema": '"A"', **refers("a")}
    server.subjects["a", 1] = {"schema": '"B"', **refers("b")}
    server.subjects["b", 1] = {"schema": '"A"', **refers("a")}
    registry = registry_of()
    await registry.ask({9})
    assert registry.schema(9) == Unusable("bad-schema")


@pytest.mark.parametrize(
    ("settings", "header"),
    [
        ({}, None),
        ({"username": "me", "password": "pass"}, "Basic bWU6cGFzcw=="),
        ({"token": "t0ken"}, "Bearer t0ken"),
    ],
)
async def test_it_says_who_it_is(
    server: RegistryServer, registry_of: Of, settings: dict[str, str], header: str | None
) -> None:
    await registry_of(**settings).ask({7})
    assert server.authorization == [header]


async def test_secrets_are_in_no_message(server: RegistryServer, registry_of: Of) -> None:
    server.status = 401
    registry = registry_of(username="me", password="s3cret")
    assert "s3cret" not in await away(registry, 7) + repr(registry._settings)


@pytest.mark.parametrize(
    "settings",
    [
        {"url": "registry:8081"},
        {"url": "http://r", "username": "me"},
        {"url": "http://r", "password": "x"},
        {"url": "http://r", "token": "x", "username": "me", "password": "x"},
    ],
)
def test_what_cannot_be_meant_is_refused(settings: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        RegistrySettings.model_validate(settings)


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_a_certificate_that_cannot_be_used_is_told_at_the_start(
    tmp_path: Path, registry_of: Of, content: str | None
) -> None:
    ca = tmp_path / "ca.pem"
    if content is not None:
        ca.write_text(content)
    with pytest.raises(ConfigurationError, match=r"source bus: registry\.tls"):
        registry_of(tls={"ca": str(ca)})
