"""The truth: one line for each fault that the shop has really committed."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType

from demo.errors import OptionError
from demo.faults import Fault


@dataclass(frozen=True)
class Position:
    """Where a record lies."""

    topic: str
    partition: int
    offset: int


@dataclass(frozen=True)
class TruthLine:
    """A fault as it happened: `position` is the record that causes the finding.

    `flow` is the correlation ID of the order that suffers.
    """

    fault: str
    flow: str
    at: str
    position: Position
    expect: dict[str, str]


class Truth:
    """The file of truth lines (JSON Lines), begun anew; what is in it is on disk."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lines: list[TruthLine] = []
        try:
            self._file = path.open("w", encoding="utf-8", buffering=1)
        except OSError as error:
            raise OptionError(
                f"cannot write the truth file {path}: {error.strerror}. Choose another path."
            ) from error

    def tell(self, fault: Fault, flow: str, position: Position) -> None:
        """Call it as soon as the fault is a fact."""
        line = TruthLine(fault.name, flow, moment(), position, fault.expect)
        self.lines.append(line)
        self._file.write(json.dumps(asdict(line)) + "\n")

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> Truth:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def moment() -> str:
    """Now, as RFC 3339 with milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
