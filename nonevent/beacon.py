"""How commands find the daemon of a store: a small file beside it that says where it listens."""

import os
from pathlib import Path

import msgspec


class Place(msgspec.Struct):
    url: str
    pid: int


_place = msgspec.json.Decoder(Place).decode


class Beacon:
    """`STORE.daemon.json`, there while the daemon runs (and after a crash: it may be stale)."""

    def __init__(self, store: Path) -> None:
        self._path = store.with_name(store.name + ".daemon.json")

    def light(self, url: str) -> None:
        self._path.write_bytes(msgspec.json.encode(Place(url, os.getpid())))

    def out(self) -> None:
        self._path.unlink(missing_ok=True)

    def url(self) -> str | None:
        """Where the daemon listens, if it left word and its process is there."""
        try:
            place = _place(self._path.read_bytes())
            os.kill(place.pid, 0)
        except (OSError, OverflowError, msgspec.DecodeError):
            return None
        # What is no process id stands for whole groups of processes.
        return place.url if place.pid > 0 else None
