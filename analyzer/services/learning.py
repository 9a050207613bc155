"""Which group takes an event and brings out the next one of its flow: learned from when.

Where a group lags, what it brings out is as late as the group is. So a case tells where an event
waited: it is for a group that took it late, just before the next one came, and against every group
that had taken it long before, or has only after. All others fit any group that keeps up.

Pure: from events and commits as observed, in any order of the events.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from analyzer.services.cases import Cases, Course, Step, add_inverted, cases_of, names_of
from analyzer.services.flows import chosen
from analyzer.services.learned import Confidence, Learned
from analyzer.services.nearness import Nearness
from analyzer.services.progress import Progress
from analyzer.services.sighting import Sighting

TOLD_FROM = 5
"""So many cases have to fit, or it is not told of at all."""
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
    learned = [_learned(step, told, nearness.others_of(step)) for step in sorted(told)]
    return Lesson(tuple(learned), len(seen), len(flows))


def _learned(step: Step, told: Mapping[Step, Cases], or_of: tuple[str, ...]) -> Learned:
    cases = told[step]
    others = tuple(
        sorted(
            one.group
            for one in told
            if one.source == step.source and names_of(one) == names_of(step) and one != step
        )
    )
    sure = cases.likely() and not others and not or_of
    confidence: Confidence = "likely" if sure else "possible"
    return Learned(
        *step, confidence, cases.cases_for, cases.against, cases.undecided, others, or_of
    )
