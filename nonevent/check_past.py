"""What `nonevent check` says of rules and of what was seen: by a daemon, or as it is stored."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import typer

from analyzer.backtest.past import FilePast, Period
from analyzer.backtest.run import Outcome, backtest
from analyzer.backtest.tally import Tally
from analyzer.rules.beyond import Kept, beyond
from analyzer.rules.checker import Problem
from analyzer.rules.located import Place, Value
from analyzer.rules.named import shown
from analyzer.rules.ruleset import RuleFile, RuleSet
from analyzer.rules.unseen import unseen
from collector.errors import NoneventError
from collector.selection import Selection
from collector.settings import SourceSettings
from collector.sources.event_file import EventFile
from collector.store.rollups import Sighting
from collector.times import US_PER_S, format_time, parse_duration, parse_time
from nonevent.asking import asking
from nonevent.beacon import Beacon
from nonevent.config import DEFAULT_FILE, Configuration, load_configuration
from nonevent.garbage import untouched
from ui.queries import Queries

MOST_JUDGED = 100_000
"""Events of the recent past that are judged: some seconds."""
RECENT = 6 * 86_400 * US_PER_S
"""µs: so much of the past is looked through for them, in one page of minutes."""
TELLING = 5
"""Instances of which every one was excused, or questions of which none had an answer; fewer may be
chance."""


@dataclass(frozen=True)
class Where:
    """Where the options say that something was seen."""

    config: Path | None
    store: Path | None
    url: str | None
    token: str | None

    @property
    def named(self) -> bool:
        """Whether somebody said so; else it may well not be there."""
        return self != Where(None, None, None, self.token)


def past_problems(files: Sequence[RuleFile], where: Where) -> list[Problem]:
    """Warnings by what was seen and by what is kept; none where there is no store."""
    try:
        return list(_problems(files, where))
    except NoneventError as error:
        if where.named:
            raise
        # Rules are checked where their daemon's secrets are not, too.
        typer.echo(f"not compared with what was seen: {error}", err=True)
        return []


def _problems(files: Sequence[RuleFile], where: Where) -> Iterator[Problem]:
    configuration = Configuration()
    if where.config is not None or DEFAULT_FILE.exists():
        configuration = load_configuration(where.config)
        store = configuration.store
        kept = Kept(
            parse_duration(store.retention) or 0, parse_duration(store.max_flow_age) or 0
        )  # fmt: skip
        for file in files:
            yield from beyond(file, kept)
    path = configuration.store.path if where.store is None else where.store
    if not (where.url or where.store or path.exists() or Beacon(path).url()):
        return
    # By the rules that are checked: those that are live may be wrong, and are not asked for.
    checked = [file.path for file in files]
    with asking(
        where.config, where.url, where.store, checked, where.token, judged=False
    ) as queries:
        seen = _seen(queries)
        for file in files:
            yield from unseen(file, seen)
        yield from _judged(files, queries, seen, configuration.sources)


def _seen(queries: Queries) -> list[Sighting]:
    return [
        Sighting(one.topic, one.name, one.events, _us(one.first), _us(one.last), 0)
        for one in queries.names().items
    ]


def _us(text: str) -> int:
    return parse_time(text) or 0


def _judged(
    files: Sequence[RuleFile],
    queries: Queries,
    seen: Sequence[Sighting],
    sources: Sequence[SourceSettings],
) -> Iterator[Problem]:
    """Of rules whose conditions or excuses leave nothing to judge, as the recent past shows."""
    of_file = {file.flow: narrowed for file in files if (narrowed := _narrowed(file)) is not None}
    if not of_file or not seen:
        return
    with _recent(queries, seen) as path, untouched():
        past = FilePast(EventFile(path, sources), sources, Period())
        outcome = backtest(past, RuleSet.of(list(of_file.values())))
    for tally in outcome.tallies:
        if (written := tally.rule.options.written) is None:
            continue
        told = [*_always_excused(tally, written, outcome), *_never_there(tally, written, outcome)]
        for place, what in told:
            path = of_file[tally.type].path
            yield Problem(path, place, f"{shown(tally.name)}: {what}", warning=True)


def _narrowed(file: RuleFile) -> RuleFile | None:
    """The file with those expectations alone that have an `unless` or read something."""
    rules = tuple(rule for rule in file.rules if rule.options.unless or file.asked_by(rule))
    folds = tuple(fold for fold in file.folds if fold.options.unless or file.asked_by(fold))
    return replace(file, rules=rules, folds=folds) if rules or folds else None


def _always_excused(tally: Tally, written: Value, outcome: Outcome) -> Iterator[tuple[Place, str]]:
    decided = tally.activations - tally.counts["pending"] - tally.counts["unknown"]
    if decided >= TELLING and tally.excused >= decided:
        over = f"its instances in {_over(outcome)}"
        yield (
            (written.keys or {}).get("unless", Place(1, 1)),
            f"its `unless` always comes first: it excused all {decided:,} of {over}",
        )


def _never_there(tally: Tally, written: Value, outcome: Outcome) -> Iterator[tuple[Place, str]]:
    for text, missing, asked in tally.lacking():
        if missing == asked >= TELLING:
            yield (
                _where(written, text) or written.place,
                f"a field that `{text}` reads was not there, all of the {asked:,} times that it "
                f"was asked in {_over(outcome)}",
            )


def _where(value: Value, text: str) -> Place | None:
    """Where this condition stands."""
    if isinstance(value.data, list | dict):
        inner = value.data if isinstance(value.data, list) else list(value.data.values())
        return next((place for one in inner if (place := _where(one, text)) is not None), None)
    return value.place if value.data == text else None


def _over(outcome: Outcome) -> str:
    first = "" if outcome.first is None else f" since {format_time(outcome.first)}"
    return f"{outcome.events:,} events{first}"


@contextmanager
def _recent(queries: Queries, seen: Sequence[Sighting]) -> Iterator[Path]:
    """The events of the recent past in a file, no more than are judged."""
    with tempfile.TemporaryDirectory(prefix="nonevent-") as folder:
        path = Path(folder) / "recent.jsonl"
        left = MOST_JUDGED
        with path.open("wb") as file:
            for lines in queries.export(Selection(since=_since(queries, seen))):
                some = lines.splitlines(keepends=True)
                file.writelines(some[:left])
                left -= len(some)
                if left <= 0:
                    break
        yield path


def _since(queries: Queries, seen: Sequence[Sighting]) -> int | None:
    """From which minute (µs) on there are no more events than are judged; None: ever."""
    if sum(one.events for one in seen) <= MOST_JUDGED:
        return None
    last = max(one.last for one in seen)
    minutes = queries.counts(since=last - RECENT).items
    count, since = 0, last
    for minute in reversed(minutes):
        count += minute.events
        if count > MOST_JUDGED:
            break
        since = _us(minute.minute)
    return since
