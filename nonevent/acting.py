"""Who does what people want done: the running daemon, else the store's file, which the daemon reads
when it starts."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from collector.times import format_time
from nonevent.asking import configured, daemon_of
from nonevent.config import Configuration
from nonevent.remote import RemoteQueries
from ui.acts import Acts
from ui.alert_models import Act, Mark, MarkKind, Silence
from ui.queries import Queries


@contextmanager
def acting(
    config: Path | None, url: str | None, store: Path | None, token: str | None
) -> Iterator[tuple[Acts, Queries]]:
    """Whom to tell, and whom to ask."""
    configuration = Configuration() if url is not None else configured(config, [], store)
    with daemon_of(configuration, url, token) as remote:
        if remote is not None:
            yield RemoteActs(remote), remote
            return
    from nonevent.stored import stored_acts

    with stored_acts(configuration) as acts_and_queries:
        yield acts_and_queries


class RemoteActs:
    """Done by a running daemon."""

    def __init__(self, remote: RemoteQueries) -> None:
        self._remote = remote

    def acknowledge(self, alert: str, author: str, comment: str = "") -> Act:
        return self._about(alert, "acknowledge", author, comment)

    def take_back(self, alert: str, author: str, comment: str = "") -> Act:
        return self._about(alert, "take-back", author, comment)

    def close(self, alert: str, author: str, comment: str = "") -> Act:
        return self._about(alert, "close", author, comment)

    def close_finding(self, finding: str, author: str, comment: str = "") -> Act:
        path = f"/api/findings/{quote(finding, safe='')}/close"
        return self._remote.send("POST", path, Act, author=author, comment=comment)

    def silence(
        self,
        matchers: list[str],
        starts: int | None,
        ends: int | None,
        author: str,
        comment: str = "",
        *,
        confirm: bool = False,
    ) -> Silence:
        return self._remote.send(
            "POST", "/api/silences", Silence, matchers=matchers, author=author, comment=comment,
            confirm=confirm, **_period(starts, ends),
        )  # fmt: skip

    def expire(self, silence: int, author: str, comment: str = "") -> Act:
        path = f"/api/silences/{silence}"
        return self._remote.send("DELETE", path, Act, author=author, comment=comment)

    def mark(
        self,
        what: MarkKind,
        matchers: list[str],
        starts: int | None,
        ends: int | None,
        author: str,
        comment: str = "",
        *,
        confirm: bool = False,
    ) -> Mark:
        return self._remote.send(
            "POST", "/api/marks", Mark, what=what, matchers=matchers, author=author,
            comment=comment, confirm=confirm, **_period(starts, ends),
        )  # fmt: skip

    def end_mark(self, mark: int, author: str, comment: str = "") -> Act:
        path = f"/api/marks/{mark}"
        return self._remote.send("DELETE", path, Act, author=author, comment=comment)

    def _about(self, alert: str, what: str, author: str, comment: str) -> Act:
        path = f"/api/alerts/{quote(alert, safe='')}/{what}"
        return self._remote.send("POST", path, Act, author=author, comment=comment)


def _period(starts: int | None, ends: int | None) -> dict[str, str]:
    given = {"from": starts, "until": ends}
    return {name: format_time(at) for name, at in given.items() if at is not None}
