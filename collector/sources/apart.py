"""A tap in a process of its own: a second core reads and decodes while this one judges.

The process is ours alone: it ends when we do, however we do. When it ends by itself another one
goes on where the last batch that came from it had got to.
"""

import asyncio
import contextlib
import logging
import pickle
import subprocess
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, BinaryIO, cast

import msgspec

from collector.batch import Batch, PartitionState
from collector.errors import ConfigurationError, SourceError
from collector.interest import Interest
from collector.settings import SourceSettings
from collector.sources import frames
from collector.sources.condition import Condition
from collector.sources.patience import Patience
from collector.times import US_PER_S

log = logging.getLogger(__name__)

PIPE = 1 << 20
"""Bytes that the pipe holds: a frame has some millions, and each filling is a switch between us."""


class Task(msgspec.Struct, frozen=True):
    """What the process is told on its standard input; pickled, since secrets are in it."""

    settings: SourceSettings
    resume: list[PartitionState]
    interest: Interest


class TapApart:
    """Starts `command`, tells it a Task, and takes its frames."""

    paced = True

    def __init__(
        self,
        settings: SourceSettings,
        resume: Sequence[PartitionState],
        clock: Callable[[], int],
        *,
        interest: Interest,
        command: Sequence[str],
    ) -> None:
        self.name = settings.name
        self._settings = settings
        self._clock = clock
        self._interest = interest
        self._command = command
        self._known = {_key(state): state for state in resume}
        """How far each partition was read by what has come from the process."""
        self._condition = Condition(settings.kind, "connecting", clock())
        self._process: subprocess.Popen[bytes] | None = None
        self._waiting: subprocess.Popen[bytes] | None = None
        """One that was started before it was told what to do."""
        self._ended: Patience | None = None
        # Reading a pipe waits: it has a thread of its own, and the loop goes on.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"tap-{settings.name}")

    def warm_up(self) -> None:
        """Starts the process, which has much to load; `start` tells it what to do."""
        self._waiting = self._launched()

    def _launched(self) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, pipesize=PIPE
        )

    async def start(self) -> None:
        waiting, self._waiting = self._waiting, None
        await self.stop()
        task = Task(self._settings, list(self._known.values()), self._interest)
        self._process = process = waiting or self._launched()
        tasks = cast(BinaryIO, process.stdin)
        with contextlib.suppress(BrokenPipeError):  # it has ended: nothing comes from it, too
            tasks.write(pickle.dumps(task))
            tasks.flush()
        frame = await self._next(process)
        if isinstance(frame, frames.Started):
            return
        await self.stop()
        if isinstance(frame, frames.Failed):
            raise (ConfigurationError if frame.configuration else SourceError)(frame.why)
        raise SourceError(f"source {self.name}: its process ended before it had started")

    async def poll(self) -> Batch:
        process = self._process
        frame = await self._next(process) if process is not None else None
        if not isinstance(frame, frames.Said):
            await self._start_anew()
            return Batch(now=self._clock())
        self._ended = None
        self._condition = frame.condition
        for state in frame.partitions:
            self._known[_key(state)] = state
        return frame.batch()

    async def stop(self) -> None:
        both = self._process, self._waiting
        self._process = self._waiting = None
        for process in both:
            if process is not None:
                process.kill()  # it holds nothing that is not ours
                await asyncio.get_running_loop().run_in_executor(self._thread, _close, process)

    def condition(self) -> Condition:
        return self._condition

    def pid(self) -> int | None:
        """The process's, while there is one."""
        return None if self._process is None else self._process.pid

    async def _next(self, process: "subprocess.Popen[bytes]") -> frames.Frame | None:
        pipe = cast(BinaryIO, process.stdout)
        return await asyncio.get_running_loop().run_in_executor(self._thread, frames.read, pipe)

    async def _start_anew(self) -> None:
        """The process has ended by itself: killed for its memory, or by a fault of ours."""
        now = self._clock()
        self._ended = self._ended or Patience(now)
        code: Any = None if self._process is None else self._process.wait()
        why = f"its process ended ({code})" if code is not None else "its process did not start"
        if self._ended.failed(now, why):
            log.warning("source %s: %s; starting another", self.name, why)
        self._condition = msgspec.structs.replace(
            self._condition, state="connecting", since=now, why=why, next_try=self._ended.next_try
        )
        await self.stop()
        await asyncio.sleep(self._ended.pause / US_PER_S)
        try:
            await self.start()
        except SourceError as error:
            log.warning("%s", error)


def _key(state: PartitionState) -> tuple[str, str, int]:
    return state.topic, state.topic_id, state.partition


def _close(process: "subprocess.Popen[bytes]") -> None:
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with contextlib.suppress(BrokenPipeError):  # what it was to be told, and was not
                pipe.close()
    process.wait()
