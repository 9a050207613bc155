"""Bytes that are put aside, on disk when they are too many for memory."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from collector.errors import NoneventError

IN_MEMORY = 64 << 20
"""Bytes that wait in memory before they are put down."""
_LENGTH = 8


class ShelfError(NoneventError):
    """There is no room for the events of the past to be sorted in."""


class Pile:
    """Bytes in the order in which they came: first those in the file, then those in memory."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._waiting = bytearray()
        self._file: BinaryIO | None = None

    def put(self, packed: bytes) -> int:
        self._waiting += len(packed).to_bytes(_LENGTH, "little")
        self._waiting += packed
        return len(packed)

    def put_down(self) -> None:
        if self._waiting:
            try:
                with self._path.open("ab") as file:
                    file.write(self._waiting)
            except OSError as error:
                raise ShelfError(
                    f"events cannot be sorted in {self._path.parent}: {error.strerror}; set TMPDIR "
                    "to a folder with room for all of them"
                ) from error
            self._waiting = bytearray()

    def read(self) -> Iterator[bytes]:
        """Everything, as it was put."""
        if self._path.exists():
            self.put_down()
            with self._path.open("rb") as file:
                while length := file.read(_LENGTH):
                    yield file.read(int.from_bytes(length, "little"))
            return
        waiting = memoryview(bytes(self._waiting))
        at = 0
        while at < len(waiting):
            start = at + _LENGTH
            at = start + int.from_bytes(waiting[at:start], "little")
            yield bytes(waiting[start:at])

    def take(self) -> Iterator[bytes]:
        """Everything, once."""
        yield from self.read()
        self._waiting = bytearray()
        self._path.unlink(missing_ok=True)


class Piles:
    """Piles in a folder of their own, which is gone in the end."""

    def __init__(self, in_memory: int) -> None:
        self._in_memory = in_memory
        self._folder = tempfile.TemporaryDirectory(prefix="nonevent-backtest-")
        self._piles: list[Pile] = []
        self._waiting = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._folder.cleanup()

    def _pile(self, name: str) -> Pile:
        """A new one."""
        self._piles.append(Pile(Path(self._folder.name) / name))
        return self._piles[-1]

    def _put(self, pile: Pile, packed: bytes) -> None:
        self._waiting += pile.put(packed)

    def _make_room(self) -> None:
        """Between two batches: what waits goes to disk where it is too much."""
        if self._waiting > self._in_memory:
            self._waiting = 0
            for pile in self._piles:
                pile.put_down()
