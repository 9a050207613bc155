"""TLS, passwords, tokens and access control, on a real broker that insists on them."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from analyzer.settings import KafkaSinkSettings
from analyzer.sinks.kafka import KafkaSink
from analyzer.sinks.sink import NotDelivered, Refused
from collector.consumers.observation import Place
from collector.errors import ConfigurationError, SourceError
from collector.settings import SourceSettings
from collector.sources import kafka
from collector.sources.kafka import KafkaTap
from demo.broker import Broker
from demo.errors import BrokerError
from tests.analyzer.sinks import told as notifications
from tests.bus.daemon_process import DaemonProcess
from tests.bus.groups import Watching, consuming
from tests.bus.reading import TapReading
from tests.bus.secure import (
    GROUP,
    PASSWORD,
    Access,
    Certificates,
    TokenEndpoint,
    secure_broker,
)
from tests.bus.test_sight import eventually, findings_of, send
from tests.needing import lacking


def clock() -> int:
    return time.time_ns() // 1000


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def guarded(certificates: Certificates) -> Iterator[Broker]:
    try:
        started = secure_broker(certificates)
        started.start()
    except (BrokerError, ImportError) as error:
        lacking("a real Kafka", str(error))
    yield started
    started.stop()


@pytest.fixture
async def admin(guarded: Broker) -> AsyncIterator[AIOKafkaAdminClient]:
    started = AIOKafkaAdminClient(bootstrap_servers=guarded.bootstrap)
    await started.start()
    yield started
    await started.close()


@pytest.fixture
async def access(admin: AIOKafkaAdminClient) -> Access:
    return Access(admin._client)


@pytest.fixture
async def produce(guarded: Broker) -> AsyncIterator[Callable[..., Awaitable[None]]]:
    producer = AIOKafkaProducer(bootstrap_servers=guarded.bootstrap)
    await producer.start()

    async def send(topic: str, count: int = 1) -> None:
        for _ in range(count):
            await producer.send_and_wait(topic, b"{}", partition=0)

    yield send
    await producer.stop()


Topics = Callable[..., Awaitable[list[str]]]


@pytest.fixture
async def topics(admin: AIOKafkaAdminClient, topic_name: str) -> Topics:
    """`await topics("a", "b")` creates topics of this test's own; their full names."""

    async def create(*names: str) -> list[str]:
        full = [f"{topic_name}.{name}" for name in names]
        answer = await admin.create_topics([NewTopic(name, 1, 1) for name in full])
        errors = answer.to_object()["topic_errors"]
        assert [error["error_code"] for error in errors] == [0] * len(names), errors
        return full

    return create


Tapped = Callable[..., Awaitable[TapReading]]


@pytest.fixture
async def tapped(guarded: Broker, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Tapped]:
    """`await tapped(listener, topics, **kafka)`: a tap that finds what is new at once."""
    monkeypatch.setattr(kafka, "DISCOVER_EVERY", 0)
    taps = []

    async def start(listener: str, names: list[str], **changes: object) -> TapReading:
        found = {
            "bootstrap": guarded.address(listener), "topics": names, "start": "earliest", **changes
        }  # fmt: skip
        source = SourceSettings.model_validate(
            {"name": "s", "kafka": found, "name_from": ["topic"]}
        )
        tap = KafkaTap(source, (), clock)
        taps.append(tap)
        await tap.start()
        return TapReading(tap)

    yield start
    for tap in taps:
        await tap.stop()


def password(mechanism: str, secret: str = PASSWORD) -> dict[str, str]:
    return {"mechanism": mechanism, "username": "tap", "password": secret}


# Who gets in


async def read_one(
    reading_of: Awaitable[TapReading], topic: str, produce: Callable[..., Awaitable[None]]
) -> None:
    """Reads what is written after the connection stands: the fetches are let in too."""
    reading = await reading_of
    await produce(topic)
    await reading.until(lambda: len(reading.events) == 1)


