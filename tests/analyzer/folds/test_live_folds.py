"""Whatever the live cache of windows remembers, drops or is given in whatever order: what people
were told are the findings of the pure function over the whole history."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analyzer.finding import Finding
from analyzer.folds.fold import Fold
from analyzer.folds.judging import judge_windows, window_findings
from analyzer.folds.latency import Latency
from analyzer.folds.live import LiveFolds, Use
from analyzer.folds.rate import Comparison, Rate
from analyzer.folds.schedule import Clock, Schedule
from analyzer.folds.tumbling import Tumbling, parse_during
from analyzer.guards import Guard
from analyzer.live import Live
from analyzer.naming import Meaning, Naming
from analyzer.rules.rule import Options
from analyzer.rules.ruleset import RuleFile, RuleSet
from analyzer.sight import Sight
from analyzer.transition import Transition
from collector.batch import Gap, PartitionState
from collector.event import ORDER, Event
from collector.interest import Interest
from collector.times import US_PER_S
from tests.analyzer.arriving import arriving
from tests.examples import examples

S = US_PER_S
LAST = 600
NAMES = ("A", "B", "X")
K = Guard("event.payload.k")
names = st.sampled_from((("A",), ("B",), ("A", "B")))


@st.composite
def options(draw: st.DrawFn, name: str) -> Options:
    return Options(
        name=name,
        where=draw(st.sampled_from((None, Guard("event.payload.k > 1")))),
        unless=draw(st.sampled_from(((), ("X",)))),
        copies=draw(st.booleans()),
        skew=draw(st.sampled_from((None, 0, S))),
        grace=draw(st.sampled_from((None, 0, 3 * S))),
        version="1",
    )


@st.composite
def folds(draw: st.DrawFn, number: int) -> Fold:
    given = draw(options(f"rule {number}"))
    tz = draw(st.sampled_from((None, ZoneInfo("Asia/Kolkata"))))
    during = draw(st.sampled_from((None, "Thu", "00:00-00:05")))
    per = Tumbling(
        draw(st.sampled_from((30, 60, 90, 420))) * S,
        tz,
        parse_during(during) or () if during else (),
    )
    kind = draw(st.sampled_from(("rate", "schedule", "latency")))
    if kind == "rate":
        compared = Comparison(draw(st.sampled_from((60, 240))) * S, Fraction(1, 2))
        return Rate(
            given, draw(names), per, draw(st.sampled_from((None, 1, 2))),
            draw(st.sampled_from((None, 0, 1, 2))), draw(st.sampled_from((None, K))),
            draw(st.sampled_from((None, compared))),
        )  # fmt: skip
    if kind == "schedule":
        each_of = draw(st.sampled_from(((), (1, 2))))
        clock = Clock(draw(st.sampled_from(("* * * * *", "*/3 * * * *", "1 0 * * *"))), tz)
        within = draw(st.sampled_from((20, 60, 100))) * S
        return Schedule(given, clock, draw(names), within, each_of, K if each_of else None)
    quantile = draw(st.sampled_from((0.5, 0.9)))
    return Latency(given, draw(names), draw(names), quantile, "p", 20 * S, per)


@st.composite
def rule_files(draw: st.DrawFn) -> RuleFile:
    found = tuple(draw(folds(number)) for number in range(draw(st.integers(1, 3))))
    naming = draw(
        st.sampled_from(
            (
                None,
                None,
                Naming((Meaning("A", ("B", "X"), ("t",), Guard("event.id != 'i0'")),)),
            )
        )
    )
    return RuleFile(Path("p.yaml"), "p", (), (), None, (), naming=naming, folds=found)


@st.composite
def logs(draw: st.DrawFn) -> list[Event]:
    found = []
    for number in range(draw(st.integers(0, 16))):
        time = draw(st.integers(0, LAST)) * S
        copy_of = draw(st.one_of(st.none(), st.integers(0, 2)))
        flows = draw(st.sampled_from(((), ("x",), ("y",), ("x", "y"))))
        payload = draw(st.sampled_from((None, '{"k":1}', '{"k":2}', '{"k":2.0}')))
        found.append(
            Event(
                "s", "t", "t", draw(st.integers(0, 1)), number, time, time,
                draw(st.sampled_from(NAMES)), flows,
                None if copy_of is None else f"i{copy_of}",
                payload=payload, encoding="json" if payload else "none",
            )
        )  # fmt: skip
    return found


def sight_at(*moments: int, gaps: Sequence[Gap] = ()) -> Sight:
    return Sight(
        [
            PartitionState("s", "t", "t", n, 0, 0, complete_to=moment, seen_from=0)
            for n, moment in enumerate(moments)
        ],
        gaps,
        grace=2 * S,
        skews={"s": S},
    )


def settled(file: RuleFile, log: Sequence[Event], sight: Sight) -> dict[str, Finding]:
    found: dict[str, Finding] = {}
    for one in judge_windows(file, log, sight, -2 * LAST * S, 2 * LAST * S):
        if one.window.due > 0:
            found.update(window_findings(file, one.fold, one.instances))
    return found


@dataclass
class Watcher:
    """A daemon in small: a store that is a list, a cache over it, and what people were told."""

    file: RuleFile
    stored: list[Event] = field(default_factory=list)
    told: dict[str, Finding] = field(default_factory=dict)
    glimpses: bool = False
    """Events come as they do from a tap's process: what is not read is left out."""

    def __post_init__(self) -> None:
        self.live = self.fresh()

    def fresh(self) -> LiveFolds:
        return LiveFolds(RuleSet.of([self.file]), self.history, 2 * S)

    def history(
        self,
        names: Sequence[str] | None,
        stretches: Sequence[tuple[int, int]],
        use: Use,
        *,
        whole: bool,
    ) -> None:
        def within(start: int, end: int) -> Iterable[Event]:
            return sorted(
                (
                    e
                    for e in self.stored
                    if start <= e.time < end and (names is None or e.name in names)
                ),
                key=ORDER,
            )

        use([within(*stretch) for stretch in stretches])

    def take(self, batch: Sequence[Event], sight: Sight) -> None:
        self.live.take(self.interest().glimpses(batch) if self.glimpses else batch)
        self.hear(self.live.advance(sight))
        self.stored.extend(batch)

    def interest(self) -> Interest:
        rules = RuleSet.of([self.file])
        return self.live.widened(Live(rules, lambda flows: {}, 0).interest())

    def hear(self, changes: Sequence[Transition]) -> None:
        for change in changes:
            finding = change.finding
            if finding.state == "retracted":
                assert finding.id in self.told, "only what was told can be taken back"
                assert change.reason, "and it must say why"
                del self.told[finding.id]
            else:
                assert change.new == (finding.id not in self.told)
                self.told[finding.id] = finding

    def crash(self, sight: Sight) -> None:
        self.live = self.fresh()
        self.live.remember(self.told.values())
        self.live.resume(sight)
        assert not self.live.advance(sight), "a restart alone changes nothing"


