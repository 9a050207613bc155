"""Whom a command asks: the running daemon, else the store's file."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from analyzer.rules.loader import load
from analyzer.rules.ruleset import RuleSet
from collector.errors import ConfigurationError
from collector.hashing import spellings
from nonevent.beacon import Beacon
from nonevent.config import load_configuration, without_file
from nonevent.daemon import open_store
from nonevent.remote import RemoteQueries
from ui.queries import Queries
from ui.store_queries import StoreQueries


@contextmanager
def asking(
    config: Path | None,
    url: str | None,
    store: Path | None,
    rules: list[Path],
    token: str | None,
) -> Iterator[Queries]:
    """The daemon at `url`; else the one that left word beside the store; else the file itself."""
    if url is not None:
        yield from _remote(url, token)
        return
    configuration = load_configuration(config)
    configuration = configuration.model_copy(update=without_file(None, None, rules, store))
    running = Beacon(configuration.store.path).url()
    if running is not None:
        secret = configuration.http.token
        yield from _remote(running, token or (secret.get_secret_value() if secret else None))
        return
    opened = open_store(configuration, read_only=True)
    try:
        ruleset = _rules(configuration.expectations)
        yield StoreQueries(
            opened,
            lambda: ruleset,
            spellings=lambda text: spellings(configuration.sources, text),
        )
    finally:
        opened.close()


def _remote(url: str, token: str | None) -> Iterator[Queries]:
    remote = RemoteQueries(url, token)
    try:
        yield remote
    finally:
        remote.close()


def _rules(paths: list[Path]) -> RuleSet:
    missing = [path for path in paths if not path.exists()]
    if missing:
        raise ConfigurationError(f"no rule file or folder at {missing[0]}")
    return load(paths)
