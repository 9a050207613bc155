"""Every kind of source, by its key in the configuration."""

from collections.abc import Callable, Sequence

from collector.batch import PartitionState
from collector.settings import SourceSettings
from collector.sources.file import FileTap
from collector.sources.kafka import KafkaTap
from collector.sources.tap import Tap

SOURCES: dict[str, Callable[[SourceSettings, Sequence[PartitionState], Callable[[], int]], Tap]] = {
    "kafka": KafkaTap,
    "file": FileTap,
}

APART = frozenset(("kafka",))
"""Kinds that are read by a process of their own: what they decode would hold the judge up."""
