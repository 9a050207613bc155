"""`nonevent demo` as a newcomer starts it: its own Kafka, faults, findings, and nothing left."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from demo.broker import Broker, free_port


def test_the_demo_shows_what_is_missing_and_leaves_nothing_behind(
    broker: Broker, tmp_path: Path
) -> None:
    truth = tmp_path / "truth.jsonl"
    command = [
        sys.executable, "-m", "nonevent", "demo", "--no-open", "--duration", "24s", "--rate", "4",
        "--seed", "3", "--fault", "lost-outcome=0.2", "--truth", str(truth),
        "--port", str(free_port()),
    ]  # fmt: skip
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    ended = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    lines = [json.loads(line) for line in truth.read_text().splitlines()]
    assert {line["expect"]["finding"] for line in lines} == {"missing"}
    assert "payment follows order" in ended.stdout
    found = [line for line in ended.stdout.splitlines() if "  missing  " in line]
    assert found, ended.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["truth.jsonl"]
