"""Something came: a letter, the event itself, another one in its place, or one without its ID."""

from analyzer.why.case import Case, Found, Not
from analyzer.why.causation import KEY as CAUSATION
from analyzer.why.letters import Letter
from analyzer.why.proof import Proof, of_event, of_letter
from analyzer.why.telling import placed, span
from analyzer.why.words import Confidence
from collector.event import ORDER, Event
from collector.times import US_PER_S, format_time

SURENESS: dict[str, Confidence] = {"origin": "certain", "event id": "likely", "payload": "likely"}
UNTIED = "there without their correlation ID"
RETRIED_FOR = 60 * US_PER_S
"""So long after the next try was due it may still be under way."""


def dead_lettered(case: Case) -> Found | Not:
    letters = [one for one in case.letters if one[0].kind == "dead_letter"]
    if not letters or case.cause is None:
        return Not("no dead letter that was seen is of this event")
    if not case.absent:
        return Not("it was put away as a dead letter, and came after all")
    letter, tied = letters[-1]
    text = f"{placed(case.cause)} was put away on {letter.event.topic}{_failure(letter)}"
    failed = f" ({letter.exception})" if letter.exception else ""
    gist = f"dead-lettered on {letter.event.topic}{failed}"
    return Found(SURENESS.get(tied, "possible"), text, gist, _letters(case))


def retrying(case: Case) -> Found | Not:
    tries = [one for one in case.letters if one[0].kind == "retry"]
    if not tries or case.cause is None:
        return Not("no retry that was seen is of this event")
    letter, tied = tries[-1]
    attempt = letter.attempt
    said = f"try {attempt}" if attempt else f"{len(tries)} retries"
    text = f"{placed(case.cause)} is tried again on {letter.event.topic}: {said}"
    sure = SURENESS.get(tied, "possible")
    if not case.absent:
        text = f"{placed(case.cause)} was tried again on {letter.event.topic}: {said} came too late"
    elif letter.due is not None:
        text += f", due at {format_time(letter.due)}"
        if case.complete_to > letter.due + RETRIED_FOR:
            sure, text = "possible", f"{text}; nothing was seen of it since"
    gist = f"tried again on {letter.event.topic}"
    return Found(sure, text + _failure(letter), gist, _letters(case))


def _failure(letter: Letter) -> str:
    if letter.exception is None and letter.message is None:
        return ""
    return f" ({': '.join(one for one in (letter.exception, letter.message) if one)})"


def _letters(case: Case) -> list[Proof]:
    cause = [] if case.cause is None else [of_event("cause", case.cause)]
    return [*cause, *(of_letter(letter, tied) for letter, tied in case.letters)]


def late(case: Case) -> Found | Not:
    instance = case.instance
    if case.absent or instance.deadline is None:
        return Not("it has not come")
    came = max(instance.evidence, key=ORDER, default=None)
    if came is None:
        text = instance.text
    else:
        passed = span(came.time - instance.deadline)
        text = f"{placed(came)} came {passed} after its deadline {format_time(instance.deadline)}"
    proofs = [of_event("event", event) for event in instance.evidence]
    return Found("certain", text, "late", [*_letters(case), *proofs])


def other_path(case: Case) -> Found | Not:
    """An alternative of the same step came; or the flow was ended by something else."""
    step, cause, episode = case.step, case.cause, case.episode
    if not case.absent or not case.step.awaited:
        return Not("nothing else can have come in its place")
    since = [e for e in episode.events if cause is None or ORDER(e) > ORDER(cause)]
    if step.service is not None and cause is not None:
        others = set(step.service.emits) - step.awaited
        instead = next((e for e in since if not others.isdisjoint(episode.called(e))), None)
        if instead is not None:
            sure: Confidence = "certain" if _only(case, instead) else "likely"
            text = f"{step.service.name} answered {placed(cause)} with {placed(instead)} instead"
            gist = f"answered with {instead.name} instead"
            proofs = [of_event("cause", cause), of_event("instead", instead)]
            return Found(sure, text, gist, proofs)
    end, deadline = episode.ended_by, case.instance.deadline
    in_time = end is not None and end in since and (deadline is None or end.time <= deadline)
    if end is not None and in_time and step.awaited.isdisjoint(episode.called(end)):
        text = f"the flow was ended by {placed(end)} before {case.wanted} came"
        proofs = [] if cause is None else [of_event("cause", cause)]
        gist = f"ended by {end.name} before"
        return Found("likely", text, gist, [*proofs, of_event("instead", end)])
    return Not("no other outcome of the step is in the flow")


def _only(case: Case, instead: Event) -> bool:
    """Whether nobody else who is declared brings out what came instead."""
    names = case.episode.called(instead)
    return not any(
        one is not case.step.service and not set(names).isdisjoint(one.emits)
        for one in case.services
    )


def correlation_dropped(case: Case) -> Found | Not:
    if not case.absent:
        return Not("it came with its correlation ID")
    ours = [(event, had) for event in case.seen.strays if (had := _shared(case, event))]
    # What should come of an event seldom comes before it is read: only a key of its own tells.
    sharing = [one for one in ours if one[1][0] == "likely"] or ([] if case.waits else ours)
    if sharing:
        event, (sure, what) = sharing[0]
        text = f"{placed(event)} came without a correlation ID, and has {what} of this flow"
        return Found(sure, text, UNTIED, _stray(case, event))
    nameless = [one for one in case.seen.strays if not one.keys and one.key is None]
    if case.waits is not None and nameless:
        return Not("what came without an ID has no key of this flow, and its cause was not read")
    if len(nameless) == 1 and len(case.seen.strays) == 1:
        text = f"{placed(nameless[0])} came without a correlation ID or a key: it may be this one"
        return Found("possible", text, UNTIED, _stray(case, nameless[0]))
    if nameless:
        return Not(f"{len(nameless)} events without an ID or a key came near, of anybody")
    return Not(f"no {case.wanted} without a correlation ID shares a key with the flow")


def _shared(case: Case, event: Event) -> tuple[Confidence, str] | None:
    """What of this flow an event has, that has nothing of another."""
    ours: dict[str, set[str]] = {}
    for one in case.episode.events:
        for name, value in one.keys:
            if name != CAUSATION:
                ours.setdefault(name, set()).add(value)
    known = [(name, value) for name, value in event.keys if name in ours]
    if any(value not in ours[name] for name, value in known):
        return None
    if known:
        name, value = min(known, key=lambda pair: pair[1] in case.seen.shared)
        return "possible" if value in case.seen.shared else "likely", f"{name}={value}"
    keys = {one.key for one in case.episode.events}
    return ("possible", f"the key {event.key}") if event.key in keys - {None} else None


def _stray(case: Case, event: Event) -> list[Proof]:
    cause = [] if case.cause is None else [of_event("cause", case.cause)]
    return [*cause, of_event("untied", event)]
