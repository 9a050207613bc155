"""Of several steps that would explain what came, which one does."""

from collections import Counter
from collections.abc import Iterable, Mapping

from analyzer.services.cases import Cases, Course, Step, said_of
from analyzer.services.flows import Flow
from analyzer.services.sighting import Sighting

ELSEWHERE = 0.1
"""A step explains something by itself if nothing nearer does for this share of its cases."""
NEARLY_ALL = 0.95
"""What fits for so large a share of a nearer step's cases explains them without it."""
HALF = 0.5
"""Where so much of what comes of one event may as well come of another, nothing tells of which."""


class Nearness:
    """Which of the steps that fit lie nearer than others to what came."""

    def __init__(
        self, flows: Iterable[Flow], standing: Mapping[Step, Cases], course: Course
    ) -> None:
        self._standing = standing
        self._fits: Counter[Step] = Counter()
        self._nearest: Counter[Step] = Counter()
        self._further: Counter[tuple[Step, str]] = Counter()
        """How often a step fits, and one of this name further away does."""
        self._either: Counter[tuple[Step, str]] = Counter()
        """How often a step fits, and one of the same group of this name does."""
        emitted = {step.emits for step in standing}
        for flow in flows:
            for number, event in enumerate(flow.events):
                if event.name in emitted:
                    self._see(flow, number, event, course)

    def _see(self, flow: Flow, number: int, event: Sighting, course: Course) -> None:
        nearer: list[Step] = []
        names: dict[tuple[str, str], list[str]] = {}
        for cause in flow.before(number):
            here = [
                step
                for taking in course.of(cause)
                if (step := Step(cause.source, taking.group, cause.name, event.name))
                in self._standing
                and said_of(cause, taking, event.time) != "against"
            ]
            self._fits.update(here)
            if not nearer:
                self._nearest.update(here)
            if here:
                self._further.update((near, cause.name) for near in nearer)
            for step in here:
                known = names.setdefault(step[:2], [])
                for name in known:
                    self._either[step, name] += 1
                    self._either[step._replace(consumes=name), step.consumes] += 1
                known.append(step.consumes)
            nearer += here

    def own(self) -> set[Step]:
        """Those that explain something that nothing nearer does, and are needed to explain it."""
        own = {one for one in self._fits if self._nearest[one] >= ELSEWHERE * self._fits[one]}
        names = {(one.consumes, one.emits) for one in own}
        unneeded = {
            near
            for (near, further), count in self._further.items()
            if (further, near.emits) in names
            and self._standing[near].cases_for == 0
            and count >= NEARLY_ALL * self._fits[near]
        }
        return own - unneeded

    def others_of(self, step: Step) -> tuple[str, ...]:
        """Other events that the same group takes, and of which as much may come as of this one."""
        return tuple(
            sorted(
                name
                for (one, name), count in self._either.items()
                if one == step and count >= HALF * self._fits[step]
            )
        )
