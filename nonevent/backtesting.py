"""What `nonevent backtest` does: from what it was asked for to what came out."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import typer

from analyzer.backtest.past import FilePast, Past, Period, StorePast
from analyzer.backtest.run import Found, Outcome, backtest
from analyzer.finding import Finding
from analyzer.notification import finding_line
from analyzer.rules.loader import load
from analyzer.rules.ruleset import RuleSet
from collector.errors import ConfigurationError
from collector.sources.event_file import EventFile
from collector.store.store import Store
from nonevent import backtest_report
from nonevent.asking import daemon_of
from nonevent.config import Configuration
from nonevent.garbage import untouched
from nonevent.opening import open_store
from nonevent.progress import progress


@dataclass(frozen=True)
class Asked:
    """What the command was asked for."""

    configuration: Configuration
    rules: Sequence[Path]
    against: Sequence[Path]
    flow_type: str | None
    events: Path | None
    since: int | None
    until: int | None
    findings: Path | None
    url: str | None
    token: str | None


def backtested(asked: Asked) -> Outcome:
    judged_by, compared = _rules(asked.configuration, asked.rules, asked.against, asked.flow_type)
    with ExitStack() as opened:
        past = opened.enter_context(_past(asked))
        found = opened.enter_context(_written(asked.findings, asked.events))
        reading = opened.enter_context(progress("reading", of_bytes=asked.events is not None))
        judging = opened.enter_context(progress("judging"))
        opened.enter_context(untouched())
        return backtest(past, judged_by, compared, found, reading, judging)


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
    configuration, period = asked.configuration, Period(asked.since, asked.until)
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
