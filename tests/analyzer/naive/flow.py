"""What every sentence speaks of: order, copies, a flow's life, sight, and what is said."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from collector.event import Event

Spec = dict[str, Any]
"""A rule as it is written, its times in µs, its conditions as functions of Python."""


@dataclass(frozen=True)
class Partition:
    complete_to: int
    carries: tuple[str, ...] | None = None
    seen_from: int | None = None
    """None: from its very beginning."""


@dataclass(frozen=True)
class Hole:
    start: int
    end: int
    carries: tuple[str, ...] | None = None


@dataclass(frozen=True)
class View:
    """How much was seen."""

    partitions: tuple[Partition, ...]
    gaps: tuple[Hole, ...] = ()
    grace: int = 0
    skew: int = 0
    retention: int = 0
    looks: tuple[Any, ...] = ()
    """At consumers; see `handled.py`."""

    def complete(self, names: Iterable[str] | None) -> int | None:
        """To which moment, for these names; None asks for whatever its name."""
        able = [p.complete_to for p in self.partitions if _may_carry(p.carries, names)]
        return min(able) if able else None

    def hidden(self, names: Iterable[str] | None, start: int, end: int) -> bool:
        return any(
            gap.start <= end and gap.end >= start and _may_carry(gap.carries, names)
            for gap in self.gaps
        )

    def unseen_since(self, names: Iterable[str] | None, start: int, end: int) -> bool:
        """Whether some of it was not seen: in a gap, or before the tap began."""
        sight = self.first_sight(names)
        return (sight is not None and start < sight) or self.hidden(names, start, end)

    def first_sight(self, names: Iterable[str] | None) -> int | None:
        """When the tap's sight of what may carry these names began; None: always seen."""
        starts = [p.seen_from for p in self.partitions if _may_carry(p.carries, names)]
        known = [start for start in starts if start is not None]
        return max(known) if known else None


def _may_carry(carries: tuple[str, ...] | None, names: Iterable[str] | None) -> bool:
    return carries is None or names is None or any(name in carries for name in names)


@dataclass(frozen=True)
class Said:
    """One instance: what the two judges must say alike."""

    expectation: str
    cause: str | None
    state: str
    finding: str | None = None
    at: int | None = None
    deadline: int | None = None
    lacks: tuple[str, ...] = ()


def place(event: Event) -> tuple[int, str, str, int, int]:
    return (event.time, event.source, event.topic, event.partition, event.offset)


def is_copy(event: Event, others: Sequence[Event]) -> bool:
    """Whether an earlier one has the same name and event id."""
    return event.id is not None and any(
        other.name == event.name and other.id == event.id and place(other) < place(event)
        for other in others
    )


@dataclass(frozen=True)
class Life:
    """One episode of a flow."""

    flow: str
    file: Spec
    events: tuple[Event, ...]
    occurrences: tuple[Event, ...]
    """Without copies."""
    begin: Event | None
    end: int | None
    """E, inclusive."""
    ending: Event | None

    def ended(self, view: View) -> bool:
        if self.ending is not None:
            return True
        complete = view.complete(None)
        return self.end is not None and complete is not None and complete > self.end

    def over_before(self, event: Event) -> bool:
        """Whether this event is the ending one, or came after the end."""
        if self.ending is not None:
            return place(event) >= place(self.ending)
        return self.end is not None and event.time > self.end

    def partial(self, view: View) -> bool:
        """Without a begin, and its begin may not have been seen."""
        if self.begin is not None:
            return False
        begins, first = self.file["begins"], self.events[0].time
        sight = view.first_sight(begins)
        reach = self.file["within"] or view.retention
        return (sight is not None and first < sight + reach) or any(
            gap.start <= first and _may_carry(gap.carries, begins) for gap in view.gaps
        )


def lives(flow: str, file: Spec, events: Sequence[Event]) -> list[Life]:
    """A begins after the end starts the next episode: it and all later events belong there."""
    rest = sorted(events, key=place)
    found: list[Life] = []
    while rest:
        begin = next((e for e in rest if e.name in file["begins"]), None)
        end, ending, cut = None, None, len(rest)
        if begin is not None:
            limit = None if file["within"] is None else begin.time + file["within"]
            ending = next(
                (
                    e
                    for e in rest
                    if e.name in file["ends"]
                    and place(e) > place(begin)
                    and (limit is None or e.time <= limit)
                ),
                None,
            )
            end = limit if ending is None else ending.time
            for number, event in enumerate(rest):
                after_end = (
                    place(event) > place(ending)
                    if ending is not None
                    else limit is not None and event.time > limit
                )
                if after_end and event.name in file["begins"]:
                    cut = number
                    break
        name = flow if not found else f"{flow}#{len(found) + 1}"
        mine = tuple(rest[:cut])
        once = tuple(e for e in mine if not is_copy(e, mine))
        found.append(Life(name, file, mine, once, begin, end, ending))
        rest = rest[cut:]
    return found


