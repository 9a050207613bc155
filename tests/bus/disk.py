"""A file system in memory that is full when a test says so."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

ROOMY = "4g"
LEAST = 32 * 1024
"""What is left when it is full: less than a block of the store."""


class Disk:
    """One that is there; its size is changed while it is used."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.fills = 0

    def leave(self, room: int = LEAST) -> None:
        """Room for so many bytes and no more."""
        self.fills += 1
        while True:  # a daemon that writes may take what we had measured to be free
            now = os.statvfs(self.folder)
            used = (now.f_blocks - now.f_bfree) * now.f_frsize
            if self._resize(str(used + room)):
                return

    def make_room(self) -> None:
        assert self._resize(ROOMY)

    def _resize(self, size: str) -> bool:
        done = subprocess.run(
            ["mount", "-o", f"remount,size={size}", str(self.folder)],
            check=False, capture_output=True,
        )  # fmt: skip
        return done.returncode == 0
