"""A bus of the mind: services that take events in, lag, commit and bring events out; looked at now
and then, as a real one is. Seconds from START."""

from __future__ import annotations

import heapq
import random
from bisect import bisect_right
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import count

from analyzer.services.progress import Progress
from analyzer.services.sighting import Sighting
from collector.consumers.history import History, Rows
from collector.consumers.observation import End, GroupState, Known, Look, Place, WatchRow
from collector.times import US_PER_S

START = 1_750_000_000 * US_PER_S
SOURCE = "bus"


def us(seconds: float) -> int:
    return START + round(seconds * US_PER_S)


@dataclass
class Consumer:
    """A group that reads these topics, one event of a partition after the other."""

    group: str
    topics: tuple[str, ...]
    makes: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """By what it takes: what it brings out, one after the other."""
    down: tuple[tuple[float, float], ...] = ()
    """It reads nothing in these times."""
    takes: float = 0.0
    """So long it is at work on each event."""
    then: float = 0.02
    """So long after it has read an event comes what it brings out."""
    commits_every: float = 1.0
    share: float = 1.0
    """Of what it takes, so much is answered."""
    only: frozenset[str] | None = None
    """Flows it answers; None: all."""

    def ready(self, moment: float) -> float:
        for start, end in self.down:
            if start <= moment < end:
                moment = end
        return moment


@dataclass
class Bus:
    """`where` says on which topic events of a name lie; else on the one called so."""

    consumers: list[Consumer]
    where: dict[str, str] = field(default_factory=dict)
    partitions: int = 2
    looks_every: float = 1.0
    seed: int = 1

    def __post_init__(self) -> None:
        self.logs: dict[Place, list[Sighting]] = {}
        self.done: dict[tuple[str, Place], list[float]] = {}
        """By group: when it was done with each offset."""
        self._queue: list[tuple[float, int, Callable[[float], None]]] = []
        self._order = count()
        self._busy: set[tuple[str, Place]] = set()
        self._random = random.Random(self.seed)

    def publish(self, seconds: float, name: str, flow: str) -> None:
        def now(moment: float) -> None:
            place = Place(self.where.get(name, name), hash_of(flow) % self.partitions)
            log = self.logs.setdefault(place, [])
            log.append(
                Sighting(SOURCE, place.topic, f"id-{place.topic}", place.partition, len(log),
                         us(moment), name, (flow,), f"{name}-{flow}-{len(log)}")
            )  # fmt: skip
            for consumer in self.consumers:
                if place.topic in consumer.topics:
                    self._wake(consumer, place, moment)

        self._at(seconds, now)

    def run(self, until: float) -> None:
        while self._queue and self._queue[0][0] <= until:
            moment, _, act = heapq.heappop(self._queue)
            act(moment)

    def _at(self, seconds: float, act: Callable[[float], None]) -> None:
        heapq.heappush(self._queue, (seconds, next(self._order), act))

    def _wake(self, consumer: Consumer, place: Place, moment: float) -> None:
        of = consumer.group, place
        done = self.done.setdefault(of, [])
        if of in self._busy or len(done) >= len(self.logs[place]):
            return
        event = self.logs[place][len(done)]
        self._busy.add(of)

        def finish(now: float) -> None:
            self._busy.discard(of)
            done.append(now)
            (flow,) = event.flows
            answers = consumer.only is None or flow in consumer.only
            if answers and self._random.random() < consumer.share:
                for number, name in enumerate(consumer.makes.get(event.name, ()), 1):
                    self.publish(now + number * consumer.then, name, flow)
            self._wake(consumer, place, now)

        self._at(consumer.ready(moment) + consumer.takes, finish)

    # What is seen of it

    def sightings(self, until: float | None = None) -> list[Sighting]:
        seen = [one for log in self.logs.values() for one in log]
        return [one for one in seen if until is None or one.time < us(until)]

    def rows(self, until: float) -> Rows:
        history, rows = History(SOURCE, Known()), Rows()
        number = 0
        while number * self.looks_every <= until:
            at = number * self.looks_every
            new = history.take(self._look(at))
            rows.groups += new.groups
            rows.commits += new.commits
            rows.ends += new.ends
            number += 1
        return rows

    def watch(self, until: float) -> WatchRow:
        last = int(until / self.looks_every) * self.looks_every
        return WatchRow(SOURCE, START, us(last), round(self.looks_every * US_PER_S), ("*",))

    def progress(self, until: float) -> Progress:
        rows = self.rows(until)
        return Progress(rows.commits, [self.watch(until)], rows.groups)

    def committed(self, consumer: Consumer, place: Place, at: float) -> int:
        """As of its last commit: it commits at each of its ticks what it has done."""
        tick = int(at / consumer.commits_every) * consumer.commits_every
        return bisect_right(self.done.get((consumer.group, place), []), tick)

    def _look(self, at: float) -> Look:
        ends = {
            place: bisect_right(log, us(at), key=lambda one: one.time)
            for place, log in self.logs.items()
        }
        commits = {
            consumer.group: {
                place: self.committed(consumer, place, at)
                for place in self.logs
                if place.topic in consumer.topics
            }
            for consumer in self.consumers
        }
        return Look(
            us(at), us(at), {one.group: GroupState("classic", "Stable", 1) for one in
                             self.consumers},
            commits, {p: End(f"id-{p.topic}", end, end) for p, end in ends.items()},
        )  # fmt: skip


def hash_of(flow: str) -> int:
    """The same in every process."""
    return sum(flow.encode())


def orders(bus: Bus, number: int, each: float = 0.5, name: str = "A") -> Iterable[str]:
    """So many flows begin, one after the other."""
    flows = [f"f{n}" for n in range(number)]
    for n, flow in enumerate(flows):
        bus.publish(5 + n * each, name, flow)
    return flows
