"""What positions count: records of a bus or rows of a table, or the bytes of event lines."""

from collections.abc import Iterable
from pathlib import PurePath
from typing import Literal

from collector.batch import PartitionState

Counted = Literal["records", "bytes"]

TABLES = (".csv", ".parquet")


def is_file(state: PartitionState) -> bool:
    """A file is stored under its whole path; no topic has a `/` in its name."""
    return state.topic == state.topic_id and "/" in state.topic


def counted_in(states: Iterable[PartitionState]) -> Counted:
    """What one source's positions are; lines of unknown length are counted by their bytes."""
    files = (state for state in states if is_file(state))
    lines = any(PurePath(state.topic).suffix.lower() not in TABLES for state in files)
    return "bytes" if lines else "records"