async def test_tls_by_an_authority_of_its_own(
    tapped: Tapped,
    topics: Topics,
    access: Access,
    certificates: Certificates,
    produce: Callable[..., Awaitable[None]],
) -> None:
    (topic,) = await topics("t")
    # Nobody has said who he is on this listener: he is ANONYMOUS, as on the first.
    await read_one(tapped("TLS", [topic], tls={"ca": certificates.ca}), topic, produce)


async def test_mutual_tls(
    tapped: Tapped,
    topics: Topics,
    guarded: Broker,
    certificates: Certificates,
    access: Access,
    produce: Callable[..., Awaitable[None]],
) -> None:
    (topic,) = await topics("t")
    await access.grant(topic, "READ")
    own = {"ca": certificates.ca, "cert": certificates.cert, "key": certificates.key}
    await read_one(tapped("MUTUAL", [topic], tls=own), topic, produce)


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
async def test_passwords(
    mechanism: str,
    tapped: Tapped,
    topics: Topics,
    access: Access,
    produce: Callable[..., Awaitable[None]],
) -> None:
    (topic,) = await topics("t")
    await access.grant(topic, "READ")
    secret = "plain-secret" if mechanism == "PLAIN" else PASSWORD
    await read_one(tapped("PASSWORDS", [topic], sasl=password(mechanism, secret)), topic, produce)


async def test_a_password_over_tls(
    tapped: Tapped,
    topics: Topics,
    access: Access,
    certificates: Certificates,
    produce: Callable[..., Awaitable[None]],
) -> None:
    (topic,) = await topics("t")
    await access.grant(topic, "READ")
    both = {"tls": {"ca": certificates.ca}, "sasl": password("SCRAM-SHA-512")}
    await read_one(tapped("ALL", [topic], **both), topic, produce)


async def test_tokens_are_fetched_with_client_credentials_and_kept_while_they_last(
    tapped: Tapped,
    topics: Topics,
    access: Access,
    produce: Callable[..., Awaitable[None]],
) -> None:
    (topic,) = await topics("t")
    await access.grant(topic, "READ")
    with TokenEndpoint() as endpoint:
        sasl = credentials(endpoint, "client-secret")
        await read_one(tapped("TOKENS", [topic], sasl=sasl), topic, produce)
        assert endpoint.asked == [{"grant_type": ["client_credentials"], "scope": ["kafka"]}]
        assert endpoint.given == 1, "one token for all connections"


async def test_a_given_token(
    tapped: Tapped, topics: Topics, access: Access, produce: Callable[..., Awaitable[None]]
) -> None:
    (topic,) = await topics("t")
    await access.grant(topic, "READ")
    token = TokenEndpoint.token(3600)["access_token"]
    sasl = {"mechanism": "OAUTHBEARER", "token": token}
    await read_one(tapped("TOKENS", [topic], sasl=sasl), topic, produce)


def credentials(endpoint: TokenEndpoint, secret: str) -> dict[str, str]:
    return {
        "mechanism": "OAUTHBEARER",
        "token_url": endpoint.url,
        "client_id": "tap",
        "client_secret": secret,
        "scope": "kafka",
    }


# Who does not, and what he is told


async def refused(tapped: Tapped, listener: str, **security: object) -> str:
    """What is said, without the secret."""
    with pytest.raises(SourceError) as caught:
        await tapped(listener, ["*"], **security)
    said = str(caught.value)
    assert said.startswith("source s: no Kafka answers at localhost:")
    assert "s3cret" not in said
    return said


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
async def test_a_wrong_password_is_told_without_it(mechanism: str, tapped: Tapped) -> None:
    said = await refused(tapped, "PASSWORDS", sasl=password(mechanism, "s3cret"))
    assert "check `sasl.mechanism`, `sasl.username` and `sasl.password`" in said


async def test_a_mechanism_that_the_broker_has_not(
    tapped: Tapped, certificates: Certificates
) -> None:
    said = await refused(
        tapped, "ALL", tls={"ca": certificates.ca}, sasl=password("PLAIN", "s3cret")
    )
    assert "set `sasl.mechanism`" in said


