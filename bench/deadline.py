"""How soon people are told that an event is missing: from deadline + grace to the stored alert and
to the webhook's receipt, while events come through a real broker.

Orders of four events a second apart, a small share of which are never paid; a real daemon with a
webhook that this process answers.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import duckdb
import msgspec
from aiokafka import AIOKafkaProducer

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from bench.generator import (  # noqa: E402
    PARTITIONS,
    Made,
    _append,
    _create,
)
from collector.times import US_PER_S  # noqa: E402
from demo.broker import Broker, free_port  # noqa: E402

TOPIC = "deadline"
EXAMPLES = """
examples:
  python bench/deadline.py                       20,000 events a second for a minute
  python bench/deadline.py --rate 5000 --seconds 20
"""
NAMES = ("order.created", "payment.authorized", "order.shipped", "order.completed")
APART_S = 1.0
TICK_S = 0.05
MISSING = 500
"""Of so many orders one is not paid."""
WITHIN_S, GRACE_S = 10, 5
"""Of the rule, and of a daemon that is told of no other."""
QUIET_S = 5.0
"""When nothing was heard for so long after the last deadline, all was."""
RULES = f"""
version: 1
flow: order
begins: order.created
ends: order.completed
within: 2m
expectations:
  - name: payment follows order
    after: order.created
    expect: payment.authorized
    within: {WITHIN_S}s
  - {{name: shipped after payment, before: order.shipped, require: order.created}}
  - {{name: completed once, once: order.completed}}
"""
CONFIGURATION = """
sources:
  - name: bench
    kafka: {{bootstrap: "{bootstrap}", topics: ["{topic}"], start: earliest}}
    name_from: [header:type]
    correlation: [header:correlation_id]
expectations: ["{folder}/rules.yaml"]
http: {{listen: "127.0.0.1:{port}"}}
store: {{path: "{folder}/bench.duckdb"}}
alerts:
  group_interval: 0s
  sinks: {{hook: {{webhook: {{url: "{hook}"}}}}}}
