"""Of an event, what tells who took it in and what came of it."""

from collections.abc import Iterable
from typing import NamedTuple


class Sighting(NamedTuple):
    source: str
    topic: str
    topic_id: str
    partition: int
    offset: int
    time: int
    """µs."""
    name: str
    flows: tuple[str, ...]
    id: str | None = None


def by_flow(sightings: Iterable[Sighting]) -> dict[str, list[Sighting]]:
    """In no order; an event may be in several flows."""
    found: dict[str, list[Sighting]] = {}
    for one in sightings:
        for flow in one.flows:
            some = found.get(flow)
            if some is None:
                found[flow] = [one]
            else:
                some.append(one)
    return found