async def test_a_token_that_is_refused_and_one_that_cannot_be_had(tapped: Tapped) -> None:
    with TokenEndpoint() as endpoint:
        said = await refused(tapped, "TOKENS", sasl=credentials(endpoint, "s3cret"))
    assert f"no token: {endpoint.url} answered 401" in said
    said = await refused(tapped, "TOKENS", sasl=credentials(endpoint, "s3cret"))
    assert f"no token: {endpoint.url} does not answer" in said
    said = await refused(tapped, "TOKENS", sasl={"mechanism": "OAUTHBEARER", "token": "s3cret"})
    assert "the broker refused the token" in said
    assert "check `sasl.token`" in said


async def test_a_broker_whose_certificate_is_not_trusted(
    tapped: Tapped, certificates: Certificates
) -> None:
    for tls in ({}, {"ca": certificates.stranger}):
        assert "name its authority in `tls.ca`" in await refused(tapped, "TLS", tls=tls)


async def test_a_broker_whose_certificate_names_another_host(
    guarded: Broker, tapped: Tapped, certificates: Certificates
) -> None:
    port = guarded.address("TLS").partition(":")[2]
    wrong = {"bootstrap": f"127.0.0.1:{port}", "tls": {"ca": certificates.ca}}
    with pytest.raises(SourceError, match="the broker's certificate names another host"):
        await tapped("TLS", ["*"], **wrong)
    unminded = {**wrong, "tls": {"ca": certificates.ca, "check_hostname": False}}
    await tapped("TLS", ["*"], **unminded)


async def test_a_broker_that_wants_a_certificate_of_ours(
    tapped: Tapped, certificates: Certificates
) -> None:
    said = await refused(tapped, "MUTUAL", tls={"ca": certificates.ca})
    assert "give `tls.cert` and `tls.key`" in said


async def test_tls_that_is_spoken_by_one_side_only(tapped: Tapped) -> None:
    assert "this listener speaks TLS" in await refused(tapped, "TLS")
    assert "what `tls` and `sasl` say" in await refused(tapped, "PASSWORDS", tls={})


async def test_files_that_cannot_be_used_are_mistakes_of_the_configuration(
    tapped: Tapped, certificates: Certificates, tmp_path: Path
) -> None:
    nonsense = tmp_path / "nonsense.pem"
    nonsense.write_text("no certificate")
    own = {"cert": certificates.cert, "key": certificates.key}
    for tls, said in (
        ({"ca": tmp_path / "none.pem"}, "tls.ca: .*none.pem cannot be read: No such file"),
        ({"ca": nonsense}, "tls.ca: .*nonsense.pem is not what is needed here"),
        ({**own, "cert": tmp_path / "none.pem"}, "tls.cert: .*none.pem cannot be read"),
        ({**own, "key": tmp_path / "none.key"}, "tls.key: .*none.key cannot be read"),
        ({**own, "key": certificates.broker}, "tls.cert: .*key values mismatch"),
    ):
        with pytest.raises(ConfigurationError, match=f"source s: kafka.{said}"):
            await tapped("TLS", ["*"], tls=tls)


# What we may read


def told(caplog: pytest.LogCaptureFixture, words: str) -> int:
    return sum(words in record.getMessage() for record in caplog.records)


async def scram_tap(tapped: Tapped, *globs: str, start: str = "earliest") -> TapReading:
    return await tapped("PASSWORDS", list(globs), sasl=password("SCRAM-SHA-256"), start=start)


async def test_nothing_but_read_and_describe_is_needed_and_what_is_denied_is_skipped(
    tapped: Tapped,
    topics: Topics,
    topic_name: str,
    access: Access,
    produce: Callable[..., Awaitable[None]],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.WARNING, "collector")
    both, described, unnamed, named = await topics("both", "described", "unnamed", "named")
    await access.grant(both, "READ", "DESCRIBE")
    await access.grant(described, "DESCRIBE")
    for topic in (both, described, unnamed, named):
        await produce(topic, 2)
    # `named` is asked for as such, `unnamed` by a glob: what may not be described is not seen.
    reading = await scram_tap(tapped, f"{topic_name}.*", named)
    began = clock()
    await reading.until(lambda: reading.complete_after(began))
    assert [event.topic for event in reading.events] == [both, both]
    assert {state.topic for state in reading.states.values()} == {both}, "nothing is held back"
    denied = {one.topic: one.why for one in reading.tap.condition().denied}
    assert denied.keys() == {described, named}
    assert "grant READ" in denied[described]
    assert "grant DESCRIBE and READ" in denied[named]
    # Many polls, each with a look at the topics: and it was said once.
    again = clock()
    await reading.until(lambda: reading.complete_after(again))
    assert told(caplog, described) == 1
    assert told(caplog, named) == 1


