"""A store that answers from memory, the application over it, and a real browser.

`Queries` has one real implementation, and the store's own tests cover it. Here it is played by
`FakeQueries`, which answers with real model objects and remembers what it was asked, so that
these tests can show the states a store only gets into with effort.
"""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.needing import lacking
from tests.ui import samples
from tests.ui.alerted import House
from ui.access import allowed_hosts
from ui.alert_models import MarkPage, Tally
from ui.api import create_app
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
    WhyPage,
)
from ui.server import Server

NOW = 1_772_359_500.0  # 2026-03-01T10:05:00Z
CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "chrome")


@dataclass
class FakeQueries:
    """Answers what it was given and records each call's arguments by method name."""

    flow_page: FlowPage = field(default_factory=lambda: FlowPage(items=[], next=None))
    details: dict[str, FlowDetail] = field(default_factory=dict)
    whys: WhyPage = field(default_factory=lambda: WhyPage(items=[]))
    finding_page: FindingPage = field(default_factory=lambda: FindingPage(items=[], next=None))
    event_page: EventPage = field(default_factory=lambda: EventPage(items=[], next=None))
    dropped_page: DroppedPage = field(default_factory=lambda: DroppedPage(items=[]))
    expectation_page: ExpectationPage = field(default_factory=lambda: ExpectationPage(items=[]))
    consumer_page: ConsumerPage = field(default_factory=lambda: ConsumerPage(items=[]))
    service_page: ServicePage = field(
        default_factory=lambda: ServicePage(
            items=[], since=None, until=None, events=0, learned_from=0
        )
    )
    count_page: CountPage = field(default_factory=lambda: CountPage(items=[], next=None))
    mark_page: MarkPage = field(default_factory=lambda: MarkPage(items=[], next=None))
    now_status: Status = field(default_factory=samples.status)
    now_tally: Tally = field(default_factory=samples.tally)
    asked: dict[str, dict[str, Any]] = field(default_factory=dict)

    def flows(self, **asked: Any) -> FlowPage:
        self.asked["flows"] = asked
        return self.flow_page

    def flow(self, flow_or_key: str) -> FlowDetail | None:
        self.asked["flow"] = {"flow_or_key": flow_or_key}
        return self.details.get(flow_or_key)

    def why(self, flow_or_key: str, expectation: str | None = None) -> WhyPage | None:
        self.asked["why"] = {"flow_or_key": flow_or_key, "expectation": expectation}
        return self.whys if flow_or_key in self.details else None

    def findings(self, **asked: Any) -> FindingPage:
        self.asked["findings"] = asked
        return self.finding_page

    def events(self, **asked: Any) -> EventPage:
        self.asked["events"] = asked
        return self.event_page

    def counts(self, **asked: Any) -> CountPage:
        self.asked["counts"] = asked
        return self.count_page

    def marks(self, **asked: Any) -> MarkPage:
        return self.mark_page

    def dropped(self) -> DroppedPage:
        return self.dropped_page

    def expectations(self) -> ExpectationPage:
        return self.expectation_page

    def consumers(self, **asked: Any) -> ConsumerPage:
        self.asked["consumers"] = asked
        return self.consumer_page

    def services(self, **asked: Any) -> ServicePage:
        self.asked["services"] = asked
        return self.service_page

    def names(self) -> NamePage:
        return NamePage(items=[])

    def tally(self) -> Tally:
        return self.now_tally

    def status(self) -> Status:
        return self.now_status


class Stage:
    """Lets one listening server answer from the queries of whichever test is running."""

    playing = FakeQueries()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.playing, name)


@pytest.fixture(scope="session")
def stage() -> Stage:
    """What the plain server asks."""
    return Stage()


@pytest.fixture
def queries(stage: Stage) -> FakeQueries:
    """A shop with one broken order, one that waits, and one of every other state."""
    broken, waiting = samples.broken_flow(), samples.waiting_flow()
    stage.playing = FakeQueries(
        flow_page=FlowPage(
            items=[samples.item_of(broken), samples.item_of(waiting), *samples.done_flows()],
            next="older-than-these",
        ),
        details={broken.flow: broken, "8812": broken, waiting.flow: waiting},
        finding_page=FindingPage(
            items=[*broken.found, samples.retracted_finding()], next="further-findings"
        ),
        event_page=EventPage(items=[samples.event_item()], next="42"),
        expectation_page=ExpectationPage(
            items=[samples.expectation(), samples.silent_expectation()]
        ),
    )
    return stage.playing


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Callable[..., House]]:
    """Servers over stores in which alerts stand."""
    made: list[House] = []

    def make(**settings: Any) -> House:
        made.append(House(tmp_path / str(len(made)), **settings))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    """Starts the application over the given queries on a free port, without a token."""
    started: list[Server] = []

    def start(queries: FakeQueries, **settings: Any) -> Server:
        defaults: dict[str, Any] = {
            "token": None,
            "allowed_hosts": allowed_hosts("127.0.0.1"),
            "ready": lambda: True,
            "clock": lambda: NOW,
        }
        server = Server(create_app(queries, **(defaults | settings)), host="127.0.0.1", port=0)
        server.start()
        started.append(server)
        return server

    yield start
    for server in started:
        server.stop()


@pytest.fixture
def make_client(serve: Callable[..., Server]) -> Iterator[Callable[..., httpx.Client]]:
    """A client of a server that is really listening."""
    made: list[httpx.Client] = []

    def make(queries: FakeQueries, **settings: Any) -> httpx.Client:
        made.append(httpx.Client(base_url=serve(queries, **settings).url, trust_env=False))
        return made[-1]

    yield make
    for client in made:
        client.close()


@pytest.fixture(scope="session")
def plain_server(stage: Stage) -> Iterator[Server]:
    """The plain case, started once: loopback, no token."""
    app = create_app(
        stage,
        token=None,
        allowed_hosts=allowed_hosts("127.0.0.1"),
        ready=lambda: True,
        clock=lambda: NOW,
    )
    server = Server(app, host="127.0.0.1", port=0)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def client(queries: FakeQueries, plain_server: Server) -> Iterator[httpx.Client]:
    """A client of the plain server, answered from this test's queries."""
    with httpx.Client(base_url=plain_server.url, trust_env=False) as opened:
        yield opened


# Not for the whole session: while it is open its event loop counts as running in this thread,
# and the asynchronous tests that come later could not start theirs.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """The system's Chromium, without a window."""
    found = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if found is None:
        lacking("Chromium", "install one, on Debian with: apt-get install -y chromium")
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(
            executable_path=found,
            args=[
                "--no-sandbox",
                "--disable-gpu",
                "--disable-quic",
                "--no-first-run",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
            ],
        )
        yield launched
        launched.close()
