"""Why nobody is told of an alert now: silenced, in a mute time, under maintenance."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from analyzer.alerts.matching import Matcher, fits_all, parse_all
from analyzer.alerts.rows import ActRow
from analyzer.folds.tumbling import Span, covers
from analyzer.folds.wall import shown
from collector.times import format_time


@dataclass(frozen=True)
class Muted:
    """Hours of the week in which some alerts are not told."""

    matchers: tuple[Matcher, ...]
    during: tuple[Span, ...]
    tz: ZoneInfo
    written: str

    def holds(self, moment: int) -> bool:
        wall = shown(moment, self.tz)
        return covers(self.during, wall, wall + 1)


@dataclass(frozen=True)
class Silence:
    """Of a person, or as a mark of maintenance."""

    act: ActRow
    matchers: tuple[Matcher, ...]
    ended: int | None = None
    """When somebody ended it before its time."""

    def holds(self, moment: int) -> bool:
        return starts_of(self.act) <= moment < self.ends()

    def ends(self) -> int:
        """When it is over."""
        end = first_end(self.act, self.ended)
        return 2**62 if end is None else end

    def told(self) -> str:
        what = "under maintenance" if self.act.kind == "mark" else "silenced"
        until = "" if self.act.ends is None else f" until {format_time(self.ends())}"
        comment = f": {self.act.comment}" if self.act.comment else ""
        return f"{what} by {self.act.author}{until}{comment}"


def starts_of(act: ActRow) -> int:
    """When what somebody asked for begins."""
    return act.moment if act.starts is None else act.starts


def first_end(act: ActRow, ended: int | None) -> int | None:
    """When it is over: as was said, or when it was ended before that; None: it goes on."""
    return min((end for end in (act.ends, ended) if end is not None), default=None)


def silences(acts: Iterable[ActRow]) -> list[Silence]:
    """All there ever were, those that were ended early with their end."""
    acts = list(acts)
    ended = {act.of: act.moment for act in reversed(acts) if act.kind == "expire"}
    return [
        Silence(act, parse_all(act.matchers), ended.get(act.seq))
        for act in acts
        if act.kind == "silence" or (act.kind == "mark" and act.what == "maintenance")
    ]


def quiet(
    fields: Mapping[str, str],
    silenced: Iterable[Silence],
    muted: Sequence[Muted],
    moment: int,
) -> str | None:
    """Why nobody is told now of an alert with these labels and fields; None: they are."""
    for silence in silenced:
        if silence.holds(moment) and fits_all(silence.matchers, fields):
            return silence.told()
    for mute in muted:
        if fits_all(mute.matchers, fields) and mute.holds(moment):
            return f"muted: {mute.written}"
    return None


def acknowledged(acts: Iterable[ActRow], fingerprint: str, since: int) -> str | None:
    """Who has said since then that they look after this alert."""
    by = None
    for act in acts:
        if act.alert != fingerprint or act.moment < since:
            continue
        if act.kind == "acknowledge":
            by = act.author
        elif act.kind == "take_back":
            by = None
    return by
