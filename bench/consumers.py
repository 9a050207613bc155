"""What watching consumers costs: a look at many groups on many partitions, and what is stored.

Real groups that only commit, on a broker of its own: all of them move on between looks, or none.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from pathlib import Path

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from analyzer.rules.ruleset import RuleSet  # noqa: E402
from collector.consumers.kafka_watch import KafkaWatch  # noqa: E402
from collector.consumers.observation import Known  # noqa: E402
from collector.settings import KafkaSettings, SourceSettings  # noqa: E402
from collector.store.store import Store  # noqa: E402
from demo.broker import Broker  # noqa: E402
from nonevent.garbage import Garbage  # noqa: E402
from ui.consumer_queries import consumers  # noqa: E402

TOPIC = "bench"
EVERY_S = 5
LOOK_EVERY_S = 0.1
EXAMPLES = """
examples:
  python bench/consumers.py                            50 groups on 200 partitions each
  python bench/consumers.py --groups 5 --looks 5
  python bench/consumers.py --from offsets_topic       and every commit with its moment
"""


class Looks(msgspec.Struct):
    looks: int
    wall_ms: float
    """Median, from question to rows."""
    cpu_ms: float
    """Of the thread that looks."""
    rows: int
    """A look, median."""
    core_percent: float
    """At a look every 5 s."""
    bytes_a_minute: int
    """In the store's file, once it is taken a checkpoint of."""


class Figures(msgspec.Struct):
    commits: str
    """Where they are seen: `admin` or `offsets_topic`."""
    groups: int
    partitions: int
    idle: Looks
    """Nobody moves on."""
    busy: Looks
    """Every group moves on at every partition between two looks."""
    verdicts_ms: float
    """CPU: all verdicts, as the page and /metrics ask for them."""


class Committers:
    """Groups of one member each that reads nothing, and commits every partition of a topic."""

    def __init__(self, bootstrap: str, groups: int, partitions: int) -> None:
        self._bootstrap, self._groups = bootstrap, groups
        self._places = [TopicPartition(TOPIC, number) for number in range(partitions)]
        self._members: list[AIOKafkaConsumer] = []
        self._offset = 0

    async def start(self) -> None:
        admin = AIOKafkaAdminClient(bootstrap_servers=self._bootstrap)
        await admin.start()
        await admin.create_topics([NewTopic(TOPIC, len(self._places), 1)])
        await admin.close()
        for number in range(self._groups):
            one = AIOKafkaConsumer(
                bootstrap_servers=self._bootstrap, group_id=f"group-{number}",
                enable_auto_commit=False,
            )  # fmt: skip
            await one.start()
            one.assign(self._places)
            one.pause(*self._places)  # what they read would count as ours: it is one thread
            self._members.append(one)
        await self.move_on()

    async def move_on(self) -> None:
        self._offset += 1
        offsets = dict.fromkeys(self._places, self._offset)
        for one in self._members:
            await one.commit(offsets)

    async def stop(self) -> None:
        for one in self._members:
            await one.stop()


class Bench:
    def __init__(
        self, bootstrap: str, store: Store, groups: int, partitions: int, commits: str
    ) -> None:
        self._store = store
        self._groups, self._partitions = groups, partitions
        self._committers = Committers(bootstrap, groups, partitions)
        consumers = {"every": f"{LOOK_EVERY_S}s", "from": commits}
        kafka = KafkaSettings.model_validate(
            {"bootstrap": bootstrap, "topics": ["*"], "consumers": consumers}
        )
        settings = SourceSettings(name="bench", kafka=kafka)
        self._watch = KafkaWatch(settings, Known(), lambda: time.time_ns() // 1000)
        self._next = 0.0
        self._garbage = Garbage(time.time_ns() // 1000)

    async def start(self) -> None:
        await self._committers.start()
        # Warm: connections, the first rows of all, and where the topic of commits ends.
        for _ in range(2):
            await self._look()
        self._garbage.keep()  # as in the daemon

    async def stop(self) -> None:
        await self._watch.stop()
        await self._committers.stop()

    async def looks(self, count: int, *, busy: bool) -> Looks:
        wall, cpu, rows = [], [], []
        self._store.checkpoint().result()
        before = self._store.size()
        for _ in range(count):
            if busy:
                await self._committers.move_on()
            one = await self._look()
            wall.append(one[0])
            cpu.append(one[1])
            rows.append(one[2])
        self._store.checkpoint().result()
        grown = max(0, self._store.size() - before)
        cpu_s = statistics.median(cpu)
        return Looks(
            count, statistics.median(wall) * 1000, cpu_s * 1000, int(statistics.median(rows)),
            cpu_s / EVERY_S * 100, round(grown / count * 60 / EVERY_S),
        )  # fmt: skip

    async def _look(self) -> tuple[float, float, int]:
        """Wall and CPU seconds without the pause before it, and the rows that came of it."""
        began, cpu = time.perf_counter(), time.thread_time()
        pause = max(0.0, self._next - began)
        self._next = began + pause + LOOK_EVERY_S
        batch = await self._watch.poll()
        found = (time.perf_counter() - began - pause, time.thread_time() - cpu)
        self._store.commit(batch).result()
        self._garbage.after(batch)
        return (*found, sum(map(len, batch.rows.values())))

    def verdicts(self) -> float:
        began = time.thread_time()
        with self._store.reader() as cursor:
            items = consumers(cursor, RuleSet())
        assert len(items) == self._groups * self._partitions, len(items)
        return (time.thread_time() - began) * 1000


async def measure(groups: int, partitions: int, looks: int, commits: str) -> Figures:
    with tempfile.TemporaryDirectory() as folder, Broker(Path(folder) / "kafka") as broker:
        store = Store(Path(folder) / "store.duckdb")
        bench = Bench(broker.bootstrap, store, groups, partitions, commits)
        try:
            await bench.start()
            idle = await bench.looks(looks, busy=False)
            busy = await bench.looks(looks, busy=True)
            return Figures(commits, groups, partitions, idle, busy, bench.verdicts())
        finally:
            await bench.stop()
            store.close()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--groups", type=int, default=50)
    parser.add_argument("--partitions", type=int, default=200)
    parser.add_argument("--looks", type=int, default=24)
    parser.add_argument(
        "--from", choices=["admin", "offsets_topic"], default="admin", dest="commits"
    )
    options = parser.parse_args()
    figures = asyncio.run(
        measure(options.groups, options.partitions, options.looks, options.commits)
    )
    print(
        f"{figures.groups} groups on {figures.partitions} partitions each, a look every 5 s, "
        f"commits from {figures.commits}\n"
    )
    print(f"{'':28}{'nobody moves on':>18}{'all move on':>18}")
    for name, text in (
        ("wall_ms", "a look, ms"), ("cpu_ms", "  its CPU, ms"), ("core_percent", "  of a core, %"),
        ("rows", "  rows"), ("bytes_a_minute", "stored, bytes a minute"),
    ):  # fmt: skip
        values = (getattr(figures.idle, name), getattr(figures.busy, name))
        print(f"{text:28}" + "".join(f"{value:>18,.1f}" for value in values))
    print(f"{'all verdicts, CPU ms':28}{figures.verdicts_ms:>18,.1f}\n")
    print(msgspec.json.encode(figures).decode())


if __name__ == "__main__":
    main()
