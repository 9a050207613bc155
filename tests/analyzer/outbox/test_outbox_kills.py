"""`kill -9` at any moment of telling: nothing lost, the same twice at most, in order per alert."""

import os
import random
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import duckdb
import pytest

from tests.analyzer.outbox.outbox_process import transition
from tests.analyzer.sinks.receiver import HANG, RESET, Receiver, Request, receiver

ROOT = Path(__file__).parents[3]
TROUBLES: list[int | str] = [500, 503, 429, RESET, HANG]
A_KILL = 50
"""Transitions."""


def spawn(store: Path, server: Receiver, count: int, seed: int) -> subprocess.Popen[str]:
    words = [str(store), server.url, str(count), str(seed)]
    return subprocess.Popen(
        [sys.executable, "-m", "tests.analyzer.outbox.outbox_process", *words],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )


def outcomes(store: Path) -> dict[int, str | None]:
    with duckdb.connect(str(store), read_only=True) as connection:
        return dict(connection.execute("SELECT seq, outcome FROM outbox ORDER BY seq").fetchall())


@pytest.mark.parametrize(
    "kills", [8, pytest.param(100, marks=[pytest.mark.field, pytest.mark.timeout(1500)])]
)
def test_whatever_is_killed_each_alert_is_told_to_its_end_in_order(
    tmp_path: Path, kills: int
) -> None:
    seed = int(os.environ.get("SEED", "1"))
    chance = random.Random(seed)
    store = tmp_path / "s.duckdb"
    killed = 0
    with receiver() as server:
        for _ in range(kills):
            server.next += chance.choices([*TROUBLES, *[200] * 20], k=30)
            process = spawn(store, server, A_KILL * kills, seed)
            assert process.stdout is not None
            process.stdout.readline()
            # Between what the server has taken and the mark that says so, more often than not.
            enough = len(server.requests) + chance.randrange(1, 12)
            while len(server.requests) < enough and process.poll() is None:
                time.sleep(0.0005)
            time.sleep(chance.choice([0, 0, 0.001, 0.003, 0.01]))
            process.kill()
            killed += process.wait() != 0
            process.stdout.close()
        process = spawn(store, server, A_KILL * kills, seed)
        process.communicate(timeout=200)
        assert process.returncode == 0
    assert killed >= kills // 2
    assert len(outcomes(store)) == A_KILL * kills
    check(outcomes(store), server.taken)
    print(f"{killed} kills, {len(server.ids)} taken, {len(server.ids) - len({*server.ids})} again")


def check(outcomes: dict[int, str | None], taken: list[Request]) -> None:
    assert list(outcomes) == list(range(1, len(outcomes) + 1))
    assert set(outcomes.values()) <= {"taken", "merged", "spared"}
    ids = {one.json["id"] for one in taken}
    for seq, outcome in outcomes.items():
        if outcome == "taken":
            assert transition(seq).id in ids
        if outcome == "spared":
            assert transition(seq).id not in ids
    bodies = {one.json["id"]: one.json for one in taken}
    assert all(one.json == bodies[one.json["id"]] for one in taken), "told twice is the same twice"
    for alert in {transition(seq).fingerprint for seq in outcomes}:
        heard = [one.json for one in taken if one.json["fingerprint"] == alert]
        told = [one["id"] for one in heard]
        assert told == sorted(told)
        written = [transition(seq) for seq in outcomes if transition(seq).fingerprint == alert]
        assert heard[-1]["status"] == written[-1].status or heard[-1]["status"] == "resolved"
        for before, after in pairwise(heard):
            between = [one.id for one in written if before["id"] < one.id < after["id"]]
            if before["id"] != after["id"] and after["merged"] < len(between):
                rest = [int(one.removeprefix("n-")) for one in between]
                assert {outcomes[seq] for seq in rest[: len(rest) - after["merged"]]} <= {"spared"}
