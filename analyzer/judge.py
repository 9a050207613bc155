"""The one principle: a flow's state is judged from its events, by this pure function.

The live daemon, `show`, `nonevent test` and whatever comes later all call `judge`. What the live
daemon remembers besides is a cache of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from analyzer.episode import Episode, episodes, is_over
from analyzer.failure import failed
from analyzer.instance import Instance
from analyzer.rules.ruleset import RuleFile
from analyzer.sight import Sight
from collector.event import Event
from collector.times import NEVER

FlowState = Literal["open", "ended", "failed", "partial", "unbegun", "runaway"]

RUNAWAY = 10_000
"""A flow of more events than this is stored, no longer judged, and reported."""


@dataclass(frozen=True, slots=True)
class Judged:
    """One episode of a flow, as one rule file judges it."""

    episode: Episode
    instances: Sequence[Instance]
    state: FlowState

    @property
    def pending(self) -> bool:
        return any(instance.state == "pending" for instance in self.instances)

    def closed(self, instance: Instance) -> bool:
        """A finding that was true and no longer stands: it turned late, or its flow ended."""
        if instance.finding is None or instance.at is None:
            return False
        end = self.episode.end if self.episode.ended_by else None
        return instance.state == "late" or (end is not None and end > instance.at)


def judge(
    flow: str, events: Sequence[Event], file: RuleFile, sight: Sight, *, unless_fine: bool = False
) -> list[Judged]:
    """What this file's expectations say about this flow, given what was seen; nothing, where that
    is wanted only `unless_fine`.

    Pure: no clock, no store, no memory. `events` may come in any order; `sight` carries
    completeness, gaps and grace. An expectation that cannot be judged is unknown.
    """
    if len(events) > RUNAWAY:
        return [Judged(Episode(flow, 1, file.flow, ()), (), "runaway")]
    try:
        found = _episodes_in(flow, events, file)
    except Exception as error:  # noqa: BLE001  # whatever a mistake of ours raises
        unknown = [failed(rule.options.name, error) for rule in file.rules]
        return [Judged(Episode(flow, 1, file.flow, ()), unknown, "open")]
    sight = sight.under(file.naming)
    if unless_fine and _fine(found, file, sight):
        return []
    return [_judged(episode, file, sight) for episode in found]


def _episodes_in(flow: str, events: Sequence[Event], file: RuleFile) -> list[Episode]:
    """The flow's episodes, as this file cuts it."""
    called = None if file.naming is None else file.naming.called
    found = episodes(flow, file.flow, file.begins, file.ends, file.within, events, called)
    for episode in found:
        episode.names = file.named
    return found


def _judged(episode: Episode, file: RuleFile, sight: Sight) -> Judged:
    instances: list[Instance] = []
    for rule in file.rules:
        try:
            instances += rule.judge(episode, sight)
        except Exception as error:  # noqa: BLE001  # the same
            instances.append(failed(rule.options.name, error))
    return Judged(episode, instances, _state(episode, instances, file, sight))


def _fine(found: Sequence[Episode], file: RuleFile, sight: Sight) -> bool:
    """Whether beyond doubt `_judged` finds one episode, ended by an event, in which all is met or
    void: what nearly every flow comes to, told in a fraction of the time. False says nothing."""
    if not file.ends or len(found) != 1 or found[0].ended_by is None:
        return False
    try:
        return all(check(found[0], sight) for check in file.checks)
    except Exception:  # noqa: BLE001  # judging tells which
        return False


def _state(
    episode: Episode, instances: Sequence[Instance], file: RuleFile, sight: Sight
) -> FlowState:
    judged = Judged(episode, instances, "open")
    if any(i.finding is not None and not judged.closed(i) for i in instances):
        return "failed"
    if file.begins and episode.begin is None:
        return "partial" if _partial(episode, file, sight) else "unbegun"
    return "ended" if is_over(episode, sight) else "open"


def _partial(episode: Episode, file: RuleFile, sight: Sight) -> bool:
    """Its begin may lie before the tap's first sight, in a gap, or in what is not kept."""
    begins = frozenset(file.begins)
    first = episode.events[0].time
    reach = file.within or sight.retention
    taken_to = sight.taken_to(episode.events[0].arrival)
    return (
        first < sight.began(begins) + reach
        or first < taken_to + reach
        or sight.gap(begins, NEVER, first) is not None
        or sight.left_out(begins, episode.ids()) is not None
    )
