"""A shop on the bus of the mind, and a store as a daemon leaves it."""

from collector.batch import Batch, PartitionState
from collector.event import Event
from collector.store.store import Store
from collector.store.tables import COMMITS, ENDS, GROUPS, WATCHES
from tests.analyzer.services.bus import SOURCE, START, Bus, Consumer, orders, us

UNTIL = 330.0
LOST = frozenset(f"f{n}" for n in range(600) if n % 100 == 99)


def shop() -> Bus:
    """Payment lags now and then and swallows a few; audit and stock keep up."""
    bus = Bus(
        [
            Consumer("payment-svc", ("A",), {"A": ("B",)}, down=((60, 90), (150, 180)),
                     only=frozenset(f"f{n}" for n in range(600)) - LOST),
            Consumer("audit-svc", ("A",)),
            Consumer("stock-svc", ("B",), {"B": ("C",)}),
        ]
    )  # fmt: skip
    orders(bus, 600)
    bus.run(UNTIL)
    return bus


def fill(store: Store, bus: Bus, until: float = UNTIL, since: float = 0) -> None:
    """As a daemon would have, of what happened since then."""
    events = [
        Event(one.source, one.topic, one.topic_id, one.partition, one.offset, one.time, one.time,
              one.name, one.flows, one.id)
        for one in sorted(bus.sightings(until), key=lambda one: one.time)
        if one.time >= us(since)
    ]  # fmt: skip
    states = [
        PartitionState(SOURCE, place.topic, f"id-{place.topic}", place.partition, len(log), 0,
                       complete_to=us(until), seen_from=START)
        for place, log in bus.logs.items()
    ]  # fmt: skip
    rows = bus.rows(until)
    kept = {GROUPS.name: rows.groups, COMMITS.name: rows.commits, ENDS.name: rows.ends,
            WATCHES.name: [bus.watch(until)]}  # fmt: skip
    store.commit(Batch(events=events, partitions=states, now=us(until), rows=kept)).result()
