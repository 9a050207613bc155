"""`nonevent check` with a store or a daemon at hand: what was seen, and what is always excused."""

from pathlib import Path
from typing import Any

import pytest

from nonevent import check_past
from tests.nonevent.conftest import Nonevent
from tests.nonevent.test_daemon import House, house  # noqa: F401  # a fixture
from tests.watching import happened, moment, watch, write_events

RULES = """version: 1
flow: order
begins: order.created
ends: order.completed
expectations:
  - {name: paid, after: order.created, expect: order.paid, within: 30s}
  - {name: shipped, after: order.paid, expect: order.shiped, within: 30s}
  - {name: refunded, after: order.refused, expect: order.shipped, within: 30s}
  - {name: checked, after: order.created, expect: order.shipped, within: 1s, unless: order.noted}
  - {name: at times, after: order.created, expect: order.shipped, within: 1s, unless: order.paid}
"""
FLOWS = 8


def flow(number: int) -> list[dict[str, Any]]:
    """It is noted at once; whether it is paid before its second is over differs."""
    at, id = number * 100.0, f"ord-{number}"
    paid = 0.5 if number % 2 else 20
    steps = ((0, "order.created"), (0.1, "order.noted"), (paid, "order.paid"),
             (40, "order.shipped"), (50, "order.completed"))  # fmt: skip
    return [happened(at + after, f"{name}", id) for after, name in steps]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "rules.yaml").write_text(RULES)
    write_events(tmp_path / "events.jsonl", [e for n in range(FLOWS) for e in flow(n)])
    watch(tmp_path / "events.jsonl", [], tmp_path / "seen.duckdb")
    return tmp_path


def warnings(lines: str) -> list[str]:
    return [
        line.removeprefix("rules.yaml:") for line in lines.splitlines() if ": warning: " in line
    ]


def at(words: str, further: str = "") -> str:
    """Line and column of the first of these words in the rules, or of what stands behind them."""
    offset = RULES.index(words)
    offset = RULES.index(further, offset) if further else offset
    line = RULES.count("\n", 0, offset) + 1
    return f"{line}:{offset - RULES.rfind(chr(10), 0, offset)}"


def expected(count: int) -> list[str]:
    among = f"never seen: not once among {count} events since {moment(0)[:17]}00.000Z"
    silent = "nothing that brings it to bear was ever seen: it is silent, and judges nothing"
    over = f"{FLOWS} of its instances in {count} events since {moment(0)}"
    told = {
        at("order.shiped"): f"`order.shiped` was {among}; did you mean `order.shipped`?",
        at("{name: refunded"): f"`refunded`: {silent}",
        at("order.refused"): f"`order.refused` was {among}",
        at(
            "checked", "unless"
        ): f"`checked`: its `unless` always comes first: it excused all {over}",
    }
    return [f"{place}: warning: {what}" for place, what in told.items()]


def test_with_a_store_what_was_never_seen_and_what_is_always_excused_is_told(
    folder: Path, nonevent: Nonevent
) -> None:
    said = nonevent("check", "rules.yaml", "--store", "seen.duckdb")
    assert (said.code, said.err) == (0, "")
    told = warnings(said.out)
    # One letter is missing: that is said without a store, too.
    slip, *others = told
    what = "`order.shiped` stands nowhere else in this file; did you mean `order.shipped`?"
    assert slip == f"{at('order.shiped')}: warning: {what}"
    assert others == expected(5 * FLOWS)
    assert said.out.endswith("\n1 file, 5 expectations: fine\n")


def test_without_a_store_nothing_is_said_of_what_was_seen(folder: Path, nonevent: Nonevent) -> None:
    said = nonevent("check", "rules.yaml")
    assert (said.code, said.err) == (0, "")
    (line,) = warnings(said.out)
    assert "stands nowhere else" in line


def test_a_store_that_is_named_and_not_there_is_an_error(folder: Path, nonevent: Nonevent) -> None:
    said = nonevent("check", "rules.yaml", "--store", "gone.duckdb")
    assert said.code in (2, 3)
    assert "gone.duckdb" in said.err


def test_a_configuration_that_cannot_be_read_here_keeps_nobody_from_checking(
    folder: Path, nonevent: Nonevent
) -> None:
    config = "store: {path: seen.duckdb}\nexpectations: [gone]\nhttp: {token: '${NOT_SET_HERE}'}\n"
    (folder / "nonevent.yaml").write_text(config)
    said = nonevent("check", "rules.yaml")
    assert said.code == 0
    assert said.err.startswith("not compared with what was seen: ")
    assert "NOT_SET_HERE" in said.err
    named = nonevent("check", "rules.yaml", "--config", "nonevent.yaml")
    assert named.code == 2
    # Its live rules may be anything: these are the ones that are asked about.
    (folder / "nonevent.yaml").write_text(config.partition("http")[0])
    said = nonevent("check", "rules.yaml")
    assert (said.code, said.err) == (0, "")
    assert warnings(said.out)[1:] == expected(5 * FLOWS)


