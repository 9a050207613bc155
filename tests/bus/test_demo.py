"""`nonevent demo` as a newcomer starts it: its own Kafka, faults, findings, and nothing left."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from ruamel.yaml import YAML

from demo.broker import Broker, free_port
from demo.errors import OptionError
from demo.faults import FAULTS
from tests.bus.reading import headers_of, read_all

ROOT = Path(__file__).parent.parent.parent
JUST_RULES = shutil.ignore_patterns("*.py", "__pycache__")
PATIENCE_S = 60


class Running:
    """`nonevent demo` as a process, and the commands that find it."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.truth = folder / "truth.jsonl"
        self.environment = {**os.environ, "TMPDIR": str(folder)}
        self.environment.pop("XDG_RUNTIME_DIR", None)
        self._out = folder / "out.txt"
        with self._out.open("wb") as out:
            self.process = subprocess.Popen(
                [*NONEVENT, "demo", "--no-open", "--truth", str(self.truth), *options],
                env=self.environment,
                stdout=out,
                stderr=out,
            )

    @property
    def out(self) -> str:
        return self._out.read_text()

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.truth.read_text().splitlines()]

    def ask(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*NONEVENT, "demo", *words],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )

    def until(self, holds: Callable[[], bool]) -> None:
        end = time.monotonic() + PATIENCE_S
        while not holds():
            assert self.process.poll() is None, self.out
            assert time.monotonic() < end, self.out
            time.sleep(0.1)

    def wait(self) -> int:
        return self.process.wait(PATIENCE_S)

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.wait()


NONEVENT = (sys.executable, "-m", "nonevent")


@contextmanager
def running(folder: Path, *options: str) -> Iterator[Running]:
    started = Running(folder, *options)
    try:
        yield started
    finally:
        if started.process.poll() is None:
            started.process.kill()
            started.process.wait()


def test_the_demo_shows_what_is_missing_and_leaves_nothing_behind(
    broker: Broker, tmp_path: Path
) -> None:
    with running(
        tmp_path, "--rate", "4", "--seed", "3",
        "--fault", "lost-outcome=0.2", "--port", str(free_port()),
    ) as demo:  # fmt: skip
        demo.until(lambda: "Look on" in demo.out)
        # Faults are switched while it runs, and the command finds the demo by itself.
        listed = demo.ask("faults", "--json")
        assert listed.returncode == 0, listed.stderr
        stands = {one["name"]: one["share"] for one in json.loads(listed.stdout)["items"]}
        assert stands == dict.fromkeys(FAULTS, 0.0) | {"lost-outcome": 0.2}
        switched = demo.ask("fault", "tax-in-amount", "on", "--share", "0.5")
        assert (switched.returncode, switched.stdout) == (0, "tax-in-amount: on 0.5\n")
        assert demo.ask("fault", "latex", "on").returncode == 2
        for fault in ("lost-outcome", "tax-in-amount"):
            demo.until(lambda fault=fault: any(one["fault"] == fault for one in demo.lines()))  # type: ignore[misc]
        demo.until(lambda: "  missing  " in demo.out)
        assert demo.stop() == 0, demo.out
        lost = [line for line in demo.lines() if line["fault"] == "lost-outcome"]
        assert {line["expect"]["finding"] for line in lost} == {"missing"}
        found = [line for line in demo.out.splitlines() if "  missing  " in line]
        assert found, demo.out
        assert all("payment follows order" in line for line in found)
        assert "not injected" not in demo.out
        left = demo.ask("faults")
        assert left.returncode == 3
        assert "no demo of yours runs" in left.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.txt", "truth.jsonl"]


