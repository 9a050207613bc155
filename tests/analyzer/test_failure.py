"""A mistake of ours in judging one flow or window is told, and stops nobody."""

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from unittest import mock

import pytest

from analyzer.episode import Episode
from analyzer.failure import LONGEST, failed
from analyzer.finding import Finding
from analyzer.folds.fold import Seen, Window
from analyzer.folds.live import LiveFolds, nothing
from analyzer.folds.rate import Rate
from analyzer.instance import Instance
from analyzer.judge import judge
from analyzer.kinds.after_expect import AfterExpect
from analyzer.live import Live
from analyzer.rules.loader import load
from analyzer.rules.ruleset import RuleSet
from analyzer.sight import Sight
from analyzer.undecided import Undecided, failures
from collector.batch import PartitionState
from collector.event import Event
from collector.times import US_PER_S

S = US_PER_S
RULES = """\
version: 1
flow: order
begins: created
ends: shipped
within: 1h
expectations:
  - {name: paid, after: created, expect: paid, within: 10s}
  - {name: packed, before: shipped, require: packed}
"""
PAID, UNKNOWN = ("order", "paid"), "unknown"


@pytest.fixture(autouse=True)
def mistakes_are_told(mistakes_are_raised: None) -> Iterator[None]:
    """As they are where it runs."""
    with (
        mock.patch("analyzer.judge.failed", failed),
        mock.patch("analyzer.folds.judging.failed", failed),
    ):
        yield


def rules(folder: Path, more: str = "") -> RuleSet:
    (folder / "order.yaml").write_text(RULES + more)
    return load([folder / "order.yaml"])


def event(number: int, second: int, name: str, flow: str) -> Event:
    return Event("bus", "t", "t", 0, number, second * S, second * S, name, (flow,))


def seen_until(second: int) -> Sight:
    seen = PartitionState("bus", "t", "t", 0, 99, 99, complete_to=second * S, seen_from=0)
    return Sight([seen], grace=0)


class Poison:
    """An expectation that fails where a flow is called so, while it is to."""

    def __init__(self) -> None:
        self.flow = "poison"
        self._right = AfterExpect.judge

    def judge(self, rule: AfterExpect, episode: Episode, sight: Sight) -> Sequence[Instance]:
        if episode.correlation_id == self.flow and rule.options.name == "paid":
            raise RuntimeError("what\nit held " + "x" * 1_000)
        return self._right(rule, episode, sight)


@pytest.fixture
def poison() -> Iterator[Poison]:
    one = Poison()
    with mock.patch.object(AfterExpect, "judge", lambda *given: one.judge(*given)):
        yield one


LOG = [
    event(number, number, name, flow)
    for number, (name, flow) in enumerate(
        [
            ("created", "poison"),
            ("created", "a"),
            ("shipped", "poison"),
            ("created", "b"),
            ("paid", "b"),
        ]
    )
]


def by_flow(found: Sequence[Finding]) -> dict[str | None, list[str]]:
    told: dict[str | None, list[str]] = {}
    for one in found:
        told.setdefault(one.flow, []).append(one.expectation)
    return told


def test_one_expectation_is_unknown_in_one_flow_and_why_is_told(
    tmp_path: Path, poison: Poison, caplog: pytest.LogCaptureFixture
) -> None:
    live = Live(rules(tmp_path), lambda flows: {}, 0)
    live.absorb(LOG)
    with caplog.at_level(logging.ERROR):
        told = by_flow([one.finding for one in live.advance(seen_until(60))])
    assert told == {"a": ["paid"], "poison": ["packed"]}, "the same flow's other one is judged"
    one = live.undecided.told()[PAID]
    assert (one.flows, one.last, one.failed) == (1, ("poison",), 1)
    assert one.last_failed.startswith("poison: could not be judged: RuntimeError: what it held xxx")
    assert "test_failure.py:" in one.last_failed
    assert len(one.last_failed) < LONGEST + 100
    (said,) = failures(live.undecided.told())
    assert said == f"order: paid: judging failed once, last in {one.last_failed}"
    (line,) = caplog.messages
    assert "order: paid: judging failed (1 so far), last in poison: " in line
    live.absorb([event(9, 9, "packed", "poison")])
    live.advance(seen_until(70))
    assert live.undecided.told()[PAID].failed == 1, "it is counted once for each flow"


def test_whoever_judges_it_says_the_same(tmp_path: Path, poison: Poison) -> None:
    (file,) = rules(tmp_path).files
    (one,) = judge(
        "poison", [e for e in LOG if "poison" in e.correlation_ids], file, seen_until(60)
    )
    said = {i.expectation: (i.state, i.failed) for i in one.instances}
    assert said == {
        "paid": (UNKNOWN, True), "packed": ("violated", False), "unfinished": ("met", False),
    }  # fmt: skip
    assert one.state == "failed"


