"""Does it stay as large as it is? The real daemon for an hour, with retention at work.

A Kafka of its own, steady traffic of flows that begin and end, and some that never do. Memory of
both processes, the store's file and log, and what is in them, sampled every few seconds.
"""

from __future__ import annotations

import argparse
import asyncio
import heapq
import random
import subprocess
import sys
import tempfile
import time
from itertools import count
from pathlib import Path
from statistics import median

import httpx
import msgspec
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from prometheus_client.parser import text_string_to_metric_families

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from bench.plot import Line, Panel, plot  # noqa: E402
from demo.broker import Broker, free_port  # noqa: E402

MINUTES = 60.0
RATE = 800
"""Events a second."""
EVERY_S = 5.0
PARTITIONS = 6
NAMES = ("order.created", "payment.authorized", "order.shipped", "order.completed")
STEP_S = (0.2, 6.0)
"""Between two events of a flow."""
LOST = 0.01
"""Of so many flows the payment never comes: they stay open, and are kept for longer."""
FILL = 240
"""Bytes of a payload beside its IDs, of which half are random."""
MB = 1_000_000
CONFIGURATION = """\
sources:
  - name: shop
    kafka: {{bootstrap: "{bootstrap}", topics: [orders], start: earliest}}
    name_from: [header:type]
    correlation: [header:correlation_id]
    keys: {{order_id: {{from: [payload:order_id]}}}}
expectations: [rules.yaml]
store: {{path: s.duckdb, memory: {memory}, retention: {retention}, max_flow_age: {open_age}}}
http: {{listen: "127.0.0.1:{port}"}}
"""
RULES = """\
version: 1
flow: order
begins: order.created
ends: order.completed
expectations:
  - {name: paid, after: order.created, expect: payment.authorized, within: 30s}
  - {name: shipped, after: payment.authorized, expect: order.shipped, within: 30s}
  - {name: once, once: order.shipped}
"""
EXAMPLES = """
examples:
  python bench/plateau.py                               an hour
  python bench/plateau.py --minutes 30 --plot docs/plateau.svg
  python bench/plateau.py --minutes 5 --retention 30s --open-age 1m
"""


class Sample(msgspec.Struct):
    """Sizes in MB."""

    at_s: float
    daemon: float
    tap: float
    file: float
    log: float
    events: int
    flows: int
    """That the judge remembers."""
    findings: int
    behind: int
    sent: int


class Figures(msgspec.Struct):
    """Medians of the second third of the run and of the last, and how they differ, in %."""

    minutes: float
    rate: int
    sent: int
    daemon_mb: tuple[float, float]
    tap_mb: tuple[float, float]
    store_mb: tuple[float, float]
    events: tuple[float, float]
    growth: dict[str, float]