def test_on_a_kafka_not_its_own_the_shop_keeps_to_topics_of_its_own(
    broker: Broker, topic_name: str, tmp_path: Path
) -> None:
    on_it = (
        "--shop-only",
        "--bootstrap",
        broker.bootstrap,
        "--rate",
        "20",
        "--fault",
        "lost-outcome=0.5",
    )
    prefix = f"{topic_name}."
    with running(tmp_path, *on_it, "--prefix", prefix) as demo:
        demo.until(lambda: "faults)" in demo.out)
        (url,) = (word for word in demo.out.split() if word.endswith("/faults)"))
        control = url.removesuffix("/faults)")
        demo.until(lambda: bool(demo.lines()))
        answer = httpx.put(f"{control}/faults/stopped-consumer", json={"on": True}).json()
        assert answer["on"]
        demo.until(lambda: any(line.get("switched") == "on" for line in demo.lines()))
        asked = demo.ask("fault", "stopped-consumer", "off", "--control", control)
        assert asked.stdout == "stopped-consumer: off\n"
        demo.until(lambda: any(line.get("switched") == "off" for line in demo.lines()))
        assert demo.stop() == 0, demo.out
        assert f"{prefix}orders" in demo.out.splitlines()[-1], "it says what it leaves there"
    records = asyncio.run(
        read_all(broker.bootstrap, [f"{prefix}orders", f"{prefix}agent.research"])
    )
    kinds = {headers_of(record)["type"] for record in records}
    assert {"order.created", "order.completed", "ResearchComplete"} <= kinds
    with running(tmp_path, *on_it, "--prefix", prefix) as again:
        assert again.wait() == OptionError.exit_code
        assert f"hold records already: {prefix}agent.requests" in again.out
    with running(tmp_path, *on_it, "--prefix", prefix, "--force", "--duration", "1s") as forced:
        assert forced.wait() == 0, forced.out
        assert " orders: " in forced.out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.txt", "truth.jsonl"]


def test_the_daemon_of_the_compose_file_sees_the_shop_of_the_compose_file(
    broker: Broker, topic_name: str, tmp_path: Path
) -> None:
    """The very files, but for addresses, paths and names that are of this machine."""
    compose = YAML(typ="safe").load(ROOT / "docker-compose.yml")["services"]
    folder, port = tmp_path / "etc", free_port()
    shutil.copytree(ROOT / "expectations", folder / "expectations", ignore=JUST_RULES)
    configuration = (ROOT / "deploy" / "nonevent.yaml").read_text()
    for there, here in (
        ("kafka:9092", broker.bootstrap),
        ("nonevent-demo.", f"{topic_name}."),
        ("/var/lib/nonevent", str(tmp_path)),
        (":8321", f":{port}"),
    ):
        assert there in configuration
        configuration = configuration.replace(there, here)
    (folder / "nonevent.yaml").write_text(configuration)
    _, *options = [word.replace("kafka:9092", broker.bootstrap) for word in
                   compose["shop"]["command"]]  # fmt: skip
    with running(tmp_path, *options, "--prefix", f"{topic_name}.") as shop:
        healthy = compose["shop"]["healthcheck"]["test"]
        shop.until(lambda: shop.ask(*healthy[3:]).returncode == 0)
        daemon = subprocess.Popen(
            [*NONEVENT, "run", "--config", str(folder / "nonevent.yaml")],
            env={**os.environ, "NONEVENT_TOKEN": "of this test"},
            stderr=subprocess.DEVNULL,
        )
        try:
            program = compose["nonevent"]["healthcheck"]["test"][-1].replace(":8321", f":{port}")
            healthy = [sys.executable, "-c", program]
            shop.until(lambda: subprocess.run(healthy, stderr=subprocess.DEVNULL).returncode == 0)
            url = f"http://127.0.0.1:{port}/api/flows"
            assert httpx.get(url).status_code == 401
            token = {"Authorization": "Bearer of this test"}

            def flow_types() -> set[str]:
                items = httpx.get(url, headers=token).json()["items"]
                return {item["type"] for item in items if item["state"] == "ended"}

            shop.until(lambda: flow_types() == {"order", "conversation"})
        finally:
            daemon.terminate()
            assert daemon.wait(PATIENCE_S) == 0
        assert shop.stop() == 0


def test_topics_of_a_foreign_kafka_get_a_prefix_unless_another_is_wanted() -> None:
    from demo.options import DemoOptions

    assert DemoOptions(bootstrap="kafka:9092").named_with == "nonevent-demo."
    assert DemoOptions(bootstrap="kafka:9092", prefix="").named_with == ""
    assert DemoOptions().named_with == ""
