"""What people do about alerts: who may ask for what, in one shape for API, pages and commands."""

from typing import Annotated, Protocol

from pydantic import BaseModel, ConfigDict, Field

from collector.times import parse_duration
from ui.alert_models import Act, Mark, MarkKind, Silence
from ui.errors import BadParameterError
from ui.moments import parse_moment

MOST_CHARACTERS = 2_000
MOST_MATCHERS = 50
LONGEST_DAYS = 30
"""A silence or maintenance that lasts longer is a rule that nobody wants: it would be forgotten."""

Moment = Annotated[str, Field(max_length=64)]


class Signed(BaseModel):
    """Whoever does something says who they are."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    author: Annotated[str, Field(max_length=200)]
    comment: Annotated[str, Field(max_length=MOST_CHARACTERS)] = ""


class Lasting(Signed):
    """Something for a time: until a moment, or for so long."""

    matchers: Annotated[
        list[Annotated[str, Field(max_length=MOST_CHARACTERS)]], Field(max_length=MOST_MATCHERS)
    ] = []
    since: Annotated[Moment | None, Field(alias="from", description="a moment; else now")] = None
    until: Annotated[Moment | None, Field(description="a moment")] = None
    lasting: Annotated[Moment | None, Field(alias="for", description="such as `2h`")] = None
    confirm: bool = False
    """That it is meant although it fits every alert."""

    def period(self, now: float) -> tuple[int | None, int | None]:
        return period(self.since, self.until, self.lasting, now)


class SilenceAsked(Lasting):
    """A silence; its matchers are about labels and fields of alerts, such as `team=payments`."""


class MarkAsked(Lasting):
    """A mark; a deploy needs neither an end nor matchers."""

    what: MarkKind


class Acts(Protocol):
    """Every method may be called from any thread. Moments are µs; `alert` may be abbreviated."""

    def acknowledge(self, alert: str, author: str, comment: str = "") -> Act:
        """Somebody looks after it: nobody is told again before it is over."""
        ...

    def take_back(self, alert: str, author: str, comment: str = "") -> Act:
        """An acknowledgement is no more."""
        ...

    def close(self, alert: str, author: str, comment: str = "") -> Act:
        """All of its findings that stand now."""
        ...

    def close_finding(self, finding: str, author: str, comment: str = "") -> Act: ...

    def silence(
        self,
        matchers: list[str],
        starts: int | None,
        ends: int | None,
        author: str,
        comment: str = "",
        *,
        confirm: bool = False,
    ) -> Silence: ...

    def expire(self, silence: int, author: str, comment: str = "") -> Act: ...

    def mark(
        self,
        what: MarkKind,
        matchers: list[str],
        starts: int | None,
        ends: int | None,
        author: str,
        comment: str = "",
        *,
        confirm: bool = False,
    ) -> Mark: ...

    def end_mark(self, mark: int, author: str, comment: str = "") -> Act: ...


def period(
    since: str | None, until: str | None, lasting: str | None, now: float
) -> tuple[int | None, int | None]:
    """When it begins and ends, in µs; `now` in seconds."""
    starts = parse_moment("from", since, now) if since else None
    if until and lasting:
        raise BadParameterError("for", "give either `until` or `for`: one of them says the end")
    if until:
        ends = parse_moment("until", until, now)
        if ends <= now * 1_000_000 and parse_duration(until):
            raise BadParameterError(
                "until", f"{until!r} ago is over; for so long from now on is `for` {until}"
            )
        return starts, ends
    if not lasting:
        return starts, None
    duration = parse_duration(lasting)
    if not duration:
        raise BadParameterError("for", f"{lasting!r} is no duration; write e.g. 30m, 2h, 7d")
    return starts, (round(now * 1_000_000) if starts is None else starts) + duration
