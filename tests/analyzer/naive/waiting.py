"""Kinds that wait: expect, for_each, undo, together, and the flow's own end."""

from collections.abc import Callable, Sequence

from collector.event import Event
from tests.analyzer.naive.flow import MISSING, Question, Said, alike, equal, field, place

Takes = Callable[[Event, Event], bool]
"""Whether this event answers that activation, times and order apart."""
Answers = dict[int, tuple[Event | None, Event | None]]
"""By number of the activation: what answered it in time, and what did after D."""


def expect(q: Question) -> list[Said]:
    causes = q.triggers(q.rule["after"])
    if q.rule.get("first_only"):
        causes = [c for c in causes if c is q.life.begin]
    groups: list[Sequence[str]] = q.rule["groups"]

    def named(group: Sequence[str]) -> Takes:
        return lambda event, cause: event.name in group and q.fits(event, cause)

    answered = [answers(q, causes, [named(group)] * len(causes)) for group in groups]
    found = []
    for n, cause in enumerate(causes):
        of_each = [answer[n] for answer in answered]
        missed = [g for g, (in_time, _) in zip(groups, of_each, strict=True) if in_time is None]
        lacks = [" or ".join(group) for group in missed]
        awaited = [name for group in groups for name in group]
        lacking = [name for group in missed for name in group]
        found.append(verdict(q, cause, of_each, awaited, lacking, lacks=lacks))
    return found


def answers(q: Question, causes: Sequence[Event], takes: Sequence[Takes]) -> Answers:
    """Who answers whom, by `match`."""
    deadlines = [q.deadline(cause) for cause in causes]

    def in_time(event: Event, n: int) -> bool:
        limit = deadlines[n]
        return limit is None or event.time <= limit

    def may(event: Event, n: int) -> bool:
        return takes[n](event, causes[n]) and q.after(event, causes[n])

    found: Answers = {}
    if q.rule.get("match", "any") == "any":
        for n in range(len(causes)):
            good = [e for e in q.events if may(e, n) and in_time(e, n)]
            bad = [e for e in q.events if may(e, n) and not in_time(e, n)]
            found[n] = (good[0] if good else None, bad[0] if bad else None)
        return found
    for event in q.events:
        open_ones = [
            n
            for n, cause in enumerate(causes)
            if n not in found
            and may(event, n)
            and not q.waits_no_more(cause)
            and not any(place(c) < place(event) for c in q.excuses(cause, deadlines[n]))
        ]
        serving = [n for n in open_ones if in_time(event, n)]
        overdue = [n for n in open_ones if not in_time(event, n)]
        if serving:
            found[serving[0]] = (event, None)
        elif overdue:
            found[overdue[0]] = (None, event)
    return {n: found.get(n, (None, None)) for n in range(len(causes))}


def verdict(
    q: Question,
    cause: Event,
    of_each: Sequence[tuple[Event | None, Event | None]],
    awaited: Sequence[str],
    lacking: Sequence[str],
    finding: str = "missing",
    lacks: Sequence[str] = (),
    since: int | None = None,
) -> Said:
    """What becomes of an activation of which each part was answered so."""
    deadline = q.deadline(cause)
    if q.waits_no_more(cause):
        return q.say(cause, "void")
    in_time = [good for good, _ in of_each if good is not None]
    excuses = q.excuses(cause, deadline)
    if len(in_time) == len(of_each):
        decider = max(map(place, in_time), default=None)
        if decider is not None and any(place(c) < decider for c in excuses):
            return q.say(cause, "void")
        return q.say(cause, "met")
    if excuses:
        return q.say(cause, "void")
    late = all(good is not None or bad is not None for good, bad in of_each)
    start = cause.time if since is None else since
    return q.absence(cause, awaited, lacking, start, deadline, late, finding, lacks)


def for_each(q: Question) -> list[Said]:
    listed = [(cause, items(cause)) for cause in q.triggers(q.rule["after"])]
    causes = [(cause, values) for cause, values in listed if values is not None]
    each_value: list[object] = []
    for _, values in causes:
        each_value += [v for v in values if not any(equal(v, other) for other in each_value)]

    def carrying(value: object, values: list[object]) -> Takes:
        def takes(event: Event, cause: Event) -> bool:
            return (
                any(equal(value, one) for one in values)
                and event.name in q.rule["expect"]
                and field(event, "k") is not MISSING
                and equal(field(event, "k"), value)
                and q.fits(event, cause)
            )

        return takes

    by_value = [
        answers(q, [c for c, _ in causes], [carrying(value, values) for _, values in causes])
        for value in each_value
    ]
    found = []
    for n, (cause, values) in enumerate(causes):
        of_each = [
            answer[n]
            for value, answer in zip(each_value, by_value, strict=True)
            if any(equal(value, one) for one in values)
        ]
        found.append(verdict(q, cause, of_each, q.rule["expect"], q.rule["expect"]))
    return found


