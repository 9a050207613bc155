"""Asking the store's file, and acting on it, where no daemon runs."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from analyzer.rules.loader import load
from analyzer.rules.ruleset import RuleSet
from collector.errors import ConfigurationError, StoreError
from collector.hashing import spellings
from nonevent.clock import clock
from nonevent.config import Configuration
from nonevent.opening import open_store
from ui.acts import Acts
from ui.queries import Queries
from ui.store_acts import StoreActs
from ui.store_queries import StoreQueries


@contextmanager
def stored_queries(configuration: Configuration) -> Iterator[Queries]:
    opened = open_store(configuration, read_only=True)
    try:
        ruleset = _rules(configuration.expectations)
        yield StoreQueries(
            opened,
            lambda: ruleset,
            spellings=lambda text: spellings(configuration.sources, text),
            link_base=lambda: configuration.http.link_base or "",
        )
    finally:
        opened.close()


@contextmanager
def stored_acts(configuration: Configuration) -> Iterator[tuple[Acts, Queries]]:
    path = configuration.store.path
    if not path.exists():
        raise StoreError(f"no store at {path}: start `nonevent run`, or name another with --store")
    opened = open_store(configuration)
    try:
        yield StoreActs(opened, clock), StoreQueries(opened, RuleSet)
    finally:
        opened.close()


def _rules(paths: list[Path]) -> RuleSet:
    missing = [path for path in paths if not path.exists()]
    if missing:
        raise ConfigurationError(f"no rule file or folder at {missing[0]}")
    return load(paths)
