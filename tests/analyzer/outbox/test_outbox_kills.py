"""`kill -9` at any moment of alerting: nothing lost, the same twice at most, in order per alert."""

import asyncio
import os
import random
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import jsonschema
import msgspec
import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from analyzer.notification import Notification
from demo.broker import Broker
from tests.analyzer.outbox.outbox_process import ALERTS, STEPS, step
from tests.analyzer.sinks.receiver import HANG, RESET, Receiver, Request, receiver
from tests.analyzer.sinks.test_alertmanager import POSTABLE_ALERTS
from tests.bus.conftest import commit, write_result
from tests.bus.reading import Record, read_all

ROOT = Path(__file__).parents[3]
KILLS, FIELD_KILLS = 12, 200
A_KILL = 8
"""Transitions."""
TOPIC = "alerts"
TROUBLES: Mapping[str, list[int | str]] = {
    "steady": [],
    "shaky": [500, 503, 429, RESET, HANG],
    "metrics": [500, 503, RESET, HANG],
    "chat": [500, RESET, HANG],
}
"""By sink, what it does now and then instead of taking what it is told."""
INSTEAD = re.compile(r"\n\(in place of .*\)$")
NUMBER = re.compile(r"\((\d{6})\)")


@dataclass(frozen=True)
class Heard:
    """What a sink took, of whatever kind it is."""

    alert: str
    """Its fingerprint."""
    number: int
    """The last transition that it tells of."""
    status: str
    told: object
    """All of it but for what differs when it is said again: the same twice is the same."""

    @classmethod
    def of(cls, text: str, told: object = None) -> "Heard":
        """Of a text: a title, what was found, and a link."""
        (alert,) = set(re.findall(r"http://here/alerts/(\w+)", text))
        status = "resolved" if text.startswith("[RESOLVED]") else "firing"
        # What fires is told again alone, whatever it stood for the first time.
        text = INSTEAD.sub("", text)
        return cls(alert, number_in(text), status, (text, told))


def number_in(*texts: str | None) -> int:
    return max(int(one) for text in texts if text for one in NUMBER.findall(text))


def of_record(record: Record) -> Heard:
    assert record.value is not None
    body = msgspec.json.decode(record.value, type=Notification)
    assert record.key == body.fingerprint.encode()
    return Heard(body.fingerprint, number_in(body.text, body.reason), body.status, body)


def of_webhook(request: Request) -> Heard:
    body = msgspec.json.decode(request.body, type=Notification)
    assert request.headers["nonevent-id"] == body.id
    assert request.headers["nonevent-fingerprint"] == body.fingerprint
    return Heard(body.fingerprint, number_in(body.text, body.reason), body.status, body)


def of_alertmanager(request: Request) -> Heard:
    checker = jsonschema.Draft202012Validator.FORMAT_CHECKER
    jsonschema.validate(request.json, POSTABLE_ALERTS, format_checker=checker)
    (alert,) = request.json
    words = "\n".join(alert["annotations"][key] for key in ("summary", "description"))
    heard = Heard.of(words, (alert["labels"], alert["startsAt"]))
    assert alert["labels"]["fingerprint"] == heard.alert
    return heard


def of_apprise(request: Request) -> Heard:
    return Heard.of(f"{request.json['title']}\n{request.json['message']}")


KINDS: Mapping[str, Callable[[Request], Heard]] = {
    "steady": of_webhook, "shaky": of_webhook, "metrics": of_alertmanager, "chat": of_apprise,
}  # fmt: skip


class House:
    """A process that alerts, and all whom it tells."""

    def __init__(
        self, folder: Path, servers: Mapping[str, Receiver], count: int, bus: str | None
    ) -> None:
        """`bus`: where a Kafka is that is told, too."""
        self.store, self.log = folder / "s.duckdb", folder / "log"
        self.servers, self.bus = servers, bus
        url = {name: server.url for name, server in servers.items()}
        chat = url["chat"].replace("http:", "json:") + "?cto=0.5&rto=0.5"
        # Told again in each life, as what fires is by a start: an hour is never.
        metrics = {"urls": [url["metrics"]], "timeout": 0.5, "resend_every": "1h"}
        sinks: dict[str, Any] = {
            "steady": {"webhook": {"url": url["steady"], "timeout": 0.5}},
            "shaky": {"webhook": {"url": url["shaky"], "timeout": 0.5}},
            "metrics": {"alertmanager": metrics},
            "chat": {"apprise": {"urls": [chat]}},
            "notebook": {"log": {}},
        }
        if bus is not None:
            sinks["bus"] = {"kafka": {"bootstrap": bus, "topic": TOPIC, "timeout": 5}}
        self._words = [str(self.store), str(self.log), msgspec.json.encode(sinks).decode()]
        self._count = count

    def spawn(self, seed: int) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "tests.analyzer.outbox.outbox_process", *self._words,
             str(self._count), str(seed)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )  # fmt: skip

    @property
    def asked(self) -> int:
        """How often anybody was told something, or was to be."""
        return sum(len(server.requests) for server in self.servers.values())

    def written(self) -> dict[str, list[tuple[Notification, str | None]]]:
        """By sink, what it was to be told, and what became of it."""
        found: dict[str, list[tuple[Notification, str | None]]] = {}
        with duckdb.connect(str(self.store), read_only=True) as connection:
            rows = connection.execute("SELECT sink, body, outcome FROM outbox ORDER BY seq")
            for sink, body, outcome in rows.fetchall():
                one = msgspec.json.decode(body, type=Notification)
                found.setdefault(sink, []).append((one, outcome))
        return found

    def heard(self) -> Iterator[tuple[str, list[Heard]]]:
        """By sink, what it took, in order."""
        for name, server in self.servers.items():
            yield name, [KINDS[name](request) for request in server.taken]
        if self.bus is not None:
            records = asyncio.run(read_all(self.bus, [TOPIC], 1))
            yield "bus", [of_record(one) for one in sorted(records, key=lambda one: one.offset)]
        yield "notebook", [Heard.of(line) for line in self.log.read_text().splitlines()]