@settings(max_examples=examples(125))
@given(rule_files(), logs(), st.data())
def test_any_order_batching_and_restart_give_the_same_findings(file, log, data) -> None:
    watcher = Watcher(file, glimpses=data.draw(st.booleans(), "glimpses"))
    for batch, complete, behind in arriving(data, log, LAST + 100):
        sight = sight_at(complete * S, behind * S)
        watcher.take(batch, sight)
        if data.draw(st.booleans(), "crash"):
            watcher.crash(sight)
    final = sight_at((2 * LAST) * S)
    watcher.take([], final)
    assert watcher.told == settled(file, log, final)


@settings(max_examples=examples(75))
@given(rule_files(), logs(), st.integers(0, LAST + 100))
def test_absence_is_never_judged_beyond_completeness_nor_in_a_gap(file, log, moment) -> None:
    sight = sight_at(moment * S)
    for finding in settled(file, log, sight).values():
        if finding.finding in ("missing", "late", "too_few", "too_slow"):
            assert finding.deadline is not None
            assert finding.deadline < moment * S
    gap = Gap("s", "t", "t", 0, 0, 1, "retention", 0, LAST * S)
    unseen = sight_at(2 * LAST * S, gaps=[gap])
    for finding in settled(file, log, unseen).values():
        if finding.finding in ("missing", "too_few", "too_slow"):
            assert finding.at > LAST * S


