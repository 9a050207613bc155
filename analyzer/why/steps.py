"""The step at which a flow stands: the last event on its way, and who acts on it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from analyzer.episode import Episode
from analyzer.instance import Instance
from analyzer.kinds.handled import Handled
from analyzer.kinds.order import Order
from analyzer.rules.rule import Rule, firsts
from analyzer.rules.services import Service
from analyzer.why.letters import is_letter_topic, letter_of, tied_by
from collector.event import ORDER, Event


@dataclass(frozen=True, slots=True)
class Step:
    """`service` takes `cause`, and brings out one of `awaited` (nothing, where all that is wanted
    is that it takes it). Without a service nobody is declared who does."""

    cause: Event | None
    awaited: frozenset[str]
    """What comes next on the way: the awaited names, or what leads to them."""
    service: Service | None = None
    groups: tuple[str, ...] = ()
    act: Event | None = None
    """What came and should not have; then `cause` is what should have stopped `service`."""


def race_of(instance: Instance, episode: Episode, rule: Rule) -> tuple[Event, Event] | None:
    """What should have stopped a step, or come before it, and what came of the step all the same;
    None where nothing of the kind is wrong."""
    if instance.state != "violated":
        return None
    came = instance.evidence
    if instance.finding == "forbidden" and instance.activation is not None and came:
        return instance.activation, came[0]
    if instance.finding == "both" and len(came) > 1:
        return came[0], came[1]
    if isinstance(rule, Order):
        listed = firsts(rule, episode, rule.listed)
        for number, one in enumerate(listed):
            early = [other for other in listed[number + 1 :] if ORDER(other) < ORDER(one)]
            if one.time == instance.at and early:
                return one, min(early, key=ORDER)
    return None


def _step_of_race(stop: Event, act: Event, episode: Episode, services: Sequence[Service]) -> Step:
    names = episode.called(act)
    acting = [one for one in services if not set(names).isdisjoint(one.emits)]
    groups = dict.fromkeys(group for one in acting for group in one.groups)
    return Step(stop, frozenset(), next(iter(acting), None), tuple(groups), act)


def step_of(instance: Instance, episode: Episode, rule: Rule, services: Sequence[Service]) -> Step:
    """Where the way from the activating event to what lacks breaks off."""
    race = race_of(instance, episode, rule)
    if race is not None:
        return _step_of_race(*race, episode, services)
    if isinstance(rule, Handled):
        groups = instance.lacks or rule.groups
        service = Service(" and ".join(groups), groups, rule.trigger, ())
        return Step(
            _first_copy(instance.activation, episode, services), frozenset(), service, groups
        )
    awaited = awaited_names(instance, rule)
    nearest = _distances(awaited, services)
    best: tuple[int, Event] | None = None
    for event in _candidates(instance, episode, services):
        far = min((nearest[n] for n in episode.called(event) if nearest.get(n, 0)), default=0)
        if far and (
            best is None or far < best[0] or (far == best[0] and best[1] is not instance.activation)
        ):
            best = far, event
    if best is None:
        return Step(_first_copy(instance.activation, episode, services), awaited)
    far, cause = best
    called = episode.called(cause)
    for service in services:
        out = {name for name in service.emits if nearest.get(name, far) < far}
        if out and not set(called).isdisjoint(service.consumes):
            return Step(cause, frozenset(out), service, service.groups)
    return Step(cause, awaited)


def awaited_names(instance: Instance, rule: Rule) -> frozenset[str]:
    """The names that lack; where an instance says values instead, those that its rule awaits."""
    known = rule.awaits().difference(rule.options.unless)
    said = {name for lack in instance.lacks for name in lack.split(" or ")}
    return frozenset(said & known) or known


def _distances(awaited: Iterable[str], services: Sequence[Service]) -> Mapping[str, int]:
    """From how many steps before an awaited event one of each name is."""
    found = dict.fromkeys(awaited, 0)
    edge, steps = set(found), 0
    while edge:
        steps += 1
        before = {
            name
            for service in services
            if not edge.isdisjoint(service.emits)
            for name in service.consumes
        }
        edge = before - found.keys()
        found |= dict.fromkeys(edge, steps)
    return found


def _candidates(instance: Instance, episode: Episode, services: Sequence[Service]) -> list[Event]:
    """The activating event first, then what came after it; copies on retry topics are none."""
    first = _first_copy(instance.activation, episode, services)
    after = [
        event
        for event in episode.in_order(copies=False)
        if event is not first
        and (first is None or ORDER(event) > ORDER(first))
        and not is_letter_topic(event.topic, services)
    ]
    return after if first is None else [first, *after]


def _first_copy(event: Event | None, episode: Episode, services: Sequence[Service]) -> Event | None:
    """What was published, where this is the copy that a retry or a dead letter is."""
    letter = None if event is None else letter_of(event, services)
    if letter is None:
        return event
    tied = (other for other in episode.events if tied_by(letter, other))
    return next((one for one in tied if not is_letter_topic(one.topic, services)), event)
