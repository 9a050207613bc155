"""CPU time by stage, for an instrumented run: the calls between the stages are timed from outside.

Each figure is CPU time of the calling thread, without the stages called inside. The figures of
DuckDB's own threads are what is left of the process.
"""

from __future__ import annotations

import gc
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from types import TracebackType
from typing import Any

from analyzer.alerts.stage import AlertStage
from analyzer.live import Live
from analyzer.stages import JudgeStage
from collector.completeness import Completeness
from collector.sources.kafka_consumer import Consumer
from collector.store.batches import Batches
from collector.store.store import Store
from collector.store.tables import Table

TIMED: tuple[tuple[type, str, str], ...] = (
    (JudgeStage, "process", "judge: sight and announcing"),
    (Live, "absorb", "judge: absorb"),
    (Live, "advance", "judge: advance"),
    (AlertStage, "process", "alert"),
    (Table, "arrow", "columns"),
    (Batches, "write", "store: insert"),
)


class Meter:
    """A context in which the stages are timed. Make the store inside it."""

    def __init__(self) -> None:
        self._spent: defaultdict[str, float] = defaultdict(float)
        self._inside = threading.local()
        self._undo: list[Callable[[], None]] = []
        self._mark = 0.0
        self._gc = 0.0
        self._gc_began = 0.0
        self._writer = 0.0
        self._main_began = 0.0

    def __enter__(self) -> Meter:
        for owner, name, stage in TIMED:
            self._replace(owner, name, partial(self._timed, stage))
        self._replace(Store, "_write_loop", self._whole_thread)
        self._replace(Consumer, "records", self._before_decoding)
        self._replace(Completeness, "read", self._after_decoding)
        gc.callbacks.append(self._collecting)
        self._main_began = time.thread_time()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        gc.callbacks.remove(self._collecting)
        for undo in self._undo:
            undo()

    def seconds(self, process: float) -> dict[str, float]:
        """CPU s by stage, once the store is closed; `process` is the whole process's."""
        spent = dict(self._spent)
        main = time.thread_time() - self._main_began
        columns = spent.pop("columns")
        insert = spent.pop("store: insert")
        decode = spent.pop("decode")
        known = decode + sum(spent.values())
        return {
            "client and event loop": main - known,
            "decode": decode,
            **dict(sorted(spent.items(), reverse=True)),
            "columns": columns,
            "store: insert, writer's thread": insert,
            "store: commit, writer's thread": self._writer - columns - insert,
            "store: DuckDB's own threads": max(0.0, process - main - self._writer),
            "(of all: garbage collector)": self._gc,
        }

    def _replace(
        self, owner: type, name: str, wrap: Callable[[Callable[..., Any]], Callable[..., Any]]
    ) -> None:
        original = getattr(owner, name)
        setattr(owner, name, wrap(original))
        self._undo.append(lambda: setattr(owner, name, original))

    def _timed(self, stage: str, call: Callable[..., Any]) -> Callable[..., Any]:
        inside, spent = self._inside, self._spent

        def timed(*arguments: Any, **options: Any) -> Any:
            outer = getattr(inside, "seconds", 0.0)
            inside.seconds = 0.0
            began = time.thread_time()
            try:
                return call(*arguments, **options)
            finally:
                took = time.thread_time() - began
                spent[stage] += took - inside.seconds
                inside.seconds = outer + took

        return timed

    def _whole_thread(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*arguments: Any) -> Any:
            try:
                return call(*arguments)
            finally:
                self._writer = time.thread_time()

        return timed

    # A partition's records are decoded between the client's answer and `Completeness.read`.

    def _before_decoding(self, call: Callable[..., Any]) -> Callable[..., Any]:
        async def marked(*arguments: Any, **options: Any) -> Any:
            fetched = await call(*arguments, **options)
            self._mark = time.thread_time()
            return fetched

        return marked

    def _after_decoding(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def marked(*arguments: Any) -> Any:
            self._spent["decode"] += time.thread_time() - self._mark
            result = call(*arguments)
            self._mark = time.thread_time()
            return result

        return marked

    def _collecting(self, phase: str, info: dict[str, int]) -> None:
        if phase == "start":
            self._gc_began = time.thread_time()
        else:
            self._gc += time.thread_time() - self._gc_began
