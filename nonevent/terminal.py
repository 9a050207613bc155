"""What the commands print for people; `--json` prints the same models untouched."""

import sys
from datetime import UTC, datetime
from io import TextIOWrapper

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from analyzer.undecided import failure
from ui import moments
from ui.models import (
    ConsumerPage,
    DroppedPage,
    EventItem,
    EventPage,
    ExpectationPage,
    Finding,
    FindingPage,
    FlowDetail,
    FlowPage,
    Ghost,
    TimelineEvent,
)
from ui.timeline import GHOST_MARKS, Row, rows, sources
from ui.visible import visible

QUIET = "bright_black"
STYLES = {
    "open": "blue",
    "ended": "green",
    "met": "green",
    "failed": "red",
    "missing": "red",
    "violated": "red",
    "critical": "red",
    "late": "yellow",
    "warning": "yellow",
    "runaway": "yellow",
    "pending": "blue",
}


def stdout() -> Console:
    """Standard output; without colour where it is no terminal or NO_COLOR is set."""
    if isinstance(sys.stdout, TextIOWrapper):
        # Events may hold letters that this terminal's encoding has not; that is no reason to fail.
        sys.stdout.reconfigure(errors="backslashreplace")
    return Console(highlight=False, markup=False, emoji=False)


def print_flows(page: FlowPage, console: Console | None = None) -> None:
    """The list of flows, the one whose newest event was stored last first."""
    console = console or stdout()
    if not page.items and page.next:
        console.print(words("None of the flows that were looked at fits; there are older ones."))
        more(page.next, console)
        return
    if not page.items:
        console.print(words("No flow fits. `nonevent status` shows how far the bus was read."))
        return
    table = table_of("Flow", "State", "Type", "Events", "Last event (UTC)", "Findings")
    table.columns[3].justify = table.columns[5].justify = "right"
    for flow in page.items:
        table.add_row(
            words(flow.flow, "bold"),
            _state(flow.state),
            words(flow.type or "–"),
            words(f"{flow.events:,}"),
            words(moment_text(flow.last)),
            words(str(flow.findings), "red") if flow.findings else words("–", QUIET),
        )
    console.print(table)
    more(page.next, console)


def print_flow(flow: FlowDetail, console: Console | None = None) -> None:
    """One flow: its timeline with ghosts, then what went wrong and what is expected of it."""
    console = console or stdout()
    head = words(flow.flow, "bold").append("  ").append_text(_state(flow.state))
    if flow.type:
        head.append(f"  {visible(flow.type)}")
    if flow.aliases:
        head.append(f"  also {visible(', '.join(flow.aliases[:5]))}", QUIET)
    for key, values in flow.keys.items():
        head.append(f"  {visible(key)}={visible(', '.join(values[:5]))}", QUIET)
    console.print(head)
    for word, linked in (("came from", flow.parents), ("led to", flow.children)):
        if linked:
            more = f" and {len(linked) - 20} more" if len(linked) > 20 else ""
            console.print(words(f"{word} {', '.join(linked[:20])}{more}", QUIET))
    console.print()
    if flow.timeline:
        console.print(_timeline(flow))
    else:
        console.print(words("No event of this flow is kept any more."))
    if flow.found:
        console.print(words("\nWhat went wrong", "bold", block=True))
        for finding in flow.found:
            _finding(finding, console, with_flow=False)
    if flow.instances:
        console.print()
        console.print(_instances(flow))


def print_findings(page: FindingPage, console: Console | None = None) -> None:
    """Findings in words, the one that changed last first."""
    console = console or stdout()
    if not page.items:
        console.print(words("No finding fits: nothing that was expected is known to be missing."))
        return
    for finding in page.items:
        _finding(finding, console, with_flow=True)
    more(page.next, console)


def print_events(page: EventPage, console: Console | None = None) -> None:
    """One line an event, never wrapped, so that it can be followed and searched."""
    console = console or stdout()
    for event in page.items:
        console.print(_event_line(event), soft_wrap=True)


