"""File systems of our own, in memory, with an end."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.needing import lacking


@contextmanager
def a_disk(place: Path, size: str) -> Iterator[Path]:
    """Of so many bytes (`16m`), mounted at `place` for as long as it is needed."""
    place.mkdir(parents=True)
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place)],
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    if made.returncode:
        lacking("a file system of its own", f"run as root ({made.stderr.strip()})")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)
