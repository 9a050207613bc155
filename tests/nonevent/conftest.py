"""The command line as a person meets it: arguments in, what is printed and the exit code out."""

import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from nonevent.cli import main

PATIENCE_S = 60
"""So long a daemon may take to say what it must say in the end."""


@dataclass(frozen=True)
class Answer:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one JSON object that was printed, on a line of its own."""
        (line,) = self.out.splitlines()
        return msgspec.json.decode(line)


Nonevent = Callable[..., Answer]


@pytest.fixture
def nonevent(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Nonevent:
    """Runs a command in this process, in a folder without a configuration."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NONEVENT_TOKEN", raising=False)
    monkeypatch.setenv("COLUMNS", "120")

    def run(*arguments: object) -> Answer:
        monkeypatch.setattr(sys, "argv", ["nonevent", *map(str, arguments)])
        code: Any = 0
        try:
            main()
        except SystemExit as ended:
            code = ended.code or 0
        said = capsys.readouterr()
        return Answer(code, said.out, said.err)

    return run


def free_port() -> int:
    """One below the range that the system hands out to clients, so that none takes it."""
    for _ in range(100):
        port = random.randrange(20_000, 32_000)
        with socket.socket() as tried:
            try:
                tried.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("no free port")


class Running:
    """A daemon in a process of its own."""

    def __init__(self, config: Path, log: Path, environment: dict[str, str]) -> None:
        self._log = log
        with log.open("ab") as written:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "nonevent", "run", "--config", str(config)],
                stderr=written,
                stdout=written,
                env={**os.environ, **environment},
                cwd=config.parent,
            )

    def log(self) -> str:
        return self._log.read_text()

    def wait_until(self, holds: Callable[[], bool]) -> None:
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            assert self.process.poll() is None, self.log()
            if holds():
                return
            time.sleep(0.05)
        raise AssertionError(self.log())

    def wait_ready(self, url: str) -> None:
        def ready() -> bool:
            try:
                return httpx.get(f"{url}/readyz", trust_env=False).status_code == 200
            except httpx.TransportError:
                return False

        self.wait_until(ready)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Its exit code."""
        self.process.send_signal(number)
        return self.process.wait(PATIENCE_S)

    def wait(self) -> int:
        return self.process.wait(PATIENCE_S)


@pytest.fixture
def start_daemon(tmp_path: Path) -> Iterator[Callable[..., Running]]:
    """Starts `nonevent run --config FILE`; what still runs at the end is killed."""
    started: list[Running] = []

    def start(config: Path, **environment: str) -> Running:
        started.append(Running(config, tmp_path / "daemon.log", environment))
        return started[-1]

    yield start
    for one in started:
        if one.process.poll() is None:
            one.process.kill()
            one.process.wait()
