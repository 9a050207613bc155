"""Which flows events belong to: by their correlation IDs, and by the keys that tie.

Tying is a function of the set of events, not of their arrival. `tied_flows` is that function;
`Ties` holds its answer while events come in one after the other.

A key value is *carried* by the correlation IDs of the events that have it and exactly one
correlation ID: of a batch's IDs nobody knows which one its key belongs to. IDs that carry one value
are one flow, and an event without an ID, or with many, is in the flows that carry its values
besides those of its own IDs. It joins none of them: only what surely is of one piece does.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from collector.event import Event
from collector.glimpse import Glimpse
from collector.settings import SourceSettings

MOST_CARRIERS = 10
"""A value that more correlation IDs carry is no flow key: it ties none of them."""

Key = tuple[str, str]
"""A key's name and value."""
Seen = Event | Glimpse
"""Either tells where an event belongs."""
Tying = Mapping[str, frozenset[str]]
"""The names of the keys that tie, by source."""


def tying_of(sources: Iterable[SourceSettings]) -> dict[str, frozenset[str]]:
    """What the configuration says; empty when nothing ties."""
    found = {s.name: frozenset(k for k, key in s.keys.items() if key.ties) for s in sources}
    return {source: keys for source, keys in found.items() if keys}


@dataclass(frozen=True)
class TiedFlow:
    """A flow: its correlation IDs in alphabetical order, the first of which names it."""

    ids: tuple[str, ...]
    events: tuple[Event, ...]


def tied_flows(
    events: Sequence[Event], tying: Tying, common: Collection[Key] = ()
) -> dict[str, TiedFlow]:
    """The flows of these events, by name. Events with no tie at all are in none. `common`: values
    that too many correlation IDs carry, by events that are no more."""
    carriers: dict[Key, set[str]] = {}
    for event in events:
        if len(event.correlation_ids) == 1:
            for key in tying_keys(event, tying):
                carriers.setdefault(key, set()).add(event.correlation_ids[0])
    ties = {
        key: ids for key, ids in carriers.items() if len(ids) <= MOST_CARRIERS and key not in common
    }
    joined: dict[str, set[str]] = {id: {id} for e in events for id in e.correlation_ids}
    for ids in ties.values():
        whole = set().union(*(joined[id] for id in ids))
        for id in whole:
            joined[id] = whole
    members: dict[str, list[Event]] = {}
    for event in events:
        ids = {*event.correlation_ids}
        ids.update(*(ties.get(key, ()) for key in tying_keys(event, tying)))
        for name in {min(joined[id]) for id in ids}:
            members.setdefault(name, []).append(event)
    return {
        name: TiedFlow(tuple(sorted(joined[name])), tuple(found)) for name, found in members.items()
    }


def tying_keys(event: Seen, tying: Tying) -> list[Key]:
    """Those of an event's keys that tie."""
    names = tying.get(event.source)
    return [key for key in event.keys if key[0] in names] if names else []


@dataclass(frozen=True)
class Retied:
    """What events changed in flows that were there before."""

    before: set[str] = field(default_factory=set)
    """Names of the flows that are no longer what they were."""
    anew: set[str] = field(default_factory=set)
    """Flows, as they are now, that are more or less than the sum of those before."""


@dataclass(slots=True)
class _Group:
    """Correlation IDs that are joined: two at least."""

    ids: set[str]
    name: str


