"""`lag`, live: in any pieces, through any restart, the findings that stand are those of all that
was observed, judged at once."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analyzer.clocks import Clocks
from analyzer.consumers.lag import Lag, Lagging
from analyzer.folds.judging import window_findings
from analyzer.live import Live
from analyzer.reading import findings as stored_findings
from analyzer.rules.loader import check
from analyzer.rules.ruleset import RuleSet
from analyzer.stages import JudgeStage
from collector.batch import Batch
from collector.consumers.history import History
from collector.consumers.observation import End, GroupState, Known, Look, Place, WatchRow
from collector.settings import StoreSettings
from collector.store.tables import COMMITS, ENDS, GROUPS, WATCHES
from collector.times import US_PER_S
from nonevent.config import Configuration
from nonevent.opening import open_store
from tests.examples import examples

S = US_PER_S
BASE = 1_795_000_000 * S
EVERY = 2 * S
TABLES = (GROUPS, COMMITS, ENDS, WATCHES)
RULES = {
    "version": 1,
    "expectations": [
        {"name": "seconds", "lag": "g", "at_most": "6s", "for": "4s"},
        {"name": "events", "lag": "g", "topic": "t", "at_most": "5 events"},
    ],
}


def rules() -> RuleSet:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "rules.yaml"
        path.write_bytes(msgspec.json.encode(RULES))
        files, problems = check([path])
    assert not [p for p in problems if not p.warning], problems
    return RuleSet.of(files)


FILES = rules()
PLACES = (Place("t", 0), Place("t", 1), Place("u", 0))


@st.composite
def histories(draw: st.DrawFn) -> list[Batch]:
    """A group that works, stands, goes back or is denied, on topics that grow."""
    history, batches = History("bus", Known()), []
    ends, committed = dict.fromkeys(PLACES, 0), dict.fromkeys(PLACES, 0)
    state = GroupState("classic", "Stable", 1)
    for number in range(draw(st.integers(5, 40))):
        moment = BASE + number * EVERY
        for place in PLACES:
            ends[place] += draw(st.sampled_from((0, 0, 1, 4)))
            step = draw(st.sampled_from(("stand", "stand", "work", "all", "back")))
            if step == "work":
                committed[place] = min(ends[place], committed[place] + 2)
            elif step == "all":
                committed[place] = ends[place]
            elif step == "back":
                committed[place] = max(0, committed[place] - 1)
        if draw(st.integers(0, 9)) == 0:
            continue  # nobody looked
        seen = state if draw(st.integers(0, 14)) else state._replace(why="denied")
        rows = history.take(
            Look(
                moment, moment + 1000, {"g": seen}, {} if seen.why else {"g": dict(committed)},
                {place: End(place.topic, end, end) for place, end in ends.items()},
            )
        )  # fmt: skip
        batch = Batch(now=moment + 1000)
        for table, some in ((GROUPS, rows.groups), (COMMITS, rows.commits), (ENDS, rows.ends)):
            if some:
                batch.rows[table.name] = list(some)
        batch.add(WATCHES.name, WatchRow("bus", BASE, moment, EVERY, ("*",)))
        batches.append(batch)
    return batches


def at_once(batches: list[Batch]) -> dict[str, str]:
    found: dict[str, str] = {}
    for file, fold in FILES.folds.values():
        assert isinstance(fold, Lag)
        lagging = Lagging(fold)
        lagging.see(*([row for b in batches for row in b.rows.get(t.name, ())] for t in TABLES))
        for finding in window_findings(file, fold, lagging.instances()).values():
            found[finding.id] = f"{finding.state} {finding.text}"
    return found


def test_any_pieces_and_any_restart_give_the_same_findings() -> None:
    seen: Counter[str] = Counter()

    @settings(
        max_examples=examples(12),
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    @given(histories(), st.data())
    def look(batches: list[Batch], data: st.DataObject) -> None:
        expected = at_once(batches)
        seen.update(text.split()[0] for text in expected.values())
        assert live(batches, data) == expected

    look()
    assert seen["open"]
    assert seen["closed"]


def live(batches: list[Batch], data: st.DataObject) -> dict[str, str]:
    """As the daemon does, on a store, started anew now and then."""
    with TemporaryDirectory() as folder:
        settings = StoreSettings(path=Path(folder) / "store.duckdb")
        store = open_store(Configuration(store=settings))
        stage = None
        try:
            for batch in batches:
                if stage is None or data.draw(st.integers(0, 9)) == 0:
                    stage = JudgeStage(Live(FILES, lambda flows: {}, 0), Clocks().sight, 0)
                    store.commit(stage.restore(store, BASE)).result()
                stage.process(batch)
                store.commit(batch).result()
            with store.reader() as cursor:
                rows = stored_findings(cursor, "WHERE state <> 'retracted'")
        finally:
            store.close()
    return {row.id: f"{row.state} {row.text}" for row, _ in rows}