def test_what_had_been_found_stands_until_it_can_be_judged_again(
    tmp_path: Path, poison: Poison
) -> None:
    poison.flow = ""
    live = Live(rules(tmp_path), lambda flows: {}, 0)
    live.absorb([event(0, 0, "created", "poison")])
    (missing,) = live.advance(seen_until(60))
    assert missing.finding.expectation == "paid"
    poison.flow = "poison"
    live.absorb([event(1, 5, "paid", "poison")])
    assert live.advance(seen_until(60)) == [], "nothing says that it is wrong"
    assert live.is_open("poison", seen_until(60))
    again = Live(rules(tmp_path), lambda flows: {}, 0)
    again.absorb([event(0, 0, "created", "poison"), event(1, 5, "paid", "poison")], stored=True)
    again.remember([missing.finding])
    assert again.advance(seen_until(60)) == [], "nor after a restart"
    poison.flow = ""
    for one in (live, again):
        one.absorb([event(2, 6, "packed", "poison"), event(3, 7, "shipped", "poison")])
        (taken_back,) = one.advance(seen_until(60))
        assert taken_back.finding.state == "retracted"
        assert taken_back.finding.id == missing.finding.id


def test_names_that_cannot_be_told_leave_the_whole_file_unknown_in_that_flow(
    tmp_path: Path,
) -> None:
    ruleset = rules(tmp_path, "events: {dear: {name: created, where: event.payload.total > 9}}")
    (file,) = ruleset.files
    assert file.naming is not None
    right = type(file.naming).called

    def called(naming: object, event: Event) -> Sequence[str]:
        if "poison" in event.correlation_ids:
            raise AttributeError
        return right(naming, event)  # type: ignore[arg-type]

    before = Live(ruleset, lambda flows: {}, 0)
    names = ("created", "shipped", "created")
    before.absorb([event(n, 20 * n, name, "poison") for n, name in enumerate(names)])
    found = by_flow([one.finding for one in before.advance(seen_until(60))])
    assert found == {"poison": ["paid", "packed"], "poison#2": ["paid"]}
    with mock.patch.object(type(file.naming), "called", called):
        live = Live(ruleset, lambda flows: {}, 0)
        live.absorb(LOG)
        assert by_flow([one.finding for one in live.advance(seen_until(60))]) == {"a": ["paid"]}
        told = live.undecided.told()
        (one,) = judge("poison", LOG[:1], file, seen_until(60))
        before.absorb([event(9, 45, "paid", "poison")])
        assert before.advance(seen_until(60)) == [], "what had been found stands"
    every = ("paid", "packed", "unfinished")
    assert {of: one.failed for of, one in told.items()} == {("order", name): 1 for name in every}
    said = {i.expectation: (i.state, i.failed) for i in one.instances}
    assert said == dict.fromkeys(every, (UNKNOWN, True))
    assert one.state == "open"
    assert one.instances[0].text.startswith("could not be judged: AttributeError (")


def test_short_cuts_that_fail_are_judged(tmp_path: Path) -> None:
    """Nobody is told what a short cut does: what judging finds counts."""
    text = RULES.replace(
        "within: 10s}", 'within: 10s, such_that: "event.payload.n == cause.payload.n"}'
    )
    (tmp_path / "order.yaml").write_text(text)
    log = [
        event(n, n, name, flow)
        for flow in ("a", "b")
        for n, name in enumerate(["created", "paid", "packed", *(["shipped"] * (flow == "a"))])
    ]

    def fails(*given: object) -> object:
        raise LookupError

    def cannot(self: object, event: str, cause: str | None = None) -> object:
        return fails

    with mock.patch("analyzer.guards.Guard.named", cannot):
        live = Live(load([tmp_path / "order.yaml"]), lambda flows: {}, 0)
        live.absorb(log)
        found = [one.finding for one in live.advance(seen_until(60))]
    assert by_flow(found) == {"a": ["paid"], "b": ["paid"]}, "no payment has the number"
    assert not any(one.failed for one in live.undecided.told().values())


def test_where_every_flow_fails_few_lines_are_written(caplog: pytest.LogCaptureFixture) -> None:
    some = Undecided()
    with caplog.at_level(logging.ERROR):
        for number in range(1_234):
            some.note(f"f{number}", {PAID: "could not be judged"}, ())
    assert len(caplog.messages) == 4, "of the first, the tenth, the hundredth, the thousandth"
    assert some.told()[PAID].failed == 1_234


def test_a_window_that_cannot_be_judged_is_told_and_what_was_found_in_it_stands(
    tmp_path: Path,
) -> None:
    (tmp_path / "rate.yaml").write_text(
        "version: 1\nflow: order\nexpectations:\n"
        "  - {name: some, rate: created, per: 1m, at_least: 2, skew: 0s}\n"
    )
    ruleset, undecided, fails = load([tmp_path / "rate.yaml"]), Undecided(), False
    right = Rate.judge
    folds = LiveFolds(ruleset, nothing, 0, undecided=undecided)

    def rated(fold: Rate, window: Window, events: Sequence[Event], seen: Seen) -> list[Instance]:
        if fails:
            raise IndexError("of one too few")
        return right(fold, window, events, seen)

    with mock.patch.object(Rate, "judge", rated):
        folds.resume(seen_until(10))
        (few,) = folds.advance(seen_until(90))
        fails = True
        folds.take([event(1, 30, "created", "a")])
        assert folds.advance(seen_until(90)) == [], "it stands"
        assert folds.advance(seen_until(150)) == [], "of the next one nothing is known"
    assert few.finding.finding == "too_few"
    told = undecided.told()["order", "some"]
    assert (told.flows, told.failed) == (0, 2)
    assert "1970-01-01T00:01:00" in told.last_failed
    assert "IndexError: of one too few" in told.last_failed