def print_dropped(page: DroppedPage, console: Console | None = None) -> None:
    """Who drops correlation IDs, the one that has for longest first."""
    console = console or stdout()
    if not page.items:
        console.print(words("No event lacks a correlation ID that its flow is known to have."))
        return
    table = table_of("Topic", "Event", "Producer", "Dropped", "Of", "Since (UTC)", "For example")
    table.columns[3].justify = table.columns[4].justify = "right"
    for one in page.items:
        table.add_row(
            words(one.topic),
            words(one.name, "bold"),
            words(one.producer or "–"),
            words(f"{one.dropped:,}", "red"),
            words(f"{one.dropped + one.carried:,}"),
            words(moment_text(one.since)),
            words(one.example),
        )
    console.print(table)


def print_consumers(page: ConsumerPage, console: Console | None = None) -> None:
    """How each group stands on each partition, and by which rule."""
    console = console or stdout()
    if not page.items:
        console.print(words("No consumer group was seen: `nonevent run` watches those of a Kafka."))
        return
    table = table_of("Group", "Topic", "Lag", "Seconds", "Verdict", "Since (UTC)", "Because")
    table.columns[2].justify = table.columns[3].justify = "right"
    for one in page.items:
        at = "–" if one.topic is None else f"{one.topic}-{one.partition}"
        quiet = one.verdict in ("ok", "unseen")
        table.add_row(
            words(one.group, "bold"),
            words(at),
            words("–" if one.lag is None else f"{one.lag:,}"),
            words("–" if one.lag_seconds is None else f"{one.lag_seconds:,.0f}"),
            words(one.verdict, QUIET if quiet else "red"),
            words(moment_text(one.since) if one.since else "–"),
            words(one.because),
        )
    console.print(table)


def print_expectations(page: ExpectationPage, console: Console | None = None) -> None:
    """What is expected, with what was found; what had nothing to judge is silent, never well."""
    console = console or stdout()
    if not page.items:
        console.print(words("No expectation is live: name rule files with --rules."))
        return
    headings = ("Type", "Expectation", "Open", "Closed", "Retracted", "Last finding", "Last seen")
    table = table_of(*headings, "In 24 h")
    for number in (2, 3, 4, 7):
        table.columns[number].justify = "right"
    for one in page.items:
        opened = one.findings.get("open", 0)
        last = one.last_seen
        table.add_row(
            words(one.type),
            words(one.name, "bold"),
            words(f"{opened:,}", "red" if opened else ""),
            words(f"{one.findings.get('closed', 0):,}"),
            words(f"{one.findings.get('retracted', 0):,}"),
            words(moment_text(one.last_finding) if one.last_finding else "–"),
            words("silent", "yellow") if one.silent or last is None else words(moment_text(last)),
            words(f"{'≤ ' if one.at_most and one.last_day else ''}{one.last_day:,}"),
        )
    console.print(table)
    for one in page.items:
        if one.unknown:
            flows = f"{one.unknown:,} flow{'' if one.unknown == 1 else 's'}"
            console.print(words(f"– {one.name}: unknown in {flows}, last in {one.unknown_in[-1]}"))
        if one.failed:
            said = f"✗ {one.name}: {failure(one.failed, one.last_failed or '')}"
            console.print(words(f"{said}; please report this mistake", "red"))
    told = [(one, lacks) for one in page.items for lacks in one.fields_missing]
    for one, lacks in told:
        console.print(
            words(f"✗ {one.name}: {lacking(lacks.text, lacks.missing, lacks.asked)}", "yellow")
        )
    _sampled(page, console)
    if any(one.silent for one in page.items):
        console.print(words("\nsilent: no event that it could judge is stored", QUIET, block=True))


def _sampled(page: ExpectationPage, console: Console) -> None:
    """Of which topics a part is kept, and who looks at them: a line a topic, for there are few."""
    topics: dict[tuple[str, str, float], list[str]] = {}
    for one in page.items:
        for part in one.sampled:
            topics.setdefault((part.source, part.topic, part.share), []).append(one.name)
    if topics:
        console.print()
    for (source, topic, share), names in topics.items():
        kept = f"of {source}/{topic} only {percent(share)} of the flows are kept (`sample`)"
        console.print(words(f"– {kept}, which these look at: {', '.join(names)}", QUIET))


def percent(share: float) -> str:
    """A share as people write it: `10 %`, `0.5 %`."""
    return f"{100 * share:g} %"


