"""A source's condition comes from its tap, its partitions from the store: both make one answer."""

from collector.batch import PartitionState
from collector.sources.condition import Condition, Denied
from collector.times import format_time
from ui.models import DeniedTopic
from ui.sources import source_statuses

NOW = 1_772_359_200_000_000


def test_partitions_say_what_hides_in_them_and_whether_they_wait() -> None:
    state = PartitionState(
        "bus", "orders", "id", 3, 10, 0, high_watermark=14, last_stable_offset=10, hidden_since=NOW
    )
    condition = Condition("kafka", "reading", NOW, waiting=(("orders", 3),))
    (source,) = source_statuses([state], {("bus", "id", 3): 0}, {"bus": condition})
    (partition,) = source.partitions
    assert (partition.hidden_from, partition.hidden_since) == (10, format_time(NOW))
    assert partition.waiting
    (stored,) = source_statuses([state], {("bus", "id", 3): 0}, {})
    assert (stored.state, stored.partitions[0].waiting) == (None, False)


def test_a_source_that_was_never_reached_is_told_of_all_the_same() -> None:
    denied = (Denied("secrets", NOW, "grant READ"),)
    away = Condition("kafka", "connecting", NOW, "refused", NOW + 500_000, denied)
    (source,) = source_statuses([], {}, {"bus": away})
    assert (source.name, source.kind, source.state, source.why) == (
        "bus", "kafka", "connecting", "refused",
    )  # fmt: skip
    assert source.next_try == format_time(NOW + 500_000)
    assert source.denied == [DeniedTopic(topic="secrets", since=format_time(NOW), why="grant READ")]


def test_a_source_is_as_far_behind_as_its_partitions_together_and_its_least_complete_one() -> None:
    states = [
        PartitionState(
            "bus", "t", "id", n, 10, 0, high_watermark=10 + n, complete_to=NOW - n * 10**6
        )
        for n in range(3)
    ]
    gaps = {("bus", "id", n): 0 for n in range(4)}
    (source,) = source_statuses(states, gaps, {}, NOW)
    assert (source.behind, source.behind_seconds) == (3, 2)
    (source,) = source_statuses(states, gaps, {})
    assert (source.behind, source.behind_seconds) == (3, None), "nobody reads on"
    states.append(PartitionState("bus", "t", "id", 3, 10, 0))
    (source,) = source_statuses(states, gaps, {}, NOW)
    assert (source.behind, source.behind_seconds) == (None, None), "of one nothing is known yet"


def test_a_file_of_event_lines_is_counted_in_bytes_and_a_table_and_a_bus_in_records() -> None:
    places = {"lines": "/x/events.jsonl", "table": "/x/events.csv", "bus": "orders"}
    states = [
        PartitionState(name, place, place, 0, 10, 0, high_watermark=50)
        for name, place in places.items()
    ]
    found = source_statuses(states, {(s.source, s.topic_id, 0): 0 for s in states}, {})
    told = {source.name: (source.kind, source.counted_in, source.behind) for source in found}
    assert told == {
        "lines": ("file", "bytes", 40),
        "table": ("file", "records", 40),
        "bus": ("kafka", "records", 40),
    }


def test_a_partition_that_could_not_be_asked_for_its_offsets_yet_shows_none_below_zero() -> None:
    state = PartitionState("bus", "orders", "id", 0, -1, -1, blocked_since=NOW)
    (source,) = source_statuses([state], {("bus", "id", 0): 0}, {})
    assert source.partitions[0].position == 0
