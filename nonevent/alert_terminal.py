"""What the commands for alerts print for people; `--json` prints the same models untouched."""

from collections.abc import Sequence

from rich.console import Console
from rich.padding import Padding
from rich.table import Table

from nonevent.terminal import QUIET, STYLES, moment_text, more, stdout, table_of, words
from ui.alert_models import (
    Act,
    ActPage,
    AlertDetail,
    AlertItem,
    AlertPage,
    Mark,
    MarkPage,
    Silence,
    SilencePage,
)

SHORT = 8
"""So much of a fingerprint is shown: it names an alert, as long as no other begins so."""
DONE = {
    "acknowledge": "acknowledged",
    "take_back": "acknowledgement taken back",
    "close": "closed",
    "expire": "ended",
    "silence": "silenced",
    "mark": "marked",
}


def print_alerts(page: AlertPage) -> None:
    console = stdout()
    if not page.items:
        console.print(words("No alert fits."))
        return
    table = table_of("Alert", "State", "Severity", "Expectation", "Findings", "Since (UTC)", "")
    table.columns[4].justify = "right"
    for one in page.items:
        table.add_row(
            words(one.fingerprint[:SHORT]),
            words(one.state, _style(one)),
            words(one.severity, _style(one)),
            words(one.expectation, "bold"),
            words(f"{one.count:,}"),
            words(moment_text(one.since)),
            words(", ".join(_standing(one)), QUIET),
        )
    console.print(table)
    more(page.next, console)


def print_alert(alert: AlertDetail) -> None:
    console = stdout()
    console.print(
        words(alert.expectation, "bold")
        .append(f"  {alert.state}", _style(alert))
        .append(f"  {alert.severity}  {alert.fingerprint}", QUIET)
    )
    console.print(words(alert.text))
    facts = {
        "findings": f"{alert.count:,}" + (f", the oldest in {alert.flow}" if alert.flow else ""),
        "since": f"{moment_text(alert.since)} UTC, began {moment_text(alert.began)}",
        "labels": ", ".join(f"{name}={value}" for name, value in alert.labels.items()),
        "stands": ", ".join(_standing(alert)),
        "reason": alert.reason or "",
        "page": alert.link,
    }
    grid = Table.grid(padding=(0, 2))
    for name, fact in facts.items():
        if fact:
            grid.add_row(words(name, QUIET), words(fact))
    console.print(grid)
    if alert.why is not None:
        console.print(words("Why: ", "bold").append(alert.why.text))
        for one in alert.why.items if len(alert.why.items) > 1 else ():
            said = f"{one.count:,} {one.verdict}, {one.confidence}, such as {one.flow}: {one.text}"
            console.print(Padding(words(said, QUIET), (0, 0, 0, 2)))
    for finding in alert.findings:
        style = STYLES.get(finding.severity, "blue") if finding.state == "open" else QUIET
        console.print(words(f"{'✗' if finding.state == 'open' else '–'} {finding.text}", style))
        told = [finding.flow or "no flow", finding.state, finding.id, finding.reason or ""]
        console.print(Padding(words(" · ".join(filter(None, told)), QUIET), (0, 0, 0, 2)))
    for told_to in alert.told:
        how = told_to.outcome or "waits"
        said = f"told {told_to.sink} that it is {told_to.status}: {moment_text(told_to.at)}, {how}"
        console.print(words(said, QUIET))
    for mark in alert.marks:
        what = f"{mark.what} by {mark.author} at {moment_text(mark.starts)} {mark.comment}"
        console.print(words(what.rstrip(), QUIET))
    for act in alert.acts:
        print_act(act, console)


def print_acts(page: ActPage) -> None:
    console = stdout()
    if not page.items:
        console.print(words("Nobody did such a thing."))
        return
    for act in page.items:
        print_act(act, console)
    more(page.next, console)


def print_act(act: Act, console: Console | None = None) -> None:
    """Who did what to what, in a line."""
    about = [
        f"alert {act.alert}" if act.alert else "",
        f"finding {act.finding}" if act.finding else "",
        f"number {act.of}" if act.of is not None else "",
        act.what or "",
        " ".join(act.matchers),
        f"until {moment_text(act.ends)}" if act.ends else "",
    ]
    line = words(f"{act.id:>5}  {moment_text(act.at)}  ", QUIET)
    line.append_text(words(f"{DONE[act.kind]} by {act.author}: ", "bold"))
    line.append_text(words(" ".join(filter(None, about))))
    if act.comment:
        line.append_text(words(f"  ({act.comment})", QUIET))
    (console or stdout()).print(line, soft_wrap=True)


def print_silences(page: SilencePage) -> None:
    _periods(page.items, page.next, "No silence fits.")


def print_marks(page: MarkPage) -> None:
    _periods(page.items, page.next, "No mark fits.")


def print_period(what: str, period: Silence | Mark) -> None:
    until = f" until {moment_text(period.ends)} UTC" if period.ends else ""
    from_then = f" from {moment_text(period.starts)}" if period.state == "coming" else ""
    fits = " ".join(period.matchers) or "everything"
    stdout().print(words(f"{what} {period.id}: {fits}{from_then}{until}"))


def _periods(items: Sequence[Silence | Mark], cursor: str | None, none: str) -> None:
    console = stdout()
    if not items:
        console.print(words(none))
        return
    table = table_of("No.", "State", "What", "From (UTC)", "Until (UTC)", "By", "Comment")
    for one in items:
        what = [one.what] if isinstance(one, Mark) else []
        ended = f", ended by {one.ended_by}" if one.ended_by else ""
        table.add_row(
            words(str(one.id)),
            words(one.state, "green" if one.state == "active" else QUIET),
            words(" ".join([*what, *one.matchers])),
            words(moment_text(one.starts)),
            words(moment_text(one.ends) if one.ends else "–"),
            words(one.author + ended),
            words(one.comment, QUIET),
        )
    console.print(table)
    more(cursor, console)


def _standing(alert: AlertItem) -> list[str]:
    """Why it may be that nobody looks at it."""
    by = f"acknowledged by {alert.acknowledged}" if alert.acknowledged else ""
    return [one for one in (by, alert.quiet or "") if one]


def _style(alert: AlertItem) -> str:
    return STYLES.get(alert.severity, "blue") if alert.state == "firing" else QUIET
