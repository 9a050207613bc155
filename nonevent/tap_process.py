"""A tap's own process: `python -m nonevent.tap_process`, started by the daemon and by nobody else.

Reads its task from standard input and writes frames to standard output; its log is the daemon's.
"""

import asyncio
import os
import pickle
import signal
import sys
import threading
from typing import BinaryIO

from collector.errors import ConfigurationError, NoneventError
from collector.interest import Interest
from collector.sources import frames
from collector.sources.apart import Task
from collector.sources.table import SOURCES
from collector.sources.tap import LINGER_S, SMALL, Tap
from nonevent.clock import clock
from nonevent.garbage import Garbage
from nonevent.logs import log_to_stderr
from nonevent.process import settle_in


async def _run(task: Task, out: BinaryIO) -> None:
    garbage = Garbage(clock())
    try:
        tap = SOURCES[task.settings.kind](task.settings, task.resume, clock)
        await tap.start()
    except NoneventError as error:
        frames.write(out, frames.Failed(str(error), isinstance(error, ConfigurationError)))
        return
    frames.write(out, frames.Started())
    garbage.keep()
    await _read(tap, task.interest, out, garbage)


async def _read(tap: Tap, interest: Interest, out: BinaryIO, garbage: Garbage) -> None:
    """The next batch is fetched while the last one goes through the pipe, and no more than that."""
    loop = asyncio.get_running_loop()
    written = None
    while True:
        batch = await tap.poll()
        said = frames.Said.of(batch, tap.condition(), interest)
        if written is not None:
            await written
        written = loop.run_in_executor(None, frames.write, out, said)
        garbage.after(batch)
        if batch.count < SMALL:
            await asyncio.sleep(LINGER_S)


def _end_with_the_daemon(tasks: BinaryIO) -> None:
    """Nothing more comes on standard input until the daemon ends, by whatever signal."""
    tasks.read()
    os._exit(0)


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the daemon's to answer
    settle_in()
    log_to_stderr(verbose="-v" in sys.argv)
    try:
        task: Task = pickle.load(sys.stdin.buffer)
    except EOFError:
        return  # the daemon has ended before it had one
    threading.Thread(target=_end_with_the_daemon, args=(sys.stdin.buffer,), daemon=True).start()
    out = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    # Whatever prints by mistake is not to be taken for a frame.
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    try:
        asyncio.run(_run(task, out))
    except BrokenPipeError:
        os._exit(0)


if __name__ == "__main__":
    main()
