"""How long a tap that is far behind still needs: said ever more seldom, and shown in status."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from collector.batch import PartitionState
from collector.sources.counting import Counted, counted_in
from collector.times import US_PER_S, format_time
from ui.models import CatchingUp

FAR = 10_000
"""So many records behind is worth a word; a live bus is never."""
FAR_BYTES = 1_000_000
"""So many bytes of event lines, which are some thousand."""
KB, MB = 1_000, 1_000_000
WINDOW = 30 * US_PER_S
FIRST_PAUSE, LONGEST_PAUSE = 5 * US_PER_S, 300 * US_PER_S


@dataclass(frozen=True)
class Pace:
    """Where a source stands: how far behind, and what it gains on the bus."""

    since: int
    behind: int
    rate: float | None
    """Read a second."""
    seconds_left: float | None
    """Until it has caught up, at the pace of late; None while the bus is as fast."""
    counted_in: Counted = "records"

    def shown(self) -> CatchingUp:
        return CatchingUp(
            since=format_time(self.since),
            behind=self.behind,
            rate=self.rate,
            seconds_left=self.seconds_left,
            counted_in=self.counted_in,
        )


class CatchUp:
    """One source's. Pure: states and moments (µs) go in, a line to log comes out now and then."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._samples: deque[tuple[int, int, int]] = deque()
        """Moment, how much was read, how much is left."""
        self._since: int | None = None
        self._read_before = 0
        self._say_at = 0
        self._pause = FIRST_PAUSE
        self._counted: Counted = "records"
        self.now: Pace | None = None

    def committed(self, states: Sequence[PartitionState], now: int) -> str | None:
        """What is to be said after this commit, if anything."""
        known = [s for s in states if s.high_watermark is not None and not s.retired]
        behind = sum(max(0, (s.high_watermark or 0) - s.next_offset) for s in known)
        read = sum(s.next_offset - s.first_offset for s in known)
        self._counted = counted_in(known)
        far = FAR_BYTES if self._counted == "bytes" else FAR
        if self._since is None:
            if behind < far:
                return None
            self._since, self._read_before = now, read
            self._say_at, self._pause = now, FIRST_PAUSE
            self._samples.clear()
        elif behind < far:
            return self._caught_up(read, now)
        self._samples.append((now, read, behind))
        while now - self._samples[0][0] > WINDOW and len(self._samples) > 2:
            self._samples.popleft()
        self.now = self._estimate(behind)
        if now < self._say_at:
            return None
        self._say_at = now + self._pause
        self._pause = min(2 * self._pause, LONGEST_PAUSE)
        return f"source {self._source} catches up: {in_words(self.now)}"

    def _estimate(self, behind: int) -> Pace:
        assert self._since is not None
        (then, read_then, behind_then), (now, read, _) = self._samples[0], self._samples[-1]
        seconds = (now - then) / US_PER_S
        if seconds <= 0:
            return Pace(self._since, behind, None, None, self._counted)
        gained = (behind_then - behind) / seconds
        left = behind / gained if gained > 0 else None
        rate = (read - read_then) / seconds
        return Pace(self._since, behind, rate, left, self._counted)

    def _caught_up(self, read: int, now: int) -> str:
        assert self._since is not None
        took, count = (now - self._since) / US_PER_S, read - self._read_before
        self._since = self.now = None
        much = amount(count, self._counted)
        return f"source {self._source} has caught up: {much} in {span(took)}"


def in_words(progress: Pace | CatchingUp) -> str:
    """E.g. `1,240,000 events behind, 18,400 a second, about 1 min 7 s left`."""
    counted = progress.counted_in
    words = [f"{amount(progress.behind, counted)} behind"]
    if progress.rate is not None:
        fast = size(progress.rate) if counted == "bytes" else f"{progress.rate:,.0f}"
        words.append(f"{fast} a second")
        left = progress.seconds_left
        words.append("not gaining on the bus" if left is None else f"about {span(left)} left")
    return ", ".join(words)


def amount(count: int, counted: Counted) -> str:
    """E.g. `1,240,000 events`, or `4.3 MB` of a file of event lines."""
    return size(count) if counted == "bytes" else f"{count:,} events"


def size(count: float) -> str:
    """Of so many bytes: `4.3 MB`, `12.0 kB`, `340 bytes`."""
    for unit, name in ((MB, "MB"), (KB, "kB")):
        if count >= unit:
            return f"{count / unit:,.1f} {name}"
    return f"{count:,.0f} bytes"


def span(seconds: float) -> str:
    """Two units at most: `2 h 5 min`, `1 min 7 s`, `3 s`."""
    whole = max(1, round(seconds))
    units = ((86_400, "d", 3_600, "h"), (3_600, "h", 60, "min"), (60, "min", 1, "s"))
    for size, unit, less, smaller in units:
        if whole >= size:
            rest = whole % size // less
            return f"{whole // size} {unit}" + (f" {rest} {smaller}" if rest else "")
    return f"{whole} s"
