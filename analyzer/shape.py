"""Which names a flow has seen, once or again. Flows of one shape share it, and what follows."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple, TypeVar, cast

from analyzer.passing import Deadline, deadlines
from analyzer.plain import Plain, plain
from analyzer.plan import BORN, NamePlan, Plan
from analyzer.rules.ruleset import RuleFile, RuleSet

T = TypeVar("T")

MOST = 20_000
"""So many shapes are remembered; rules that name many names could make any number."""
NO_WAIT = 2**63
"""Later than whatever is later than anything."""


class Shape:
    """One set of names seen; `steps` are filled in as flows take them."""

    __slots__ = ("deadlines", "files", "mask", "plains", "quiet", "skew", "steps")

    def __init__(self, mask: int, files: Sequence[RuleFile]) -> None:
        self.mask = mask
        self.files = files
        """Those that name some of the names."""
        self.steps: dict[str, Step] = {}
        self.quiet: dict[str, tuple[Shape, int]] = {}
        """Those that wake nothing and lead to another shape, with the wait."""
        self.skew = -1
        self.plains: tuple[Plain, ...] | None = None
        """What is asked of such a flow where sources differ by `skew`; None: it is judged."""
        self.deadlines: tuple[Deadline, ...] | None = None
        """Those of such a flow that goes on; None: it is judged."""


class Step(NamedTuple):
    """What one more event does to a flow of one shape."""

    shape: Shape
    wakes: bool
    """It may have made an offence at once."""
    wait: int
    """When at the earliest this event may have been judged, in µs after it."""


class Shapes:
    """The shapes that there are under one set of rules."""

    def __init__(self, rules: RuleSet, plan: Plan, default_grace: int) -> None:
        self._plan = plan
        self._grace = default_grace
        self._masks = [(file, plan.mask(file)) for file in rules.files]
        self._any = 0 if plan.other is None else plan.other.bit | plan.other.twice
        self._forget()

    def _forget(self) -> None:
        self._shapes: dict[int, Shape] = {}
        self.none = self.of(BORN)
        """That of a flow which has no events yet."""

    def of(self, mask: int) -> Shape:
        """That of flows with these names, by the bits of the plan."""
        shape = self._shapes.get(mask)
        if shape is None:
            files = [file for file, names in self._masks if mask & names]
            shape = self._shapes[mask] = Shape(mask, files)
        return shape

    def step(self, shape: Shape, name: str) -> Step | None:
        """None where events of this name are no business of the judge."""
        step = shape.steps.get(name)
        if step is None:
            plan = self._plan.of(name)
            if plan is None:
                return None
            if len(self._shapes) > MOST:
                self._forget()  # those that flows still have go on as they are
            wakes, wait = bool(shape.mask & plan.wakes), earliest(plan)
            step = Step(self.of(plan.seen(shape.mask)), wakes, wait)
            if name in self._plan.names:
                shape.steps[name] = step
                if not step.wakes and step.shape is not shape:
                    shape.quiet[name] = step.shape, step.wait
        return step

    def looked(self, shape: Shape, skew: int) -> Shape:
        """With what is asked of its flows where sources differ by so much."""
        if shape.skew != skew:
            self._look(shape, skew)
        return shape

    def _look(self, shape: Shape, skew: int) -> None:
        shape.skew, shape.plains, shape.deadlines = skew, None, None
        if any(shape.mask & plan.twice for plan in self._plan.every()) or shape.mask & self._any:
            return
        present = frozenset(
            name for name, plan in self._plan.names.items() if shape.mask & plan.bit
        )
        shape.plains = _of_all(plain(file, present, skew) for file in shape.files)
        every = _of_all(deadlines(file, present, skew, self._grace) for file in shape.files)
        if every is not None:
            shape.deadlines = tuple(one for some in every for one in some)


def _of_all(found: Iterable[T | None]) -> tuple[T, ...] | None:
    """None where one is."""
    some = tuple(found)
    return None if any(one is None for one in some) else cast(tuple[T, ...], some)


def earliest(plan: NamePlan) -> int:
    return min((wait for _, wait in plan.dues), default=NO_WAIT)