@dataclass(frozen=True)
class Question:
    """One rule, asked of one episode."""

    rule: Spec
    life: Life
    view: View

    @property
    def events(self) -> tuple[Event, ...]:
        return self.life.events if self.rule.get("copies") else self.life.occurrences

    @property
    def skew(self) -> int:
        own = self.rule.get("skew")
        return self.view.skew if own is None else int(own)

    @property
    def grace(self) -> int:
        own = self.rule.get("grace")
        return self.view.grace if own is None else int(own)

    def after(self, later: Event, earlier: Event) -> bool:
        """Counts as after: beyond doubt, or tied. Never after itself."""
        return later is not earlier and not self.surely_after(earlier, later)

    def surely_after(self, later: Event, earlier: Event) -> bool:
        if abs(later.time - earlier.time) > self.skew:
            return later.time > earlier.time
        one_partition = (later.source, later.topic_id, later.partition) == (
            earlier.source, earlier.topic_id, earlier.partition,
        )  # fmt: skip
        return one_partition and later.offset > earlier.offset

    def known(self, names: Iterable[str] | None, moment: int) -> bool:
        """Whether it may be judged what of these names (None: any) came up to this moment."""
        complete = self.view.complete(names)
        return complete is not None and complete > moment + self.grace

    def triggers(self, names: Sequence[str]) -> list[Event]:
        where: Callable[[Event], bool] | None = self.rule.get("where")
        return [e for e in self.events if e.name in names and (where is None or where(e))]

    def fits(self, event: Event, cause: Event) -> bool:
        such_that, same = self.rule.get("such_that"), self.rule.get("same")
        return (such_that is None or bool(such_that(event, cause))) and (
            same is None or alike(same, event, cause)
        )

    def deadline(self, cause: Event) -> int | None:
        """D: from the activation, else E."""
        within = self.rule.get("within")
        return self.life.end if within is None else cause.time + int(within)

    def waits_no_more(self, cause: Event) -> bool:
        return self.rule.get("within") is None and self.life.over_before(cause)

    @property
    def excuse_names(self) -> list[str]:
        return list(self.rule.get("unless", ()))

    def excuses(self, cause: Event | None, until: int | None) -> list[Event]:
        """Every C after the activation (without one: anywhere), at or before `until`."""
        where = self.rule.get("unless_where")
        return [
            c
            for c in self.events
            if c.name in self.excuse_names
            and (where is None or where(c))
            and (cause is None or self.after(c, cause))
            and (until is None or c.time <= until)
        ]

    def unrevoked(self, names: Iterable[str] | None, moment: int) -> bool:
        """Whether all is known that could take an offence of this moment back, ties included."""
        complete = self.view.complete(names)
        return complete is not None and complete > moment + max(self.grace, self.skew)

    def say(self, cause: Event | None, state: str, **more: Any) -> Said:
        where = cause.position() if cause is not None else None
        return Said(self.rule["name"], where, state, **more)

    def absence(
        self,
        cause: Event | None,
        awaited: Iterable[str] | None,
        lacking: Iterable[str] | None,
        since: int,
        deadline: int | None,
        late: bool,
        finding: str = "missing",
        lacks: Iterable[str] = (),
    ) -> Said:
        """Of what is `awaited`, what is `lacking` did not come by D; `late`: it came after."""
        asked = None if awaited is None else [*awaited, *self.excuse_names]
        if deadline is None or not self.known(asked, deadline):
            return self.say(cause, "pending")
        hideable = None if lacking is None else [*lacking, *self.excuse_names]
        if not late and self.view.hidden(hideable, since, deadline):
            return self.say(cause, "unknown")
        state, what = ("late", "late") if late else ("missing", finding)
        return self.say(
            cause, state, finding=what, at=deadline, deadline=deadline, lacks=tuple(sorted(lacks))
        )

    def offence(
        self,
        cause: Event | None,
        finding: str,
        at: int,
        revocable_by: Iterable[str] | None,
        since: int,
        hideable: Iterable[str] | None = (),
    ) -> Said:
        """Judged at once, unless an event of these names, not read yet, could take it back: then
        once everything up to `at` is known. Of what was never seen, `hideable` could, too."""
        names = None if revocable_by is None else [*revocable_by, *self.excuse_names]
        if names is None or names:
            if not self.unrevoked(names, at):
                return self.say(cause, "pending")
            hidden = None if hideable is None else [*hideable, *self.excuse_names]
            if hidden != [] and self.view.hidden(hidden, since, at):
                return self.say(cause, "unknown")
        return self.say(cause, "violated", finding=finding, at=at)

    def excused_before(self, cause: Event | None, until: int | None, offender: Event) -> bool:
        """A C up to the offence; a tie with it never makes a finding."""
        return any(
            c is offender or not self.surely_after(c, offender) for c in self.excuses(cause, until)
        )


MISSING = object()


def field(event: Event, name: str) -> object:
    import msgspec

    if event.payload is None:
        return MISSING
    payload = msgspec.json.decode(event.payload)
    return payload.get(name, MISSING) if isinstance(payload, dict) else MISSING


def equal(one: object, other: object) -> bool:
    """JSON equality: 1 is 1.0, and neither is true or "1"."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, int | float) and isinstance(other, int | float):
        return one == other
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(equal, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(equal(one[k], other[k]) for k in one)
    return type(one) is type(other) and one == other


def alike(name: str, event: Event, cause: Event) -> bool:
    one, other = field(event, name), field(cause, name)
    return one is not MISSING and other is not MISSING and equal(one, other)
