"""What the sources' clocks are worth, and what of them is not kept.

Stored with the events, so that all readers judge alike.
"""

import glob
from collections.abc import Sequence

import duckdb
import msgspec

from analyzer.sight import DEFAULT_GRACE, Sample, Sight
from collector.batch import Gap, PartitionState
from collector.settings import SourceSettings
from collector.store import reading
from collector.store.notes import noted
from collector.store.store import Store
from collector.store.tables import Taken
from collector.times import US_PER_S

META_KEY = "clocks"

RETENTION = 7 * 86_400 * US_PER_S
"""Where no configuration says how long events are kept."""


class Clocks(msgspec.Struct, frozen=True):
    """Skew by source (µs), and the grace of rules that set none."""

    skews: dict[str, int] = {}
    grace: int = 0
    samples: dict[str, list[Sample]] = {}
    """By source, of which topics only a part of the flows is kept."""
    retention: int = RETENTION
    """How long events are kept (µs)."""
    reaches: bool = True
    """Whether a flow may have begun so long before the tap's first sight, where its file sets no
    `within`. Not where all there is are files: nothing is taken from them, and what lies before
    their beginning only a file of rules with `within` can tell."""

    @classmethod
    def of(cls, sources: Sequence[SourceSettings], retention: int = RETENTION) -> "Clocks":
        live = any(source.kind != "file" for source in sources)
        skews = {source.name: source.skew_us() for source in sources}
        samples = {source.name: _samples(source) for source in sources}
        kept = {k: v for k, v in samples.items() if v}
        return cls(skews, DEFAULT_GRACE if live else 0, kept, retention, live)

    def sight(
        self,
        partitions: Sequence[PartitionState],
        gaps: Sequence[Gap],
        taken: Sequence[Taken] = (),
    ) -> Sight:
        return Sight(
            partitions, gaps, grace=self.grace, skews=self.skews, retention=self.retention,
            taken=taken, samples=self.samples, reach=self.retention if self.reaches else 0,
        )  # fmt: skip

    def told(self) -> str:
        return msgspec.json.encode(self).decode()

    def save(self, store: Store) -> None:
        store.set_meta(META_KEY, self.told())

    @classmethod
    def stored(cls, cursor: duckdb.DuckDBPyConnection) -> "Clocks":
        text = noted(cursor, META_KEY)
        return cls() if text is None else _clocks(text)


def _samples(source: SourceSettings) -> list[Sample]:
    found = [
        Sample(one, topic.sample)
        for one, topic in source.topics.items()
        if topic.sample is not None
    ]
    if source.file is not None and found:
        # Its one partition holds all of its topics: any of them may be the one that is awaited.
        least = min(one.share for one in found)
        found.append(Sample(glob.escape(str(source.file.path)), least))
    return found


_clocks = msgspec.json.Decoder(Clocks).decode


def stored_sight(cursor: duckdb.DuckDBPyConnection, partitions: Sequence[PartitionState]) -> Sight:
    """What is seen by these partitions, for those who only read."""
    clocks = Clocks.stored(cursor)
    return clocks.sight(partitions, reading.gaps(cursor), reading.taken(cursor))
