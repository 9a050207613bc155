"""A finding: an instance that went wrong, as it is stored, sent and shown."""

import msgspec

from analyzer.instance import Instance, finding_id
from analyzer.judge import Judged
from analyzer.rules.rule import Rule
from collector.event import Event
from collector.times import format_time


class Position(msgspec.Struct, frozen=True, gc=False):
    """Where an event lies, as the finding line gives it."""

    source: str
    topic: str
    partition: int
    offset: int
    time: str
    name: str

    @classmethod
    def of(cls, event: Event) -> "Position":
        return cls(
            event.source, event.topic, event.partition, event.offset, format_time(event.time),
            event.name,
        )  # fmt: skip


SEEN = frozenset(("forbidden", "repeated", "too_many", "both", "disagree", "lagging"))
"""What was found in events that came: others that nobody has seen yet do not undo it, but for
those that excuse."""


class Finding(msgspec.Struct, frozen=True, gc=False):
    """True at a completeness: what, in which flow, on which evidence. No clock is in it."""

    id: str
    expectation: str
    type: str
    finding: str
    state: str
    """open, closed (was true: it turned late, or the flow went on to its end), retracted."""
    flow: str | None
    """None where it is about more than one."""
    correlation_id: str | None
    """The flow's, without the number of its episode."""
    at: int
    deadline: int | None
    severity: str
    labels: dict[str, str]
    rule_version: str
    values: tuple[str, ...]
    activation: Position | None
    evidence: tuple[Position, ...]
    text: str


EVIDENCE = 20
"""So many events are named at most: a thousand repeats prove no more than twenty."""


def findings(judged: Judged, rules: dict[tuple[str, str], Rule]) -> list[Finding]:
    """Every finding of one judged episode."""
    return [
        finding_of(judged, instance, rules)
        for instance in judged.instances
        if instance.finding is not None
    ]


def finding_of(judged: Judged, instance: Instance, rules: dict[tuple[str, str], Rule]) -> Finding:
    """The finding of an instance that went wrong."""
    episode = judged.episode
    options = rules[(episode.type, instance.expectation)].options
    assert instance.finding is not None
    assert instance.at is not None
    return Finding(
        finding_id(episode, instance),
        instance.expectation,
        episode.type,
        instance.finding,
        "closed" if judged.closed(instance) else "open",
        episode.flow,
        episode.correlation_id,
        instance.at,
        instance.deadline,
        options.severity,
        options.labels_of(instance.activation or next(iter(instance.evidence), None)),
        options.version,
        instance.lacks,
        Position.of(instance.activation) if instance.activation else None,
        tuple(Position.of(event) for event in instance.evidence[:EVIDENCE]),
        instance.text,
    )
