"""A server over a store in which alerts stand, with a clock that is moved by hand."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from analyzer.alerts.rows import ActRow
from analyzer.rules.ruleset import RuleSet
from analyzer.settings import AlertSettings
from tests.analyzer.alerts.desk import START, Desk
from ui.access import allowed_hosts
from ui.api import create_app
from ui.server import Server
from ui.store_acts import StoreActs
from ui.store_queries import StoreQueries

US = 1_000_000
COMMAND = {"Nonevent-Command": "yes"}


class House:
    """A desk with an API and pages over it. Seconds count from the desk's START."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.desk = Desk(folder / "alerts.duckdb", AlertSettings(**settings))
        self.heard: list[ActRow] = []
        self.acts = StoreActs(self.desk.store, self.now, self._hear)
        self.queries = StoreQueries(
            self.desk.store, RuleSet, running=True, link_base=lambda: "http://here", clock=self.now
        )
        app = create_app(
            self.queries,
            token=None,
            allowed_hosts=allowed_hosts("127.0.0.1"),
            ready=lambda: True,
            acts=self.acts,
            clock=lambda: self.now() / US,
        )
        self.server = Server(app, host="127.0.0.1", port=0)
        self.server.start()
        self.client = httpx.Client(
            base_url=self.server.url, headers=COMMAND, trust_env=False, timeout=30
        )

    def now(self) -> int:
        return START + round(self.desk.now * US)

    def _hear(self, act: ActRow) -> None:
        self.heard.append(act)
        self.desk.stage.act(act)

    def close(self) -> None:
        self.client.close()
        self.server.stop()
        self.desk.close()

    # What a person asks and does

    def alerts(self, **asked: Any) -> list[dict[str, Any]]:
        answer = self.client.get("/api/alerts", params=asked)
        assert answer.status_code == 200, answer.text
        return answer.json()["items"]  # type: ignore[no-any-return]

    def alert(self, fingerprint: str) -> dict[str, Any]:
        answer = self.client.get(f"/api/alerts/{fingerprint}")
        assert answer.status_code == 200, answer.text
        return answer.json()  # type: ignore[no-any-return]

    def post(self, path: str, **body: Any) -> httpx.Response:
        return self.client.post(f"/api{path}", json={"author": "bob", **body})

    def did(self, path: str, **body: Any) -> dict[str, Any]:
        answer = self.post(path, **body)
        assert answer.is_success, answer.text
        return answer.json()  # type: ignore[no-any-return]


Make = Callable[..., House]
