"""How quickly pages are answered while the tap catches up at full speed.

A real daemon on a real broker with a backlog, asked over HTTP by one person who never rests, until
everything is read. Beside it the same daemon that is asked for nothing but its progress.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import msgspec

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from bench.pipeline import RULES, TOPIC, generate  # noqa: E402
from bench.query import Times  # noqa: E402
from demo.broker import Broker, free_port  # noqa: E402

FLOWS = 200_000
EXAMPLES = """
examples:
  python bench/pages.py                  200,000 flows, 1.6 million events
  python bench/pages.py --flows 20000
"""
CONFIGURATION = """\
sources:
  - name: bench
    kafka: {{bootstrap: "{bootstrap}", topics: ["{topic}"], start: earliest}}
    keys: {{order_id: {{from: [payload:order_id]}}}}
expectations: ["{rules}"]
http: {{listen: "127.0.0.1:{port}"}}
store: {{path: "{folder}/bench.duckdb"}}
"""
QUESTIONS = {
    "page: flows": "/",
    "page: failed orders": "/?type=order&state=failed",
    "page: findings": "/findings",
    "page: one flow": "/flows/{flow}",
    "API: one flow by its key": "/api/flows/{key}",
    "API: events by minute": "/api/counts?since=1h",
    "API: status": "/api/status",
    "probe: healthz": "/healthz",
}


class Figures(msgspec.Struct):
    events: int
    events_per_s: float
    """That were stored while it was asked."""
    events_per_s_unasked: float
    load: list[float]
    questions: dict[str, Times]


@contextmanager
def daemon(bootstrap: str, folder: Path) -> Iterator[httpx.Client]:
    """`nonevent run` on a fresh store, once it is ready."""
    port = free_port()
    path = folder / "nonevent.yaml"
    path.write_text(
        CONFIGURATION.format(
            bootstrap=bootstrap, topic=TOPIC, rules=RULES, port=port, folder=folder
        )
    )
    with (folder / "nonevent.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "nonevent", "run", "--config", str(path)],
            cwd=ROOT, stdout=log, stderr=log,
        )  # fmt: skip
    try:
        with httpx.Client(
            base_url=f"http://127.0.0.1:{port}", timeout=120, trust_env=False
        ) as client:
            while not _ready(client):
                if process.poll() is not None:
                    raise SystemExit((folder / "nonevent.log").read_text())
                time.sleep(0.05)
            yield client
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def _ready(client: httpx.Client) -> bool:
    try:
        return client.get("/readyz").is_success
    except httpx.TransportError:
        return False


def stored(client: httpx.Client) -> int:
    return int(client.get("/api/status").raise_for_status().json()["events"])


def unasked(client: httpx.Client, events: int) -> float:
    """Events/s."""
    before, began = stored(client), time.monotonic()
    while (now := stored(client)) < events:
        time.sleep(1)
    return (now - before) / (time.monotonic() - began)


def ask(client: httpx.Client, events: int) -> tuple[dict[str, list[float]], float]:
    """ms by question, and events/s."""
    took: dict[str, list[float]] = {name: [] for name in QUESTIONS}
    while not (items := client.get("/api/flows?limit=1").json()["items"]):
        time.sleep(0.05)
    before, began = stored(client), time.monotonic()
    now = before
    while now < events:
        flow = items[0]
        places = {"flow": flow["flow"], "key": flow["keys"]["order_id"][0]}
        for name, path in QUESTIONS.items():
            start = time.monotonic()
            client.get(path.format(**places)).raise_for_status()
            took[name].append((time.monotonic() - start) * 1_000)
        # Some flow of now; those of the rounds before grow old.
        items = client.get("/api/flows?limit=1").json()["items"]
        now = stored(client)
    return took, (now - before) / (time.monotonic() - began)


def times(took: list[float]) -> Times:
    took = sorted(took)
    last = min(len(took) - 1, len(took) * 99 // 100)
    return Times(round(took[len(took) // 2], 1), round(took[last], 1), len(took))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--flows", type=int, default=FLOWS, help="of 8 events")
    options = parser.parse_args()
    with Broker(num_partitions=1) as broker, tempfile.TemporaryDirectory() as folder:
        summary = generate(broker, options.flows, 1)
        print(f"{summary.events:,} events, made in {summary.seconds:.0f} s", file=sys.stderr)
        (first, second) = (Path(folder) / name for name in ("unasked", "asked"))
        first.mkdir()
        second.mkdir()
        with daemon(broker.bootstrap, first) as client:
            alone = unasked(client, summary.events)
        with daemon(broker.bootstrap, second) as client:
            took, rate = ask(client, summary.events)
    figures = Figures(
        summary.events, round(rate), round(alone),
        [round(load, 1) for load in os.getloadavg()],
        {name: times(one) for name, one in took.items()},
    )  # fmt: skip
    print(f"\n{'':30}{'p50 ms':>10}{'p99 ms':>10}{'asked':>8}")
    for name, one in figures.questions.items():
        print(f"{name:30}{one.p50:>10.1f}{one.p99:>10.1f}{one.asked:>8}")
    print(
        f"\n{rate:,.0f} events/s were stored meanwhile, {alone:,.0f} when nobody asked; "
        f"load {figures.load}"
    )
    print(msgspec.json.encode(figures).decode())


if __name__ == "__main__":
    main()
