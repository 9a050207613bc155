"""What the benches take hold of by name is there."""

from pathlib import Path

from bench.stages import TIMED, Meter
from collector.batch import Batch, PartitionState
from collector.store.batches import Batches
from collector.store.store import Store


def test_the_stages_are_where_they_are_timed_and_as_before_afterwards(tmp_path: Path) -> None:
    before = [getattr(owner, name) for owner, name, _ in TIMED]
    with Meter() as meter:
        assert Batches.write is not before[-1]
        store = Store(tmp_path / "store.duckdb")
        state = PartitionState("bus", "orders", "id", 0, 1, 0)
        store.commit(Batch(partitions=[state])).result()
        store.close()
    assert meter._spent["store: insert"] > 0
    assert [getattr(owner, name) for owner, name, _ in TIMED] == before
