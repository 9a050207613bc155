"""The same questions, asked of a running daemon over HTTP."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

import httpx
from pydantic import BaseModel

from collector.errors import ConfigurationError, NoneventError
from collector.progress import Report
from collector.selection import Selection
from collector.times import format_time
from ui.alert_models import ActPage, AlertDetail, AlertPage, MarkPage, SilencePage, Tally
from ui.command_header import COMMAND_HEADER
from ui.errors import NothingSuchError, NothingToDoError
from ui.models import (
    ConsumerPage,
    CountPage,
    DroppedPage,
    EventPage,
    ExpectationPage,
    FindingPage,
    FlowDetail,
    FlowPage,
    NamePage,
    ServicePage,
    Status,
    WhyAnswer,
    WhyPage,
)

Model = TypeVar("Model", bound=BaseModel)


SAID: dict[int, type[NoneventError]] = {
    400: ConfigurationError,
    404: NothingSuchError,
    409: NothingToDoError,
}
"""What is not about the daemon, but about what was asked."""


def _flow_path(flow_or_key: str) -> str:
    name = quote(flow_or_key, safe="")
    if name in (".", ".."):  # a folder, to whoever handles addresses
        name = name.replace(".", "%2E")
    return f"/api/flows/{name}"


class RemoteError(NoneventError):
    """The daemon does not answer, or refuses."""


class RemoteQueries:
    """Answers as the daemon at `url` gives them."""

    def __init__(self, url: str, token: str | None) -> None:
        self.url = url.rstrip("/")
        headers = {"authorization": f"Bearer {token}"} if token else {}
        self._client = httpx.Client(base_url=self.url, headers=headers, timeout=60)

    def close(self) -> None:
        self._client.close()

    def flows(self, **filters: Any) -> FlowPage:
        return self._get("/api/flows", FlowPage, filters)

    def flow(self, flow_or_key: str) -> FlowDetail | None:
        answer = self._ask(_flow_path(flow_or_key), {})
        return None if answer.status_code == 404 else self._read(answer, FlowDetail)

    def why(self, flow_or_key: str, expectation: str | None = None) -> WhyPage | None:
        answer = self._ask(f"{_flow_path(flow_or_key)}/why", {"expectation": expectation})
        if answer.status_code == 404:
            return None
        found = self._read(answer, WhyAnswer)
        return found.root if isinstance(found.root, WhyPage) else WhyPage(items=[found.root])

    def findings(self, **filters: Any) -> FindingPage:
        return self._get("/api/findings", FindingPage, filters)

    def alerts(self, **filters: Any) -> AlertPage:
        return self._get("/api/alerts", AlertPage, filters)

    def alert(self, fingerprint: str) -> AlertDetail:
        return self._get(f"/api/alerts/{quote(fingerprint, safe='')}", AlertDetail, {})

    def silences(self, **filters: Any) -> SilencePage:
        return self._get("/api/silences", SilencePage, filters)

    def marks(self, **filters: Any) -> MarkPage:
        return self._get("/api/marks", MarkPage, filters)

    def acts(self, **filters: Any) -> ActPage:
        return self._get("/api/acts", ActPage, filters)

    def tally(self) -> Tally:
        return self._get("/api/tally", Tally, {})

    def events(self, **filters: Any) -> EventPage:
        return self._get("/api/events", EventPage, filters)

    def counts(self, **filters: Any) -> CountPage:
        return self._get("/api/counts", CountPage, filters)

    def dropped(self) -> DroppedPage:
        return self._get("/api/dropped", DroppedPage, {})

    def expectations(self) -> ExpectationPage:
        return self._get("/api/expectations", ExpectationPage, {})

    def consumers(self, **filters: Any) -> ConsumerPage:
        return self._get("/api/consumers", ConsumerPage, filters)

    def services(self, **filters: Any) -> ServicePage:
        return self._get("/api/services", ServicePage, filters)

    def names(self) -> NamePage:
        return self._get("/api/names", NamePage, {})

    def export(self, wanted: Selection) -> Iterator[bytes]:
        given = self._given(
            {
                "since": wanted.since,
                "until": wanted.until,
                "topic": wanted.topic,
                "flow": wanted.flow,
            }
        )
        with self._answering(), self._client.stream("GET", "/api/export", params=given) as answer:
            if not answer.is_success:
                answer.read()
                self._check(answer)
            yield from answer.iter_bytes()

    def send(self, method: str, path: str, model: type[Model], **sent: Any) -> Model:
        """Has the daemon do something; `sent` is the body, or where a method has none the query."""
        headers = {COMMAND_HEADER: "yes"}
        with self._answering():
            if method == "DELETE":
                answer = self._client.delete(path, headers=headers, params=sent)
            else:
                answer = self._client.request(method, path, headers=headers, json=sent)
        return self._read(answer, model)

    def copy(self, kind: str, target: Path, report: Report) -> None:
        """What the daemon copies for us (`snapshot`, `backup`), written to a file of ours."""
        headers = {COMMAND_HEADER: "yes"}
        # It begins to answer when its copy is whole, however long that takes.
        waiting = httpx.Timeout(60, read=None)
        with (
            self._answering(),
            self._client.stream("POST", f"/api/{kind}", headers=headers, timeout=waiting) as answer,
            target.open("wb") as written,
        ):
            if not answer.is_success:
                answer.read()
                self._check(answer)
            of = int(answer.headers["content-length"])
            for chunk in answer.iter_bytes(1 << 20):
                written.write(chunk)
                report(written.tell(), of)

    def status(self) -> Status:
        return self._get("/api/status", Status, {})

    def _get(self, path: str, model: type[Model], filters: dict[str, Any]) -> Model:
        return self._read(self._ask(path, filters), model)

    def _ask(self, path: str, filters: dict[str, Any]) -> httpx.Response:
        with self._answering():
            return self._client.get(path, params=self._given(filters))

    @staticmethod
    def _given(filters: dict[str, Any]) -> dict[str, Any]:
        given = {key: value for key, value in filters.items() if value is not None}
        for key in ("since", "until"):
            if key in given:
                given[key] = format_time(given[key])
        return given

    @contextmanager
    def _answering(self) -> Iterator[None]:
        try:
            yield
        except httpx.HTTPError as error:
            raise RemoteError(
                f"no nonevent answers at {self.url} ({type(error).__name__}): check --url, or "
                "leave it out to read the store's file"
            ) from error

    def _read(self, answer: httpx.Response, model: type[Model]) -> Model:
        self._check(answer)
        return model.model_validate_json(answer.content)

    def _check(self, answer: httpx.Response) -> None:
        if answer.status_code == 401:
            raise ConfigurationError(
                f"{self.url} wants a token: give --token, or set NONEVENT_TOKEN"
            )
        if not answer.is_success:
            try:
                said = answer.json()["error"]
            except (ValueError, KeyError, TypeError):
                said = answer.reason_phrase
            else:
                if error := SAID.get(answer.status_code):
                    raise error(str(said))
            raise RemoteError(f"{self.url} answered {answer.status_code}: {said}")
