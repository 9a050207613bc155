"""What the sources' clocks are worth, and what of them is not kept.

Stored with the events, so that all readers judge alike.
"""

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

REACH = 7 * 86_400 * US_PER_S
"""How far before the tap's first sight a flow may have begun, where its file sets no `within`."""


class Clocks(msgspec.Struct, frozen=True):
    """Skew by source (µs), and the grace of rules that set none."""

    skews: dict[str, int] = {}
    grace: int = 0
    samples: dict[str, list[Sample]] = {}
    """By source, of which topics only a part of the flows is kept."""
    reach: int = REACH
    """0 where all there is are files: nothing is taken from them, and what lies before their
    beginning only a file of rules with `within` can tell."""

    @classmethod
    def of(cls, sources: Sequence[SourceSettings]) -> "Clocks":
        live = any(source.kind != "file" for source in sources)
        skews = {source.name: source.skew_us() for source in sources}
        samples = {
            source.name: [
                Sample(glob, topic.sample)
                for glob, topic in source.topics.items()
                if topic.sample is not None
            ]
            for source in sources
        }
        kept = {k: v for k, v in samples.items() if v}
        return cls(skews, DEFAULT_GRACE if live else 0, kept, REACH if live else 0)

    def sight(
        self,
        partitions: Sequence[PartitionState],
        gaps: Sequence[Gap],
        taken: Sequence[Taken] = (),
    ) -> Sight:
        return Sight(
            partitions, gaps, grace=self.grace, skews=self.skews, retention=REACH, taken=taken,
            samples=self.samples, reach=self.reach,
        )  # fmt: skip

    def told(self) -> str:
        return msgspec.json.encode(self).decode()

    def save(self, store: Store) -> None:
        store.set_meta(META_KEY, self.told())

    @classmethod
    def stored(cls, cursor: duckdb.DuckDBPyConnection) -> "Clocks":
        text = noted(cursor, META_KEY)
        return cls() if text is None else _clocks(text)


_clocks = msgspec.json.Decoder(Clocks).decode


def stored_sight(cursor: duckdb.DuckDBPyConnection, partitions: Sequence[PartitionState]) -> Sight:
    """What is seen by these partitions, for those who only read."""
    clocks = Clocks.stored(cursor)
    return clocks.sight(partitions, reading.gaps(cursor), reading.taken(cursor))