@pytest.mark.long
def test_whatever_is_killed_every_sink_is_told_of_each_alert_to_its_end_in_order(
    tmp_path: Path,
) -> None:
    told_through_kills(tmp_path, KILLS, seed=1)


@pytest.mark.field
@pytest.mark.timeout(3000)
def test_every_sink_is_told_of_each_alert_in_order_whatever_is_killed(tmp_path: Path) -> None:
    seed = int(os.environ.get("SEED", "1"))
    began, result, again = time.monotonic(), "failed", {}
    try:
        with Broker(tmp_path / "kafka") as broker:
            asyncio.run(create_topic(broker.bootstrap))
            again = told_through_kills(tmp_path, FIELD_KILLS, seed, broker.bootstrap)
        result = "passed"
    finally:
        write_result(
            "every sink is told of each alert in order whatever is killed", seed=seed,
            result=result, transitions=FIELD_KILLS * A_KILL, sinks=len(TROUBLES) + 2,
            kills=FIELD_KILLS, told_again=again, seconds=round(time.monotonic() - began),
            commit=commit(),
        )  # fmt: skip


async def create_topic(bootstrap: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(TOPIC, 1, 1)])
    finally:
        await admin.close()


def told_through_kills(
    folder: Path, kills: int, seed: int, bus: str | None = None
) -> dict[str, int]:
    """How often each sink took something again."""
    chance = random.Random(seed)
    killed, count = 0, A_KILL * kills
    with ExitStack() as stack:
        servers = {name: stack.enter_context(receiver()) for name in TROUBLES}
        house = House(folder, servers, count, bus)
        for _ in range(kills):
            for name, troubles in TROUBLES.items():
                servers[name].next += chance.choices([*troubles, *[200] * 20], k=10)
            process = house.spawn(seed)
            assert process.stdout is not None
            process.stdout.readline()
            # Between what a sink has taken and the mark that says so, more often than not.
            enough = house.asked + chance.randrange(1, 40)
            while house.asked < enough and process.poll() is None:
                time.sleep(0.0005)
            time.sleep(chance.choice([0, 0, 0.001, 0.003, 0.01]))
            process.kill()
            killed += process.wait() != 0
            process.stdout.close()
        process = house.spawn(seed)
        process.communicate(timeout=600)
        assert process.returncode == 0
    assert killed >= kills // 2
    return check(house, count)


def check(house: House, count: int) -> dict[str, int]:
    """How often each sink took something again."""
    written, again = house.written(), {}
    statuses = ["resolved" if step(n) == STEPS - 1 else "firing" for n in range(count)]
    known = {(one.expectation, one.fingerprint) for rows in written.values() for one, _ in rows}
    assert len(known) == ALERTS, "an alert has one fingerprint, for all sinks and in all lives"
    for sink, heard in house.heard():
        rows = written.pop(sink)
        numbers = [number_in(one.text, one.reason) for one, _ in rows]
        assert numbers == list(range(count)), "no transition is lost, or written twice"
        assert [one.status for one, _ in rows] == statuses
        for one in heard:
            assert one.alert == rows[one.number][0].fingerprint
            assert one.status == statuses[one.number]
        for first in range(ALERTS):
            of_it = [one for one in heard if one.number % ALERTS == first]
            check_alert({n: rows[n] for n in range(first, count, ALERTS)}, of_it)
        again[sink] = len(heard) - len({one.number for one in heard})
    assert not written
    return again


def check_alert(rows: Mapping[int, tuple[Notification, str | None]], heard: list[Heard]) -> None:
    """One alert as one sink heard of it, against what it was to hear."""
    order = [one.number for one in heard]
    assert order == sorted(order)
    told: dict[int, Heard] = {}
    for one in heard:
        assert told.setdefault(one.number, one) == one, "told twice is the same twice"
    merged = 0
    for number, (written, outcome) in rows.items():
        if outcome == "merged":
            merged += 1
            continue
        if outcome == "spared":
            assert number not in told
            assert written.status == "resolved" or merged == 0
        else:
            assert outcome == "taken"
            body = told[number].told
            if isinstance(body, Notification):
                assert body == msgspec.structs.replace(written, merged=merged)
        merged = 0
    assert not merged, "one that went in its stead"
    assert heard[-1].status == written.status
