"""How long after they happened events are published, as the tap sees it."""

import io
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.batch import Batch
from collector.by_column import FEW, ROWS
from collector.interest import Interest
from collector.published_after import SLOT, PublishedAfter
from collector.readers import Readers
from collector.record import LAST_MS
from collector.sources import frames
from collector.sources.condition import Condition
from collector.times import US_PER_MS, US_PER_S
from tests.collector.records import NOW, STAMP, Record, reader, source

MINUTE_MS = 60_000


def happened(later_ms: int, offset: int = 0, **changes: Any) -> Record:
    """Published so long after it happened by its payload."""
    payload = msgspec.json.encode({"occurred_at": STAMP - later_ms, "type": "paid"})
    headers = [("correlation_id", b"c-1")]
    return Record(**{"value": payload, "headers": headers, "offset": offset, **changes})


def told(records: Sequence[Record], **settings: Any) -> int:
    """µs, by a reader of these alone."""
    one = reader(**settings)
    one.events(0, records, NOW)
    return one.published_after.most(NOW)


# The figure


def test_the_most_of_some_is_told() -> None:
    figure = PublishedAfter()
    assert figure.most(NOW) == 0
    for difference in (3, 7, 5):
        figure.note(difference, NOW)
    assert figure.most(NOW) == 7


def test_it_is_forgotten_an_hour_later_at_the_latest_and_kept_for_half_an_hour_at_least() -> None:
    figure = PublishedAfter()
    figure.note(1, NOW)
    figure.note(7, NOW + SLOT - 1)
    for arrival in range(NOW + SLOT, NOW + 2 * SLOT, SLOT // 10):
        figure.note(2, arrival)
        assert figure.most(arrival) == 7
    figure.note(2, NOW + 2 * SLOT)
    assert figure.most(NOW + 2 * SLOT) == 2


def test_it_is_forgotten_too_when_nothing_more_comes() -> None:
    figure = PublishedAfter()
    figure.note(9, NOW)
    figure.note(7, NOW + SLOT)
    assert figure.most(NOW + 2 * SLOT - 1) == 9
    assert figure.most(NOW + 2 * SLOT) == 7
    assert figure.most(NOW + 3 * SLOT) == 0
    figure.note(1, NOW + 9 * SLOT)
    assert figure.most(NOW + 9 * SLOT) == 1


def test_events_that_were_published_before_they_happened_count_as_none() -> None:
    figure = PublishedAfter()
    figure.note(-5, NOW)
    assert figure.most(NOW) == 0


def test_a_clock_that_was_set_back_keeps_nothing_for_longer() -> None:
    figure = PublishedAfter()
    figure.note(7, NOW + 100 * SLOT)
    assert figure.most(NOW) == 7
    figure.note(2, NOW)
    assert figure.most(NOW) == 7
    figure.note(2, NOW + SLOT)
    assert figure.most(NOW + SLOT) == 2


# Of records


@pytest.mark.parametrize("count", [1, FEW - 1, FEW, ROWS + 3])
def test_it_is_the_difference_between_the_record_s_stamp_and_the_event_s_time(count: int) -> None:
    records = [happened(number % 50, number) for number in range(count - 1)]
    assert told([*records, happened(MINUTE_MS)]) == MINUTE_MS * US_PER_MS
    assert told([happened(MINUTE_MS), *records]) == MINUTE_MS * US_PER_MS


def test_a_time_in_a_header_counts_as_one_in_the_payload() -> None:
    stamp = str(STAMP - MINUTE_MS).encode()
    records = [Record(b"{}", [("ce_type", b"t"), ("ce_time", stamp)])] * FEW
    assert told(records) == told(records[:1]) == MINUTE_MS * US_PER_MS


@pytest.mark.parametrize(
    "record",
    [
        Record(b"{}"),
        Record(None),
        Record(b"not json"),
        happened(-1),
        happened(-MINUTE_MS),
        Record(b'{"occurred_at":"yesterday"}'),
        Record(b'{"occurred_at":5000}'),
        happened(0, timestamp=-1),
        happened(0, timestamp=LAST_MS),
    ],
)
@pytest.mark.parametrize("count", [1, FEW])
def test_none_where_the_record_s_stamp_is_the_time_or_tells_nothing(
    record: Record, count: int
) -> None:
    assert told([record] * count) == 0


def test_none_where_times_are_to_be_the_records() -> None:
    assert told([happened(MINUTE_MS)] * FEW, time_from=["record"]) == 0


@pytest.mark.parametrize(
    "topic", [{"ignore": "event.payload.occurred_at < 0"}, {"store": "headers"}, {"sample": 1}]
)
@pytest.mark.parametrize("count", [1, FEW])
def test_whatever_is_kept_of_an_event_it_counts(topic: dict[str, Any], count: int) -> None:
    records = [happened(MINUTE_MS)] * count
    assert told(records, topics={"*": topic}) == MINUTE_MS * US_PER_MS


def test_events_that_are_not_kept_do_not_count() -> None:
    probes = [happened(MINUTE_MS, headers=[("type", b"probe")])] * FEW
    ignoring = {"*": {"ignore": "event.name == 'probe'"}}
    assert told([*probes, happened(7)], topics=ignoring) == 7 * US_PER_MS
    assert told(probes, topics=ignoring) == 0


strange = st.sampled_from(
    [Record(b"hello"), Record(None), Record(b"{}", timestamp=-1), Record(b'{"type":1}', offset=3),
     happened(99, headers=[("a", b"1"), ("a", b"2")]), happened(11, timestamp=LAST_MS)]
)  # fmt: skip


@given(st.lists(st.integers(-5_000, 5_000).map(happened) | strange, min_size=1, max_size=30))
def test_many_at_once_have_the_difference_of_each_by_itself(records: list[Record]) -> None:
    assert told(records) == max(told([record]) for record in records)


def test_of_a_topic_that_was_made_anew_the_most_is_told_and_of_none_that_is_in_time() -> None:
    readers = Readers(source(), lambda: NOW)
    for topic_id, later in (("1", 5), ("2", 8), ("3", 6)):
        readers.of("payments", topic_id).events(0, [happened(later)], NOW)
    readers.of("orders", "4").events(0, [happened(0), happened(-3)], NOW)
    assert readers.published_after(NOW) == {"payments": 8 * US_PER_MS}
    assert readers.published_after(NOW + 2 * SLOT) == {}


def test_it_goes_from_the_tap_s_process_to_the_daemon_with_each_batch() -> None:
    condition = Condition("kafka", "reading", NOW, published_after={"payments": US_PER_S})
    pipe = io.BytesIO()
    frames.write(pipe, frames.Said.of(Batch(now=NOW), condition, Interest({})))
    pipe.seek(0)
    frame = frames.read(pipe)
    assert isinstance(frame, frames.Said)
    assert frame.condition == condition
