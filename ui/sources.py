"""How sources stand: what the store holds of their partitions, and what their taps say."""

from collections.abc import Mapping, Sequence

from collector.batch import PartitionState
from collector.sources.condition import Condition
from collector.sources.counting import counted_in, is_file
from collector.times import NEVER, US_PER_S
from ui.models import DeniedTopic, PartitionStatus, SourceStatus
from ui.rows import moment


def source_statuses(
    partitions: Sequence[PartitionState],
    gaps: Mapping[tuple[str, str, int], int],
    conditions: Mapping[str, Condition],
    now: int | None = None,
) -> list[SourceStatus]:
    """All sources with a partition or a tap; without a tap their condition is not known.

    Without `now` nobody reads on, and how long ago that was says nothing of the bus.
    """
    found = {name: _of_tap(name, condition) for name, condition in sorted(conditions.items())}
    waiting = {
        (name, *place) for name, condition in conditions.items() for place in condition.waiting
    }
    for state in partitions:
        kind = "file" if is_file(state) else "kafka"
        source = found.setdefault(
            state.source, SourceStatus(name=state.source, kind=kind, partitions=[])
        )
        source.partitions.append(
            PartitionStatus(
                topic=state.topic,
                partition=state.partition,
                position=max(0, state.next_offset),
                high_watermark=state.high_watermark,
                complete_to=None if state.complete_to == NEVER else moment(state.complete_to),
                gaps=gaps[(state.source, state.topic_id, state.partition)],
                blocked_since=moment(state.blocked_since),
                hidden_from=None if state.hidden_since is None else state.last_stable_offset,
                hidden_since=moment(state.hidden_since),
                waiting=(state.source, state.topic, state.partition) in waiting,
            )
        )
    for source in found.values():
        states = [state for state in partitions if state.source == source.name]
        source.counted_in = counted_in(states)
        source.behind, source.behind_seconds = _behind(states, now)
    return list(found.values())


def _behind(states: Sequence[PartitionState], now: int | None) -> tuple[int | None, float | None]:
    """How much and how many seconds; None where that is not known."""
    missing = [
        max(0, state.high_watermark - state.next_offset)
        for state in states
        if state.high_watermark is not None
    ]
    behind = sum(missing) if missing and len(missing) == len(states) else None
    least = min((state.complete_to for state in states), default=NEVER)
    if now is None or least == NEVER:
        return behind, None
    return behind, max(0, now - least) / US_PER_S


def _of_tap(name: str, condition: Condition) -> SourceStatus:
    return SourceStatus(
        name=name,
        kind=condition.kind,
        state=condition.state,
        since=moment(condition.since),
        why=condition.why,
        next_try=moment(condition.next_try),
        denied=[
            DeniedTopic(topic=one.topic, since=moment(one.since) or "", why=one.why)
            for one in condition.denied
        ],
        skipped=condition.skipped,
        problems=condition.problems,
        partitions=[],
    )
