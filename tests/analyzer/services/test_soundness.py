"""Houses by chance: whatever lags, whoever looks on, nobody is called likely who is not it."""

from __future__ import annotations

import os
import random

import pytest

from analyzer.services.learning import learn
from tests.analyzer.services.bus import Bus, Consumer, orders

HOUSES = int(os.environ.get("HOUSES", "12"))
UNTIL = 300.0
NAMES = "ABCDEFG"


def house(chance: random.Random) -> Bus:
    """A tree of services, each of which takes an event of another; and groups that only look on."""
    one_topic = chance.random() < 0.4
    where = {name: "all" if one_topic else f"topic-{name}" for name in NAMES}
    consumers, known, rest = [], ["A"], list(NAMES[1 : chance.randint(3, len(NAMES))])
    while rest:
        makes = tuple(rest.pop(0) for _ in range(min(len(rest), chance.choice((1, 1, 1, 2)))))
        takes = chance.choice(known[-3:])
        consumers.append(consumer(chance, f"svc-{''.join(makes)}", (where[takes],), {takes: makes}))
        known += makes
    for number in range(chance.randint(0, 3)):
        topics = {where[name] for name in chance.sample(known, chance.randint(1, len(known)))}
        consumers.append(consumer(chance, f"looks-on-{number}", tuple(sorted(topics)), {}))
    return Bus(
        consumers, where, partitions=chance.choice((1, 2, 4)),
        looks_every=chance.choice((1, 2, 5)), seed=chance.randrange(2**32),
    )  # fmt: skip


def consumer(
    chance: random.Random, group: str, topics: tuple[str, ...], makes: dict[str, tuple[str, ...]]
) -> Consumer:
    lags = sorted(chance.uniform(20, 240) for _ in range(chance.choice((0, 0, 1, 2, 4))))
    return Consumer(
        group, topics, makes, down=tuple((at, at + chance.uniform(3, 50)) for at in lags),
        takes=chance.choice((0, 0, 0.05, 0.3)), then=chance.choice((0.01, 0.2, 2)),
        commits_every=chance.choice((0.5, 1, 5, 15)), share=chance.choice((1, 1, 0.9, 0.5)),
    )  # fmt: skip


@pytest.mark.parametrize("seed", range(HOUSES))
def test_whoever_is_called_likely_is_it(seed: int) -> None:
    bus = house(random.Random(seed))
    orders(bus, 400)
    bus.run(UNTIL)
    true = {
        (one.group, takes, made)
        for one in bus.consumers
        for takes, makes in one.makes.items()
        for made in makes
    }
    learned = learn(bus.sightings(), bus.progress(UNTIL)).learned
    likely = {(o.group, o.consumes, o.emits) for o in learned if o.confidence == "likely"}
    assert likely <= true, [one for one in learned if one.confidence == "likely"]
