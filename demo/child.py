"""Child processes that never outlive this one, however it ends."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

PR_SET_PDEATHSIG = 1
PATIENCE = 10.0
"""Seconds that a process has to end when it was asked to."""

# Linux ties the death signal to the *thread* that forked: a child started from a short-lived
# thread would die with that thread. This one lives exactly as long as the process.
_parent = ThreadPoolExecutor(max_workers=1, thread_name_prefix="parent-of-children")
# Loaded before any fork: the child must not take locks between fork and exec.
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def spawn(arguments: Sequence[str | Path], log: Path, folder: Path) -> subprocess.Popen[bytes]:
    """Start a process in `folder` that appends its output to `log`."""
    return _parent.submit(_spawn, [str(argument) for argument in arguments], log, folder).result()


def stop(process: subprocess.Popen[bytes], patience: float = PATIENCE) -> int:
    """Ask it to end, and after `patience` seconds make it end; its exit code."""
    if process.poll() is None:
        process.terminate()
        try:
            return process.wait(patience)
        except subprocess.TimeoutExpired:
            process.kill()
    return process.wait()


def _spawn(arguments: list[str], log: Path, folder: Path) -> subprocess.Popen[bytes]:
    parent = os.getpid()

    def die_with_parent() -> None:
        if _libc is not None:
            _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != parent:  # it died before the kernel was told
                os._exit(1)

    with log.open("ab") as output:
        return subprocess.Popen(
            arguments,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            # Of its own: Ctrl-C in the terminal reaches this process alone, which then ends
            # its children in the right order.
            start_new_session=True,
            preexec_fn=die_with_parent,
        )
