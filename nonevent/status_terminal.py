"""`nonevent status` for people: how far everything was read, and what keeps it from going on."""

from rich.console import Console
from rich.table import Table

from collector.times import US_PER_S, format_duration
from nonevent.pace import amount, in_words, size, span
from nonevent.terminal import QUIET, moment_text, stdout, table_of, words
from ui.models import SourceStatus, Status


def print_status(status: Status, console: Console | None = None) -> None:
    """How far everything was read and judged, and what keeps it from going on."""
    console = console or stdout()
    settled = moment_text(status.settled_to) + " UTC" if status.settled_to else "nowhere yet"
    facts = {
        "nonevent": f"{status.version}, {'running' if status.running else 'not running'}",
        "settled to": settled,
        "store": f"{status.store}, {status.store_bytes / 1_000_000:,.1f} MB"
        + (f", {status.store_full}" if status.store_full else ""),
        "events": f"{status.events:,} stored, {status.untied:,} untied, "
        f"{status.unnamed:,} without a name",
        "behind": _behind(status),
        "problems": _counts(status.problems),
        "findings": _counts(status.findings),
        "alerts": _counts(status.alerts),
        "expectations": f"{len(status.expectations):,}",
        "outbox": f"{status.outbox:,} waiting",
    }
    grid = Table.grid(padding=(0, 2))
    for name, fact in facts.items():
        grid.add_row(words(name, QUIET), words(fact))
    console.print(grid)
    _hindrances(status, console)
    _partitions(status, console)


def _hindrances(status: Status, console: Console) -> None:
    for source in status.sources:
        _bus(source, console)
        for part in source.partitions:
            if part.blocked_since:
                place = f"{source.name}/{part.topic}-{part.partition}"
                console.print(
                    words(f"✗ blind on {place} since {moment_text(part.blocked_since)} UTC", "red")
                )
            if part.hidden_since:
                console.print(
                    words(
                        f"– {source.name}/{part.topic}-{part.partition}: an open transaction "
                        f"hides what lies from offset {part.hidden_from:,} on, "
                        f"since {moment_text(part.hidden_since)} UTC",
                        "yellow",
                    )
                )
    if status.held:
        held = f"{status.held:,} judgement{'' if status.held == 1 else 's'} held"
        console.print(words(f"✗ {held} until everything is readable again", "red"))
    if status.runaway:
        flows = f"{status.runaway:,} flow{'' if status.runaway == 1 else 's'}"
        console.print(words(f"✗ {flows} of more than 10,000 events: no longer judged", "yellow"))
    for common in status.common_keys:
        what = f"{common.values:,} value{' ties' if common.values == 1 else 's tie'} no flows"
        because = f"too many correlation IDs carry {common.key}={common.example}"
        console.print(words(f"✗ {what}: {because}", "yellow"))
    for error in status.rule_errors:
        console.print(words(f"✗ {error}", "yellow"))
    for told in status.failures:
        console.print(words(f"✗ {told}; please report this mistake", "red"))


def _bus(source: SourceStatus, console: Console) -> None:
    """What lies between the tap and its bus."""
    if source.state == "connecting" and source.since:
        tried = f"; next try {moment_text(source.next_try)} UTC" if source.next_try else ""
        why = f": {source.why}" if source.why else ""
        since = f"since {moment_text(source.since)} UTC"
        console.print(words(f"✗ {source.name} cannot be reached {since}{tried}{why}", "red"))
    for denied in source.denied:
        since = f"since {moment_text(denied.since)} UTC"
        console.print(
            words(f"✗ {source.name}/{denied.topic} is denied {since}: {denied.why}", "yellow")
        )
    for counted, what in ((source.skipped, "not kept"), (source.problems, "with a problem")):
        for topic, reasons in counted.items():
            some = f"{source.name}/{topic}, {what} since the start: {_counts(reasons)}"
            console.print(words(f"– {some}", QUIET))
    _published_after(source, console)
    if source.catching_up is not None:
        console.print(
            words(f"– {source.name} catches up: {in_words(source.catching_up)}", "yellow")
        )
    if waiting := sum(part.waiting for part in source.partitions):
        some = f"{waiting:,} partition{' waits' if waiting == 1 else 's wait'} for slower ones"
        console.print(words(f"– {source.name} catches up: {some}", QUIET))


def _published_after(source: SourceStatus, console: Console) -> None:
    """By topic, what `grace` has to cover: told where it does not, and where it is much."""
    for one in source.published_after or ():
        told = (
            f"{source.name}/{one.topic}: events were published up to {_length(one.seconds)} "
            "after they happened, lately"
        )
        if one.grace_seconds is not None:
            which, more = f"`{one.not_covered[0]}`", len(one.not_covered) - 1
            which += f" and {more:,} other{'' if more == 1 else 's'}" if more else ""
            short = f"`grace: {_length(one.grace_seconds)}` does not cover that, and what is only "
            cure = f"on its way may be called missing: give {which} a longer one"
            console.print(words(f"✗ {told}; {short}{cure}", "yellow"))
        elif one.seconds >= 1:
            console.print(words(f"– {told}; `grace` covers it", QUIET))


def _length(seconds: float) -> str:
    """As a configuration has it, where that is short."""
    us = round(seconds * US_PER_S)
    return format_duration(us) if us < 60 * US_PER_S or us % (60 * US_PER_S) == 0 else span(seconds)


def _behind(status: Status) -> str:
    """How far the taps are from their buses, and what waits between them and the judge."""
    told = [
        f"{source.name}: {amount(source.behind, source.counted_in)}"
        + (f", complete {source.behind_seconds:,.0f} s ago" if source.behind_seconds else "")
        for source in status.sources
        if source.behind is not None
    ]
    waiting = [f"{status.queued:,} batches wait for the judge"] if status.queued else []
    return "; ".join([*told, *waiting]) or "unknown"


def _partitions(status: Status, console: Console) -> None:
    if not any(source.partitions for source in status.sources):
        console.print(words("\nNo partition is tapped: do `topics:` match any?", block=True))
        return
    table = table_of(
        "Source", "Topic", "Partition", "Position", "Behind", "Complete to (UTC)", "Gaps"
    )
    for column in (2, 3, 4, 6):
        table.columns[column].justify = "right"
    for source in status.sources:
        for part in source.partitions:
            end = part.high_watermark
            lines = source.counted_in == "bytes"
            left = None if end is None else max(0, end - part.position)
            table.add_row(
                words(source.name),
                words(part.topic),
                words(str(part.partition)),
                words(size(part.position) if lines else f"{part.position:,}"),
                words("?" if left is None else size(left) if lines else f"{left:,}"),
                words(moment_text(part.complete_to) if part.complete_to else "–"),
                words(str(part.gaps), "yellow" if part.gaps else QUIET),
            )
    console.print()
    console.print(table)


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{count:,} {what}" for what, count in counts.items()) or "none"
