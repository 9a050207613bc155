"""What `nonevent backtest` says: one JSON object for scripts, tables for people."""

from typing import Any

import msgspec
from rich.console import Console
from rich.text import Text

from analyzer.backtest.difference import Change, Difference
from analyzer.backtest.run import Outcome
from analyzer.backtest.tally import SHOWN, Example, Tally
from analyzer.backtest.waits import SHARES, Waits
from analyzer.instance import STATES
from collector.times import NEVER, format_duration, format_time
from nonevent.terminal import QUIET, STYLES, lacking, stdout, table_of, words

encoded = msgspec.json.Encoder().encode


def as_json(outcome: Outcome) -> str:
    """The contract's object, with more in it."""
    told = {
        "events": outcome.events,
        "flows": outcome.flows,
        "runaway": outcome.runaway,
        "since": None if outcome.first is None else format_time(outcome.first),
        "until": None if outcome.complete_to == NEVER else format_time(outcome.complete_to),
        "expectations": [_tally(tally) for tally in outcome.tallies],
        "difference": None if outcome.difference is None else _difference(outcome.difference),
    }
    return encoded(told).decode()


def _tally(tally: Tally) -> dict[str, Any]:
    waits = tally.waits()
    return {
        "name": tally.name,
        "type": tally.type,
        "activations": tally.activations,
        **{state: tally.counts[state] for state in STATES},
        "silent": not tally.activations,
        "fields_missing": [one._asdict() for one in tally.lacking()],
        "took": None if waits is None else _took(waits),
        "within": None if waits is None else _within(waits),
        "examples": {state: [one.flow for one in tally.examples[state]] for state in SHOWN},
    }


def _took(waits: Waits) -> dict[str, object]:
    return {
        "count": waits.count,
        "p50": waits.p50 / 1e6,
        "p90": waits.p90 / 1e6,
        "p99": waits.p99 / 1e6,
        "max": waits.max / 1e6,
    }


def _within(waits: Waits) -> dict[str, str | None]:
    return {
        _percent(share): None if us is None else format_duration(us)
        for share, us in waits.within.items()
    }


def _percent(share: float) -> str:
    return f"{share:.1%}".replace(".0%", "%")


def _difference(difference: Difference) -> dict[str, Any]:
    return {
        "new": difference.new,
        "gone": difference.gone,
        "same": difference.same,
        "expectations": [
            {
                "name": name, "type": type,
                "new": change.new, "gone": change.gone, "same": change.same,
                "new_examples": [one.flow for one in change.new_examples],
                "gone_examples": [one.flow for one in change.gone_examples],
            }
            for (type, name), change in sorted(difference.changes.items())
        ],
    }  # fmt: skip


def print_outcome(outcome: Outcome, others: str, console: Console | None = None) -> None:
    """Counts for each expectation, how long steps took, examples, and the difference to others."""
    console = console or stdout()
    console.print(words(_head(outcome)))
    if outcome.runaway:
        flows = f"{outcome.runaway:,} flow{'' if outcome.runaway == 1 else 's'}"
        console.print(words(f"✗ {flows} of more than 10,000 events: not judged", "yellow"))
    several = len({tally.type for tally in outcome.tallies}) > 1
    console.print()
    _print_counts(outcome, several, console)
    _print_fields_missing(outcome, several, console)
    _print_waits(outcome, several, console)
    _print_examples(outcome, several, console)
    if outcome.difference is not None:
        _print_difference(outcome.difference, others, console)


def _head(outcome: Outcome) -> str:
    head = f"{outcome.events:,} events in {outcome.flows:,} flows"
    if outcome.first is None or outcome.complete_to == NEVER:
        return head
    return f"{head}, {format_time(outcome.first)} to {format_time(outcome.complete_to)}"


def _name(tally: Tally, several: bool) -> str:
    return f"{tally.type}: {tally.name}" if several else tally.name


def _print_counts(outcome: Outcome, several: bool, console: Console) -> None:
    counts = table_of("Expectation", "Activations", *(state.capitalize() for state in STATES))
    for column in counts.columns[1:]:
        column.justify = "right"
    for tally in outcome.tallies:
        counts.add_row(
            words(_name(tally, several), "bold"),
            words(f"{tally.activations:,}") if tally.activations else words("silent", "yellow"),
            *(_count(state, tally.counts[state]) for state in STATES),
        )
    console.print(counts)


def _print_fields_missing(outcome: Outcome, several: bool, console: Console) -> None:
    told = [
        f"✗ {_name(tally, several)}: {lacking(*one)}"
        for tally in outcome.tallies
        for one in tally.lacking()
    ]
    if told:
        console.print()
    for line in told:
        console.print(words(line, "yellow"))


def _count(state: str, count: int) -> Text:
    return words(f"{count:,}", STYLES.get(state, "")) if count else words("–", QUIET)


def _print_waits(outcome: Outcome, several: bool, console: Console) -> None:
    waiting = [(tally, waits) for tally in outcome.tallies if (waits := tally.waits()) is not None]
    if not waiting:
        return
    shares = [_percent(share) for share in SHARES]
    took = table_of("How long it takes", "p50", "p90", "p99", "Max", *shares)
    for column in took.columns[1:]:
        column.justify = "right"
    for tally, waits in waiting:
        took.add_row(
            words(_name(tally, several), "bold"),
            *(words(_brief(us)) for us in (waits.p50, waits.p90, waits.p99, waits.max)),
            *(words("none") if us is None else words(format_duration(us))
              for us in waits.within.values()),
        )  # fmt: skip
    console.print()
    console.print(took)
    told = f"{', '.join(shares[:-1])} and {shares[-1]}: the `within` that would find so many"
    console.print(words(f"{told}; none: more than that never came.", QUIET))


def _brief(us: int) -> str:
    """Three digits are enough for a person."""
    for unit in (1_000_000, 100_000, 10_000, 1_000):
        if us >= unit * 100:
            return format_duration(us // unit * unit)
    return format_duration(us)


def _print_examples(outcome: Outcome, several: bool, console: Console) -> None:
    for tally in outcome.tallies:
        for state in SHOWN:
            if not tally.examples[state]:
                continue
            console.print()
            head = f"✗ {_name(tally, several)}: {tally.counts[state]:,} {state}, such as"
            console.print(words(head, STYLES.get(state, "")))
            _print_flows(tally.examples[state], console)


def _print_flows(examples: list[Example], console: Console) -> None:
    for one in examples:
        console.print(words(f"    {one.flow}  {one.text}"))


def _print_difference(difference: Difference, others: str, console: Console) -> None:
    console.print()
    same = f"{difference.same:,} are the same"
    if not difference.new and not difference.gone:
        console.print(words(f"Compared with {others}: no difference; {same}."))
        return
    head = f"Compared with {others}: {difference.new:,} new findings, "
    console.print(words(f"{head}{difference.gone:,} gone; {same}.", "bold"))
    for (type, name), change in sorted(difference.changes.items()):
        _print_change(f"{type}: {name}", change, console)


def _print_change(name: str, change: Change, console: Console) -> None:
    for mark, count, examples, style in (
        ("+", change.new, change.new_examples, "red"),
        ("-", change.gone, change.gone_examples, "green"),
    ):
        if count:
            console.print(words(f"{mark} {count:,} {name}", style))
            _print_flows(examples, console)