def test_a_rule_that_changed_takes_its_old_findings_back() -> None:
    def file(version: str) -> RuleFile:
        rate = Rate(Options(name="r", version=version), ("A",), Tumbling(60 * S), least=1)
        return RuleFile(Path("p.yaml"), "p", (), (), None, (), folds=(rate,))

    watcher = Watcher(file("1"))
    watcher.take([], sight_at(0))
    watcher.take([], sight_at(100 * S))
    assert [finding.finding for finding in watcher.told.values()] == ["too_few"]
    watcher.file = file("2")
    watcher.live = watcher.fresh()
    watcher.live.remember(watcher.told.values())
    watcher.live.resume(sight_at(100 * S))
    (change,) = watcher.live.advance(sight_at(100 * S))
    assert (change.finding.state, change.reason) == ("retracted", "rule changed")


def test_what_was_due_before_the_first_sight_is_not_judged() -> None:
    schedule = Schedule(Options(name="r"), Clock("* * * * *"), ("A",), 20 * S)
    file = RuleFile(Path("p.yaml"), "p", (), (), None, (), folds=(schedule,))
    live = LiveFolds(RuleSet.of([file]), Watcher(file).history, 0)
    first = [PartitionState("s", "t", "t", 0, 9, 5, complete_to=300 * S, seen_from=130 * S)]
    assert live.advance(Sight([], grace=0)) == []
    found = live.advance(Sight(first, grace=0))
    assert [change.finding.deadline // S for change in found] == [200, 260]


def test_a_finding_is_taken_back_with_how_late_its_event_came() -> None:
    schedule = Schedule(Options(name="r", version="1"), Clock("* * * * *"), ("A",), 20 * S)
    watcher = Watcher(RuleFile(Path("p.yaml"), "p", (), (), None, (), folds=(schedule,)))
    watcher.take([], sight_at(1))
    watcher.take([], sight_at(83 * S))
    assert [finding.at // S for finding in watcher.told.values()] == [20, 80]
    late = Event("s", "t", "t", 0, 7, 75 * S, 92 * S, "A", ())
    watcher.live.take([late])
    (change,) = watcher.live.advance(sight_at(84 * S))
    assert change.reason == "A of t-0@7 arrived 12s after its deadline passed"
    assert change.finding.state == "retracted"


@pytest.mark.parametrize("text", ["Mo-Fr 08:00-20:00", "25:00-26:00", "08:61-09:00", "", "Mon 8-9"])
def test_what_is_no_time_of_the_week_is_refused(text: str) -> None:
    assert parse_during(text) is None


def test_one_too_many_that_may_be_excused_is_told_as_soon_as_no_excuse_can_come() -> None:
    """Not at the window's end only."""
    rate = Rate(Options(name="r", version="1", unless=("X",)), ("A",), Tumbling(600 * S), at_most=0)
    watcher = Watcher(RuleFile(Path("p.yaml"), "p", (), (), None, (), folds=(rate,)))
    watcher.take([], sight_at(1))
    watcher.take([Event("s", "t", "t", 0, 0, 10 * S, 10 * S, "A", ())], sight_at(12 * S))
    assert not watcher.told, "an X of ten seconds may still come"
    watcher.take([], sight_at(12 * S + 1))
    assert [finding.finding for finding in watcher.told.values()] == ["too_many"]


def test_a_copy_of_what_is_stored_already_counts_once() -> None:
    rate = Rate(Options(name="r"), ("A",), Tumbling(60 * S), at_most=1)
    watcher = Watcher(RuleFile(Path("p.yaml"), "p", (), (), None, (), folds=(rate,)), glimpses=True)
    watcher.take([], sight_at(1))
    for number, moment in enumerate((10, 100)):
        watcher.take(
            [Event("s", "t", "t", 0, number, number * S, number * S, "A", ("x",), "the same")],
            sight_at(moment * S),
        )
    assert not watcher.told
