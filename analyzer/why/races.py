"""What came and should not have: the step acted before it had read what should have stopped it."""

from collections.abc import Sequence

from analyzer.why.case import Case, Found, Not
from analyzer.why.causation import Causes
from analyzer.why.proof import Proof, of_consumption, of_event
from analyzer.why.seen import Consumption
from analyzer.why.telling import placed
from analyzer.why.words import Confidence
from collector.event import Event
from collector.times import FOREVER, format_time


def out_of_order(case: Case) -> Found | Not:
    stop, act = case.cause, case.step.act
    if stop is None or act is None:
        return Not("nothing came that should not have")
    causes = Causes(case.episode)
    if causes.leads(act, stop):
        return Not(f"{placed(act)} was made of {placed(stop)}: it had been read")
    if causes.leads(stop, act):
        text = f"{placed(stop)} was made of {placed(act)}, and came only after it"
        return Found("certain", text, _gist(act, stop), _proofs(stop, act))
    if _lies_before(act, stop):
        text = f"{placed(act)} came before {placed(stop)} was there"
        return Found("likely", text, _gist(act, stop), _proofs(stop, act))
    readers = _readers(case, stop)
    if isinstance(readers, Not):
        return readers
    origin = causes.of(act)
    taken = origin if origin is not None and _same_log(origin, stop) else None
    return _by_commits(case, stop, act, readers, taken)


def unheeded(case: Case) -> Found | Not:
    """It had read it, or that is not known: why it acted is not to be seen from outside."""
    said = out_of_order(case)
    if isinstance(said, Found) or case.cause is None or case.step.act is None:
        return Not("it acted before it had read what should have stopped it")
    proofs = _proofs(case.cause, case.step.act)
    if case.consumption is not None:
        proofs.append(of_consumption(case.consumption))
    return Found("certain", said.why, "for no reason that is seen from outside", proofs)


def _by_commits(
    case: Case, stop: Event, act: Event, readers: Sequence[Consumption], origin: Event | None
) -> Found | Not:
    """`origin`: what it was made of, where that lies in the log of what should have stopped it."""
    # Of several groups the one that read it first could have known.
    one = min(readers, key=_by)
    not_by = one.passage.not_by if one.passage is not None else None
    if _by(one) <= act.time:
        return Not(
            f"{one.group} had committed past {placed(stop)} by {format_time(_by(one))}, before "
            f"{placed(act)} came: it had read it, and nothing that is seen says why it acted"
        )
    sure: Confidence
    seen_by = min(act.arrival, act.time + case.seen.sight.skew(act.source, stop.source))
    if origin is not None and origin.offset < stop.offset:
        sure, said = "certain", f"it was made of {placed(origin)}, which lies before that"
    elif not_by is None:
        return Not(f"{one.group} was past it when it was first looked at, after {placed(act)} came")
    elif not_by >= seen_by:
        sure, said = "likely", f"{one.group} had not committed it by {format_time(not_by)}"
    elif _by(one) < FOREVER:
        sure = "possible"
        said = f"{one.group} had not by {format_time(not_by)}, and had by {format_time(_by(one))}"
    else:
        when = format_time(not_by)
        return Not(f"consumers were last looked at {when}, before {placed(act)} was seen")
    text = f"{placed(act)} came before {placed(stop)} was read: {said}"
    return Found(sure, text, _gist(act, stop), [*_proofs(stop, act), of_consumption(one)])


def _gist(act: Event, stop: Event) -> str:
    return f"{act.name} before {stop.name} was read"


def _readers(case: Case, stop: Event) -> Sequence[Consumption] | Not:
    """The groups of those who may have acted, as far as they read what should have stopped them."""
    act = case.step.act
    if not case.step.groups:
        return Not(f"nobody is declared in `services` who makes {act.name if act else 'it'}")
    found = [
        case.seen.consumption.get(group, Consumption(group, f"{group} was not looked at"))
        for group in case.step.groups
    ]
    for one in found:
        if one.unseen is not None or one.passage is None:
            return Not(f"consumption unobserved: {one.unseen}")
    reading = [one for one in found if one.reads]
    if not reading:
        who = " and ".join(case.step.groups)
        return Not(f"nothing shows that {who} reads {stop.topic}: nothing is committed there")
    return reading


def _by(one: Consumption) -> int:
    """When it was seen to have committed it."""
    return FOREVER if one.passage is None or one.passage.by is None else one.passage.by


def _same_log(one: Event, other: Event) -> bool:
    return (one.source, one.topic_id, one.partition) == (
        other.source, other.topic_id, other.partition
    )  # fmt: skip


def _lies_before(one: Event, other: Event) -> bool:
    """In one log that is certain; elsewhere times tell."""
    if _same_log(one, other):
        return one.offset < other.offset
    return one.time < other.time


def _proofs(stop: Event, act: Event) -> list[Proof]:
    return [of_event("stopping", stop), of_event("act", act)]
