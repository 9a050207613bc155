"""The judge against a second one, written from the sentences of the language alone: random rules
as people write them, random logs, and sight that ends anywhere.

`EXAMPLES=1000` looks further than a usual run.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from analyzer import episode, likeness
from analyzer.consumers.consumed import CommitsInMemory
from analyzer.instance import Instance
from analyzer.judge import judge
from analyzer.rules.loader import check
from analyzer.rules.ruleset import RuleFile
from analyzer.sight import Sight
from collector.batch import Gap, PartitionState
from collector.consumers.history import History
from collector.consumers.observation import End, GroupState, Known, Look, Place, WatchRow
from collector.event import Event
from collector.times import NEVER, US_PER_S
from tests.analyzer.naive.flow import Hole, Life, Partition, Said, Spec, View
from tests.analyzer.naive.handled import Looked
from tests.analyzer.naive.judge import KINDS, naive_judge
from tests.analyzer.naive.random_rules import NAMES, files
from tests.examples import examples

S = US_PER_S
LAST = 40
PAYLOADS = (
    None, {"items": [1, 2], "k": 1}, {"items": [], "k": 2}, {"k": 2.0}, {"items": [2, 2, 1]},
    {"k": "1"}, {"k": None, "n": 1}, {"items": [True], "k": True, "n": 5}, {"n": 2},
)  # fmt: skip
ALIKE = ({"k": 1, "n": 1}, {"k": 1.0, "n": 2}, {"k": 2.0, "n": 1}, {"k": 2, "n": 2}, {"n": 3})
"""Of these some are often the same, where the others nearly never are."""
ABSENCES = ("missing", "late", "too_few", "neither", "not_undone", "unhandled")


@st.composite
def logs(draw: st.DrawFn) -> list[Event]:
    """One flow's events on three partitions of two topics, with equal times and copies."""
    found = []
    step, payloads = draw(st.sampled_from((S, S // 2))), draw(st.sampled_from((PAYLOADS, ALIKE)))
    for number in range(draw(st.integers(0, 12))):
        time = draw(st.integers(0, LAST)) * step
        topic, partition = draw(st.sampled_from((("t", 0), ("t", 1), ("u", 0))))
        event_id = draw(st.one_of(st.none(), st.none(), st.sampled_from(("i", "j"))))
        payload = draw(st.sampled_from(payloads))
        found.append(
            Event(
                "s", topic, topic, partition, number, time, time, draw(st.sampled_from(NAMES)),
                ("x",), event_id, (), None, "[]",
                None if payload is None else msgspec.json.encode(payload).decode(),
                "none" if payload is None else "json",
            )
        )  # fmt: skip
    if draw(st.integers(0, 3)):
        found.append(Event("s", "t", "t", 0, 99, 0, 0, "start", ("x",)))
    return draw(st.permutations(found))


carried = st.one_of(
    st.none(), st.none(), st.lists(st.sampled_from(NAMES), min_size=1, unique=True).map(tuple)
)


@st.composite
def views(draw: st.DrawFn) -> tuple[View, Sight]:
    partitions = tuple(
        Partition(
            draw(st.one_of(st.just(2 * LAST), st.integers(0, 2 * LAST))) * S,
            draw(carried) if number else None,
            draw(st.one_of(st.none(), st.none(), st.integers(-5, 20).map(lambda s: s * S))),
        )
        for number in range(draw(st.integers(1, 2)))
    )
    holes = []
    for _ in range(draw(st.sampled_from((0, 0, 0, 1, 2)))):
        start = draw(st.integers(0, LAST)) * S
        holes.append(Hole(start, start + draw(st.integers(0, 5)) * S, draw(carried)))
    grace = draw(st.sampled_from((0, 0, 2 * S)))
    skew = draw(st.sampled_from((0, 0, S)))
    retention = draw(st.sampled_from((0, 10 * S)))
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
        retention=retention,
    )  # fmt: skip
    looks, sight.consumed = draw(looked())
    return View(partitions, tuple(holes), grace, skew, retention, looks), sight


PLACES = (("t", 0), ("t", 1), ("u", 0))


@st.composite
def looked(draw: st.DrawFn) -> tuple[tuple[Looked, ...], CommitsInMemory]:
    """Two groups that commit, go back, or are denied, looked at now and then."""
    consumed, history = CommitsInMemory(), History("s", Known())
    watch = WatchRow("s", 0, 0, S, ("g", "h"))
    consumed.see(watches=[watch])
    committed = {group: dict.fromkeys(PLACES, 0) for group in ("g", "h")}
    looks = []
    for moment in sorted(draw(st.sets(st.integers(1, 2 * LAST), max_size=6))):
        states: dict[str, dict[tuple[str, int], int] | None] = {}
        for group, offsets in committed.items():
            for at in PLACES:
                offsets[at] = max(0, offsets[at] + draw(st.sampled_from((0, 0, 2, 5, -3))))
            states[group] = None if draw(st.integers(0, 5)) == 5 else dict(offsets)
        looks.append(Looked(moment * S, states))
        rows = history.take(
            Look(
                moment * S, moment * S,
                {
                    group: GroupState("classic", "Stable", 1, "denied" if told is None else None)
                    for group, told in states.items()
                },
                {
                    group: {Place(*at): offset for at, offset in told.items()}
                    for group, told in states.items() if told is not None
                },
                {Place(*at): End(at[0], 100, 100) for at in PLACES},
            )
        )  # fmt: skip
        consumed.see(rows.groups, rows.commits, [replace(watch, moment=moment * S)])
    return tuple(looks), consumed


def load(written: dict[str, Any]) -> RuleFile:
    """Through a file and the loader, as a user's."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "random.yaml"
        path.write_bytes(msgspec.json.encode(written))
        loaded, problems = check([path])
    assert not [p for p in problems if not p.warning], problems
    return loaded[0]


def told(instance: Instance, spec: dict[str, Spec]) -> Said:
    """The judge's instance in the words of the naive one."""
    rule = spec[instance.expectation]
    by_event = bool(rule.get("after") or rule.get("before") or rule.get("handled"))
    cause = instance.activation if by_event else None
    absent = instance.finding in ABSENCES
    return Said(
        instance.expectation,
        cause.position() if cause is not None else None,
        instance.state,
        instance.finding,
        instance.at,
        instance.deadline if absent else None,
        tuple(sorted(instance.lacks)) if absent and rule["kind"] in NAMING else (),
    )


NAMING = ("expect", "together", "undo", "handled")


def state(life: Life, said: list[Said], view: View) -> str | None:
    """Of a flow without a begin: is that known?"""
    if life.begin is not None or any(one.finding for one in said):
        return None
    return "partial" if life.partial(view) else "unbegun"


def compare(
    written: dict[str, Any], spec: Spec, log: list[Event], view: View, sight: Sight
) -> Counter[tuple[str, str]]:
    """What was said of how many instances, by kind and state."""
    file = load(written)
    rules = {rule["name"]: rule for rule in spec["rules"]}
    judged = judge("x", log, file, sight)
    naive = naive_judge("x", log, {**spec, "told": names_told(written)}, view)
    assert [one.episode.flow for one in judged] == [life.flow for life, _ in naive]
    compared: Counter[tuple[str, str]] = Counter()
    for one, (life, said) in zip(judged, naive, strict=True):
        first, second = Counter(told(i, rules) for i in one.instances), Counter(said)
        assert first == second, f"judge {list(first - second)}, naive {list(second - first)}"
        wanted = state(life, said, view)
        assert wanted is None or one.state == wanted
        compared.update((rules[single.expectation]["kind"], single.state) for single in said)
    return compared


def names_told(written: object) -> frozenset[str] | None:
    """The events that stand in a file by their names; None where a rule looks at all of them."""
    if isinstance(written, str):
        return frozenset((written,)).intersection(NAMES)
    if isinstance(written, dict):
        if "next" in written:
            return None
        written = [*written, *written.values()]
    parts = [names_told(one) for one in written] if isinstance(written, list) else []
    return None if None in parts else frozenset().union(*(one for one in parts if one))


LOOKS = 8
"""Of fifty examples of a kind that asks for much, now and then none asks it."""


@contextmanager
def as_of_long_flows() -> Iterator[None]:
    """What is a short cut in flows of many events is taken in all."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(episode, "FEW", 0)
        patch.setattr(likeness, "FEW", 0)
        yield


@pytest.mark.parametrize("kind", KINDS)
def test_both_judges_say_the_same_of_every_instance(kind: str) -> None:
    compared: Counter[tuple[str, str]] = Counter()

    @settings(max_examples=examples(50))
    @given(files(kind), logs(), views(), st.booleans())
    def look(
        file: tuple[dict[str, Any], Spec], log: list[Event], view: tuple[View, Sight], long: bool
    ) -> None:
        with as_of_long_flows() if long else nullcontext():
            compared.update(compare(*file, log, *view))

    states: set[str] = set()
    for _ in range(LOOKS):
        look()
        states = {state for one, state in compared if one == kind}
        if states:
            break
    assert states, "the kind was asked"