"""


class Delays(msgspec.Struct):
    """Seconds after deadline + grace."""

    p50: float
    p99: float
    most: float


class Figures(msgspec.Struct):
    events: int
    events_per_s: float
    missing: int
    merged: int
    """Of these, how many were told by a message that stood for the one which names them."""
    stored: Delays
    heard: Delays
    load: list[float]


class Ear:
    """Hears webhooks: when each message came first, by its ID."""

    def __init__(self) -> None:
        self.heard: dict[str, float] = {}
        self.last = 0.0
        ear = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                now = time.time()
                told = json.loads(self.rfile.read(int(self.headers["content-length"])))
                ear.heard.setdefault(told["id"], now)
                ear.last = now
                self.send_response(204)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


async def produce(bootstrap: str, rate: int, seconds: float) -> int:
    """Orders at this rate of events, by the clock; how many events."""
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap, compression_type="lz4", acks=1, linger_ms=5
    )
    await producer.start()
    payload = json.dumps({"note": "x" * 560}).encode()
    a_tick = round(rate / len(NAMES) * TICK_S)
    lag = round(APART_S / TICK_S)
    ticks, sent = round(seconds / TICK_S), 0
    began = time.monotonic()
    try:
        for tick in range(ticks + lag * (len(NAMES) - 1)):
            await asyncio.sleep(max(0.0, began + tick * TICK_S - time.monotonic()))
            batches = [producer.create_batch() for _ in range(PARTITIONS)]
            for step, name in enumerate(NAMES):
                first = (tick - step * lag) * a_tick
                if not 0 <= tick - step * lag < ticks:
                    continue
                for flow in range(first, first + a_tick):
                    if step == 1 and flow % MISSING == 0:
                        continue
                    partition = (flow * 7 + step) % PARTITIONS
                    made = _made(partition, f"ord-{flow}", name, payload)
                    if not _append(batches[partition], made):
                        await producer.send_batch(batches[partition], TOPIC, partition=partition)
                        batches[partition] = producer.create_batch()
                        _append(batches[partition], made)
                    sent += 1
            for partition, batch in enumerate(batches):
                if batch.record_count():
                    await producer.send_batch(batch, TOPIC, partition=partition)
        await producer.flush()
    finally:
        await producer.stop()
    return sent


def _made(partition: int, flow: str, name: str, payload: bytes) -> Made:
    headers = [("type", name.encode()), ("correlation_id", flow.encode())]
    return Made(partition, time.time_ns() // 1_000_000, flow.encode(), payload, headers)


def delays(values: list[float]) -> Delays:
    ordered = sorted(values)
    at = [ordered[min(len(ordered) - 1, round(q * (len(ordered) - 1)))] for q in (0.5, 0.99, 1)]
    return Delays(*(round(value, 3) for value in at))


def run(rate: int, seconds: float) -> Figures:
    ear = Ear()
    with (
        tempfile.TemporaryDirectory(prefix="nonevent-bench-") as name,
        Broker(Path(name) / "kafka") as broker,
    ):
        folder = Path(name)
        asyncio.run(_create(broker.bootstrap, TOPIC))
        (folder / "rules.yaml").write_text(RULES)
        config = folder / "nonevent.yaml"
        config.write_text(
            CONFIGURATION.format(
                bootstrap=broker.bootstrap, topic=TOPIC, folder=folder, port=free_port(),
                hook=ear.url,
            )
        )  # fmt: skip
        with (folder / "log").open("wb") as log:
            daemon = subprocess.Popen(
                [sys.executable, "-m", "nonevent", "run", "--config", str(config)],
                cwd=ROOT, stdout=log, stderr=log,
            )  # fmt: skip
        try:
            time.sleep(5)
            began = time.monotonic()
            words = ["produce", broker.bootstrap, str(rate), str(seconds)]
            answer = subprocess.run(
                [sys.executable, __file__, *words], cwd=ROOT, check=True, capture_output=True
            )
            took = time.monotonic() - began
            sent = int(answer.stdout)
            wanted = len(range(0, round(rate / len(NAMES) * TICK_S) * round(seconds / TICK_S),
                               MISSING))  # fmt: skip
            due = time.time() + WITHIN_S + GRACE_S
            while time.time() < max(due, ear.last) + QUIET_S:
                if daemon.poll() is not None:
                    raise SystemExit((folder / "log").read_text())
                time.sleep(0.1)
        finally:
            daemon.send_signal(signal.SIGTERM)
            daemon.wait()
        with duckdb.connect(str(folder / "bench.duckdb"), read_only=True) as store:
            rows: list[Any] = store.execute(
                "SELECT flow, epoch_us(deadline), epoch_us(found_at) FROM findings "
                "WHERE finding = 'missing'"
            ).fetchall()
            by_flow, merged = told_by(store)
    if len(rows) != wanted or len(by_flow) != wanted:
        raise SystemExit(f"{wanted} are missing; {len(rows)} found, {len(by_flow)} told of")
    due_at = {flow: deadline + GRACE_S * US_PER_S for flow, deadline, _ in rows}
    stored = [(found - due_at[flow]) / US_PER_S for flow, _, found in rows]
    heard = [ear.heard[by_flow[flow]] - moment / US_PER_S for flow, moment in due_at.items()]
    return Figures(
        sent, round(sent / took), wanted, merged, delays(stored), delays(heard),
        [round(load, 1) for load in os.getloadavg()],
    )  # fmt: skip


def told_by(store: duckdb.DuckDBPyConnection) -> tuple[dict[str, str], int]:
    """By flow, the ID of the message that the webhook took and that told of it: the one that names
    it, or where that was merged into a later one, the later one; and how often that was so."""
    found: dict[str, str] = {}
    merged = 0
    waiting: dict[str, list[str]] = {}
    for fingerprint, body, outcome in store.execute(
        "SELECT fingerprint, body, outcome FROM outbox ORDER BY seq"
    ).fetchall():
        message = json.loads(body)
        flows = waiting.setdefault(fingerprint, [])
        flows += [one["flow"] for one in message["findings"] if one["finding"] == "missing"]
        if outcome == "taken":
            found |= {flow: message["id"] for flow in flows if flow not in found}
            flows.clear()
        else:
            merged += len(flows)
    return found, merged


def main() -> None:
    if sys.argv[1:2] == ["produce"]:
        bootstrap, rate, seconds = sys.argv[2:]
        print(asyncio.run(produce(bootstrap, int(rate), float(seconds))))
        return
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--rate", type=int, default=20_000, help="events a second")
    parser.add_argument("--seconds", type=float, default=60)
    asked = parser.parse_args()
    figures = run(asked.rate, asked.seconds)
    print(
        f"{figures.events:,} events at {figures.events_per_s:,.0f}/s, {figures.missing} missing, "
        f"{figures.merged} of them told by a later message"
    )
    print(f"{'after deadline + grace':24}{'p50':>8}{'p99':>8}{'most':>8}  s")
    for name, one in (("stored", figures.stored), ("heard by webhook", figures.heard)):
        print(f"{name:24}{one.p50:8.2f}{one.p99:8.2f}{one.most:8.2f}")
    print(msgspec.json.encode(figures).decode())


if __name__ == "__main__":
    main()
