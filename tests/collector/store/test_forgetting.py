"""A flow that is forgotten is in no table, and in no byte of the file."""

import random
from pathlib import Path

import pytest

from analyzer.tables import ANALYZER_TABLES, ANALYZER_VIEWS
from collector.batch import Batch
from collector.event import Event
from collector.store import forgetting, reading
from collector.store.store import Store


def event(number: int, flow: str, secret: str) -> Event:
    return Event(
        "s", "t", "t", 0, number, 1, 1, "n", (flow,), f"id-{secret}", (("k", f"key-{secret}"),),
        f"rec-{secret}", f'[["h","head-{secret}"]]', f'"pay-{secret}"', "json",
    )  # fmt: skip


@pytest.mark.parametrize("count", [3, 5_000])
def test_its_bytes_are_gone_and_the_others_are_whole(tmp_path: Path, count: int) -> None:
    path = tmp_path / "s.duckdb"
    store = Store(path, tables=ANALYZER_TABLES, views=ANALYZER_VIEWS)
    rng = random.Random(1)
    others = [event(n, f"flow-{n % 7}", f"{rng.getrandbits(128):x}") for n in range(count)]
    secret = f"{rng.getrandbits(128):x}"
    made = [*others[: count // 2], event(count, f"flow-{secret}", secret), *others[count // 2 :]]
    store.commit(Batch(events=made)).result()
    store.checkpoint().result()
    assert secret.encode() in path.read_bytes()
    assert forgetting.forget(store, f"flow-{secret}").events == 1
    assert [file.name for file in tmp_path.iterdir()] == ["s.duckdb"]
    assert secret.encode() not in path.read_bytes()
    store = Store(path, tables=ANALYZER_TABLES, views=ANALYZER_VIEWS)
    with store.reader() as cursor:
        assert reading.events(cursor, 'ORDER BY "offset"') == others
    store.close()
