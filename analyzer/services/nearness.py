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
        self._both: Counter[tuple[Step, Step]] = Counter()
        """Of a nearer step and one further, how often both fit."""
        emitted = {step.emits for step in standing}
        for flow in flows:
            for number, event in enumerate(flow.events):
                if event.name in emitted:
                    self._see(flow, number, event, course)

    def _see(self, flow: Flow, number: int, event: Sighting, course: Course) -> None:
        nearer: list[Step] = []
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
            self._both.update((near, far) for near in nearer for far in here)
            nearer += here

    def own(self) -> set[Step]:
        """Those that explain something that nothing nearer does, and are needed to explain it."""
        own = {one for one in self._fits if self._nearest[one] >= ELSEWHERE * self._fits[one]}
        unneeded = {
            near
            for (near, far), count in self._both.items()
            if far in own
            and self._standing[near].cases_for == 0
            and count >= NEARLY_ALL * self._fits[near]
        }
        return own - unneeded

    def others_of(self, step: Step) -> tuple[str, ...]:
        """Other events that the same group takes, and of which as much may come as of this one."""
        found: set[str] = set()
        for pair, count in self._both.items():
            if step in pair and count >= HALF * self._fits[step]:
                other = pair[0] if pair[1] == step else pair[1]
                if other[:2] == step[:2]:
                    found.add(other.consumes)
        return tuple(sorted(found))
