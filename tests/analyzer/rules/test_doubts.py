"""Rule files that are valid and surely not meant so: each `doubtful/NAME.yaml` has its warnings in
`doubtful/NAME.txt`, written anew with REWRITE=1 as in `test_rule_files.py`."""

import os
import random
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from analyzer.rules.beyond import Kept, beyond
from analyzer.rules.doubts import doubts
from analyzer.rules.loader import load
from analyzer.rules.ruleset import RuleFile
from analyzer.rules.unseen import unseen
from analyzer.trial import trial
from collector.event import Event
from collector.store.rollups import Sighting
from collector.times import US_PER_S

ROOT = Path(__file__).parents[3]
HERE = Path(__file__).parent
DOUBTFUL = sorted((HERE / "doubtful").glob("*.yaml"))
SHIPPED = sorted(
    path
    for folder in (ROOT / "expectations", ROOT / "bench", HERE / "good")
    for path in folder.glob("*.yaml")
)
DAY = 86_400 * US_PER_S
AT = 1_772_359_200 * US_PER_S
SECONDS = (0, 1, 2, 9, 10, 11, 30, 31, 60, 61, 120, 121, 300, 301, 3600, 3601, 7200, 7201)
LOGS = 600
Judgement = tuple[int | None, str, bool]


def loaded(path: Path) -> RuleFile:
    (file,) = load([path]).files
    return file


@pytest.mark.parametrize("path", DOUBTFUL, ids=[path.stem for path in DOUBTFUL])
def test_what_is_doubtful_is_told_with_its_place(path: Path) -> None:
    said = "".join(f"{one}\n".removeprefix(f"{path}:") for one in doubts(loaded(path)))
    golden = path.with_suffix(".txt")
    if os.environ.get("REWRITE"):
        golden.write_text(said)
    assert said == golden.read_text()
    assert said


@pytest.mark.parametrize("path", SHIPPED, ids=[path.stem for path in SHIPPED])
def test_of_rule_files_that_are_meant_nothing_is_doubted(path: Path) -> None:
    assert doubts(loaded(path)) == []


# What they say is what the judge does


def logs(file: RuleFile, seed: int) -> Iterator[list[Event]]:
    """Flows of the file's events at the edges of its deadlines, each begun by its begin."""
    chance = random.Random(seed)
    names = sorted(file.names())
    for _ in range(LOGS):
        drawn = [(0, file.begins[0])]
        drawn += [
            (chance.choice(SECONDS), chance.choice(names)) for _ in range(chance.randint(1, 6))
        ]
        yield [
            Event(
                "s", "t", "t", 0, offset, AT + at * US_PER_S, AT + at * US_PER_S, name, ("x",),
                payload=f'{{"x": {chance.randint(0, 1)}}}', encoding="json",
            )
            for offset, (at, name) in enumerate(sorted(drawn, key=lambda one: one[0]))
        ]  # fmt: skip


def judged(file: RuleFile, events: list[Event]) -> dict[str, set[Judgement]]:
    """By expectation: of which activation what came, and whether it is a finding."""
    found: dict[str, set[Judgement]] = {one.options.name: set() for one in file.rules}
    for one in trial(file, events, AT + DAY).judged:
        for i in one.instances:
            activation = None if i.activation is None else i.activation.offset
            found[i.expectation].add((activation, i.state, i.finding is not None))
    return found


def offences(judgements: set[Judgement]) -> set[int | None]:
    return {activation for activation, _, finding in judgements if finding}


def test_what_is_said_to_be_found_by_another_is() -> None:
    file = loaded(HERE / "doubtful" / "implied.yaml")
    said = [re.search("whatever `(.*)` finds, `(.*)` finds", str(one)) for one in doubts(file)]
    pairs = [(match[1], match[2]) for match in said if match]
    assert len(pairs) == 5
    shown: set[str] = set()
    for events in logs(file, 1):
        found = judged(file, events)
        for one, wider in pairs:
            assert offences(found[one]) <= offences(found[wider]), (one, wider, events)
            shown.update({one} if found[one] and offences(found[one]) else ())
    assert shown == {one for one, _ in pairs}


def test_what_is_said_to_be_judged_as_another_is() -> None:
    file = loaded(HERE / "doubtful" / "twins.yaml")
    said = [re.search("`(.*)` is judged as `(.*)` is", str(one)) for one in doubts(file)]
    pairs = [(match[1], match[2]) for match in said if match and "waits" not in match[1]]
    assert len(pairs) == 3
    states: set[str] = set()
    for events in logs(file, 2):
        found = judged(file, events)
        for one, other in pairs:
            assert found[one] == found[other]
            states.update(state for _, state, _ in found[one])
    assert {"met", "missing", "late"} <= states