@pytest.mark.parametrize(("start", "offsets"), [("earliest", [0, 1, 2]), ("latest", [2])])
async def test_what_is_granted_later_is_read_as_start_says(
    start: str,
    offsets: list[int],
    tapped: Tapped,
    topics: Topics,
    topic_name: str,
    access: Access,
    produce: Callable[..., Awaitable[None]],
) -> None:
    (topic,) = await topics("later")
    await access.grant(topic, "DESCRIBE")
    await produce(topic, 2)
    reading = await scram_tap(tapped, f"{topic_name}.*", start=start)
    assert [one.topic for one in reading.tap.condition().denied] == [topic]
    await access.grant(topic, "READ")
    await reading.until(lambda: bool(reading.states))
    await produce(topic)
    await reading.until(lambda: len(reading.events) == len(offsets))
    assert reading.offsets() == offsets
    assert reading.tap.condition().denied == ()


@pytest.mark.parametrize("all_of_it", [False, True], ids=["read", "read-and-describe"])
async def test_what_is_denied_while_running_holds_its_judgements_until_it_is_granted_again(
    all_of_it: bool,
    tapped: Tapped,
    topics: Topics,
    topic_name: str,
    access: Access,
    produce: Callable[..., Awaitable[None]],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.WARNING, "collector")
    one, other = await topics("one", "other")
    await access.grant(one, "READ", "DESCRIBE")
    await access.grant(other, "READ")
    await produce(one)
    reading = await scram_tap(tapped, f"{topic_name}.*")
    await reading.until(lambda: len(reading.events) == 1)
    # Without DESCRIBE the topic looks as if it were gone from the bus.
    await access.take_back(one, "READ", *(["DESCRIBE"] if all_of_it else []))
    await reading.until(lambda: reading.state(one).blocked_since is not None)
    assert not reading.state(one).retired
    held = reading.state(one).complete_to
    await produce(one)
    await produce(other)
    await reading.until(lambda: len(reading.events) == 2)
    now = clock()
    await reading.until(lambda: reading.state(other).complete_to > now)
    assert reading.state(one).complete_to == held
    assert [denied.topic for denied in reading.tap.condition().denied] == [one]
    assert told(caplog, f"cannot read {one}") == 1
    await access.grant(one, "READ")
    await reading.until(lambda: len(reading.events) == 3)
    await reading.until(lambda: reading.state(one).blocked_since is None)
    assert [e.offset for e in reading.events if e.topic == one] == [0, 1]
    assert reading.gaps == []


# Who writes


async def test_a_sink_says_who_it_is_and_needs_the_right_to_write_alone(
    topics: Topics, guarded: Broker, access: Access, certificates: Certificates
) -> None:
    (topic,) = await topics("t")
    settings = {
        "bootstrap": guarded.address("ALL"),
        "topic": topic,
        "tls": {"ca": certificates.ca},
        "sasl": password("SCRAM-SHA-512"),
    }
    sink = KafkaSink("out", KafkaSinkSettings.model_validate(settings), clock)
    with pytest.raises(NotDelivered) as denied:
        await sink.deliver(notifications.told())
    assert not isinstance(denied.value, Refused)
    await access.grant(topic, "WRITE")
    assert await sink.deliver(notifications.told()) == "partition 0, offset 0"
    await sink.close()


