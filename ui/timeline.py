"""The rows of a flow's timeline as people read them, in the terminal and on the page."""

from collections.abc import Sequence
from dataclasses import dataclass

from ui import moments
from ui.models import Ghost, TimelineEvent

GHOST_MARKS = {"pending": "◌", "missing": "✗", "late": "◐", "unknown": "?"}


@dataclass(frozen=True)
class Row:
    """One line: `day` is set where another day begins, `clock` is empty when unknown."""

    day: str | None
    clock: str
    gap: str
    item: TimelineEvent | Ghost


@dataclass(frozen=True)
class Cut:
    """Stands for events that are left out of a long timeline."""

    events: int


def rows(timeline: Sequence[TimelineEvent | Ghost]) -> list[Row]:
    """Every item with its clock time, the day once, and the gap since the event before it."""
    laid_out: list[Row] = []
    current = ""
    for item in timeline:
        time = item.time or ""
        item_day = moments.day(time)
        starts = bool(item_day) and item_day != current
        current = item_day or current
        laid_out.append(
            Row(
                day=item_day if starts else None,
                clock=moments.clock(time),
                gap=_gap(item),
                item=item,
            )
        )
    return laid_out


def _gap(item: TimelineEvent | Ghost) -> str:
    if isinstance(item, Ghost) or item.gap_ms is None:
        return ""
    return f"+{moments.duration(item.gap_ms)}"


def shortened(laid_out: Sequence[Row], most: int) -> list[Row | Cut]:
    """At most about `most` events, the first and the last ones; ghosts always stay."""
    if len(laid_out) <= most:
        return list(laid_out)
    half = most // 2
    middle = laid_out[half : len(laid_out) - half]
    ghosts = [row for row in middle if isinstance(row.item, Ghost)]
    cut = Cut(events=len(middle) - len(ghosts))
    return [*laid_out[:half], cut, *ghosts, *laid_out[len(laid_out) - half :]]


def sources(timeline: Sequence[TimelineEvent | Ghost]) -> set[str]:
    """The sources that the events came from; worth naming when there are several."""
    return {item.source for item in timeline if isinstance(item, TimelineEvent)}
