"""Commands for the store as a whole: what is in it goes out, is copied, comes back."""

import sys
import time
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from collector.errors import ConfigurationError, StoreError
from collector.selection import Selection
from collector.store.syncing import sync
from nonevent.asking import asking, configured, daemon_of
from nonevent.beacon import Beacon
from nonevent.config import Configuration
from nonevent.options import Config, Since, StorePath, Token, Url
from nonevent.progress import beside_output, progress
from ui.moments import moment_if_given
from ui.queries import Queries

Force = Annotated[bool, typer.Option("--force", help="Overwrite what is there.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON object instead of words.")]


def export(
    config: Config = None, url: Url = None, store: StorePath = None, token: Token = None,
    since: Since = None, until: Since = None,
    topic: Annotated[str | None, typer.Option(help="Of this topic.")] = None,
    flow: Annotated[str | None, typer.Option(help="Of this flow, by any of its IDs.")] = None,
) -> None:  # fmt: skip
    """Write stored events to standard output, a JSON object a line: what a file source reads.

    Examples:

      nonevent export --since 1h > events.jsonl

      nonevent export --flow ord-00123
    """
    now = time.time()
    wanted = Selection(
        moment_if_given("since", since, now), moment_if_given("until", until, now), topic, flow
    )
    watched, done = beside_output(), 0
    with (
        asking(config, url, store, [], token) as queries,
        progress("events", shown=watched) as report,
    ):
        of = _known(queries, wanted) if watched else 0
        for lines in queries.export(wanted):
            sys.stdout.buffer.write(lines)
            done += lines.count(b"\n")
            report(done, of)
    sys.stdout.flush()


def _known(queries: Queries, wanted: Selection) -> int:
    """How many events these are, by the counts that are kept; 0 where these do not tell."""
    if wanted.since is not None or wanted.until is not None or wanted.flow is not None:
        return 0
    named = queries.names().items
    return sum(one.events for one in named if wanted.topic in (None, one.topic))


def snapshot(
    file: Annotated[Path, typer.Argument(help="Where to write it.")],
    config: Config = None, url: Url = None, store: StorePath = None, token: Token = None,
    force: Force = False, json: Json = False,
) -> None:  # fmt: skip
    """Copy the store for anyone's DuckDB, while the daemon runs or not.

    The copy is of one moment. In it, `events` has headers and payloads as columns.

    Example: nonevent snapshot today.duckdb
    """
    _copy("snapshot", file, config, url, store, token, force)
    _tell_copied("snapshot", file, json)


def backup(
    file: Annotated[Path, typer.Argument(help="Where to write it.")],
    config: Config = None, url: Url = None, store: StorePath = None, token: Token = None,
    force: Force = False, json: Json = False,
) -> None:  # fmt: skip
    """Copy the store so that nonevent can go on with it, while the daemon runs or not.

    Example: nonevent backup /backups/nonevent.duckdb
    """
    _copy("backup", file, config, url, store, token, force)
    _tell_copied("backup", file, json)


def _copy(
    kind: str,
    file: Path,
    config: Path | None,
    url: str | None,
    store: Path | None,
    token: str | None,
    force: bool,
) -> None:
    if file.exists() and not force:
        raise ConfigurationError(f"{file} is there already: name another, or give --force")
    if not file.absolute().parent.is_dir():
        raise ConfigurationError(f"no folder {file.parent} to write {file.name} to")
    configuration = Configuration() if url is not None else configured(config, [], store)
    part = file.with_name(file.name + ".part")
    part.unlink(missing_ok=True)
    try:
        with daemon_of(configuration, url, token) as remote:
            if remote is not None:
                with progress(f"{kind} from {remote.url}", of_bytes=True) as report:
                    remote.copy(kind, part, report)
            else:
                _copy_file(configuration, kind, part)
        sync(part)
        part.replace(file)
    except OSError as error:
        raise StoreError(f"{file} cannot be written: {error.strerror}") from error
    finally:
        part.unlink(missing_ok=True)


def _tell_copied(kind: str, file: Path, json: bool) -> None:
    size = file.stat().st_size
    _tell(f"{file}: {size:,} bytes", {"file": str(file), "kind": kind, "bytes": size}, json)


def _tell(words: str, done: dict[str, object], json: bool) -> None:
    """What was done: in words, beside what others read, or as the one object that they do."""
    if json:
        typer.echo(msgspec.json.encode(done).decode())
    else:
        typer.echo(words, err=True)


def _copy_file(configuration: Configuration, kind: str, part: Path) -> None:
    from collector.store.copying import copy
    from nonevent.opening import open_store

    opened = open_store(configuration, read_only=True)
    try:
        with progress(f"{kind} of {opened.path}") as report:
            copy(opened, part, plain=kind == "snapshot", report=report)
    finally:
        opened.close()


def restore(
    file: Annotated[Path, typer.Argument(help="What `nonevent backup` wrote.")],
    config: Config = None, store: StorePath = None, force: Force = False, json: Json = False,
) -> None:  # fmt: skip
    """Put a backup in the store's place. The daemon must not run; it reads on from there.

    Example: nonevent restore /backups/nonevent.duckdb --force
    """
    from collector.store.restoring import restore as put_back

    path = configured(config, [], store).store.path
    if (running := Beacon(path).url()) is not None:
        raise ConfigurationError(f"a nonevent runs on {path} ({running}): stop it first")
    try:
        with progress(f"restoring {path}", of_bytes=True) as report:
            put_back(file, path, force=force, report=report)
    except OSError as error:
        raise StoreError(f"{path} cannot be written: {error.strerror}") from error
    told = {"file": str(path), "backup": str(file), "bytes": path.stat().st_size}
    _tell(f"{path}: as in {file}", told, json)


def forget(
    flow: Annotated[str, typer.Argument(help="The flow's correlation ID, any of them.")],
    config: Config = None, store: StorePath = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    json: Json = False,
) -> None:  # fmt: skip
    """Take a flow out of the store for good: events, findings, notifications, and their bytes.

    Its events are those of all its correlation IDs, and those that keys tie to it.

    The daemon must not run. The file is written anew, which needs room for a second one. What is
    still on the bus, in backups and in snapshots stays there.

    Example: nonevent forget ord-00123 --yes
    """
    from analyzer.forgetting import forget as out_of_alerts
    from collector.store.forgetting import forget as put_out_of_mind
    from nonevent.opening import open_store

    configuration = configured(config, [], store)
    path = configuration.store.path
    if (running := Beacon(path).url()) is not None:
        raise ConfigurationError(f"a nonevent runs on {path} ({running}): stop it first")
    if not path.exists():
        raise StoreError(f"no store at {path}: name one with --store")
    if not yes and not typer.confirm(f"Forget {flow} in {path}? It cannot be undone", err=True):
        raise typer.Exit(2)
    with progress(f"writing {path} anew") as report:
        gone = put_out_of_mind(open_store(configuration), flow, report, out_of_alerts)
    told = {"file": str(path), "flow": flow, "ids": gone.ids, "events": gone.events}
    _tell(f"{flow}: {gone.events} events forgotten", told, json)
    raise typer.Exit(0 if gone.events else 3)


def register(app: typer.Typer) -> None:
    """Makes these commands of `nonevent`."""
    for command in (export, snapshot, backup, restore, forget):
        app.command()(command)
