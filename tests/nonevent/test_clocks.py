"""What a configuration says of time, as the judge and all who read the store go by it."""

from pathlib import Path

import pytest

from analyzer.clocks import Clocks
from analyzer.judge import judge
from analyzer.rules.loader import load
from collector.batch import PartitionState
from collector.event import Event
from collector.settings import SourceSettings, StoreSettings
from collector.times import US_PER_S
from nonevent.config import Configuration
from nonevent.watch import Watch

DAY = 86_400 * US_PER_S
RULES = """version: 1
flow: order
begins: order.created
expectations:
  - {name: paid first, before: order.shipped, require: order.paid}
"""


@pytest.mark.parametrize(
    ("retention", "told"),
    [
        ("30d", ("partial", "unknown")),
        ("7d", ("failed", "violated")),
        ("9d", ("partial", "unknown")),
    ],
)
def test_a_flow_may_have_begun_as_long_before_the_first_sight_as_events_are_kept(
    tmp_path: Path, retention: str, told: tuple[str, str]
) -> None:
    (tmp_path / "order.yaml").write_text(RULES)
    source = {"name": "bus", "kafka": {"bootstrap": "127.0.0.1:1", "topics": ["*"]}}
    watch = Watch(
        Configuration(
            sources=[SourceSettings.model_validate(source)],
            store=StoreSettings(
                path=tmp_path / "store.duckdb", retention=retention, max_flow_age="60d"
            ),
        ),
        clock=lambda: 100 * DAY,
        sinks=[],
        link_base=lambda: "http://here",
        committed=lambda _: None,
    )  # fmt: skip
    with watch.store.reader() as cursor:
        clocks = Clocks.stored(cursor)
    watch.store.close()
    seen = PartitionState("bus", "t", "t", 0, 9, 9, complete_to=30 * DAY, seen_from=10 * DAY)
    shipped = Event("bus", "t", "t", 0, 9, 18 * DAY, 18 * DAY, "order.shipped", ("o",))
    (file,) = load([tmp_path / "order.yaml"]).files
    (found,) = judge("o", [shipped], file, clocks.sight([seen], []))
    assert (found.state, found.instances[0].state) == told
