"""The truth: one line for each fault that was really committed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType

from demo.errors import OptionError
from demo.faults import Fault

REMEMBERED = 100_000  # lines: the file has them all


@dataclass(frozen=True)
class Position:
    """Where a record lies."""

    topic: str
    partition: int
    offset: int


@dataclass(frozen=True)
class TruthLine:
    """A fault as it happened: `position` is the record that it is about.

    `flow` is the correlation ID that suffers; null where a whole service is `switched` on or off.
    """

    fault: str
    flow: str | None
    at: str
    position: Position | None
    expect: Mapping[str, str]
    switched: str | None = None

    def json(self) -> str:
        fields = asdict(self)
        if self.switched is None:
            del fields["switched"]
        return json.dumps(fields)


class Truth:
    """The file of truth lines (JSON Lines), begun anew; what is in it is on disk.

    A later line of the same flow and expectation takes the place of an earlier one.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lines: list[TruthLine] = []
        try:
            self._file = path.open("w", encoding="utf-8", buffering=1)
        except OSError as error:
            raise OptionError(
                f"cannot write the truth file {path}: {error.strerror}. Choose another path."
            ) from error

    def tell(
        self,
        fault: Fault,
        flow: str,
        position: Position | None,
        expect: Mapping[str, str] | None = None,
    ) -> None:
        """Call it as soon as the fault is a fact; `expect` is laid over what the fault expects."""
        expected = {**fault.expect, **(expect or {})}
        self._write(TruthLine(fault.name, flow, moment(), position, expected))

    def tell_switched(self, fault: Fault, how: str, position: Position | None = None) -> None:
        """A service's fault has begun (`on`) or ended (`off`) to work."""
        expect = fault.while_on if how == "on" else {}
        self._write(TruthLine(fault.name, None, moment(), position, expect, how))

    def _write(self, line: TruthLine) -> None:
        self.lines.append(line)
        if len(self.lines) > REMEMBERED:
            del self.lines[: REMEMBERED // 2]
        self._file.write(line.json() + "\n")

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


def in_the_end(lines: Iterable[TruthLine]) -> list[TruthLine]:
    """The lines that rules can see, the last of each flow and expectation."""
    last = {
        (line.flow, line.expect["expectation"]): line
        for line in lines
        if line.flow is not None and "finding" in line.expect
    }
    return list(last.values())


def moment() -> str:
    """Now, as RFC 3339 with milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
