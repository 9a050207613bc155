"""What one look at the consumers of a bus tells, and the rows that are kept of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec

EMPTY = ("Empty", "Dead", "Gone")
"""States of a group in which nobody is in it. `Gone`: it is listed no longer."""
REBALANCING = ("PreparingRebalance", "CompletingRebalance", "Assigning", "Reconciling")


NEVER_LOOKED = 0
"""In a watch, the moment of its last look while there was none."""


class Place(NamedTuple):
    """A partition by its name, as commits have it: they do not know the topic's ID."""

    topic: str
    partition: int


class GroupState(NamedTuple):
    """`members` is None where it is not told; `why` says why nothing of it can be seen."""

    type: str
    state: str
    members: int | None
    why: str | None = None


class End(NamedTuple):
    """The last stable offset and the high watermark; `hung` names who holds the first back."""

    topic_id: str
    end: int
    high_watermark: int
    hung: str | None = None
    leader: int = -1


class ExactCommit(NamedTuple):
    """Moments are µs: it was not so by `not_by`, and was by `by`, a millisecond later. None: what
    had been committed was deleted."""

    not_by: int
    by: int
    committed: int | None


@dataclass(frozen=True)
class Look:
    """One round: commits are asked for before ends, so that lag is never too small by chance."""

    asked: int
    """When the question for commits was sent: what is not committed by the answer was not then."""
    answered: int
    groups: Mapping[str, GroupState] = field(default_factory=dict)
    commits: Mapping[str, Mapping[Place, int]] = field(default_factory=dict)
    ends: Mapping[Place, End] = field(default_factory=dict)
    unseen: frozenset[str] = frozenset()
    """Groups of which this round could not tell: their coordinator is away."""
    done: frozenset[tuple[Place, int]] = frozenset()
    """Partitions, with a committed offset from which on there is nothing but markers."""
    exact: Mapping[tuple[str, Place], Sequence[ExactCommit]] = field(default_factory=dict)
    """Of groups and partitions of which each commit since the last look is known, in order; the
    last one is what is in `commits`."""
    whole: bool = True
    """Every broker has listed its groups: what is not here is no more."""


class GroupRow(msgspec.Struct, frozen=True, gc=False):
    """A group, when it changed, and every now and then."""

    moment: int
    source: str
    group: str
    type: str
    state: str
    members: int | None
    since: int
    """Since when it is in this state, as far as was seen."""
    why: str | None = None


class CommitRow(msgspec.Struct, frozen=True, gc=False):
    """How far a group has committed a partition, when that changed, and every now and then."""

    moment: int
    source: str
    group: str
    topic: str
    topic_id: str
    """Of the topic as it was when this was committed."""
    partition: int
    committed: int | None
    """None: there is no commit any more."""
    since: int
    """When this offset was first seen."""
    before: int | None
    """When it was last seen that another one was committed; None: never."""
    end: int | None
    waiting_since: int | None
    """About when the record at the committed offset was appended; None: nothing waits."""
    at_least: bool = False
    """It waits for longer than that: it was there when the ends were first seen."""


class EndRow(msgspec.Struct, frozen=True, gc=False):
    """The ends of a partition, when they changed, and every now and then."""

    moment: int
    source: str
    topic: str
    topic_id: str
    partition: int
    end: int
    high_watermark: int
    since: int
    """When this end was first seen."""
    before: int | None
    """When it was last seen that it was another one."""
    hung: str | None = None


class WatchRow(msgspec.Struct, frozen=True, gc=False):
    """How far the consumers of a source were watched, and which of them."""

    source: str
    began: int
    moment: int
    """Up to here all is seen: what was committed by then is in the rows."""
    every: int
    groups: tuple[str, ...]
    """Globs."""
    why: str | None = None
    """Why nothing is seen now."""


@dataclass(frozen=True)
class Known:
    """What the store holds of the last look, for going on."""

    watch: WatchRow | None = None
    groups: tuple[GroupRow, ...] = ()
    commits: tuple[CommitRow, ...] = ()
    ends: tuple[EndRow, ...] = ()
    """Those of some time, for how long records have waited."""
