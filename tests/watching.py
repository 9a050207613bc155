"""A store as the daemon leaves it: a file of events watched to its end, with a given clock."""

import asyncio
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from collector.settings import SourceSettings, StoreSettings
from collector.times import US_PER_S, format_time
from nonevent.config import Configuration
from nonevent.watch import Watch

START = 1_772_359_200 * US_PER_S
"""2026-03-01T10:00:00Z: the moment 0 of the events that `happened` makes."""
DAY_LATER = START + 86_400 * US_PER_S


def moment(seconds: float) -> str:
    return format_time(START + round(seconds * US_PER_S))


def happened(seconds: float, name: str, flow: object = None, **fields: Any) -> dict[str, Any]:
    """An event line, so many seconds after START."""
    return {"name": name, "time": moment(seconds), "correlation_id": flow, **fields}


def write_events(path: Path, events: Iterable[dict[str, Any] | bytes]) -> None:
    """Appends event lines, and bytes as they are."""
    with path.open("ab") as file:
        for event in events:
            file.write(event if isinstance(event, bytes) else msgspec.json.encode(event))
            file.write(b"\n")


def watch(
    events: Path,
    rules: Sequence[Path],
    store: Path,
    *,
    now: int = DAY_LATER,
    first_start: int = START,
    **source: Any,
) -> None:
    """Reads the file to its end, through tap, judge, alerts and store, as the daemon does."""
    described = SourceSettings.model_validate(
        {"name": "export", "file": {"path": events}, **source}
    )
    asyncio.run(_watch(described, rules, store, now, first_start))


async def _watch(
    source: SourceSettings, rules: Sequence[Path], path: Path, now: int, first_start: int
) -> None:
    watch = Watch(
        Configuration(sources=[source], expectations=list(rules), store=StoreSettings(path=path)),
        clock=lambda: now,
        sinks=["log"],
        link_base=lambda: "http://here",
        committed=lambda _: None,
        first_start=first_start,
    )
    try:
        await watch.pick_up()
        (tap,) = watch.taps
        await tap.start()
        while (batch := await tap.poll()).events:
            await watch.pipeline.take(batch)
        await watch.pipeline.settle()
    finally:
        watch.store.close()
