"""Acts as they are stored, made into what is shown."""

from collections.abc import Iterable
from typing import Any

from analyzer.alerts.quiet import first_end, starts_of
from analyzer.alerts.rows import ActRow
from collector.times import format_time
from ui.alert_models import Act, Mark, Silence
from ui.rows import moment


def act_model(row: ActRow) -> Act:
    return Act(
        id=row.seq,
        kind=row.kind,
        at=format_time(row.moment),
        author=row.author,
        comment=row.comment,
        alert=row.alert,
        finding=row.finding,
        matchers=list(row.matchers),
        starts=moment(row.starts),
        ends=moment(row.ends),
        of=row.of,
        what=row.what,
    )


def ends_early(rows: Iterable[ActRow]) -> dict[int, ActRow]:
    """By silence or mark, what ended it first."""
    found: dict[int, ActRow] = {}
    for row in rows:
        if row.kind == "expire" and row.of is not None:
            found.setdefault(row.of, row)
    return found


def silence_model(row: ActRow, ended: ActRow | None, now: int) -> Silence:
    return Silence(**_period(row, ended, now))


def mark_model(row: ActRow, ended: ActRow | None, now: int) -> Mark:
    return Mark(**_period(row, ended, now), what=row.what)


def ends_of(row: ActRow, ended: ActRow | None) -> int | None:
    """None: it goes on; a deploy without an end is over at once."""
    if row.kind == "mark" and row.what == "deploy" and row.ends is None and ended is None:
        return starts_of(row)
    return first_end(row, ended.moment if ended else None)


def _period(row: ActRow, ended: ActRow | None, now: int) -> dict[str, Any]:
    starts, ends = starts_of(row), ends_of(row, ended)
    over = ends is not None and ends <= now
    return {
        "id": row.seq,
        "state": "over" if over else "coming" if now < starts else "active",
        "author": row.author,
        "comment": row.comment,
        "matchers": list(row.matchers),
        "starts": format_time(starts),
        "ends": moment(ends),
        "ended_by": ended.author if ended else None,
    }