def test_what_is_said_to_be_excused_always_or_never_is() -> None:
    file = loaded(HERE / "doubtful" / "excuses.yaml")
    without = replace(
        file,
        rules=tuple(
            replace(one, options=replace(one.options, unless=()))  # type: ignore[type-var]
            for one in file.rules
        ),
    )
    said = [str(one) for one in doubts(file)]
    names = {rule.options.written.place.line: rule.options.name for rule in file.rules
             if rule.options.written is not None}  # fmt: skip
    line = re.compile(r":(\d+):\d+: warning")
    never = {names[int(line.search(one)[1])] for one in said if "never finds" in one}  # type: ignore[index]
    useless = {names[int(line.search(one)[1])] for one in said if "nothing" in one} - never  # type: ignore[index]
    assert never == {"none begins", "none begins either", "together"}
    assert useless == {"what is expected", "what is next"}
    would: set[str] = set()
    for events in logs(file, 3):
        found, else_found = judged(file, events), judged(without, events)
        for name in never:
            assert offences(found[name]) == set(), (name, events)
            would.update({name} if offences(else_found[name]) else ())
        for name in useless:
            assert found[name] == else_found[name], (name, events)
            would.update({name} if offences(found[name]) else ())
    assert would == never | useless


# With what was seen, and what is kept

RULES = """version: 1
flow: order
begins: order.created
ends: [order.completed, order.canceled]
events:
  payment: {topic: payments, name: paid}
  refund: {topic: refunds}
expectations:
  - {name: fine, after: order.created, expect: payment, within: 1s}
  - {name: no such name, after: order.created, expect: order.shiped, within: 1s}
  - {name: no such trigger, after: order.opened, never: [payment, order.shiped]}
  - {name: elsewhere, after: refund, never: payment}
  - {name: not on, after: nonsense, never: payment, enabled: false}
"""
SEEN = [
    Sighting("orders", "order.created", 10, AT, AT, 0),
    Sighting("orders", "order.shipped", 10, AT, AT, 0),
    Sighting("orders", "order.completed", 4, AT - DAY, AT, 0),
    Sighting("payments", "paid", 10, AT, AT, 0),
    Sighting("payments", "", 1, AT, AT, 0),
]


def file_of(tmp_path: Path, text: str) -> RuleFile:
    path = tmp_path / "rules.yaml"
    path.write_text(text)
    return loaded(path)


def at(text: str, words: str, further: str = "") -> str:
    """Line and column of the first of these words, or of what stands behind them."""
    offset = text.index(words)
    offset = text.index(further, offset) if further else offset
    line = text.count("\n", 0, offset) + 1
    return f"{line}:{offset - text.rfind(chr(10), 0, offset)}"


def test_names_that_were_never_seen_are_told_once_with_what_was_probably_meant(
    tmp_path: Path,
) -> None:
    file = file_of(tmp_path, RULES)
    never = "was never seen: not once among 35 events since 2026-02-28T10:00:00.000Z"
    silent = "nothing that brings it to bear was ever seen: it is silent, and judges nothing"
    assert [str(one).removeprefix(f"{file.path}:") for one in unseen(file, SEEN)] == [
        f"{place}: warning: {what}"
        for place, what in (
            (at(RULES, "order.canceled"), f"`order.canceled` {never}"),
            (at(RULES, "order.shiped"), f"`order.shiped` {never}; did you mean `order.shipped`?"),
            (at(RULES, "{name: no such trigger"), f"`no such trigger`: {silent}"),
            (at(RULES, "order.opened"), f"`order.opened` {never}"),
            (at(RULES, "{name: elsewhere"), f"`elsewhere`: {silent}"),
            (at(RULES, "elsewhere", "refund"), f"`refund` {never}"),
        )
    ]


def test_where_nothing_is_stored_nothing_is_said(tmp_path: Path) -> None:
    assert unseen(file_of(tmp_path, RULES), []) == []


def test_what_asks_for_more_than_is_kept_is_told(tmp_path: Path) -> None:
    text = """version: 1
flow: order
begins: order.created
ends: order.completed
within: 60d
expectations:
  - {name: kept while it is open, after: order.created, expect: a, within: 30d}
  - {name: too long, after: order.created, expect: b, within: 31d}
  - {name: far back, before: b, require: a, within: 8d}
  - {name: as last week, rate: a, per: 1h, compared_to: 7d, drop: 50%}
  - {name: as yesterday, rate: a, per: 1h, compared_to: 1d, drop: 50%}
  - {name: a long window, rate: a, per: 8d, at_least: 1}
  - {name: told at once, rate: a, per: 8d, at_most: 1}
  - {name: a slow step, latency: {from: a, to: b}, p99: 6d, per: 2d}
  - {name: a late run, every: "@monthly", expect: a, within: 8d}
"""
    file = file_of(tmp_path, text)
    kept = Kept(7 * DAY, 30 * DAY)
    told = [str(one).removeprefix(f"{file.path}:").partition(": warning: ") for one in
            beyond(file, kept)]  # fmt: skip
    of = [(place, re.sub(":.*", "", what)) for place, _, what in told]
    assert of == [
        (at(text, "within"), "60d is longer than an open flow is kept (`max_flow_age"),
        (at(text, "too long", "within:"), "`too long`"),
        (at(text, "far back", "within:"), "`far back`"),
        (at(text, "as last week", "compared_to:"), "`as last week`"),
        (at(text, "a long window", "per:"), "`a long window`"),
        (at(text, "a slow step", "per:"), "`a slow step`"),
        (at(text, "a late run", "within:"), "`a late run`"),
    ]
    assert all("unknown" in what or "before it is judged" in what for _, _, what in told)
    assert beyond(file, Kept(90 * DAY, 90 * DAY)) == []
