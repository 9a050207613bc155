"""Every kind of source, by its key in the configuration."""

from collections.abc import Callable, Sequence

from collector.batch import PartitionState
from collector.settings import SourceSettings
from collector.sources.file import FileTap
from collector.sources.kafka import KafkaTap
from collector.sources.table_file import TableTap, is_table
from collector.sources.tap import Tap

Clock = Callable[[], int]


def _file(settings: SourceSettings, resume: Sequence[PartitionState], clock: Clock) -> Tap:
    return (TableTap if is_table(settings) else FileTap)(settings, resume, clock)


SOURCES: dict[str, Callable[[SourceSettings, Sequence[PartitionState], Clock], Tap]] = {
    "kafka": KafkaTap,
    "file": _file,
}

APART = frozenset(("kafka",))
"""Kinds that are read by a process of their own: what they decode would hold the judge up."""