class Ties:
    """The answer of `tied_flows` while events come: who carries what, and who is joined.

    It remembers every tying value that it was given, in the order of 200 bytes each.
    """

    def __init__(self, tying: Tying, common: Iterable[Key] = ()) -> None:
        """`common`: values of which this is known though not all their events are there still."""
        self.tying = tying
        self.common: set[Key] = set(common)
        """Values that too many correlation IDs carry: they tie none."""
        self._carriers: dict[Key, tuple[str, ...]] = {}
        self._carried: dict[str, tuple[Key, ...]] = {}
        """By correlation ID the values that it carries, those that are common included."""
        self._groups: dict[str, _Group] = {}
        self._early: Counter[int] = Counter()
        """Hashes of values of events in no flow by them, because nothing carried them yet."""

    # Questions

    def flow(self, id: str) -> str:
        """The name of the flow that this correlation ID belongs to."""
        group = self._groups.get(id)
        return id if group is None else group.name

    def ids(self, flow: str) -> list[str]:
        """All correlation IDs of a flow, in order: the first is its name."""
        group = self._groups.get(flow)
        return [flow] if group is None else sorted(group.ids)

    def keys(self, flow: str) -> list[Key]:
        """The values that tie events to this flow."""
        carried = (key for id in self.ids(flow) for key in self._carried.get(id, ()))
        return [key for key in dict.fromkeys(carried) if key not in self.common]

    def flow_of_key(self, key: Key) -> str | None:
        """The flow that a value ties its events to."""
        ids = self._carriers.get(key)
        return self.flow(ids[0]) if ids else None

    def flows(self, event: Seen) -> tuple[str, ...]:
        """The flows that an event belongs to."""
        ids = event.correlation_ids
        if len(ids) == 1:
            return (self.flow(ids[0]),)
        found = dict.fromkeys(self.flow(id) for id in ids)
        for key in tying_keys(event, self.tying):
            flow = self.flow_of_key(key)
            if flow is not None:
                found[flow] = None
        return tuple(found)

    def joined(self) -> dict[str, str]:
        """The flow of every correlation ID that is not alone in it."""
        return {id: group.name for id, group in self._groups.items()}

    # Events in

    def add(self, events: Iterable[Seen]) -> Retied:
        """Takes events in, known ones too; says which flows are others than before."""
        return self.tie(
            (key, event.correlation_ids[0] if len(event.correlation_ids) == 1 else None, 1)
            for event in events
            for key in tying_keys(event, self.tying)
        )

    def tie(self, seen: Iterable[tuple[Key, str | None, int]]) -> Retied:
        """As `add`, of events of which each value that ties, the correlation ID that carries it,
        or None, and how many of them there are is known."""
        loose: list[tuple[Key, int]] = []
        joins: list[tuple[str, str]] = []
        split: set[str] = set()
        late: set[str] = set()
        for key, id, count in seen:
            if id is None:
                loose.append((key, count))
            else:
                self._carry(key, id, joins, split, late)
        for key, count in loose:
            if self._is_new(key):
                self._early[hash(key)] += count
        if not joins and not split and not late:
            return Retied()
        involved = {id for pair in joins for id in pair} | split | late
        before = {self.flow(id) for id in involved}
        for one, other in joins:
            self._join(one, other)
        divided = self._divide_all(split)
        return Retied(before, {self.flow(id) for id in divided | late})

    def _is_new(self, key: Key) -> bool:
        """Nothing carried it yet."""
        return key not in self._carriers and key not in self.common

    def _carry(
        self, key: Key, id: str, joins: list[tuple[str, str]], split: set[str], late: set[str]
    ) -> None:
        ids = self._carriers.get(key)
        if ids is None and key in self.common:
            self._carriers[key] = ()
        elif ids is None:
            self._carriers[key] = (id,)
            self._carried[id] = (*self._carried.get(id, ()), key)
            if self._early.pop(hash(key), 0):
                late.add(id)
        elif id in ids or key in self.common:
            return
        elif len(ids) < MOST_CARRIERS:
            self._carriers[key] = (*ids, id)
            self._carried[id] = (*self._carried.get(id, ()), key)
            joins.append((ids[0], id))
        else:
            split.update(self._give_up(key))

    def _give_up(self, key: Key) -> tuple[str, ...]:
        """It ties nothing any more; who carried it."""
        self.common.add(key)
        ids = self._carriers.get(key, ())
        if ids:
            self._carriers[key] = ()
        return ids

    def _join(self, one: str, other: str) -> None:
        first = self._groups.get(one) or _Group({one}, one)
        second = self._groups.get(other) or _Group({other}, other)
        if first is second:
            return
        large, small = (first, second) if len(first.ids) >= len(second.ids) else (second, first)
        large.ids |= small.ids
        large.name = min(large.name, small.name)
        self._groups.update(dict.fromkeys((*small.ids, one, other), large))

    def _divide_all(self, ids: Iterable[str]) -> set[str]:
        divided: set[str] = set()
        for id in ids:
            if id not in divided:
                divided |= self._divide(id)
        return divided

    def _divide(self, id: str) -> set[str]:
        """Cuts the group of an ID along the ties that are left; what it was."""
        group = self._groups.get(id)
        if group is None:
            return {id}
        rest = set(group.ids)
        while rest:
            reached = self._reach(rest.pop())
            rest -= reached
            part = _Group(reached, min(reached))
            for one in reached:
                if len(reached) > 1:
                    self._groups[one] = part
                else:
                    del self._groups[one]
        return group.ids

    def _reach(self, id: str) -> set[str]:
        reached, todo = {id}, [id]
        while todo:
            for key in self._carried.get(todo.pop(), ()):
                new = [one for one in self._carriers[key] if one not in reached]
                reached.update(new)
                todo += new
        return reached

    # Events gone

    def forget(self, ids: Iterable[str], loose: Iterable[Seen] = ()) -> None:
        """These correlation IDs are no more, nor are those events of none or several of them. What
        shared a flow with them goes with them, or was in another by then."""
        for event in loose:
            for number in (hash(key) for key in tying_keys(event, self.tying) if self._is_new(key)):
                self._early[number] -= 1
                if self._early[number] <= 0:
                    del self._early[number]
        left: set[str] = set()
        for id in ids:
            group = self._groups.pop(id, None)
            if group is not None:
                group.ids.discard(id)
                left |= group.ids
            for key in self._carried.pop(id, ()):
                others = tuple(other for other in self._carriers[key] if other != id)
                if others or key in self.common:
                    self._carriers[key] = others
                else:
                    del self._carriers[key]
        self._divide_all(id for id in left if id in self._groups)

    def are_common(self, keys: Iterable[Key]) -> None:
        """Too many carry these, by what is no more."""
        self._divide_all({id for key in keys for id in self._give_up(key)})

    def drop_unseen(self) -> set[Key]:
        """Values are forgotten to be common that no event has any more; which ones."""
        unseen = {key for key in self.common if key not in self._carriers}
        self.common -= unseen
        return unseen


def flows_of(event: Seen, ties: Ties | None) -> tuple[str, ...]:
    """The flows that an event belongs to; `ties`: None where no key ties."""
    return event.correlation_ids if ties is None else ties.flows(event)
