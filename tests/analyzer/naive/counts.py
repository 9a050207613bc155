"""Kinds that count: once, at_most, at_least, exactly, either."""

from collections.abc import Sequence

from collector.event import Event
from tests.analyzer.naive.flow import MISSING, Question, Said, equal, field, place
from tests.analyzer.naive.offences import unoffended


def counts(q: Question) -> list[Said]:
    """`counted`: for each instance its names, the least and the most; `by` the payload's field."""
    causes: Sequence[Event | None]
    if q.rule.get("after"):
        causes = q.triggers(q.rule["after"])
    else:
        causes = [] if q.life.begin is None else [None]
    return [
        said
        for cause in causes
        for names, least, most in q.rule["counted"]
        for said in count(q, cause, names, least, most)
    ]


def count(
    q: Question, cause: Event | None, names: Sequence[str], least: int | None, most: int | None
) -> list[Said]:
    if cause is None:
        counted = q.triggers(names)
    else:
        counted = [
            e for e in q.events if e.name in names and q.after(e, cause) and q.fits(e, cause)
        ]
    by = q.rule.get("by")
    if by is None:
        return [counted_one(q, cause, names, counted, least, most)]
    values: list[object] = []
    for event in counted:
        value = field(event, by)
        if value is not MISSING and not any(equal(value, one) for one in values):
            values.append(value)
    return [
        counted_one(
            q, cause, names,
            [e for e in counted if field(e, by) is not MISSING and equal(field(e, by), value)],
            least, most,
        )
        for value in values
    ]  # fmt: skip


def deadline_of(q: Question, cause: Event | None) -> int | None:
    if cause is not None:
        return q.deadline(cause)
    assert q.life.begin is not None
    return q.deadline(q.life.begin)


def counted_one(
    q: Question,
    cause: Event | None,
    names: Sequence[str],
    counted: Sequence[Event],
    least: int | None,
    most: int | None,
) -> Said:
    own = q.rule.get("within") is not None
    deadline = deadline_of(q, cause)
    by_deadline = [e for e in counted if deadline is None or e.time <= deadline]
    # A prohibition has no deadline but its own.
    excusable = deadline if own or least or cause is None else None
    excuses = q.excuses(cause, excusable)
    awaited = [name for some, _, _ in q.rule["counted"] for name in some]
    if most is not None:
        sure = [
            e
            for e in (by_deadline if own else counted)
            if cause is None or q.surely_after(e, cause)
        ]
        if len(sure) > most:
            offender = sure[most]
            if q.excused_before(cause, excusable, offender):
                return q.say(cause, "void")
            finding = "repeated" if q.rule.get("once") else "too_many"
            begin = q.life.begin
            start = cause.time if cause is not None else begin.time if begin else 0
            return q.offence(cause, finding, offender.time, [], start)
    if cause is not None and least and q.waits_no_more(cause):
        return q.say(cause, "void")
    enough = len(by_deadline) >= (least or 0)
    if most is None and enough:
        deciding = by_deadline[least - 1] if least else None
        if deciding is not None and any(place(c) < place(deciding) for c in excuses):
            return q.say(cause, "void")
        return q.say(cause, "met")
    if excuses:
        return q.say(cause, "void")
    if not enough:
        begin = q.life.begin
        since = cause.time if cause is not None else begin.time if begin else 0
        finding = "missing" if q.rule.get("once") else "too_few"
        late = len(counted) >= (least or 0)
        return q.absence(cause, awaited, names, since, deadline, late, finding)
    if own:
        assert deadline is not None
        return q.say(cause, "met" if q.known([*awaited, *q.excuse_names], deadline) else "pending")
    return q.say(cause, "met" if q.life.ended(q.view) else "pending")


def either(q: Question) -> list[Said]:
    listed: list[str] = q.rule["either"]
    if q.life.begin is None:
        return []
    there = q.triggers(listed)
    firsts = sorted(
        (next(e for e in there if e.name == name) for name in {e.name for e in there}), key=place
    )
    if len(firsts) > 1:
        if q.excused_before(None, q.life.end, firsts[1]):
            return [q.say(None, "void")]
        return [q.offence(None, "both", firsts[1].time, [], q.life.begin.time)]
    end = q.life.end
    if firsts and (end is None or firsts[0].time <= end):
        return [unoffended(q)]
    if q.excuses(None, end):
        return [q.say(None, "void")]
    return [q.absence(None, listed, listed, q.life.begin.time, end, bool(firsts), "neither")]
