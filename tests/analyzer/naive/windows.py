"""Kinds over windows of time: every, rate, latency, retries."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from fractions import Fraction
from itertools import pairwise
from math import ceil
from typing import Any

from collector.event import Event
from tests.analyzer.naive.clock import (
    DAY,
    MINUTE,
    moments,
    next_instant,
    spans,
    ticks,
    wall,
    wholly,
)
from tests.analyzer.naive.flow import (
    MISSING,
    Spec,
    View,
    alike,
    equal,
    field,
    is_copy,
    place,
)  # fmt: skip

NOTHING = object()
"""Where instances are not told apart by a value."""


@dataclass(frozen=True)
class Watched(View):
    """How much was seen of all flows together."""

    taken: int | None = None
    """Up to this moment, some that was stored has been deleted."""
    sampled: bool = False
    """Of some topic that may carry anything only a part is kept."""

    def doubtful(self, names: Sequence[str], start: int, end: int) -> bool:
        """Whether there may have been more of these names in [start, end] than were seen."""
        return (
            self.sampled
            or (self.taken is not None and start <= self.taken)
            or self.unseen_since(names, start, end)
        )


@dataclass(frozen=True)
class WindowSaid:
    """One instance: what the two judges must say alike."""

    expectation: str
    start: int
    value: str | None
    state: str
    finding: str | None = None
    at: int | None = None
    deadline: int | None = None


@dataclass(frozen=True)
class Asked:
    """One rule, asked of one window."""

    rule: Spec
    view: Watched
    log: tuple[Event, ...]
    start: int
    end: int

    def option(self, key: str, otherwise: int) -> int:
        own = self.rule.get(key)
        return otherwise if own is None else int(own)

    @property
    def skew(self) -> int:
        return self.option("skew", self.view.skew)

    @property
    def grace(self) -> int:
        return self.option("grace", self.view.grace)

    @property
    def excuse_names(self) -> list[str]:
        return list(self.rule.get("unless", ()))

    def between(self, names: Sequence[str], start: int, end: int) -> list[Event]:
        """Of these names, with a time in [start, end), copies told apart."""
        found = sorted(
            (e for e in self.log if start <= e.time < end and e.name in names), key=place
        )
        return found if self.rule.get("copies") else [e for e in found if not is_copy(e, found)]

    def meant(self, names: Sequence[str], start: int, end: int) -> list[Event]:
        where: Callable[[Event], bool] | None = self.rule.get("where")
        return [e for e in self.between(names, start, end) if where is None or where(e)]

    def excuses(self, start: int, end: int) -> list[Event]:
        where = self.rule.get("unless_where")
        return [c for c in self.between(self.excuse_names, start, end) if where is None or where(c)]

    def known(self, names: Sequence[str], moment: int) -> bool:
        complete = self.view.complete([*names, *self.excuse_names])
        return complete is not None and complete > moment + self.grace

    def surely_after(self, later: Event, earlier: Event) -> bool:
        if abs(later.time - earlier.time) > self.skew:
            return later.time > earlier.time
        one_partition = (later.source, later.topic_id, later.partition) == (
            earlier.source, earlier.topic_id, earlier.partition,
        )  # fmt: skip
        return one_partition and later.offset > earlier.offset

    def say(self, value: object, state: str, **more: Any) -> WindowSaid:
        number = isinstance(value, int | float) and not isinstance(value, bool)
        text = repr(float(value)) if number else repr(value)  # type: ignore[arg-type]
        told = None if value is NOTHING else text
        return WindowSaid(self.rule["name"], self.start, told, state, **more)


def every(rule: Spec, log: Sequence[Event], view: Watched, since: int, until: int) -> list[Any]:
    """After each tick an A; with `each_of` one for each value."""
    step = 1_000_000 if len(rule["every"].split()) == 6 else 60_000_000
    # The next tick bounds what is late, however far it lies.
    found = ticks(rule["every"], rule["tz"], since, until + rule["horizon"], step)
    said = []
    for tick, following in pairwise(found):
        if tick < until:
            q = Asked(rule, view, tuple(log), tick, following)
            values: Sequence[object] = rule.get("each_of") or [NOTHING]
            said += [ticked(q, value) for value in values]
    return said


def ticked(q: Asked, value: object) -> WindowSaid:
    names, deadline = q.rule["expect"], q.start + q.rule["within"]
    # The tick is the activation: what lies up to the skew before it counts as after it.
    first = q.start - q.skew
    carrying = [
        e
        for e in q.meant(names, first, max(q.end, deadline + 1))
        if value is NOTHING
        or (field(e, q.rule["by"]) is not MISSING and equal(field(e, q.rule["by"]), value))
    ]
    good = [e for e in carrying if e.time <= deadline]
    excuses = q.excuses(first, deadline + 1)
    if good:
        voided = any(place(c) < place(good[0]) for c in excuses)
        return q.say(value, "void" if voided else "met")
    if excuses:
        return q.say(value, "void")
    if not q.known(names, deadline):
        return q.say(value, "pending")
    # What lies up to the skew before the next tick is that one's.
    if any(deadline < e.time < q.end - q.skew for e in carrying):
        return q.say(value, "late", finding="late", at=deadline, deadline=deadline)
    if q.view.doubtful([*names, *q.excuse_names], q.start, deadline):
        return q.say(value, "unknown")
    return q.say(value, "missing", finding="missing", at=deadline, deadline=deadline)


def tumbling(rule: Spec, since: int, until: int) -> list[tuple[int, int]]:
    """The windows that count: those that lie wholly in `during`."""
    return [
        (start, end)
        for start, end in spans(rule["per"], rule["tz"], since, until)
        if "during" not in rule or wholly(start, end, rule["during"], rule["tz"])
    ]


def then(start: int, rule: Spec) -> tuple[int, int]:
    """The window that lies so long before; days are those of the clock."""
    ago, zone = rule["compared_to"], rule["tz"]
    moment = start - ago
    if ago % DAY == 0:
        shown = wall(start, zone) - timedelta(days=ago // DAY)
        if wall(moment, zone) != shown:
            there = moments(shown, zone)
            moment = there[0] if there else next_instant(shown, zone)
    around = spans(rule["per"], zone, moment - 2 * DAY, moment + MINUTE)
    (found,) = (one for one in around if one[0] <= moment < one[1])
    return found


def rate(rule: Spec, log: Sequence[Event], view: Watched, since: int, until: int) -> list[Any]:
    """How many in every window; `retries` is a rate that has a most."""
    said = []
    for start, end in tumbling(rule, since, until):
        q = Asked(rule, view, tuple(log), start, end)
        now = q.meant(rule["names"], start, end)
        ago = rule.get("compared_to")
        before = [] if ago is None else q.meant(rule["names"], *then(start, rule))
        by = rule.get("by")
        if by is None:
            said.append(rated(q, NOTHING, now, before))
            continue
        values: list[object] = []
        for event in [*now, *before]:
            value = field(event, by)
            if value is not MISSING and not any(equal(value, one) for one in values):
                values.append(value)
        for value in values:
            mine = [
                [e for e in some if field(e, by) is not MISSING and equal(field(e, by), value)]
                for some in (now, before)
            ]
            said.append(rated(q, value, mine[0], mine[1]))
    return said


def rated(q: Asked, value: object, now: list[Event], before: list[Event]) -> WindowSaid:
    names, most, least = q.rule["names"], q.rule.get("at_most"), q.rule.get("at_least")
    excuses = q.excuses(q.start, q.end)
    if most is not None and len(now) > most:
        offender = now[most]
        if any(c is offender or not q.surely_after(c, offender) for c in excuses):
            return q.say(value, "void")
        if q.excuse_names:
            complete = q.view.complete(q.excuse_names)
            if complete is None or complete <= offender.time + max(q.grace, q.skew):
                return q.say(value, "pending")
            if q.view.doubtful(q.excuse_names, q.start, offender.time):
                return q.say(value, "unknown")
        return q.say(value, "violated", finding="too_many", at=offender.time)
    ago = q.rule.get("compared_to")
    if most is None and ago is None and len(now) >= least:
        # It is decided by the event that makes it enough.
        decider = place(now[least - 1]) if least else None
        voided = decider is not None and any(place(c) < decider for c in excuses)
        return q.say(value, "void" if voided else "met")
    if excuses:
        return q.say(value, "void")
    if not q.known(names, q.end):
        return q.say(value, "pending")
    if q.view.doubtful([*names, *q.excuse_names], q.start, q.end - 1):
        return q.say(value, "unknown")
    few = q.say(value, "missing", finding="too_few", at=q.end, deadline=q.end)
    if least is not None and len(now) < least:
        return few
    if ago is not None:
        start, end = then(q.start, q.rule)
        if q.view.doubtful(names, start, end - 1):
            return q.say(value, "unknown")
        if len(now) < len(before) * (1 - Fraction(q.rule["drop"])):
            return few
    return q.say(value, "met")


def latency(rule: Spec, log: Sequence[Event], view: Watched, since: int, until: int) -> list[Any]:
    """A quantile of how long the steps of a window took."""
    said = []
    for start, end in tumbling(rule, since, until):
        q = Asked(rule, view, tuple(log), start, end)
        took = sorted(steps(q), key=lambda one: float("inf") if one is None else one)
        if not took:
            continue
        said.append(quantile(q, took))
    return said


def steps(q: Asked) -> list[int | None]:
    """How long each took, by flow; None: it still waits."""
    limit = q.rule["limit"]
    found: list[int | None] = []
    answers = q.between(q.rule["to"], q.start - q.skew, q.end + limit + 1)
    for cause in q.meant(q.rule["from"], q.start, q.end):
        for flow in cause.correlation_ids:
            fitting = [
                e
                for e in answers
                if flow in e.correlation_ids
                and e is not cause
                and not q.surely_after(cause, e)
                and fits(q.rule, e, cause)
            ]
            found.append(fitting[0].time - cause.time if fitting else None)
    return found


def fits(rule: Spec, event: Event, cause: Event) -> bool:
    such_that, same = rule.get("such_that"), rule.get("same")
    return (such_that is None or bool(such_that(event, cause))) and (
        same is None or alike(same, event, cause)
    )


def quantile(q: Asked, took: list[int | None]) -> WindowSaid:
    limit = q.rule["limit"]
    names = [*q.rule["from"], *q.rule["to"]]
    due = q.end + limit
    if q.excuses(q.start, q.end):
        return q.say(NOTHING, "void")
    if not q.known(names, due):
        return q.say(NOTHING, "pending")
    if q.view.doubtful([*names, *q.excuse_names], q.start, due):
        return q.say(NOTHING, "unknown")
    ranked = took[ceil(Fraction(q.rule["quantile"]) * len(took)) - 1]
    # What still waits has waited longer than the limit by then.
    if ranked is None or ranked > limit:
        return q.say(NOTHING, "violated", finding="too_slow", at=q.end, deadline=due)
    return q.say(NOTHING, "met")


KINDS: dict[str, Callable[[Spec, Sequence[Event], Watched, int, int], list[WindowSaid]]] = {
    "every": every,
    "rate": rate,
    "retries": rate,
    "latency": latency,
}
