"""The nonevent daemon beside the shop: a process of its own, as in earnest."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType

import httpx

from demo import child
from demo.errors import DaemonError, OptionError, tail
from demo.rules import AGENTS, SHOP

HOST = "127.0.0.1"
USUAL_PORT = 8321
READY_PATIENCE = 60.0  # seconds

CONFIGURATION = """\
labels: {{environment: demo}}
sources:
  - name: shop
    kafka: {{bootstrap: "{bootstrap}", topics: [{topics}], start: {start}}}
    name_from: [header:type, payload:type, topic]
    id_from: [header:event_id]
    time_from: [payload:occurred_at, record]
    correlation: [header:correlation_id, "header:gen_ai.conversation.id"]
    keys:
      order_id: {{from: [payload:order_id]}}
      request_id: {{from: [payload:request_id]}}
    topics:
{names}
expectations: ["{shop}", "{agents}"]
store: {{path: nonevent.duckdb}}
http: {{listen: "{host}:{port}"}}
"""


class Daemon:
    """`nonevent run` on the shop's topics, with its store and log in `folder`.

    `names` tells which events each topic carries; `start` is where it begins to read:
    `earliest` on a bus of the demo's own.
    """

    def __init__(
        self,
        folder: Path,
        bootstrap: str,
        names: Mapping[str, Sequence[str]],
        start: str,
        port: int,
    ) -> None:
        self.url = f"http://{HOST}:{port}"
        self.configuration = folder / "nonevent.yaml"
        self.log = folder / "nonevent.log"
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self.configuration.write_text(
            CONFIGURATION.format(
                bootstrap=bootstrap,
                topics=", ".join(f'"{topic}"' for topic in names),
                names="\n".join(
                    f'      "{topic}": {{names: [{", ".join(carried)}]}}'
                    for topic, carried in names.items()
                ),
                start=start,
                shop=SHOP,
                agents=AGENTS,
                host=HOST,
                port=port,
            ),
            encoding="utf-8",
        )

    def __enter__(self) -> Daemon:
        command = (sys.executable, "-m", "nonevent", "run", "--config", self.configuration)
        self._process = child.spawn(command, log=self.log, folder=self._folder)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._process:
            child.stop(self._process)

    def check(self) -> None:
        """Raise, with the end of its log, if it no longer runs."""
        code = self._process.poll() if self._process else None
        if code is not None:
            raise DaemonError(self._account(f"ended by itself (exit code {code})"))

    async def ready(self) -> None:
        """Return when it reads the bus and answers."""
        give_up = time.monotonic() + READY_PATIENCE
        async with httpx.AsyncClient(base_url=self.url, timeout=2.0) as client:
            while not await _is_ready(client):
                self.check()
                if time.monotonic() > give_up:
                    raise DaemonError(self._account(f"was not ready within {READY_PATIENCE:.0f} s"))
                await asyncio.sleep(0.2)

    def _account(self, what: str) -> str:
        log = self.log.read_text(errors="replace")
        return f"the nonevent daemon {what}. The end of its log:\n{tail(log)}"


async def _is_ready(client: httpx.AsyncClient) -> bool:
    try:
        return (await client.get("/readyz")).is_success
    except httpx.HTTPError:
        return False


def choose_port(wanted: int | None) -> int:
    """The wanted port; without a wish the usual one, or a free one where that is taken."""
    if wanted is not None:
        if not _is_free(wanted):
            raise OptionError(f"--port {wanted}: taken on {HOST}; choose another or leave it out")
        return wanted
    if _is_free(USUAL_PORT):
        return USUAL_PORT
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except (OSError, OverflowError):
            return False
    return True
