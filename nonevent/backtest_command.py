"""`nonevent backtest`: what rules would have found in what is stored, or in a file of events."""

import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from analyzer.backtest.past import FilePast, Past, Period, StorePast
from analyzer.backtest.run import Found, backtest
from analyzer.finding import Finding
from analyzer.notification import finding_line
from analyzer.rules.loader import load
from analyzer.rules.ruleset import RuleSet
from collector.errors import ConfigurationError
from collector.sources.event_file import EventFile
from collector.store.store import Store
from nonevent import backtest_report
from nonevent.asking import configured, daemon_of
from nonevent.config import Configuration
from nonevent.garbage import untouched
from nonevent.opening import open_store
from nonevent.options import Config, StorePath, Token, Url
from nonevent.progress import progress
from ui.moments import moment_if_given

Rules = Annotated[
    list[Path],
    typer.Option("--rules", help="Rule file or folder; else the configuration's. Repeatable."),
]
Against = Annotated[
    list[Path],
    typer.Option("--against", help="Rules to compare with; else the configuration's. Repeatable."),
]
Until = Annotated[
    str | None, typer.Option(help="As all was seen at this time (RFC 3339), or so far back (1h).")
]
Since = Annotated[
    str | None, typer.Option(help="What happened from this time (RFC 3339) on, or so far back.")
]


@dataclass(frozen=True)
class Asked:
    """What the command was asked for."""

    configuration: Configuration
    events: Path | None
    period: Period
    url: str | None
    token: str | None


def backtest_(
    events: Annotated[
        Path | None,
        typer.Option(help="A file of events (JSON Lines, CSV, Parquet), - for standard input."),
    ] = None,
    rules: Rules = [],  # noqa: B006  # Typer copies it
    until: Until = None, since: Since = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON object, no table.")] = False,
    findings: Annotated[
        Path | None, typer.Option("--findings", help="Write each finding here, a line each.")
    ] = None,
    against: Against = [],  # noqa: B006
    flow_type: Annotated[
        str | None, typer.Option("--flow-type", help="Of this flow type alone, as in `flow:`.")
    ] = None,
    config: Config = None, store: StorePath = None, url: Url = None, token: Token = None,
) -> None:  # fmt: skip
    """Judge the past: how often would rules have fired, on which flows, and what else would change.

    The past is what is stored, or a file of events. It needs no daemon and no broker. Exit code 1
    when there are findings.

    Examples:

      nonevent backtest --rules new.yaml --since 7d

      nonevent backtest --events monday.jsonl --rules expectations/ --findings found.jsonl
    """
    now = time.time()
    period = Period(moment_if_given("since", since, now), moment_if_given("until", until, now))
    configuration = Configuration() if url is not None else configured(config, [], store)
    asked = Asked(configuration, events, period, url, token)
    judged_by, compared = _rules(configuration, rules, against, flow_type)
    with ExitStack() as opened:
        past = opened.enter_context(_past(asked))
        found = opened.enter_context(_written(findings, events))
        reading = opened.enter_context(progress("reading", of_bytes=events is not None))
        judging = opened.enter_context(progress("judging"))
        opened.enter_context(untouched())
        outcome = backtest(past, judged_by, compared, found, reading, judging)
    if json:
        typer.echo(backtest_report.as_json(outcome))
    else:
        others = ", ".join(map(str, against)) or "the rules of the configuration"
        backtest_report.print_outcome(outcome, others)
    raise typer.Exit(1 if outcome.findings else 0)


def _rules(
    configuration: Configuration,
    paths: Sequence[Path],
    against: Sequence[Path],
    flow_type: str | None,
) -> tuple[RuleSet, RuleSet | None]:
    """Those to judge by, and those to compare them with: the ones that are live, where others
    are tried."""
    live = configuration.expectations
    if not paths and not live:
        raise ConfigurationError("no rules: name a file or a folder with --rules")
    judged_by = load(paths or live)
    if not judged_by.files:
        raise ConfigurationError("no rule files there: they end in .yaml")
    compared = load(against) if against else _live(live) if paths and live else None
    if compared is not None and not against and _same(compared, judged_by):
        compared = None
    if flow_type is None:
        return judged_by, compared
    chosen = judged_by.of_type(flow_type)
    if not chosen.files:
        types = ", ".join(file.flow for file in judged_by.files)
        raise ConfigurationError(f"no rules for flows of type {flow_type}; there are: {types}")
    return chosen, None if compared is None else compared.of_type(flow_type)


def _live(paths: Sequence[Path]) -> RuleSet | None:
    """Rules that are to be replaced may be wrong: that keeps nobody from trying others."""
    try:
        return load(paths)
    except ConfigurationError as error:
        typer.echo(f"not compared with the rules of the configuration:\n{error}", err=True)
        return None


def _same(one: RuleSet, other: RuleSet) -> bool:
    return one.fingerprint() == other.fingerprint()


@contextmanager
def _past(asked: Asked) -> Iterator[Past]:
    configuration, period = asked.configuration, asked.period
    if asked.events is not None:
        sources = configuration.sources
        yield FilePast(EventFile(asked.events, sources), sources, period)
        return
    with _store(asked) as store:
        yield StorePast(store, period)


@contextmanager
def _store(asked: Asked) -> Iterator[Store]:
    """The store's file; while a daemon holds it, a copy that the daemon makes."""
    with ExitStack() as stack:
        configuration = asked.configuration
        remote = stack.enter_context(daemon_of(configuration, asked.url, asked.token))
        if remote is not None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="nonevent-")))
            copied = folder / "store.duckdb"
            with progress(f"copying the store of {remote.url}", of_bytes=True) as report:
                remote.copy("backup", copied, report)
            settings = configuration.store.model_copy(update={"path": copied})
            configuration = configuration.model_copy(update={"store": settings})
        store = open_store(configuration, read_only=True, snapshots=True)
        stack.callback(store.close)
        yield store


@contextmanager
def _written(path: Path | None, events: Path | None) -> Iterator[Found]:
    """Takes findings, and writes them as lines once all were found."""
    if path is None:
        yield lambda finding: None
        return
    if events is not None and path.absolute() == events.absolute():
        raise ConfigurationError(f"--findings would write over the events in {path}")
    # What is no file, such as a pipe, has no neighbour to be written first.
    whole = not path.exists() or path.is_file()
    part = path.with_name(path.name + ".part") if whole else path
    try:
        with _telling(path):
            file = part.open("wb")

        def write(finding: Finding) -> None:
            with _telling(path):
                file.write(backtest_report.encoded(finding_line(finding)) + b"\n")

        try:
            yield write
        finally:
            with _telling(path):
                file.close()  # what waited in memory is written now
        if whole:
            with _telling(path):
                part.replace(path)
    finally:
        if whole:
            part.unlink(missing_ok=True)


@contextmanager
def _telling(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be written: {error.strerror}") from error


def register(app: typer.Typer) -> None:
    """Makes this a command of `nonevent`."""
    app.command("backtest")(backtest_)