class Traffic:
    """Flows that begin at a steady rate; each event is sent when its moment has come."""

    def __init__(self, bootstrap: str, rate: int, seed: int) -> None:
        self._bootstrap = bootstrap
        self._begins = rate / (len(NAMES) * (1 - LOST) + LOST)
        self._chance = random.Random(seed)
        self._due: list[tuple[float, int, int]] = []
        """Moment, flow, step."""
        self.sent = 0

    async def run(self) -> None:
        """Until cancelled."""
        producer = AIOKafkaProducer(
            bootstrap_servers=self._bootstrap, compression_type="lz4", linger_ms=20
        )
        await producer.start()
        began, flows = time.monotonic(), count()
        begun = 0
        try:
            while True:
                now = time.monotonic()
                while begun < (now - began) * self._begins:
                    heapq.heappush(self._due, (now, next(flows), 0))
                    begun += 1
                while self._due and self._due[0][0] <= now:
                    _, flow, step = heapq.heappop(self._due)
                    await self._send(producer, flow, step)
                    self._go_on(now, flow, step)
                await asyncio.sleep(0.05)
        finally:
            await producer.stop()

    def _go_on(self, now: float, flow: int, step: int) -> None:
        lost = step == 0 and self._chance.random() < LOST
        if step + 1 < len(NAMES) and not lost:
            heapq.heappush(self._due, (now + self._chance.uniform(*STEP_S), flow, step + 1))

    async def _send(self, producer: AIOKafkaProducer, flow: int, step: int) -> None:
        text = self._chance.randbytes(FILL // 4).hex() + "x" * (FILL // 2)
        body = {"order_id": f"ord-{flow:08d}", "amount": step * flow % 1000, "note": text}
        headers = [("type", NAMES[step].encode()), ("correlation_id", b"c-%012d" % flow)]
        await producer.send(
            "orders", msgspec.json.encode(body), partition=(flow + step) % PARTITIONS,
            headers=headers,
        )  # fmt: skip
        self.sent += 1


class Watched:
    """The daemon as a process of its own, and what can be seen of it from outside."""

    def __init__(self, folder: Path, bootstrap: str, options: argparse.Namespace) -> None:
        port = free_port()
        self._folder = folder
        self._url = f"http://127.0.0.1:{port}"
        (folder / "rules.yaml").write_text(RULES)
        configuration = folder / "nonevent.yaml"
        configuration.write_text(
            CONFIGURATION.format(
                bootstrap=bootstrap, port=port, memory=options.memory,
                retention=options.retention, open_age=options.open_age,
            )
        )  # fmt: skip
        command = [sys.executable, "-m", "nonevent", "run", "--config", str(configuration)]
        with (folder / "nonevent.log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(60)

    def sample(self, at_s: float, sent: int) -> Sample | None:
        """None while it does not answer yet."""
        pid = self._process.pid
        if self._process.poll() is not None:
            said = (self._folder / "nonevent.log").read_text()
            raise SystemExit(f"nonevent ended:\n{said[-3000:]}")
        try:
            text = httpx.get(f"{self._url}/metrics", timeout=30, trust_env=False).text
        except httpx.TransportError:
            return None
        metrics: dict[str, float] = {}
        for family in text_string_to_metric_families(text):
            for one in family.samples:
                metrics[one.name] = metrics.get(one.name, 0) + one.value
        every_child = Path(f"/proc/{pid}/task").glob("*/children")
        children = [child for path in every_child for child in path.read_text().split()]
        store = self._folder / "s.duckdb"
        log = store.with_name(store.name + ".wal")
        return Sample(
            at_s=round(at_s, 1),
            daemon=resident(pid),
            tap=sum(resident(int(child)) for child in children),
            file=store.stat().st_size / MB,
            log=log.stat().st_size / MB if log.exists() else 0,
            events=int(metrics["nonevent_events"]),
            flows=int(metrics["nonevent_remembered_flows"]),
            findings=int(metrics["nonevent_findings"]),
            behind=int(metrics.get("nonevent_source_behind_events", 0)),  # not known at first
            sent=sent,
        )


def resident(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024 / MB
    return 0


async def watch(options: argparse.Namespace) -> list[Sample]:
    with tempfile.TemporaryDirectory(prefix="nonevent-plateau-") as folder, Broker() as broker:
        admin = AIOKafkaAdminClient(bootstrap_servers=broker.bootstrap)
        await admin.start()
        await admin.create_topics([NewTopic("orders", PARTITIONS, 1)])
        await admin.close()
        watched = Watched(Path(folder), broker.bootstrap, options)
        traffic = Traffic(broker.bootstrap, options.rate, options.seed)
        sending = asyncio.create_task(traffic.run())
        try:
            return await sampled(watched, traffic, sending, options)
        finally:
            sending.cancel()
            watched.stop()


async def sampled(
    watched: Watched, traffic: Traffic, sending: asyncio.Task[None], options: argparse.Namespace
) -> list[Sample]:
    began, samples = time.monotonic(), list[Sample]()
    out = options.samples.open("wb") if options.samples else None
    while (at := time.monotonic() - began) < options.minutes * 60:
        if sending.done():
            sending.result()
        if (sample := await asyncio.to_thread(watched.sample, at, traffic.sent)) is not None:
            samples.append(sample)
            if out is not None:
                out.write(msgspec.json.encode(sample) + b"\n")
                out.flush()
        await asyncio.sleep(EVERY_S)
    if out is not None:
        out.close()
    return samples


def figures(samples: list[Sample], options: argparse.Namespace) -> Figures:
    third = len(samples) // 3
    thirds = samples[third : 2 * third], samples[2 * third :]

    def medians(*names: str) -> tuple[float, float]:
        before, after = (
            median(sum(getattr(s, name) for name in names) for s in some) for some in thirds
        )
        return round(before, 1), round(after, 1)

    found = {
        "daemon": medians("daemon"),
        "tap": medians("tap"),
        "store": medians("file", "log"),
        "events": medians("events"),
    }
    growth = {name: round((b / a - 1) * 100, 1) for name, (a, b) in found.items()}
    return Figures(
        minutes=options.minutes, rate=options.rate, sent=samples[-1].sent,
        daemon_mb=found["daemon"], tap_mb=found["tap"], store_mb=found["store"],
        events=found["events"], growth=growth,
    )  # fmt: skip


def panels(samples: list[Sample]) -> list[Panel]:
    def line(text: str, name: str, scale: float = 1) -> Line:
        points = [(s.at_s / 60, getattr(s, name) / scale) for s in samples]
        return Line(text, points)

    return [
        Panel("memory, MB", [line("daemon", "daemon"), line("tap's process", "tap")]),
        Panel("store, MB", [line("file", "file"), line("log", "log")]),
        Panel(
            "thousands",
            [
                line("events sent", "sent", 1000),
                line("events stored", "events", 1000),
                line("flows remembered", "flows", 1000),
            ],
        ),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=MINUTES)
    parser.add_argument("--rate", type=int, default=RATE, help="events a second")
    parser.add_argument("--retention", default="2m")
    parser.add_argument("--open-age", default="5m", help="`max_flow_age`")
    parser.add_argument("--memory", default="300MB", help="DuckDB's limit")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--samples", type=Path, help="where they are written, as JSON lines")
    parser.add_argument("--from", dest="read", type=Path, help="plot these, and run nothing")
    parser.add_argument("--plot", type=Path, help="where the SVG is written")
    options = parser.parse_args()
    if options.read:
        samples = msgspec.json.decode(
            b"[" + b",".join(options.read.read_bytes().splitlines()) + b"]", type=list[Sample]
        )
        options.minutes = round(samples[-1].at_s / 60, 1)
    else:
        samples = asyncio.run(watch(options))
    if options.plot:
        options.plot.write_text(plot("minutes", panels(samples)), encoding="utf-8")
    found = figures(samples, options)
    print(f"{'':10} {'2nd third':>10} {'last third':>10} {'growth':>8}")
    for name in ("daemon", "tap", "store", "events"):
        pair = found.events if name == "events" else getattr(found, f"{name}_mb")
        print(f"{name:10} {pair[0]:>10,.0f} {pair[1]:>10,.0f} {found.growth[name]:>7.1f}%")
    print(msgspec.json.encode(found).decode())


if __name__ == "__main__":
    main()
