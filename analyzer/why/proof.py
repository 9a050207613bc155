"""What a verdict rests on, as people and programs read it: objects of plain values."""

from collections.abc import Mapping

from analyzer.consumers.course import Course
from analyzer.services.learned import Learned
from analyzer.why.letters import Letter
from analyzer.why.seen import Consumption
from collector.batch import PartitionState
from collector.event import Event
from collector.times import format_time

Value = str | int | float | bool | None
Proof = Mapping[str, Value]


def of_event(kind: str, event: Event) -> Proof:
    return {
        "kind": kind,
        "name": event.name,
        "source": event.source,
        "topic": event.topic,
        "partition": event.partition,
        "offset": event.offset,
        "time": format_time(event.time),
    }


def of_consumption(one: Consumption) -> Proof:
    """How far the group was: `committed` and what follows it are as of `at`."""
    course, said = one.course, one.verdict
    return {
        "kind": "consumer",
        "group": one.group,
        "unseen": one.unseen,
        "not_passed_at": _moment(one.passage.not_by if one.passage else None),
        "passed_by": _moment(one.passage.by if one.passage else None),
        "at": _moment(None if course is None else course.now),
        "committed": None if course is None else course.committed,
        "committed_at": _moment(None if course is None else course.commits[-1].since),
        "end": _end(course),
        "lag": None if course is None else course.lag,
        "lag_seconds": _rounded(None if course is None else course.lag_seconds),
        "group_state": None if one.state is None else one.state.name,
        "members": None if one.state is None else one.state.members,
        "verdict": None if said is None else said.word,
        "since": _moment(None if said is None else said.since),
        "because": None if said is None else said.because,
    }


def of_learned(one: Learned) -> Proof:
    """Who runs a step, where nobody has declared it."""
    return {
        "kind": "service",
        "group": one.group,
        "consumes": one.consumes,
        "emits": one.emits,
        "learned": one.confidence,
        "cases_for": one.cases_for,
        "against": one.against,
        "undecided": one.undecided,
    }


def of_letter(letter: Letter, tied: str) -> Proof:
    """`tied`: by what it belongs to the event that waits."""
    origin = letter.origin
    return {
        **of_event(letter.kind, letter.event),
        "recognised_by": letter.by,
        "tied_by": tied,
        "origin_topic": None if origin is None else origin.topic,
        "origin_partition": None if origin is None else origin.partition,
        "origin_offset": None if origin is None else origin.offset,
        "exception": letter.exception,
        "message": letter.message,
        "attempt": letter.attempt,
        "next_attempt": _moment(letter.due),
    }


def of_transaction(partition: PartitionState, producer: str | None) -> Proof:
    return {
        "kind": "open_transaction",
        "source": partition.source,
        "topic": partition.topic,
        "partition": partition.partition,
        "offset": partition.last_stable_offset,
        "high_watermark": partition.high_watermark,
        "since": _moment(partition.hidden_since),
        "producer": producer,
    }


def of_sight(why: str, complete_to: int) -> Proof:
    """Up to when all was seen, and what was not, or not yet."""
    return {"kind": "sight", "why": why, "complete_to": _moment(complete_to)}


def _end(course: Course | None) -> int | None:
    return None if course is None or course.end is None else course.end.end


def _moment(us: int | None) -> str | None:
    return None if us is None else format_time(us)


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)
