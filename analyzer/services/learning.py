"""Which group takes an event and brings out the next one of its flow: learned from when.

Where a group lags, what it brings out is as late as the group is. So a case tells where an event
waited: it is for a group that took it late, just before the next one came, and against every group
that had taken it long before, or has only after. All others fit any group that keeps up.

Pure: from events and commits as observed, in any order of the events.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from analyzer.services.cases import Cases, Course, Step, add_inverted, cases_of, names_of
from analyzer.services.flows import chosen
from analyzer.services.learned import Confidence, Learned
from analyzer.services.nearness import Nearness
from analyzer.services.progress import Progress
from analyzer.services.sighting import Sighting

TOLD_FROM = 5
"""So many cases have to fit, or it is not told of at all."""
MOST_GROUPS = 10
"""Where more groups fit, none is told of."""
FEW_FLOWS = 2_000
"""So many tell what lies between what."""


@dataclass(frozen=True)
class Lesson:
    """What was learned, and from how many events in how many flows."""

    learned: tuple[Learned, ...] = ()
    events: int = 0
    flows: int = 0


def learn(
    sightings: Iterable[Sighting], progress: Progress, letters: Collection[str] = ()
) -> Lesson:
    """`letters`: topics of dead letters and retries; what lies there is no step."""
    flows = chosen(sightings, letters, 1 + progress.most_groups())
    seen = [event for flow in flows for event in flow.events]
    course = Course(progress, progress.trailing(seen))
    found = cases_of(flows, course)
    standing = {step: cases for step, cases in found.items() if not cases.refuted}
    add_inverted(flows, standing)
    standing = {step: cases for step, cases in standing.items() if not cases.refuted}
    nearness = Nearness(flows[:FEW_FLOWS], standing, course)
    told = {s: standing[s] for s in nearness.own() if standing[s].fitting >= TOLD_FROM}
    groups = _groups(told)
    learned = [
        _learned(step, told[step], groups[step.source, *names_of(step)], nearness.others_of(step))
        for step in sorted(told)
        if len(groups[step.source, *names_of(step)]) <= MOST_GROUPS
    ]
    return Lesson(tuple(learned), len(seen), len(flows))


def _groups(steps: Iterable[Step]) -> dict[tuple[str, str, str], list[str]]:
    """By source and names: who may run it."""
    found: dict[tuple[str, str, str], list[str]] = {}
    for step in sorted(steps):
        found.setdefault((step.source, *names_of(step)), []).append(step.group)
    return found


def _learned(step: Step, cases: Cases, groups: Iterable[str], or_of: tuple[str, ...]) -> Learned:
    others = tuple(group for group in groups if group != step.group)
    sure = cases.likely() and not others and not or_of
    confidence: Confidence = "likely" if sure else "possible"
    return Learned(
        *step, confidence, cases.cases_for, cases.against, cases.undecided, others, or_of
    )
