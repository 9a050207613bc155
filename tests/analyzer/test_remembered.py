"""A restart that goes on with what was remembered: the same findings as one that reads it all."""

from collections.abc import Sequence
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analyzer.kinds.after_expect import AfterExpect
from analyzer.rules.rule import Options
from analyzer.rules.ruleset import RuleFile
from analyzer.sight import Sight
from collector.event import Event
from collector.ties import flows_of
from tests.analyzer.arriving import arriving, bounded
from tests.analyzer.test_properties import (
    LAST,
    TYING,
    S,
    Watcher,
    logs,
    rule_files,
    settled,
    sight_at,
)
from tests.examples import examples

KEY = "these rules"


class Remembering(Watcher):
    """As its like, with what is remembered beside the store."""

    written: Sequence[bytes] = ()
    chunk = 1000
    """Of events that are read back at once."""

    def take(self, batch: Sequence[Event], sight: Sight) -> None:
        super().take(batch, sight)
        for seq, event in enumerate(self.stored, 1):
            event.seq = seq

    def remember(self) -> None:
        self.written = self.live.written(KEY, len(self.stored))

    def crash(self, sight: Sight) -> None:
        self.live = self.fresh()
        found = self.live.remembered(self.written, KEY)
        after = 0 if found is None else found.seq
        if self.ties is not None:
            self.ties.add(self.stored[:after] if found is not None else self.stored)
        if found is not None:
            self.live.recover(found, self.counts(after))
        for first in range(after, len(self.stored), self.chunk):
            self.live.absorb(self.stored[first : first + self.chunk], stored=True)
        self.live.recovered()
        self.live.remember(list(self.told.values()))
        assert not self.live.advance(sight), "a restart alone changes nothing"

    def counts(self, last: int) -> list[tuple[str, int, int]]:
        names = self.live.names()
        found: dict[str, list[int]] = {}
        for event in self.stored[:last]:
            for flow in flows_of(event, self.ties):
                other = names is not None and event.name not in names
                found.setdefault(flow, [0, 0])[other] += 1
        return [(flow, named, others) for flow, (named, others) in found.items()]


@pytest.mark.parametrize(
    ("tying", "most", "runaway"),
    [({}, 10, 99), ({}, 10, 4), (TYING, 10, 99), (TYING, 2, 99), (TYING, 2, 4)],
    ids=["no ties", "runaways", "ties", "unties", "unties and runaways"],
)
@settings(max_examples=examples(100))
@given(rule_files(), logs(), st.data())
def test_restarts_with_and_without_what_was_remembered_give_the_same_findings(
    tying, most, runaway, file, log, data
) -> None:
    with (
        bounded(most, runaway),
        patch("analyzer.remembered.FLOWS", data.draw(st.sampled_from((1, 100)), "in a piece")),
        patch("analyzer.open_flow.MANY", data.draw(st.sampled_from((1, 100)), "many")),
    ):
        hot_flows = data.draw(st.sampled_from((0, 1, 100)), "hot flows")
        watcher = Remembering(file, hot_flows, 0, tying)
        watcher.chunk = data.draw(st.sampled_from((1, 2, 1000)), "in a chunk")
        for batch, complete, behind in arriving(data, log, LAST + 30):
            sight = sight_at(complete * S, behind * S)
            watcher.take(batch, sight)
            if data.draw(st.booleans(), "remember"):
                watcher.remember()
            if data.draw(st.booleans(), "crash"):
                watcher.crash(sight)
        final = sight_at((LAST + 30) * S)
        watcher.take([], final)
        assert watcher.told == settled(file, log, final, tying)


PAID = AfterExpect(Options(name="paid", version="1"), ("A",), (("B",),), 10 * S)
FILE = RuleFile(Path("p.yaml"), "p", ("A",), ("end",), None, (PAID,))


def test_by_other_rules_or_cut_short_nothing_of_it_is_used() -> None:
    log = [Event("s", "t", "t", 0, n, n * S, n * S, "A", (f"f{n}",)) for n in range(9)]
    watcher = Remembering(FILE, 100, 0, {})
    with patch("analyzer.remembered.FLOWS", 2):
        watcher.take(log, sight_at(0))
        watcher.remember()
    assert len(watcher.written) > 3
    found = watcher.live.remembered(watcher.written, KEY)
    assert found is not None
    assert set(found.flows) == {f"f{n}" for n in range(9)}
    assert watcher.live.remembered(watcher.written, "others") is None
    assert watcher.live.remembered(watcher.written[:3], KEY) is None
    assert watcher.live.remembered((), KEY) is None


def test_a_flow_of_which_the_store_has_not_as_many_events_is_dropped_or_read_back() -> None:
    log = [Event("s", "t", "t", 0, n, n * S, n * S, "A", (f"f{n}",)) for n in range(3)]
    watcher = Remembering(FILE, 100, 0, {})
    watcher.take(log, sight_at(0))
    watcher.remember()
    found = watcher.live.remembered(watcher.written, KEY)
    assert found is not None
    watcher.live = watcher.fresh()
    log[1].seq = 9  # it is not the one that was remembered: that one was deleted since
    watcher.live.recover(found, [("f0", 1, 0), ("f1", 2, 0)])
    assert {id: flow.count for id, flow in watcher.live.flows.items()} == {"f0": 1, "f1": 0}