def items(event: Event) -> list[object] | None:
    """The distinct values at event.payload.items[*]; None: not there."""
    found = field(event, "items")
    if not isinstance(found, list):
        return None
    distinct: list[object] = []
    for value in found:
        if not any(equal(value, one) for one in distinct):
            distinct.append(value)
    return distinct


def undo(q: Question) -> list[Said]:
    found = []
    pairs: dict[str, list[str]] = q.rule["undo"]
    for cause in q.triggers(q.rule["after"]):
        if q.waits_no_more(cause):
            found.append(q.say(cause, "void"))
            continue
        deadline = q.deadline(cause)
        owed = [e for e in q.events if e.name in pairs and q.surely_after(cause, e)]
        used: list[Event] = []
        of_each: list[tuple[Event | None, Event | None]] = []
        came: dict[str, tuple[Event, Event]] = {}
        for one in owed:
            undone = [
                e
                for e in q.events
                if e.name in pairs[one.name]
                and q.after(e, one)
                and e not in used
                and suits(q, e, cause)
                and resembles(q, e, one)
            ]
            good = [e for e in undone if deadline is None or e.time <= deadline]
            bad = [e for e in undone if e not in good]
            chosen = (good or bad or [None])[0]
            if q.rule.get("match") == "each" and chosen is not None:
                used.append(chosen)
            of_each.append((good[0] if good else None, bad[0] if bad else None))
            if undone:
                came.setdefault(one.name, (one, undone[0]))
        wrong = reversed_wrongly(q, came)
        if wrong is not None:
            if q.excused_before(cause, deadline, wrong):
                found.append(q.say(cause, "void"))
            else:
                since = min(e.time for e in owed)
                at, names = wrong.time, done_or_undone(q)
                found.append(q.offence(cause, "out_of_order", at, names, since, names))
            continue
        undoable = [e for e, (good, _) in zip(owed, of_each, strict=True) if good is None]
        lacking = sorted({name for e in undoable for name in pairs[e.name]})
        lacks = sorted({" or ".join(pairs[e.name]) for e in undoable})
        since = min((e.time for e in undoable), default=cause.time)
        found.append(
            verdict(q, cause, of_each, done_or_undone(q), lacking, "not_undone", lacks, since)
        )
    return found


def suits(q: Question, event: Event, cause: Event) -> bool:
    such_that = q.rule.get("such_that")
    return such_that is None or bool(such_that(event, cause))


def resembles(q: Question, event: Event, other: Event) -> bool:
    return q.rule.get("same") is None or alike(q.rule["same"], event, other)


def done_or_undone(q: Question) -> list[str]:
    """What is awaited; in reverse, an earlier one of what was done would tell another order."""
    pairs: dict[str, list[str]] = q.rule["undo"]
    undoing = [name for names in pairs.values() for name in names]
    return [*undoing, *(pairs if q.rule.get("in") == "reverse" else ())]


def reversed_wrongly(q: Question, came: dict[str, tuple[Event, Event]]) -> Event | None:
    """The event that shows that what was done first was undone first. Of each name the first
    that was undone counts."""
    if q.rule.get("in") != "reverse":
        return None
    wrong = [
        its
        for done, its in came.values()
        for earlier, undone in came.values()
        if q.surely_after(done, earlier) and q.surely_after(its, undone)
    ]
    return min(wrong, key=place, default=None)


def together(q: Question) -> list[Said]:
    listed: list[str] = q.rule["together"]
    there = q.triggers(listed)
    if q.life.begin is None or not there:
        return []
    first = there[0]
    if q.waits_no_more(first):
        return [q.say(None, "void")]
    deadline = q.deadline(first)
    of_each: list[tuple[Event | None, Event | None]] = []
    for name in listed:
        mine = [e for e in there if e.name == name]
        good = [e for e in mine if deadline is None or e.time <= deadline]
        of_each.append((good[0] if good else None, mine[0] if mine and not good else None))
    lacking = [name for name, (good, _) in zip(listed, of_each, strict=True) if good is None]
    excuses = q.excuses(None, deadline)
    in_time = [good for good, _ in of_each if good is not None]
    if not lacking:
        if any(place(c) < max(map(place, in_time)) for c in excuses):
            return [q.say(None, "void")]
        return [q.say(None, "met")]
    if excuses:
        return [q.say(None, "void")]
    late = all(good is not None or bad is not None for good, bad in of_each)
    return [q.absence(None, listed, lacking, first.time, deadline, late, lacks=lacking)]
