"""The one principle, tried by contradiction: whatever the live cache remembers, drops or is given
in whatever order, the findings that stand are those of the pure function over the whole history.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from analyzer.finding import Finding, findings
from analyzer.guards import Guard
from analyzer.judge import judge
from analyzer.kinds.after_expect import AfterExpect
from analyzer.kinds.after_never import AfterNever
from analyzer.kinds.after_next import AfterNext
from analyzer.kinds.after_undo import AfterUndo
from analyzer.kinds.agree import Agree, Tolerance
from analyzer.kinds.before_require import BeforeRequire
from analyzer.kinds.count import Bounds, Count, once
from analyzer.kinds.either import Either
from analyzer.kinds.for_each import ForEach
from analyzer.kinds.handled import Handled
from analyzer.kinds.order import Order
from analyzer.kinds.together import Together
from analyzer.live import Live
from analyzer.naming import Meaning, Naming
from analyzer.origins import ByName, Origins
from analyzer.paths import ValuePath
from analyzer.plain import plain
from analyzer.rules.rule import Options, Rule
from analyzer.rules.ruleset import RuleFile, RuleSet
from analyzer.sight import Sight
from analyzer.transition import Transition
from collector.batch import PartitionState
from collector.event import Event
from collector.ties import Ties, Tying, tied_flows
from collector.times import US_PER_S
from tests.analyzer.arriving import arriving, bounded
from tests.examples import examples

NAMES = ("start", "end", "A", "B", "C", "X")
FLOWS = ("x", "y", "z")
TYING: Tying = {"s": frozenset({"order"})}
LAST = 60
S = US_PER_S

names = st.lists(st.sampled_from(NAMES), min_size=1, max_size=2, unique=True).map(tuple)
bound = st.one_of(st.none(), st.integers(0, 3))
BY_ID = Guard("event.id")
VALUES = (BY_ID, Guard("event.payload.k"))
ITEMS = ValuePath("event.payload.items[*]")
PAYLOADS = (
    None, '{"items":[1,2],"k":1}', '{"items":[],"k":2}', '{"k":2.0}', '{"items":[2,{}],"k":3}',
)  # fmt: skip
KINDS = (
    "expect", "all", "never", "once", "once after", "before", "order", "together", "either",
    "counts", "counts after", "agree", "for each", "undo", "next", "handled",
)  # fmt: skip
UNDOINGS = (
    (("A", ("B",)),), (("A", ("B",)), ("B", ("C",))), (("C", ("end",)),),
    (("A", ("B", "C")), ("C", ("B", "X"))),
)  # fmt: skip
several = st.permutations(NAMES).flatmap(
    lambda every: st.integers(2, len(every)).map(lambda most: tuple(every[:most]))
)
maybe_names = st.one_of(st.just(()), names)
within = st.one_of(st.none(), st.integers(1, 20).map(lambda s: s * S))


@st.composite
def options(draw: st.DrawFn, name: str) -> Options:
    return Options(
        name=name,
        unless=draw(maybe_names),
        match=draw(st.sampled_from(("any", "each"))),
        copies=draw(st.booleans()),
        skew=draw(st.sampled_from((None, 0, S))),
        grace=draw(st.sampled_from((None, 0, 3 * S))),
        version="1",
    )


@st.composite
def rules(draw: st.DrawFn, number: int) -> Rule:
    given = draw(options(f"rule {number}"))
    kind = draw(st.sampled_from(KINDS))
    if kind == "expect":
        return AfterExpect(given, draw(names), (draw(names),), draw(within))
    if kind == "all":
        return AfterExpect(given, draw(names), (("B",), ("C",)), draw(within))
    if kind == "never":
        return AfterNever(given, draw(names), draw(names), draw(within), draw(maybe_names))
    if kind.startswith("counts"):
        counted = [
            (some, Bounds(draw(bound), draw(bound)))
            for some in draw(st.sampled_from(((("A",),), (("B",), ("C",)), (("A", "B"),))))
        ]
        after = draw(names) if kind == "counts after" else ()
        by = draw(st.sampled_from((None, BY_ID)))
        return Count(given, tuple(counted), after, draw(within), by)
    if kind == "agree":
        if draw(st.booleans()):
            return Agree(given, (("*", VALUES[1]),))
        paths = tuple((name, draw(st.sampled_from(VALUES))) for name in draw(several))
        return Agree(given, paths, draw(st.sampled_from((None, Tolerance(Decimal(1), False)))))
    if kind == "handled":
        return Handled(given, draw(names), ("nobody looks at it",), draw(st.integers(1, 20)) * S)
    if kind == "next":
        return AfterNext(given, draw(names), draw(names), draw(within))
    if kind == "undo":
        pairs = draw(st.sampled_from(UNDOINGS))
        return AfterUndo(given, draw(names), pairs, draw(within), draw(st.booleans()))
    if kind == "for each":
        return ForEach(given, ITEMS, draw(names), draw(names), VALUES[1], draw(within))
    if kind == "before":
        return BeforeRequire(given, draw(names), draw(names), draw(within))
    if kind == "order":
        return Order(given, draw(several))
    if kind == "together":
        return Together(given, draw(several), draw(within))
    if kind == "either":
        return Either(given, draw(several))
    return once(given, draw(names), draw(names) if kind == "once after" else (), draw(within))


@st.composite
def namings(draw: st.DrawFn) -> Naming | None:
    """Some names mean other events, by what these are called, by their topic, by a condition."""
    if not draw(st.booleans()):
        return None
    meanings = []
    for name in draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=3, unique=True)):
        called = draw(st.sampled_from((None, (), ("A",), ("A", "X"), ("end",))))
        topics = draw(st.sampled_from(((), ("u",), ("*",))))
        where = draw(st.sampled_from((None, VALUES[1])))
        if called == () and not topics:
            called = None
        stored = (name,) if called is None else called
        meanings.append(Meaning(name, stored, topics, where and Guard(f"{where.text} > 1")))
    return Naming(tuple(meanings))


@st.composite
def rule_files(draw: st.DrawFn) -> RuleFile:
    found = [draw(rules(number)) for number in range(draw(st.integers(1, 4)))]
    limit = draw(st.one_of(st.none(), st.integers(5, 40).map(lambda s: s * S)))
    ends = ("end",) if limit is None or draw(st.booleans()) else ()
    naming = draw(namings())
    return RuleFile(Path("p.yaml"), "p", ("start",), ends, limit, tuple(found), naming=naming)


keys = st.one_of(
    st.just(()),
    st.tuples(st.tuples(st.just("order"), st.sampled_from(("1", "2", "3")))),
    st.just((("customer", "1"),)),
)


@st.composite
def logs(draw: st.DrawFn) -> list[Event]:
    """Events of a few flows on two partitions, with equal times, copies, batch events and keys."""
    found = []
    for number in range(draw(st.integers(0, 14))):
        time = draw(st.integers(0, LAST)) * S
        partition = draw(st.integers(0, 1))
        flows = draw(st.lists(st.sampled_from(FLOWS), max_size=2, unique=True))
        copy_of = draw(st.one_of(st.none(), st.integers(0, 3)))
        found.append(
            Event(
                "s",
                topic := draw(st.sampled_from(("t", "t", "u"))),
                topic,
                partition,
                number,
                time,
                time,
                draw(st.sampled_from(NAMES)),
                tuple(flows),
                None if copy_of is None else f"id-{copy_of}",
                draw(keys),
                payload=draw(st.sampled_from(PAYLOADS)),
                encoding="json",
            )
        )
    return found


def sight_at(*moments: int, first: int | None = None) -> Sight:
    """One partition a moment; all can carry any name. `first`: what was before was never seen."""
    return Sight(
        [
            PartitionState(
                "s", "t", "t", n, 0, 0 if first is None else 7, complete_to=m, seen_from=first
            )
            for n, m in enumerate(moments)
        ],
        grace=2 * S,
        skews={"s": S},
        retention=15 * S,
    )


def settled(file: RuleFile, log: Sequence[Event], sight: Sight, tying: Tying) -> dict[str, Finding]:
    """What the pure functions find, over the whole history at once."""
    rules = RuleSet.of([file]).by_name
    return {
        finding.id: finding
        for name, flow in tied_flows(log, tying).items()
        for one in judge(name, flow.events, file, sight)
        for finding in findings(one, rules)
    }


@dataclass
class Watcher:
    """A daemon in small: a store that is a list, a cache over it, and what people were told."""

    file: RuleFile
    hot_flows: int
    linger: int
    tying: Tying
    stored: list[Event] = field(default_factory=list)
    told: dict[str, Finding] = field(default_factory=dict)
    retracted: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.live = self.fresh()

    def fresh(self) -> Live:
        self.ties = Ties(self.tying) if self.tying else None
        rules = RuleSet.of([self.file])
        return Live(rules, self.load, 2 * S, self.hot_flows, self.linger, self.ties)

    def load(self, flows: Sequence[str]) -> dict[str, list[Event]]:
        def within(event: Event) -> tuple[str, ...]:
            return event.correlation_ids if self.ties is None else self.ties.flows(event)

        return {flow: [e for e in self.stored if flow in within(e)] for flow in flows}

    def take(self, batch: Sequence[Event], sight: Sight) -> None:
        self.live.absorb(batch)
        self.hear(self.live.advance(sight))
        self.stored.extend(batch)

    def hear(self, changes: Sequence[Transition]) -> None:
        for change in changes:
            finding = change.finding
            if finding.state == "retracted":
                assert finding.id in self.told, "only what was told can be taken back"
                assert change.reason, "and it must say why"
                del self.told[finding.id]
                self.retracted.add(finding.id)
            else:
                self.told[finding.id] = finding

    def crash(self, sight: Sight) -> None:
        """The cache is gone; the store and what was told are not."""
        self.live = self.fresh()
        if self.ties is not None:
            self.ties.add(self.stored)
        self.live.absorb(self.stored, stored=True)
        self.live.remember(list(self.told.values()))
        changes = self.live.advance(sight)
        assert not changes, "a restart alone changes nothing"


@settings(max_examples=examples(75))
@given(rule_files(), logs(), st.randoms(use_true_random=False))
def test_judging_does_not_depend_on_the_order_of_arrival(file, log, random) -> None:
    sight = sight_at(LAST // 2 * S)
    shuffled = list(log)
    random.shuffle(shuffled)
    assert settled(file, shuffled, sight, TYING) == settled(file, log, sight, TYING)


@pytest.mark.parametrize(
    ("tying", "most", "runaway"),
    [({}, 10, 99), (TYING, 10, 99), (TYING, 2, 99), ({}, 10, 4), (TYING, 2, 4)],
    ids=["no ties", "ties", "unties", "runaways", "unties and runaways"],
)
@settings(max_examples=examples(100))
@given(rule_files(), logs(), st.data())
def test_any_order_batching_restart_and_dropped_cache_give_the_same_findings(
    tying, most, runaway, file, log, data
) -> None:
    # With a bound of two the third correlation ID already parts what a value had tied; few
    # buckets and a sweep after each event are what a bus makes of many.
    with (
        bounded(most, runaway),
        patch("analyzer.unnamed.MASK", data.draw(st.sampled_from((1, 1023)), "buckets")),
        patch("analyzer.runaways.SWEEP", data.draw(st.sampled_from((0, 100)), "sweep")),
    ):
        watch_and_compare(tying, file, log, data)


def watch_and_compare(tying, file, log, data) -> None:
    hot_flows = data.draw(st.sampled_from((0, 1, 100)), "hot flows")
    linger = data.draw(st.sampled_from((0, 10 * S)), "linger")
    watcher = Watcher(file, hot_flows, linger, tying)
    first = data.draw(st.sampled_from((None, None, 0, 20 * S)), "first sight")
    for batch, complete, behind in arriving(data, log, LAST + 30):
        sight = sight_at(complete * S, behind * S, first=first)
        watcher.take(batch, sight)
        if data.draw(st.booleans(), "crash"):
            watcher.crash(sight)
    final = sight_at((LAST + 30) * S, first=first)
    watcher.take([], final)
    assert watcher.told == settled(file, log, final, tying)


causing = st.sampled_from((("start",), ("A",), ("B",), ("A", "start"), ("A", "B")))
caused = st.sampled_from((("A", "B"), ("B", "C"), ("C",)))


@st.composite
def awaiting(draw: st.DrawFn) -> RuleFile:
    """Deadlines that pass one after another while the flow goes on, and what else there may be."""
    found: list[Rule] = []
    for number in range(draw(st.integers(1, 3))):
        given = dataclasses.replace(draw(options(f"rule {number}")), unless=())
        limit = draw(st.integers(3, 15)) * S
        if draw(st.integers(0, 4)) == 0:
            back = draw(st.sampled_from((None, limit)))
            found.append(BeforeRequire(given, draw(caused), draw(causing), back))
        else:
            needs = draw(st.lists(caused, min_size=1, max_size=2))
            found.append(AfterExpect(given, draw(causing), tuple(needs), limit))
    found += [draw(rules(number)) for number in range(7, draw(st.sampled_from((7, 8, 9))))]
    # The flow goes on for long: what was not noticed then is not noticed by the way.
    found.append(AfterExpect(Options(name="last", version="1"), ("start",), (("end",),), 40 * S))
    limit = draw(st.one_of(st.none(), st.integers(5, 40).map(lambda s: s * S)))
    return RuleFile(Path("p.yaml"), "p", ("start",), ("end",), limit, tuple(found))


@st.composite
def courses(draw: st.DrawFn) -> list[Event]:
    """One flow, in which no name comes twice, in the order of arrival; most come in time."""
    found = [("start", draw(st.integers(0, 2)), 0)]
    for name in ("A", "B", "C", "X", "end"):
        soon = st.integers(1, 12) if name in "ABC" else st.none()
        time = draw(st.one_of(soon, soon, soon, st.none(), st.integers(0, 30)))
        if time is not None:
            found.append((name, time, draw(st.sampled_from((0, 0, 0, 5)))))
    return [
        Event("s", "t", "t", 0, number, time * S, (time + delay) * S, name, ("x",),
              payload=PAYLOADS[1], encoding="json")
        for number, (name, time, delay) in enumerate(found)
    ]  # fmt: skip


@settings(max_examples=examples(300))
@given(awaiting(), courses(), st.integers(0, 6))
def test_at_every_moment_it_is_told_what_judging_at_each_deadline_would_tell(
    file, log, behind
) -> None:
    """They pass one by one while the flow goes on, with a partition that may be behind."""
    watcher, judging = Watcher(file, 100, 10 * S, {}), Watcher(file, 100, 10 * S, {})
    with patch.object(judging.live, "_goes_on", return_value=False):
        for moment in range(45):
            sight = sight_at(moment * S, max(0, moment - behind) * S)
            batch = [event for event in log if event.arrival == moment * S]
            watcher.take(batch, sight)
            judging.take(batch, sight)
            assert watcher.told == judging.told, moment
    assert watcher.told == settled(file, log, sight, {})


def test_a_flow_that_goes_on_well_is_not_judged_at_each_of_its_deadlines() -> None:
    chain = ["start", "A", "B", "C"]
    found = [
        AfterExpect(Options(name=after, version="1"), (cause,), ((after,),), 10 * S)
        for cause, after in pairwise(chain)
    ]
    file = RuleFile(Path("p.yaml"), "p", ("start",), ("end",), None, tuple(found))
    watcher = Watcher(file, 100, 10 * S, {})
    for moment in range(50):
        names = [name for number, name in enumerate(chain) if moment == 9 * number]
        batch = [Event("s", "t", "t", 0, moment, moment * S, moment * S, n, ("x",)) for n in names]
        watcher.take(batch, sight_at(moment * S))
        assert not watcher.told
    assert watcher.live.judged == 1, "when the last of them has passed"
    late = Event("s", "t", "t", 0, 99, 60 * S, 60 * S, "start", ("y",))
    watcher.take([late], sight_at(60 * S))
    watcher.take([], sight_at(75 * S))
    assert [one.expectation for one in watcher.told.values()] == ["A"]


@pytest.mark.parametrize("within", [None, 15 * S])
def test_what_comes_to_a_flow_that_was_judged_at_its_end_is_judged_although_that_has_passed(
    within: int | None,
) -> None:
    """By a deadline that is the flow's end the event itself is not due: it waits for that of others
    in its flow."""
    rule = AfterExpect(Options(name="r", version="1"), ("A",), (("B",),), None)
    file = RuleFile(Path("p.yaml"), "p", ("start",), () if within else ("end",), within, (rule,))
    watcher = Watcher(file, 100, 10 * S, {})
    events = [("start", 0), ("A", 8)] if within else [("start", 0), ("end", 15), ("A", 8)]
    came = [
        Event("s", "t", "t", 0, n, second * S, second * S, name, ("x",))
        for n, (name, second) in enumerate(events)
    ]
    watcher.take(came[:-1], sight_at(20 * S))
    watcher.take(came[-1:], sight_at(20 * S))
    assert [finding.finding for finding in watcher.told.values()] == ["missing"]
    assert watcher.told == settled(file, came, sight_at(20 * S), {})


@pytest.mark.parametrize("trigger", [(), ("A",)])
def test_a_value_that_occurs_when_the_time_to_count_it_is_over_is_late_at_once(
    trigger: tuple[str, ...],
) -> None:
    bounds = Bounds(1, None, "too_few", "too_many")
    by = Guard("event.payload.k")
    rule = Count(Options(name="r", version="1"), ((("B",), bounds),), trigger, 5 * S, by)
    file = RuleFile(Path("p.yaml"), "p", ("start",), ("end",), None, (rule,))
    watcher = Watcher(file, 100, 10 * S, {})
    came = [
        Event("s", "t", "t", 0, n, n * S, n * S, name, ("x",), payload='{"k": 1}', encoding="json")
        for n, name in ((0, "start"), (1, "A"), (12, "B"))
    ]
    watcher.take(came[:-1], sight_at(10 * S))
    watcher.take(came[-1:], sight_at(12 * S))
    assert [finding.finding for finding in watcher.told.values()] == ["late"]
    assert watcher.told == settled(file, came, sight_at(12 * S), {})


def test_what_is_unknown_for_want_of_a_begin_is_judged_again_when_that_comes() -> None:
    rule = BeforeRequire(Options(name="r", version="1"), ("B",), ("A",), None)
    file = RuleFile(Path("p.yaml"), "p", ("start",), ("end",), None, (rule,))
    watcher = Watcher(file, 100, 10 * S, {})
    seen = sight_at(20 * S, first=5 * S)
    watcher.take([Event("s", "t", "t", 0, 1, 10 * S, 10 * S, "B", ("x",))], seen)
    assert not watcher.told, "an A may lie before the first sight"
    watcher.take([Event("s", "t", "t", 0, 2, 8 * S, 20 * S, "start", ("x",))], seen)
    assert [finding.finding for finding in watcher.told.values()] == ["unprepared"]


@settings(max_examples=examples(75))
@given(rule_files(), logs(), st.integers(0, LAST + 30))
def test_every_instance_has_one_state_and_at_most_one_finding(file, log, moment) -> None:
    for flow in FLOWS:
        events = [e for e in log if flow in e.correlation_ids]
        for one in judge(flow, events, file, sight_at(moment * S)):
            for instance in one.instances:
                wrong = instance.state in ("missing", "late", "violated")
                assert (instance.finding is not None) == wrong
                assert (instance.at is not None) == wrong


@settings(max_examples=examples(150))
@given(rule_files(), logs(), st.integers(0, LAST + 30))
def test_what_is_plainly_fine_is_one_ended_episode_in_which_all_is_met_or_void(
    file, log, moment
) -> None:
    sight = sight_at(moment * S)
    for flow in FLOWS:
        events = [e for e in log if flow in e.correlation_ids]
        if events and not judge(flow, events, file, sight, unless_fine=True):
            (one,) = judge(flow, events, file, sight)
            assert one.state == "ended"
            assert one.episode.ended_by is not None
            assert {instance.state for instance in one.instances} <= {"met", "void"}


@settings(max_examples=examples(200))
@given(rule_files(), logs(), st.integers(0, LAST + 30))
def test_what_names_and_times_call_fine_is_one_ended_episode_in_which_all_is_met_or_void(
    file, log, moment
) -> None:
    sight = sight_at(moment * S)
    interest = Live(RuleSet.of([file]), lambda flows: {}, 0).interest()
    origins = Origins()
    # No name twice, or nothing is told by names.
    once_each = list({event.name: event for event in log}.values())
    asked = plain(file, frozenset(event.name for event in once_each), S)
    glimpses = interest.glimpses([replace(event, correlation_ids=("x",)) for event in once_each])
    heads = [origins.packed(one) for one in glimpses.origins]
    rows = zip(glimpses.numbers, glimpses.bodies, strict=True)
    packed = b"".join(part for number, body in rows for part in (heads[number], body))
    if asked is not None and asked.holds(ByName("x", packed, len(once_each), origins), sight):
        (one,) = judge("x", once_each, file, sight)
        assert one.state == "ended"
        assert one.episode.ended_by is not None
        assert {instance.state for instance in one.instances} <= {"met", "void"}


@settings(max_examples=examples(75))
@given(rule_files(), logs(), st.integers(0, LAST + 30), st.integers(0, 30))
def test_absence_is_never_judged_beyond_completeness(file, log, moment, behind) -> None:
    sight = sight_at(moment * S, max(0, moment - behind) * S)
    blind_after = max(0, moment - behind) * S
    for finding in settled(file, log, sight, TYING).values():
        if finding.finding in ("missing", "late"):
            assert finding.deadline is not None
            assert finding.deadline < blind_after
