"""Nothing came: it is hidden, was swallowed, nobody publishes it, or it was not seen."""

from analyzer.why.case import SETTLE, Case, Found, Not
from analyzer.why.proof import Proof, of_consumption, of_event, of_sight, of_transaction
from analyzer.why.telling import placed, span
from analyzer.why.words import Confidence
from collector.times import format_time

NEVER = "never published"


def hidden(case: Case) -> Found | Not:
    """Only while it cannot be told otherwise: what was seen whole hides nothing."""
    if case.instance.state != "pending":
        return Not("what could hold it was seen to its deadline and beyond")
    if not case.step.awaited:
        return Not("a commit cannot be hidden by a transaction")
    partition = case.seen.sight.hiding(case.step.awaited)
    if partition is None:
        return Not("no open transaction hides what could hold it")
    producer = case.seen.producers.get((partition.source, partition.topic, partition.partition))
    text = (
        f"{producer or 'an open transaction'} hides what lies on {partition.topic}-"
        f"{partition.partition} from offset {partition.last_stable_offset} on, since "
        f"{format_time(partition.hidden_since or 0)}: {case.wanted} may be there"
    )
    sure: Confidence = "likely" if _read(case) else "possible"
    gist = f"hidden behind {producer or 'an open transaction'} on {partition.topic}"
    return Found(sure, text, gist, [*_basis(case), of_transaction(partition, producer)])


def swallowed(case: Case) -> Found | Not:
    one, service = case.consumption, case.step.service
    if case.instance.state != "missing":
        return Not("it is not settled that nothing came")
    if one is None or service is None:
        return Not("nobody is declared in `services` who should have acted")
    if not case.step.awaited:
        return Not("nothing has to come out of it")
    if one.unseen is not None or one.passage is None:
        return Not(f"consumption unobserved: {one.unseen}")
    by = one.passage.by
    if by is None:
        return Not(f"{one.group} has not read it")
    if not case.settled(by):
        return Not(
            f"{one.group} read it by {format_time(by)}: less than {span(SETTLE)} is seen since"
        )
    if case.cause is None:
        return Not("the step has no cause on the bus")
    sure: Confidence = "likely" if one.passage.not_by is not None else "possible"
    text = (
        f"{one.group} read {placed(case.cause)} by {format_time(by)}, and nothing "
        f"{'more ' if _some_came(case) else ''}came out of {service.name} by "
        f"{format_time(case.complete_to)}"
    )
    if one.passage.not_by is None:
        text += f"; {one.group} was past it when it was first looked at"
    return Found(sure, text, f"swallowed by {service.name}", _basis(case))


def never_published(case: Case) -> Found | Not:
    """That nobody is declared is no proof that there is nobody."""
    if case.instance.state != "missing":
        return Not("it is not settled that nothing came")
    if case.step.groups:
        return Not(f"{' and '.join(case.step.groups)} should act on {_cause(case)}")
    more = " more" if _some_came(case) else ""
    proofs = [*_basis(case), of_sight(case.instance.text, case.complete_to)]
    if case.cause is None:
        text = f"nothing on the bus causes {case.wanted}, and no{more or 'ne'} was published"
        return Found("likely", text, NEVER, proofs)
    text = (
        f"no{more} {case.wanted} was published, and nobody is declared in `services` who makes it "
        f"of {placed(case.cause)}"
    )
    return Found("possible", text, NEVER, proofs)


def unobserved(case: Case) -> Found | Not:
    """What is left: nothing is claimed, and it is said what was not seen."""
    instance, one = case.instance, case.consumption
    names = case.step.awaited
    sight = of_sight(instance.text, case.complete_to)
    proofs = [*_basis(case), sight]
    if instance.state == "unknown":
        return Found("certain", instance.text, "not seen whole", proofs)
    blind = case.seen.sight.blind(names)
    if blind is not None and instance.state == "pending":
        text = f"{blind.topic}-{blind.partition} cannot be read, and {case.wanted} may be there"
        gist = f"hidden behind {blind.topic}-{blind.partition}, which cannot be read"
        return Found("certain", text, gist, proofs)
    if one is not None and one.unseen is not None:
        text = f"consumption unobserved: {one.unseen}"
        return Found("certain", text, text, proofs)
    if instance.state == "pending":
        return Found("certain", _not_yet(case), "not due yet", proofs)
    if one is not None and one.passage is not None and one.passage.by is not None:
        text = f"{one.group} read it by {format_time(one.passage.by)}, and may be at it still"
        return Found("possible", text, f"read by {one.group}, and perhaps in work", proofs)
    text = "nothing that was seen says why"
    return Found("possible", text, "without a reason that was seen", proofs)


def _not_yet(case: Case) -> str:
    seen = f"everything was seen up to {format_time(case.complete_to)}"
    due = case.instance.due
    if due is None:
        return f"{case.wanted} is due when the flow ends; {seen}"
    deadline = format_time(case.instance.deadline or due)
    return f"{case.wanted} is due at {deadline}, and is judged after {format_time(due)}; {seen}"


def _read(case: Case) -> bool:
    one = case.consumption
    return one is not None and one.passage is not None and one.passage.by is not None


def _some_came(case: Case) -> bool:
    """Of what should have come more often."""
    called = case.episode.called
    return any(not case.step.awaited.isdisjoint(called(one)) for one in case.instance.evidence)


def _basis(case: Case) -> list[Proof]:
    cause = [] if case.cause is None else [of_event("cause", case.cause)]
    return cause if case.consumption is None else [*cause, of_consumption(case.consumption)]


def _cause(case: Case) -> str:
    return "it" if case.cause is None else case.cause.name
