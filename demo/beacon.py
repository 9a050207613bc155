"""How `nonevent demo fault` finds the demo that runs: a small file that says where it listens."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import msgspec


class Place(msgspec.Struct):
    url: str
    pid: int


_place = msgspec.json.Decoder(Place).decode


def beacon_file() -> Path:
    """In the user's runtime folder, else among the temporary files: one demo's word for all."""
    folder = os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir()
    return Path(folder) / f"nonevent-demo-{os.getuid()}.json"


class Beacon:
    """There while the demo runs; the last one that was started is the one that is found."""

    def __init__(self, url: str) -> None:
        self._path = beacon_file()
        self._word = msgspec.json.encode(Place(url, os.getpid()))

    def __enter__(self) -> Beacon:
        # Made anew, never written through: the folder may be everybody's.
        self._path.unlink(missing_ok=True)
        with os.fdopen(os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as f:
            f.write(self._word)
        return self

    def __exit__(self, *error: object) -> None:
        try:
            if self._path.read_bytes() == self._word:
                self._path.unlink()
        except OSError:
            return  # somebody else's by now, or gone: nothing of ours to take away


def find_demo() -> str | None:
    """Where this user's demo listens, if one runs."""
    path = beacon_file()
    try:
        if path.lstat().st_uid != os.getuid():
            return None
        place = _place(path.read_bytes())
        os.kill(place.pid, 0)
    except (OSError, OverflowError, msgspec.DecodeError):
        return None
    # What is no process id stands for whole groups of processes.
    return place.url if place.pid > 0 else None