def lacking(text: str, missing: int, asked: int) -> str:
    """What is said of a condition of which a field was not there."""
    return f"a field was not there {missing:,} of {asked:,} times: {text}"


def _timeline(flow: FlowDetail) -> Table:
    table = table_of("Time (UTC)", "Gap", "", "Event", "Topic", "Position")
    table.columns[0].no_wrap = table.columns[1].no_wrap = True
    table.columns[0].justify = table.columns[1].justify = table.columns[5].justify = "right"
    several = len(sources(flow.timeline)) > 1
    for row in rows(flow.timeline):
        if row.day:
            table.add_row(words(row.day, QUIET))
        if isinstance(row.item, Ghost):
            _add_ghost(table, row, row.item)
        else:
            _add_event(table, row, row.item, several)
    return table


def _add_event(table: Table, row: Row, event: TimelineEvent, several_sources: bool) -> None:
    name = words(event.name or "(no name)", "bold")
    for problem in event.problems:
        name.append(f" ! {visible(problem)}", "yellow")
    topic = f"{event.source}/{event.topic}" if several_sources else event.topic
    table.add_row(
        words(row.clock),
        words(row.gap, QUIET),
        words("●", QUIET),
        name,
        words(topic),
        words(f"{event.partition}@{event.offset}", QUIET),
    )


def _add_ghost(table: Table, row: Row, ghost: Ghost) -> None:
    style = {"missing": "red", "late": "yellow"}.get(ghost.state, "dim")
    table.add_row(
        words(row.clock, style),
        words("due" if row.clock else "", style),
        words(GHOST_MARKS[ghost.state], style),
        words(", ".join(ghost.names), f"{style} italic"),
        words(ghost.state, style),
        words("–", style),
    )


def _instances(flow: FlowDetail) -> Table:
    table = table_of("Expectation", "State", "Deadline (UTC)", "In words")
    table.columns[1].no_wrap = True
    for instance in flow.instances:
        table.add_row(
            words(instance.expectation),
            _state(instance.state),
            words(moment_text(instance.deadline) if instance.deadline else "–"),
            words(instance.text, QUIET),
        )
    return table


def _finding(finding: Finding, console: Console, *, with_flow: bool) -> None:
    mark = "✗" if finding.state == "open" else "–"
    style = STYLES.get(finding.severity, "blue") if finding.state == "open" else QUIET
    facts = [
        finding.finding,
        finding.severity,
        finding.expectation,
        f"{moment_text(finding.at)} UTC",
    ]
    if with_flow:
        facts.insert(0, finding.flow or "no flow")
    if finding.state != "open":
        facts.append(finding.state + (f": {finding.reason}" if finding.reason else ""))
    if finding.historical:
        facts.append("historical")
    if finding.values:
        facts.append("lacking " + ", ".join(finding.values))
    console.print(words(f"{mark} {finding.text}", style))
    console.print(Padding(words(" · ".join(facts), QUIET), (0, 0, 0, 2)))


def _event_line(event: EventItem) -> Text:
    line = Text(moments.day(event.time) + " " + visible(moments.clock(event.time)), QUIET)
    place = f"{event.topic} {event.partition}@{event.offset}"
    line.append(f"  {visible(place)}  ").append(visible(event.name or "(no name)"), "bold")
    line.append(f"  {visible(', '.join(event.correlation_ids)) or '(untied)'}")
    for key, value in event.keys.items():
        line.append(f"  {visible(key)}={visible(value)}", QUIET)
    for problem in event.problems:
        line.append(f"  ! {visible(problem)}", "yellow")
    return line


def table_of(*headings: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style=QUIET)
    for heading in headings:
        # Folded, never cut: an ID that lost its end cannot be searched for.
        table.add_column(heading, overflow="fold")
    return table


def words(text: str, style: str = "", *, block: bool = False) -> Text:
    """Text that no markup or control character can escape from."""
    return Text(visible(text, block=block), style)


def _state(state: str) -> Text:
    return Text(state, STYLES.get(state, QUIET), no_wrap=True)


def moment_text(text: str) -> str:
    return moments.brief(text, datetime.now(UTC).timestamp())


def more(cursor: str | None, console: Console) -> None:
    if cursor:
        console.print(words(f"More: --cursor {cursor}", QUIET))
