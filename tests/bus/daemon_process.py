"""A real daemon on the real broker, and a real HTTP server that takes its alerts."""

from __future__ import annotations

import contextlib
import http.server
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb
import httpx

from demo.broker import free_port
from tests.bus.tally import TALLY

CONFIGURATION = """\
labels: {{environment: test}}
sources:
  - name: shop
    kafka: {{bootstrap: "{bootstrap}", topics: {topics}, start: earliest}}
    name_from: [header:type]
    id_from: [header:event_id]
    time_from: [payload:occurred_at, record]
    correlation: [header:correlation_id, "header:gen_ai.conversation.id"]
    keys: {{order_id: {{from: [payload:order_id]}}}}
{extra}
expectations: [{rules}]
store: {{path: "{store}", retention: {retention}}}
http: {{listen: "127.0.0.1:{port}"}}
alerts:
  {{group_interval: 0s, watch_itself: {itself}, sinks: {{hook: {{webhook: {{url: "{webhook}"}}}}}}}}
"""


class Receiver:
    """Takes webhooks and remembers them; every third first attempt is refused, as life is."""

    def __init__(self) -> None:
        self.taken: list[dict[str, Any]] = []
        self.refused = 0
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                refuse = (len(receiver.taken) + receiver.refused) % 3 == 2
                if refuse:
                    receiver.refused += 1
                else:
                    receiver.taken.append(json.loads(body))
                self.send_response(500 if refuse else 204)
                self.end_headers()

            def log_message(self, *args: object) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def findings(self) -> list[dict[str, Any]]:
        """Those that the notifications name."""
        return [finding for body in self.taken for finding in body["findings"]]

    def __enter__(self) -> Receiver:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._server.server_close()


class DaemonProcess:
    """`nonevent run` as a process of its own, to be asked, killed and started again."""

    def __init__(
        self,
        folder: Path,
        bootstrap: str,
        topics: str | Sequence[str],
        rules: str | Sequence[str],
        webhook: str,
        extra: str = "",
        environment: Mapping[str, str] | None = None,
        store: Path | None = None,
        retention: str = "7d",
        itself: str = "{}",
    ) -> None:
        """`environment`: another one than ours; `store`: elsewhere than in the folder; `itself`:
        when it tells of itself."""
        self.folder = folder
        self._environment = environment
        self.store = store or folder / "nonevent.duckdb"
        self.log = folder / "nonevent.log"
        self.kills = 0
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        files = [
            (f"rules-{number}.yaml", text)
            for number, text in enumerate([rules] if isinstance(rules, str) else rules)
        ]
        for name, text in files:
            (folder / name).write_text(text, encoding="utf-8")
        self.configuration = folder / "nonevent.yaml"
        self.configuration.write_text(
            CONFIGURATION.format(
                bootstrap=bootstrap,
                topics=json.dumps([topics] if isinstance(topics, str) else list(topics)),
                rules=", ".join(name for name, _ in files),
                port=port,
                webhook=webhook,
                extra=extra,
                store=self.store,
                retention=retention,
                itself=itself,
            ),
            encoding="utf-8",
        )
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "nonevent", "run", "--config", str(self.configuration)],
                stdout=log,
                stderr=log,
                env=self._environment,
            )

    def kill(self) -> None:
        """`kill -9`: nothing is said, nothing is finished."""
        assert self._process is not None
        assert self._process.poll() is None, self.tail()
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        self.kills += 1
        TALLY["kills"] += 1

    def stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(30)

    def __enter__(self) -> DaemonProcess:
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.stop()
        if self._process is not None and self._process.poll() is None:
            os.kill(self._process.pid, signal.SIGKILL)
        with contextlib.suppress(duckdb.Error), duckdb.connect(str(self.store)) as store:
            ((events,),) = store.execute("SELECT count(*) FROM events").fetchall()
            TALLY["events"] += events

    def tail(self) -> str:
        return self.log.read_text(errors="replace")[-3000:]

    def ask(self, path: str, **parameters: Any) -> Any:
        """The API's answer, waited for while the daemon starts."""
        deadline = time.monotonic() + 60
        while True:
            try:
                answer = httpx.get(f"{self.url}{path}", params=parameters, timeout=10)
                answer.raise_for_status()
                return answer.json()
            except httpx.TransportError:
                assert self._process is not None
                assert self._process.poll() is None, self.tail()
                assert time.monotonic() < deadline, self.tail()
                time.sleep(0.1)

    def findings(self) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = self.ask("/api/findings", limit=1000)["items"]
        return items

    def settled_to(self) -> str:
        """RFC 3339, comparable as text; empty while nothing is."""
        return str(self.ask("/api/status")["settled_to"] or "")
