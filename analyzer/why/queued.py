"""The cause was not read: nobody is there, they do not get on, or it is not its turn."""

from analyzer.consumers.verdict import TIMES, Verdict, usual
from analyzer.why.case import Case, Found, Not
from analyzer.why.proof import Proof, of_consumption, of_event
from analyzer.why.seen import Consumption
from analyzer.why.telling import placed
from analyzer.why.words import Confidence
from collector.event import Event
from collector.times import US_PER_S, format_time


def consumer_down(case: Case) -> Found | Not:
    one, cause = case.waits, case.cause
    if one is None or cause is None:
        return _not_waiting(case)
    said, state = one.verdict, one.state
    if state is None or (said is None and state.name == "Unknown"):
        return Not(f"nothing is known of who is in {one.group}")
    if said is not None and said.word == "stopped":
        down = f"down since {format_time(one.down_since or said.since)}"
        return _found("certain", case, one, cause, f"it is {down}", down)
    if one.empty:
        gone = (
            "there is no such group" if state.name == "Gone" else f"nobody is in it ({state.name})"
        )
        text = f"{gone} since {format_time(state.since)}"
        return _found("likely", case, one, cause, text, text)
    return Not(f"{one.group} is {state.name}{_members(one)}")


def stalled(case: Case) -> Found | Not:
    one, cause = case.waits, case.cause
    if one is None or cause is None:
        return _not_waiting(case)
    said = one.verdict
    if said is not None and said.word == "stuck" and one.busy:
        return Not(f"{one.group} is at work on other partitions, and behind there, too")
    if said is None or said.word not in ("stuck", "rebalancing"):
        return Not(
            f"{one.group} moves on" if said is None or said.word != "stopped" else said.because
        )
    course = one.course
    poison = course is not None and course.committed == cause.offset
    what = "it does not get past this very event" if poison else "it does not get on"
    sure: Confidence = "certain" if said.word == "stuck" else "likely"
    return _found(sure, case, one, cause, f"{what}: {said.because}", _stands(one, said, cause))


def _stands(one: Consumption, said: Verdict, cause: Event) -> str:
    """The same for all partitions, where it stands still on all of them."""
    if said.word != "stuck":
        return f"{said.word} since {format_time(said.since)}"
    moved = one.last_moved or 0
    if one.course is not None and moved > one.course.commits[-1].since:
        return f"stuck on {cause.topic}-{cause.partition} since {format_time(said.since)}"
    return f"stuck since {format_time(moved or said.since)}"


def in_queue(case: Case) -> Found | Not:
    one, cause = case.waits, case.cause
    if one is None or cause is None:
        return _not_waiting(case)
    course = one.course
    if course is None:
        text = "it has committed nothing on that partition yet"
        return _found("possible", case, one, cause, text, text)
    if course.topic_id != cause.topic_id:
        return Not(f"what {one.group} committed belongs to another topic of that name")
    before = max(0, cause.offset - course.committed)
    text = f"{before} offsets before it"
    if course.lag_seconds:
        text += f", {course.lag_seconds:.1f} s behind"
    rate = _rate(one)
    if rate and (one.passage is None or one.passage.by is None):
        by = course.now + round((before + 1) / rate * US_PER_S)
        text += f", read at {rate:.1f}/s: its turn comes by about {format_time(by)}"
    elsewhere = one.verdict is not None and one.verdict.word == "stuck"
    if elsewhere:
        text += "; it is at work on other partitions, and behind there, too"
    # What was read within the usual interval may only not be committed yet.
    behind = (course.lag_seconds or 0) * US_PER_S > TIMES * usual(course)
    sure: Confidence = "certain" if behind and not elsewhere else "likely"
    return _found(sure, case, one, cause, text, "")


def _not_waiting(case: Case) -> Not:
    one = case.consumption
    if case.cause is None:
        return Not("the step has no cause on the bus")
    if one is None:
        return Not(f"nobody is declared in `services` who makes {case.wanted} of {case.cause.name}")
    if one.unseen is not None or one.passage is None or one.passage.by is None:
        return Not(f"consumption unobserved: {one.unseen}")
    return Not(f"{one.group} had read it by {format_time(one.passage.by)}")


def _found(
    sure: Confidence, case: Case, one: Consumption, cause: Event, text: str, how: str
) -> Found:
    """`how` the group stands, for all that wait."""
    waited, tail = "waits", ""
    if one.passage is not None and one.passage.by is not None:
        waited, tail = "waited", f"; it was read by {format_time(one.passage.by)}, too late"
    proofs: list[Proof] = [of_event("cause", cause), of_consumption(one)]
    gist = f"queued behind {one.group}" + (f" ({how})" if how else "")
    return Found(sure, f"{placed(cause)} {waited} for {one.group}: {text}{tail}", gist, proofs)


def _members(one: Consumption) -> str:
    members = None if one.state is None else one.state.members
    return "" if members is None else f" with {members} members"


def _rate(one: Consumption) -> float | None:
    """Offsets a second that it passed of late."""
    commits = [] if one.course is None else list(one.course.commits)[-10:]
    if len(commits) < 2:
        return None
    seconds = (commits[-1].since - commits[0].since) / US_PER_S
    passed = commits[-1].committed - commits[0].committed
    return passed / seconds if seconds > 0 and passed > 0 else None
