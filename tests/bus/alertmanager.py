"""A real Alertmanager, that tells a server of ours what it would tell people."""

import shutil
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx

from demo.broker import free_port
from tests.needing import lacking

PLACES = (
    Path(__file__).parent.parent.parent / ".venv" / "alertmanager" / "alertmanager",
    *(Path(found) for name in ("alertmanager", "prometheus-alertmanager")
      if (found := shutil.which(name))),
)  # fmt: skip
PATIENCE_S = 60
CONFIGURATION = """
route:
  receiver: ours
  group_by: [alertname]
  group_wait: 200ms
  group_interval: 200ms
  repeat_interval: 1h
receivers:
  - name: ours
    webhook_configs: [{{url: "{url}", send_resolved: true}}]
"""


class RealAlertmanager:
    def __init__(self, folder: Path, tells: str) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._folder = folder
        (folder / "alertmanager.yml").write_text(CONFIGURATION.format(url=tells))
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "RealAlertmanager":
        program = next((place for place in PLACES if place.exists()), None)
        if program is None:
            lacking("a real Alertmanager", "sh tests/install-alertmanager.sh .venv/alertmanager")
        with (self._folder / "alertmanager.log").open("wb") as log:
            self._process = subprocess.Popen(
                [
                    program,
                    f"--config.file={self._folder / 'alertmanager.yml'}",
                    f"--storage.path={self._folder / 'alertmanager'}",
                    f"--web.listen-address=127.0.0.1:{self.port}",
                    "--cluster.listen-address=",
                ],
                stdout=log,
                stderr=log,
            )
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end and self._process.poll() is None:
            try:
                if httpx.get(f"{self.url}/-/ready", trust_env=False).is_success:
                    return self
            except httpx.TransportError:
                time.sleep(0.05)
        self.stop()
        raise AssertionError((self._folder / "alertmanager.log").read_text())

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def alerts(self) -> list[dict[str, Any]]:
        """Those that it takes for active."""
        answer = httpx.get(f"{self.url}/api/v2/alerts", trust_env=False).raise_for_status()
        found: list[dict[str, Any]] = answer.json()
        return found
