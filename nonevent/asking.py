"""Whom a command asks: the running daemon, else the store's file."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from collector.errors import ConfigurationError
from nonevent.beacon import Beacon
from nonevent.config import Configuration, load_configuration
from nonevent.remote import RemoteQueries
from ui.queries import Queries


@contextmanager
def asking(
    config: Path | None,
    url: str | None,
    store: Path | None,
    rules: list[Path],
    token: str | None,
    *,
    judged: bool = True,
) -> Iterator[Queries]:
    """The daemon at `url`; else the one that left word beside the store; else the file itself.
    `judged`: whether the answers hang on the rules; those of a daemon are its own."""
    # Who gives an address needs no configuration.
    configuration = Configuration() if url is not None else configured(config, rules, store)
    with daemon_of(configuration, url, token) as remote:
        if remote is not None:
            if rules and judged:
                raise ConfigurationError(
                    f"the nonevent at {remote.url} answers by its own rules, not by --rules: leave "
                    "that out, or try other rules with `nonevent backtest --rules`"
                )
            yield remote
            return
    # Who asks a daemon needs no database: a command is there in half the time.
    from nonevent.stored import stored_queries

    with stored_queries(configuration) as queries:
        yield queries


def configured(config: Path | None, rules: list[Path], store: Path | None) -> Configuration:
    """The file's configuration, and what options lay over it."""
    configuration = load_configuration(config)
    return configuration.overlaid(rules=rules, store=store)


@contextmanager
def daemon_of(
    configuration: Configuration, url: str | None, token: str | None
) -> Iterator[RemoteQueries | None]:
    """The daemon at `url`, or the one that runs on this store; None when none does."""
    if url is None:
        url = Beacon(configuration.store.path).url()
        secret = configuration.http.token
        token = token or (secret.get_secret_value() if secret else None)
    if url is None:
        yield None
        return
    remote = RemoteQueries(url, token)
    try:
        yield remote
    finally:
        remote.close()
