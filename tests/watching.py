"""A store as the daemon leaves it: a file of events watched to its end, with a given clock."""

import asyncio
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from analyzer.clocks import Clocks
from analyzer.live import Live
from analyzer.reading import next_seq
from analyzer.routes import Routes
from analyzer.rules.loader import load
from analyzer.settings import AlertSettings
from analyzer.stages import AlertStage, JudgeStage
from analyzer.tables import OUTBOX
from collector.pipeline import Pipeline
from collector.settings import SourceSettings, StoreSettings
from collector.sources.file import FileTap
from collector.store import reading
from collector.times import US_PER_S, format_time
from nonevent.config import Configuration
from nonevent.daemon import open_store

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
    store = open_store(Configuration(store=StoreSettings(path=path)))
    try:
        clocks = Clocks.of([source])
        clocks.save(store)

        def flows(wanted: Sequence[str]) -> Any:
            return store.submit(lambda c: reading.events_of_flows(c, wanted)).result()

        live = Live(load(rules), flows, clocks.grace)
        judge = JudgeStage(live, clocks.sight, first_start)
        with store.reader() as cursor:
            resume, seq = reading.partitions(cursor), next_seq(cursor, OUTBOX.name)
        routes = Routes.of(AlertSettings(), ["log"])
        alert = AlertStage(routes, {}, lambda: "http://here", seq)
        tap = FileTap(source, resume, lambda: now)
        restored = judge.restore(store, now)
        alert.process(restored)
        await asyncio.wrap_future(store.commit(restored))
        pipeline = Pipeline([tap], [judge, alert], store, lambda _: None)
        await tap.start()
        while (batch := await tap.poll()).events:
            await pipeline.take(batch)
        await pipeline.settle()
    finally:
        store.close()
