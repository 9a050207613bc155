"""Kinds that forbid: never, next, before, order, agree."""

from decimal import Decimal

from collector.event import Event
from tests.analyzer.naive.flow import MISSING, Question, Said, equal, field, place


def never(q: Question) -> list[Said]:
    until_names = list(q.rule.get("until", ()))
    found = []
    for cause in q.triggers(q.rule["after"]):
        within = q.rule.get("within")
        deadline = None if within is None else cause.time + within
        untils = [e for e in q.events if e.name in until_names and q.after(e, cause)]
        offenders = [
            e
            for e in q.events
            if e.name in q.rule["never"]
            and q.surely_after(e, cause)
            and (deadline is None or e.time <= deadline)
            and q.fits(e, cause)
            and not any(e is u or q.after(e, u) for u in untils)
        ]
        sure = [e for e in offenders if not q.excused_before(cause, deadline, e)]
        if sure:
            at = sure[0].time
            found.append(q.offence(cause, "forbidden", at, until_names, cause.time, until_names))
        elif q.excuses(cause, deadline):
            found.append(q.say(cause, "void"))
        elif untils and (deadline is None or untils[0].time <= deadline):
            # What is forbidden ended with it; an offence before it may not have been read yet.
            found.append(q.say(cause, "met"))
        elif deadline is None:
            found.append(q.say(cause, "met" if q.life.ended(q.view) else "pending"))
        else:
            known = q.known(q.rule["never"], deadline)
            found.append(q.say(cause, "met" if known else "pending"))
    return found


def next_one(q: Question) -> list[Said]:
    found = []
    for cause in q.triggers(q.rule["after"]):
        deadline = q.deadline(cause)
        surely = [e for e in q.events if q.surely_after(e, cause)]
        # Offsets within the skew and times beyond it may go round in a circle: what is tied with
        # the first in time may be the next, and nothing further.
        horizon = surely[0].time + q.skew if surely else None
        near = [e for e in q.events if horizon is None or e.time <= horizon]
        possible = [
            e
            for e in near
            if q.after(e, cause)
            and not any(q.surely_after(e, other) for other in surely if other in near)
        ]
        right = [e for e in possible if e.name in q.rule["next"] and q.fits(e, cause)]
        in_time = [e for e in right if deadline is None or e.time <= deadline]
        excuses = q.excuses(cause, deadline)
        wrong = [e for e in possible if e in surely]
        if wrong and not right and not any(e in excuses for e in possible):
            found.append(next_offence(q, cause, wrong[0], deadline))
        elif q.waits_no_more(cause):
            found.append(q.say(cause, "void"))
        elif in_time:
            found.append(q.say(cause, "met"))
        elif any(e in excuses for e in possible):
            found.append(q.say(cause, "void"))
        else:
            found.append(q.absence(cause, None, None, cause.time, deadline, bool(right)))
    return found


def next_offence(q: Question, cause: Event, wrong: Event, deadline: int | None) -> Said:
    """Past D it is sure that nothing came in time, whatever comes yet."""
    overdue = deadline is not None and q.known(None, deadline)
    if not overdue and not q.unrevoked(None, wrong.time):
        return q.say(cause, "pending")
    begin = q.life.begin
    start = cause.time if begin is None else max(cause.time, begin.time)
    if q.view.unseen_since(None, start, wrong.time):
        return q.say(cause, "unknown")
    return q.say(cause, "violated", finding="unexpected_next", at=wrong.time)


def before(q: Question) -> list[Said]:
    found = []
    within = q.rule.get("within")
    for event in q.triggers(q.rule["before"]):
        prepared = [
            e
            for e in q.events
            if e.name in q.rule["require"]
            and q.after(event, e)
            and (within is None or e.time >= event.time - within)
            and q.fits(e, event)
        ]
        if prepared:
            found.append(q.say(event, "met"))
        elif not q.unrevoked(q.rule["require"], event.time):
            found.append(q.say(event, "pending"))
        elif unseen_before(q, event):
            found.append(q.say(event, "unknown"))
        else:
            found.append(q.say(event, "violated", finding="unprepared", at=event.time))
    return found


def unseen_before(q: Question, event: Event) -> bool:
    within, begin = q.rule.get("within"), q.life.begin
    start = None if within is None else event.time - within
    if begin is not None:
        start = begin.time if start is None else max(start, begin.time)
    elif start is None:
        # It may have begun so long before the first that was seen of it, of what the file names.
        told = q.life.file["told"]
        seen = (e.time for e in q.life.events if told is None or e.name in told)
        start = min(event.time, *seen) - (q.life.file["within"] or q.view.retention)
    return q.view.unseen_since(q.rule["require"], start, event.time)


def order(q: Question) -> list[Said]:
    if q.life.begin is None:
        return []
    listed: list[str] = q.rule["order"]
    there = q.triggers(listed)
    firsts = {name: next((e for e in there if e.name == name), None) for name in listed}
    came = [(name, first) for name, first in firsts.items() if first is not None]
    if len(came) < 2:
        return []
    wrong = [
        one
        for i, (_, one) in enumerate(came)
        for _, other in came[i + 1 :]
        if q.surely_after(one, other)
    ]
    if wrong:
        offender = min(wrong, key=place)
        if not q.excused_before(None, q.life.end, offender):
            at, since = offender.time, q.life.begin.time
            said = q.offence(None, "out_of_order", at, listed, since, [offender.name])
            if said.state == "violated" and q.view.unseen_since([offender.name], since, at):
                return [q.say(None, "unknown")]
            return [said]
        return [q.say(None, "void")]
    return [unoffended(q)]


def unoffended(q: Question) -> Said:
    """Of a rule of the whole flow in which nothing is wrong so far."""
    if q.excuses(None, q.life.end):
        return q.say(None, "void")
    return q.say(None, "met" if q.life.ended(q.view) else "pending")


def agree(q: Question) -> list[Said]:
    across: dict[str, str] = q.rule["across"]
    there = q.triggers(list(across))
    if q.life.begin is None or len(there) < 2:
        return []
    with_value = [e for e in there if field(e, across[e.name]) is not MISSING]
    values = [field(e, across[e.name]) for e in with_value]
    wrong = [
        e for e, value in zip(with_value, values, strict=True) if not close(q, values[0], value)
    ]
    if wrong:
        if q.excused_before(None, q.life.end, wrong[0]):
            return [q.say(None, "void")]
        return [q.offence(None, "disagree", wrong[0].time, [], q.life.begin.time)]
    return [unoffended(q)]


def close(q: Question, one: object, other: object) -> bool:
    tolerance = q.rule.get("tolerance")
    numbers = all(isinstance(v, int | float) and not isinstance(v, bool) for v in (one, other))
    if tolerance is None or not numbers:
        return equal(one, other)
    a, b = Decimal(str(one)), Decimal(str(other))
    if tolerance.endswith("%"):
        return abs(a - b) <= abs(a) * Decimal(tolerance[:-1]) / 100
    return abs(a - b) <= Decimal(tolerance)
