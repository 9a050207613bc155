"""Windows of time against a second judge of them, written from the sentences of the language
alone: random rules, logs and sight, around the moments in which clocks are set.

`EXAMPLES=1000` looks further than a usual run.
"""

from collections import Counter
from datetime import datetime
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from analyzer.folds.judging import judge_windows
from analyzer.instance import Instance
from analyzer.sight import Sample, Sight
from collector.batch import Gap, PartitionState
from collector.event import Event
from collector.store.tables import Taken
from collector.times import NEVER
from tests.analyzer.naive.clock import DAY, MINUTE, S
from tests.analyzer.naive.flow import Hole, Partition, Spec
from tests.analyzer.naive.random_windows import NAMES, rules
from tests.analyzer.naive.windows import KINDS, Watched, WindowSaid
from tests.analyzer.test_naive import load
from tests.examples import examples

HOUR = 60 * MINUTE
CHANGES = (
    ("Europe/Berlin", "2025-03-30T01:00+00:00"),
    ("Europe/Berlin", "2025-10-26T01:00+00:00"),
    ("America/New_York", "2025-03-09T07:00+00:00"),
    ("America/New_York", "2025-11-02T06:00+00:00"),
    ("Australia/Lord_Howe", "2025-04-05T15:00+00:00"),
    ("Australia/Lord_Howe", "2025-10-04T15:30+00:00"),
    ("Africa/Cairo", "2025-10-30T21:00+00:00"),
    ("Asia/Kolkata", "2025-06-15T18:30+00:00"),
    ("UTC", "2025-06-16T00:00+00:00"),
)
ABSENCES = ("missing", "late", "too_few", "too_slow")
PAYLOADS = (None, {"k": 1}, {"k": 2.0}, {"k": 1, "n": 1}, {"k": "1", "n": 3}, {"k": 2, "n": 2})


def moment(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp()) * S


@st.composite
def times(draw: st.DrawFn, around: int, far: int) -> int:
    """Where edges are: whole steps, and a second beside them."""
    step = draw(st.sampled_from((5 * MINUTE, 30 * MINUTE, HOUR)))
    beside = draw(st.sampled_from((0, 0, 0, -S, S, -1, 1)))
    return around + draw(st.integers(-far // step, far // step)) * step + beside


@st.composite
def logs(draw: st.DrawFn, around: int, far: int) -> list[Event]:
    found = []
    for number in range(draw(st.integers(0, 20))):
        time = draw(times(around, far))
        if found and draw(st.booleans()):
            # Steps that do not take all day.
            time = found[-1].time + draw(st.sampled_from((-S, 0, MINUTE, 5 * MINUTE, 11 * MINUTE)))
        topic, partition = draw(st.sampled_from((("t", 0), ("t", 1), ("u", 0))))
        payload = draw(st.sampled_from(PAYLOADS))
        flows = draw(st.sampled_from(((), ("x",), ("x",), ("y",), ("x", "y"))))
        event_id = draw(st.sampled_from((None, None, "i", "j")))
        found.append(
            Event(
                "s", topic, topic, partition, number, time, time, draw(st.sampled_from(NAMES)),
                flows, event_id, (), None, "[]",
                None if payload is None else msgspec.json.encode(payload).decode(),
                "none" if payload is None else "json",
            )
        )  # fmt: skip
    return draw(st.permutations(found))


carried = st.one_of(
    st.none(), st.none(), st.lists(st.sampled_from(NAMES), min_size=1, unique=True).map(tuple)
)
seldom = st.integers(0, 5).map(lambda n: n == 5)


@st.composite
def views(draw: st.DrawFn, around: int, far: int) -> tuple[Watched, Sight]:
    partitions = tuple(
        Partition(
            around + 40 * DAY if draw(st.booleans()) else draw(times(around, far)),
            draw(carried) if number else None,
            draw(times(around, far)) if draw(seldom) else None,
        )
        for number in range(draw(st.integers(1, 2)))
    )
    holes = []
    for _ in range(draw(st.sampled_from((0, 0, 0, 1, 2)))):
        start = draw(times(around, far))
        holes.append(Hole(start, start + draw(st.integers(0, 60)) * MINUTE, draw(carried)))
    grace, skew = draw(st.sampled_from((0, 0, 2 * S))), draw(st.sampled_from((0, 0, S)))
    taken = draw(times(around, far)) if draw(seldom) else None
    sampled = draw(seldom)
    sight = Sight(
        [
            PartitionState(
                "s", "t", "t", n, 0, 0 if p.seen_from is None else 5, complete_to=p.complete_to,
                seen_from=NEVER if p.seen_from is None else p.seen_from, carries=p.carries,
            )
            for n, p in enumerate(partitions)
        ],
        [Gap("s", "t", "t", 0, 0, 1, "test", hole.start, hole.end, hole.carries) for hole in holes],
        grace=grace,
        skews={"s": skew},
        taken=[] if taken is None else [Taken(moment=around, to_time=taken)],
        samples={"s": [Sample("t", 0.5)]} if sampled else None,
    )  # fmt: skip
    view = Watched(partitions, tuple(holes), grace, skew, 0, taken=taken, sampled=sampled)
    return view, sight


def told(instance: Instance, start: int) -> WindowSaid:
    """The judge's instance in the words of the naive one."""
    _, _, value = instance.by.partition(" ")
    absent = instance.finding in ABSENCES
    return WindowSaid(
        instance.expectation,
        start,
        plain(msgspec.json.decode(value)) if value else None,
        instance.state,
        instance.finding,
        instance.at,
        instance.deadline if absent else None,
    )


def plain(value: object) -> str:
    """JSON equality as equality of texts."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return repr(float(value)) if number else repr(value)  # type: ignore[arg-type]


def compare(
    written: dict[str, Any], spec: Spec, log: list[Event], seen: tuple[Watched, Sight], around: int
) -> Counter[str]:
    """What was said of how many instances, by state."""
    view, sight = seen
    file = load({"version": 1, "flow": "x", "expectations": [written]})
    since, until = around - spec["far"], around + spec["far"]
    said = [
        told(instance, one.window.start)
        for one in judge_windows(file, log, sight, since, until - 1)
        for instance in one.instances
    ]
    naive = KINDS[spec["kind"]](spec, log, view, since, until)
    first, second = Counter(said), Counter(naive)
    assert first == second, f"judge {list(first - second)}, naive {list(second - first)}"
    return Counter(one.state for one in naive)


TOO_MUCH = [HealthCheck.too_slow, HealthCheck.data_too_large]
ROUNDS = 10
"""At most; a look at a few random logs need not have come upon every answer."""


@pytest.mark.parametrize("kind", KINDS)
def test_both_judges_say_the_same_of_every_window(kind: str) -> None:
    compared: Counter[str] = Counter()

    @settings(max_examples=examples(60), suppress_health_check=TOO_MUCH)
    @given(st.data())
    def look(data: st.DataObject) -> None:
        zone, change = data.draw(st.sampled_from(CHANGES), "clock")
        written, spec = data.draw(rules(kind, zone), "rule")
        around = moment(change)
        log = data.draw(logs(around, spec["far"]), "log")
        seen = data.draw(views(around, spec["far"]), "sight")
        compared.update(compare(written, spec, log, seen, around))

    offence = "missing" if kind in ("every", "rate") else "violated"
    wanted = {"met", offence, "pending", "unknown", "void"}
    for number in range(ROUNDS):
        if number:
            seed(number)(look)  # else the same ones again, where CI is set
        look()
        if wanted <= set(compared):
            break
    assert wanted <= set(compared), compared
