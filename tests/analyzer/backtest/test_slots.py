"""Events by time, in memory or on disk: what was put in comes out in order, each position once."""

from hypothesis import given, settings
from hypothesis import strategies as st

from analyzer.backtest.slots import SLOT, Slots
from collector.event import ORDER, Event
from tests.examples import examples

times = st.integers(-3 * SLOT, 40 * SLOT)


@settings(max_examples=examples(30))
@given(st.lists(st.tuples(times, st.sampled_from("AB")), max_size=30), st.booleans(), st.data())
def test_any_stretch_comes_out_as_it_was_put_in(log, spills, data) -> None:
    events = [
        Event("s", "t", "t", 0, number, time, time, name, ())
        for number, (time, name) in enumerate(log)
    ]
    with Slots(frozenset("A"), in_memory=0 if spills else 1 << 20) as slots:
        for number in range(0, len(events), 3):
            slots.put(events[number : number + 3])
        slots.put(events[:2])  # read twice
        for _ in range(3):
            start = data.draw(times)
            end = start + data.draw(st.integers(1, 20 * SLOT))
            expected = [e for e in events if e.name == "A" and start <= e.time < end]
            assert list(slots.between(start, end)) == sorted(expected, key=ORDER)