def test_what_is_kept_is_told_by_the_configuration(folder: Path, nonevent: Nonevent) -> None:
    text = "store: {path: none.duckdb, retention: 10s, max_flow_age: 20s}\n"
    (folder / "nonevent.yaml").write_text(text)
    told = warnings(nonevent("check", "rules.yaml").out)
    assert [line.partition(": warning")[0] for line in told if "max_flow_age: 20s" in line] == [
        at(name, "within") for name in ("paid", "shipped", "refunded")
    ]


def test_of_a_long_past_only_the_last_minutes_are_judged(
    folder: Path, nonevent: Nonevent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(check_past, "MOST_JUDGED", 32)
    told = warnings(nonevent("check", "rules.yaml", "--store", "seen.duckdb").out)
    (line,) = [line for line in told if "always comes first" in line]
    # The eight flows begin every 100 s; whole minutes are taken from the last one back.
    count = int(line.split("instances in ")[1].split(" ")[0])
    assert 25 <= count <= 32
    assert f"since {moment(0)}" not in line


def test_fewer_instances_may_be_chance(folder: Path, nonevent: Nonevent) -> None:
    few = folder / "few.jsonl"
    write_events(few, [e for n in range(check_past.TELLING - 1) for e in flow(n)])
    watch(few, [], folder / "few.duckdb")
    told = warnings(nonevent("check", "rules.yaml", "--store", "few.duckdb").out)
    assert any("was never seen" in line for line in told)
    assert not any("always comes first" in line for line in told)


def test_a_condition_that_reads_what_is_never_there_is_told(
    folder: Path, nonevent: Nonevent
) -> None:
    lines = [{**line, "payload": {"amount": 5}} for n in range(FLOWS) for line in flow(n)]
    write_events(folder / "paid.jsonl", lines)
    watch(folder / "paid.jsonl", [], folder / "paid.duckdb")
    rules = """version: 1
flow: order
begins: order.created
ends: order.completed
events:
  vast: {name: order.shipped, where: event.payload.weight > 5}
expectations:
  - {name: misread, after: order.created, where: event.payload.amout > 3, never: order.gone}
  - {name: read, after: order.created, where: event.payload.amount > 3, never: order.gone}
  - {name: asked first, after: order.created, where: has(event.payload.amout), never: order.gone}
  - {name: vast, after: vast, never: order.gone}
  - name: alike
    after: order.created
    expect: order.paid
    within: 30s
    same: [event.payload.amount, event.payload.currency]
"""
    (folder / "rules.yaml").write_text(rules)
    told = warnings(nonevent("check", "rules.yaml", "--store", "paid.duckdb").out)
    found = [line for line in told if "a field that" in line]
    place = {line: number for number, line in enumerate(rules.splitlines(), 1)}
    (misread,) = (n for line, n in place.items() if "amout > 3" in line)
    (alike,) = (n for line, n in place.items() if "currency" in line)
    assert [line.partition(":")[0] for line in found] == [
        str(misread),
        str(misread + 3),
        str(alike),
    ]
    assert found[0].endswith(
        "`misread`: a field that `event.payload.amout > 3` reads was not there, all of the 8 times "
        f"that it was asked in {5 * FLOWS} events since {moment(0)}"
    )
    assert "`event.payload.weight > 5`" in found[1]
    assert "`event.payload.currency`" in found[2]


def test_mistakes_are_told_before_anything_is_looked_up(folder: Path, nonevent: Nonevent) -> None:
    (folder / "rules.yaml").write_text(RULES + "  - {name: x, after: a, expct: b}\n")
    said = nonevent("check", "rules.yaml", "--store", "seen.duckdb")
    assert said.code == 2
    assert "never seen" not in said.out + said.err


def test_a_daemon_is_asked_for_what_its_store_says(
    house: House,  # noqa: F811
) -> None:
    daemon = house.run(11)
    rules = house.folder / "tried.yaml"
    rules.write_text(RULES)
    running = house.ask("check", rules, "--json")
    by_address = house.ask("check", rules, "--url", house.url, "--json")
    listed = house.ask("expectations", "--json")
    assert daemon.stop() == 0
    alone = house.ask("check", rules, "--json")
    assert running.code == alone.code == by_address.code == 0
    assert running.json == alone.json == by_address.json
    whats = [problem["what"] for problem in running.json["problems"]]
    assert any(what.startswith("`order.refused` was never seen") for what in whats)
    assert listed.json["items"]
    # What could not be told is counted by the daemon alone.
    for one in (live := listed.json)["items"]:
        assert one.pop("unknown") == one.pop("failed") == 0
    stored = house.ask("expectations", "--json").json
    for one in stored["items"]:
        assert one.pop("unknown") is one.pop("failed") is None
    assert live == stored
