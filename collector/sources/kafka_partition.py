"""One partition that is being read: how far, complete to when, blocked or hidden since when."""

from typing import Literal

from collector.batch import PartitionState
from collector.completeness import Completeness, Poll
from collector.decode import Reader
from collector.sources.side_by_side import Progress
from collector.times import NEVER, US_PER_S

BLOCKED_AFTER = 10 * US_PER_S
"""A partition that no fetch has answered for so long is blocked."""

Change = Literal["blind", "sees"]


class Partition:
    """Pure: positions and polls go in, the state moves on."""

    __slots__ = ("checked", "completeness", "reader", "started", "state")

    def __init__(self, state: PartitionState, reader: Reader, now: int) -> None:
        self.state = state
        self.reader = reader
        self.completeness = Completeness(state.complete_to)
        self.started = now
        self.checked: int | None = None
        """The leader's epoch for which the log is known to hold what was read."""

    def advance(
        self, position: int, poll: Poll | None, now: int, *, transactional: bool, excused: bool
    ) -> Change | None:
        """Everything below `position` was read. `excused`: it waits by our own doing."""
        state = self.state
        answered = self.started = min(self.started, now)
        if poll is not None:
            answered = max(answered, poll.sent)
            self.completeness.polled(poll)
            state.high_watermark = poll.high_watermark
            if transactional:
                self._hidden(poll)
        moved = position > state.next_offset
        state.next_offset = position
        state.complete_to = self.completeness.advance(position, now)
        caught_up = poll is not None and position >= poll.high_watermark
        if moved or (caught_up and now - answered <= BLOCKED_AFTER):
            was, state.blocked_since = state.blocked_since, None
            return "sees" if was is not None else None
        if excused:
            self.started = now
        elif state.blocked_since is None and now - answered > BLOCKED_AFTER:
            state.blocked_since = answered
            return "blind"
        return None

    def see_anew(self) -> None:
        """What was polled so far has moments of a clock that was set back."""
        self.completeness = Completeness(self.state.complete_to)

    def _hidden(self, poll: Poll) -> None:
        """An open transaction hides what lies from its begin on; another one begins elsewhere."""
        state, stable = self.state, poll.last_stable_offset
        if stable >= poll.high_watermark:
            state.hidden_since = None
        elif state.hidden_since is None or stable != state.last_stable_offset:
            state.hidden_since = poll.sent
        state.last_stable_offset = stable

    def behind(self) -> bool:
        """Whether the bus has more than was read."""
        end = self.state.high_watermark
        return end is not None and self.state.next_offset < end

    def progress(self, poll: Poll | None, *, readable: bool) -> Progress:
        """How it stands beside the others. Not readable: blocked, or set aside."""
        position = self.state.next_offset
        behind = poll is not None and position < min(poll.high_watermark, poll.last_stable_offset)
        slowing = behind and readable and self.state.blocked_since is None
        # What comes after we had caught up is newer than that.
        reached = max(self.completeness.reached or NEVER, self.completeness.complete_to)
        return Progress(None if reached == NEVER else reached, slowing)