async def test_a_sink_that_is_not_let_in_says_why_without_the_password(
    guarded: Broker, certificates: Certificates
) -> None:
    settings = {
        "bootstrap": guarded.address("ALL"),
        "topic": "t",
        "tls": {"ca": certificates.ca},
        "sasl": password("SCRAM-SHA-512", "s3cret"),
    }
    sink = KafkaSink("out", KafkaSinkSettings.model_validate(settings), clock)
    with pytest.raises(NotDelivered) as failure:
        await sink.deliver(notifications.told())
    await sink.close()
    assert "s3cret" not in str(failure.value)
    assert "sasl" in str(failure.value)


async def test_groups_need_describe_and_a_named_one_is_said_to_be_denied(
    guarded: Broker,
    topics: Topics,
    topic_name: str,
    access: Access,
    produce: Callable[..., Awaitable[None]],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.WARNING, "collector")
    (topic,) = await topics("read")
    await access.grant(topic, "READ", "DESCRIBE")
    await produce(topic, 3)
    seen, named, unnamed = (f"{topic_name}-{name}" for name in ("seen", "named", "unnamed"))
    for group in (seen, named, unnamed):
        async with consuming(guarded.bootstrap, group, topic) as one:
            await one.getmany(timeout_ms=2_000)
            await one.commit({TopicPartition(topic, 0): 2})
    await access.grant(seen, "DESCRIBE", of=GROUP)
    async with Watching(
        guarded.address("PASSWORDS"), f"{topic_name}-*", named, sasl=password("SCRAM-SHA-256")
    ) as watching:
        await watching.until(lambda: watching.committed(seen) == {Place(topic, 0): 2})
        assert {row.group for row in watching.groups} == {seen, named}
        assert "grant DESCRIBE" in (watching.group(named).why or "")
        assert watching.committed(named) == {}
        for _ in range(5):
            await watching.poll()
        assert told(caplog, named) == 1
        await access.grant(named, "DESCRIBE", of=GROUP)
        await watching.until(lambda: watching.committed(named) == {Place(topic, 0): 2})
        assert watching.group(named).why is None
        await access.take_back(named, "DESCRIBE", of=GROUP)
        await watching.until(lambda: watching.group(named).why is not None)
        assert watching.committed(named) == {Place(topic, 0): 2}, "it may be there still"
        await access.take_back(seen, "DESCRIBE", of=GROUP)
        await watching.until(lambda: watching.group(seen).state != "Empty")
        assert watching.group(seen).state == "Unknown", "nobody says that it is gone"
        assert "grant DESCRIBE" in (watching.group(seen).why or "")
        assert watching.committed(seen) == {Place(topic, 0): 2}


async def test_commits_are_polled_until_their_topic_may_be_read(
    guarded: Broker, access: Access, topics: Topics, caplog: pytest.LogCaptureFixture
) -> None:
    (topic,) = await topics("read")
    place, offsets = TopicPartition(topic, 0), "__consumer_offsets"
    await access.grant(topic, "DESCRIBE")
    await access.grant(topic, "DESCRIBE", of=GROUP)
    async with (
        consuming(guarded.bootstrap, topic, topic) as one,
        Watching(
            guarded.address("PASSWORDS"), topic, commits="offsets_topic",
            sasl=password("SCRAM-SHA-256"),
        ) as watching,
    ):  # fmt: skip
        await one.commit({place: 1})
        await watching.until(lambda: watching.committed(topic) == {Place(topic, 0): 1})
        looked = watching.watches[-1].moment
        await one.commit({place: 2})
        await watching.until(lambda: watching.committed(topic) == {Place(topic, 0): 2})
        assert (watching.commits[-1].before or 0) >= looked
        await watching.poll()
        (denied,) = watching.watch.condition().denied
        assert (denied.topic, "grant READ" in denied.why) == (offsets, True)
        assert told(caplog, offsets) == 1
        await access.grant(offsets, "READ")
        await watching.until(lambda: watching.watch.condition().denied == ())
        await watching.poll()
        for offset in (3, 4):
            await one.commit({place: offset})
            await asyncio.sleep(0.03)
        await watching.until(lambda: watching.committed(topic) == {Place(topic, 0): 4})
        assert [row.committed for row in watching.commits][-2:] == [3, 4]
        assert watching.commits[-1].since - (watching.commits[-1].before or 0) <= 2_000
        await access.take_back(offsets, "READ")
        await watching.until(lambda: watching.watch.condition().denied != ())


