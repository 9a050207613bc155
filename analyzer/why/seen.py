"""What was seen besides the flow: consumers, letters, events without a tie, what hides."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from analyzer.consumers.consumed import Passage
from analyzer.consumers.course import Course, State
from analyzer.consumers.verdict import Verdict
from analyzer.sight import Sight
from analyzer.why.letters import Letter
from collector.consumers.observation import EMPTY
from collector.event import Event


@dataclass(frozen=True, slots=True)
class Consumption:
    """What one group did with the event that should have caused the next."""

    group: str
    unseen: str | None = None
    """Why nothing is known of it."""
    passage: Passage | None = None
    """When its commits passed the event."""
    course: Course | None = None
    """How it stood on that partition when it had not passed it; None: it had committed nothing."""
    verdict: Verdict | None = None
    busy: bool = False
    """It moved on other partitions, and was behind there: what stands still here waits its turn."""
    reads: bool = True
    """It has committed something of that topic, on whatever partition."""
    state: State | None = None
    """Of the group as a whole, at the same moment."""
    last_moved: int | None = None
    """When it last committed anything anywhere; µs."""

    @property
    def down_since(self) -> int | None:
        """Since when nobody is in it and nothing is committed; of those who commit without being
        members the group's state alone tells nothing."""
        if self.state is None or self.state.name not in EMPTY:
            return None
        return max(self.state.since, self.last_moved or 0)

    @property
    def empty(self) -> bool:
        """Nobody is in it, and nothing was committed since."""
        if self.state is None or self.state.name not in EMPTY:
            return False
        return self.course is None or self.course.commits[-1].since <= self.state.since


@dataclass(frozen=True)
class Seen:
    """By one moment of the store. What is not in here was not there, within its bounds."""

    sight: Sight
    consumption: Mapping[str, Consumption] = field(default_factory=dict)
    """By group."""
    letters: Sequence[Letter] = ()
    strays: Sequence[Event] = ()
    """Events of the awaited names without a correlation ID, near the time."""
    shared: frozenset[str] = frozenset()
    """Values of keys that other flows carry, too."""
    producers: Mapping[tuple[str, str, int], str] = field(default_factory=dict)
    """Who holds an open transaction, by source, topic and partition."""