DENIED = """\
version: 1
flow: order
begins: order.created
services:
  payment: {group: PREFIX-payment, consumes: order.created, emits: payment.authorized}
  billing: {group: PREFIX-billing, consumes: order.created, emits: order.billed}
  shipping: {group: PREFIX-shipping, consumes: order.created, emits: order.shipped}
expectations:
  - {name: payment, after: order.created, expect: payment.authorized, within: 2s, grace: 1s}
  - {name: billing, after: order.created, expect: order.billed, within: 2s, grace: 1s}
  - {name: shipping, after: order.created, expect: order.shipped, within: 2s, grace: 1s}
  - {name: read, handled: order.created, groups: [PREFIX-billing], within: 2s, grace: 1s}
"""
OF_THE_TAP = f'''start: earliest,
      sasl: {{mechanism: SCRAM-SHA-256, username: tap, password: "{PASSWORD}"}},
      consumers: {{every: 300ms, groups: ["PREFIX-*", PREFIX-payment]}}'''


async def test_why_claims_nothing_of_groups_that_are_denied_and_says_so(
    guarded: Broker, topics: Topics, topic_name: str, access: Access, tmp_path: Path
) -> None:
    """All three have read each order, and none has answered. One is denied by its name, one is only
    not listed for that, and one is seen until it is denied."""
    (orders,) = await topics("orders")
    await access.grant(orders, "READ", "DESCRIBE")
    groups = {name: f"{topic_name}-{name}" for name in ("payment", "billing", "shipping")}
    await access.grant(groups["shipping"], "DESCRIBE", of=GROUP)
    rules = DENIED.replace("PREFIX", topic_name)
    eyes = DaemonProcess(
        tmp_path, guarded.address("PASSWORDS"), orders, rules, "http://localhost:1"
    )
    text = eyes.configuration.read_text()
    text = text.replace("start: earliest", OF_THE_TAP.replace("PREFIX", topic_name))
    eyes.configuration.write_text(text)
    producer = AIOKafkaProducer(bootstrap_servers=guarded.bootstrap)
    await producer.start()

    async def unanswered(flow: str, offset: int) -> None:
        await send(producer, orders, "order.created", flow)
        for member in members:
            await member.commit({TopicPartition(orders, 0): offset + 1})
        await eventually(lambda: findings_of(eyes, flow) == [("missing", "open")] * 3)

    def why(flow: str, name: str) -> dict[str, Any]:
        found: dict[str, Any] = eyes.ask(f"/api/flows/{flow}/why", expectation=name)
        return found

    def is_denied(flow: str, name: str) -> None:
        told, group = why(flow, name), groups[name]
        assert (told["verdict"], told["confidence"]) == ("unobserved", "certain"), told
        assert f"{group} was not seen" in told["text"]
        assert "grant DESCRIBE on the group" in told["text"]
        (seen,) = [one for one in told["evidence"] if one["kind"] == "consumer"]
        assert (seen["group"], seen["passed_by"], seen["committed"]) == (group, None, None)

    async with AsyncExitStack() as stack:
        members = [
            await stack.enter_async_context(consuming(guarded.bootstrap, group, orders))
            for group in groups.values()
        ]
        stack.enter_context(eyes)
        await asyncio.to_thread(eyes.ask, "/api/status")
        await unanswered("one", 0)
        # All that is told of this one was there to be seen of the others.
        await eventually(lambda: why("one", "shipping")["verdict"] == "swallowed")
        is_denied("one", "payment")
        is_denied("one", "billing")
        states = {i["expectation"]: i["state"] for i in eyes.ask("/api/flows/one")["instances"]}
        assert states.pop("read") == "unknown"
        assert set(states.values()) == {"missing"}
        await access.take_back(groups["shipping"], "DESCRIBE", of=GROUP)
        await unanswered("two", 1)
        for name in groups:
            is_denied("two", name)
        await access.grant(groups["billing"], "DESCRIBE", of=GROUP)
        await eventually(lambda: why("two", "billing")["verdict"] == "swallowed")
    await producer.stop()
