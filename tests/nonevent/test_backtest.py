"""`nonevent backtest`: what rules would have found in a store and in files, and its exit codes."""

import json
import os
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from collector.times import US_PER_S, format_time, parse_duration, parse_time
from tests.analyzer.cases import BASE, events, load_cases
from tests.nonevent.conftest import Nonevent
from tests.nonevent.test_daemon import House, house  # noqa: F401  # a fixture
from tests.watching import DAY_LATER, happened, moment, watch, write_events

RULES = """version: 1
flow: order
begins: order.created
ends: order.completed
expectations:
  - {name: payment follows order, after: order.created, expect: order.paid, within: 30s}
  - {name: shipped once, once: order.shipped}
  - {name: paid before shipped, before: order.shipped, require: order.paid, within: 1h}
  - {name: nothing of the kind, after: order.vanished, never: order.shipped}
"""
CONFIG = "sources: [{name: export, file: {path: events.jsonl}}]\nexpectations: [rules]\n"
STATES = ("met", "missing", "late", "violated", "void", "unknown", "pending")


def made(flows: int, seed: int) -> list[dict[str, Any]]:
    """Orders with everything that can happen to them; in no order."""
    chance = random.Random(seed)
    lines = []
    for number in range(flows):
        at, flow = number * 3.0, f"ord-{number:04}"
        steps = [(at, "order.created")]
        if chance.random() < 0.85:
            steps.append((at + chance.choice((1, 5, 29, 30, 31, 60)), "order.paid"))
        steps += [(at + 70, "order.shipped")] * chance.choice((0, 1, 1, 1, 2))
        if chance.random() < 0.7:
            steps.append((at + 80, "order.completed"))
        lines += [happened(seconds, name, flow) for seconds, name in steps]
    for offset, line in enumerate(lines):
        line |= {"topic": "orders", "partition": offset % 3, "offset": offset}
        line |= {"arrival": line["time"], "payload": {"n": offset}}
    chance.shuffle(lines)
    return lines


LINES = made(120, seed=7)
END = max(line["time"] for line in LINES)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "order.yaml").write_text(RULES)
    (tmp_path / "nonevent.yaml").write_text(CONFIG)
    write_events(tmp_path / "events.jsonl", LINES)
    return tmp_path


def by_name(told: dict[str, Any]) -> dict[str, dict[str, int]]:
    return {one["name"]: {s: one[s] for s in STATES if one[s]} for one in told["expectations"]}


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [msgspec.json.decode(line) for line in path.read_bytes().splitlines()]


# What is counted


def test_counts_are_those_of_counting_by_hand(folder: Path, nonevent: Nonevent) -> None:
    said = nonevent("backtest", "--events", "events.jsonl", "--json", "--findings", "found.jsonl")
    assert (said.code, said.err) == (1, "")
    told = said.json
    flows: dict[str, dict[str, list[str]]] = {}
    for line in sorted(LINES, key=lambda line: line["time"]):
        named = flows.setdefault(line["correlation_id"], {})
        named.setdefault(line["name"], []).append(line["time"])
    counted: Counter[str] = Counter()
    for named in flows.values():
        (created,) = named["order.created"]
        due = _plus(created, 30)
        paid = named.get("order.paid", [None])[0]
        if paid is not None and paid <= due:
            counted["met"] += 1
        elif due >= END:
            counted["pending"] += 1
        else:
            counted["missing" if paid is None else "late"] += 1
    assert min(counted.values()) > 0
    assert len(counted) >= 3
    assert (told["events"], told["flows"]) == (len(LINES), len(flows))
    assert by_name(told)["payment follows order"] == dict(counted)
    assert by_name(told)["nothing of the kind"] == {}
    repeated = sum(len(named.get("order.shipped", ())) > 1 for named in flows.values())
    assert by_name(told)["shipped once"]["violated"] == repeated
    for one in told["expectations"]:
        assert one["activations"] == sum(one[state] for state in STATES)
        assert one["silent"] == (one["activations"] == 0)
    written = Counter(line["expectation"] for line in lines_of(folder / "found.jsonl"))
    assert written == {
        one["name"]: count
        for one in told["expectations"]
        if (count := one["missing"] + one["late"] + one["violated"])
    }


def _plus(text: str, seconds: int) -> str:
    us = parse_time(text)
    assert us is not None
    return format_time(us + seconds * US_PER_S)


def test_fields_that_were_not_there_are_counted_by_condition(
    folder: Path, nonevent: Nonevent
) -> None:
    (folder / "rules" / "reading.yaml").write_text(
        """version: 1
flow: read
begins: order.created
expectations:
  - {name: large, after: order.created, where: event.payload.total > 3, never: order.gone}
  - {name: numbered, after: order.created, where: event.payload.n >= 0, never: order.gone}
"""
    )
    write_events(
        folder / "few.jsonl",
        [happened(n, "order.created", f"o{n}", payload={"n": n} | ({"total": n} if n < 3 else {}))
         for n in range(10)],
    )  # fmt: skip
    said = nonevent("backtest", "--rules", "rules/reading.yaml", "--events", "few.jsonl", "--json")
    found = {one["name"]: one["fields_missing"] for one in said.json["expectations"]}
    lacking = {"text": "event.payload.total > 3", "missing": 7, "asked": 10}
    assert found == {"large": [lacking], "numbered": []}
    printed = nonevent("backtest", "--rules", "rules/reading.yaml", "--events", "few.jsonl").out
    assert "✗ large: a field was not there 7 of 10 times: event.payload.total > 3" in printed


def test_what_cannot_be_told_is_counted_and_its_first_flows_are_named(
    folder: Path, nonevent: Nonevent
) -> None:
    (folder / "rules" / "reading.yaml").write_text(
        """version: 1
flow: read
begins: order.created
within: 1h
expectations:
  - {name: paid first, before: order.shipped, require: order.paid}
"""
    )
    # They may have been begun, and paid, before the file was.
    write_events(folder / "few.jsonl", [happened(n, "order.shipped", f"o{n}") for n in range(5)])
    asked = ("backtest", "--rules", "rules/reading.yaml", "--events", "few.jsonl")
    told = nonevent(*asked, "--json").json
    assert (told["expectations"][0]["unknown"], told["expectations"][0]["examples"]["unknown"]) == (
        4, ["o0", "o1", "o2"],
    )  # fmt: skip  # of the last one it is not settled yet
    printed = nonevent(*asked).out
    assert "✗ paid first: 4 unknown, such as" in printed
    assert "it may lie before the" in printed


def test_a_finding_line_has_every_field(folder: Path, nonevent: Nonevent) -> None:
    write_events(folder / "one.jsonl", [happened(0, "order.created", "o", topic="t", offset=4)])
    said = nonevent(
        "backtest", "--events", "one.jsonl", "--until", moment(31), "--findings", "found.jsonl"
    )
    assert said.code == 1
    (line,) = lines_of(folder / "found.jsonl")
    assert len(line.pop("id")) == 24
    assert len(line.pop("rule_version")) == 12
    assert line.pop("text").startswith("expected order.paid within 30s of order.created")
    assert line == {
        "expectation": "payment follows order", "type": "order", "finding": "missing",
        "state": "open", "flow": "o", "at": moment(30), "deadline": moment(30),
        "severity": "warning", "labels": {}, "values": ["order.paid"], "evidence": [],
        "activation": {"source": "export", "topic": "t", "partition": 0, "offset": 4,
                       "time": moment(0), "name": "order.created"},
    }  # fmt: skip


def test_the_end_of_a_file_is_no_deadline_and_until_is(folder: Path, nonevent: Nonevent) -> None:
    write_events(
        folder / "few.jsonl",
        [
            happened(0, "order.created", "o"),
            happened(25, "order.paid", "o", arrival=moment(50)),
            happened(30, "note", "p"),
        ],
    )
    few = ("backtest", "--events", "few.jsonl", "--json")
    state = "payment follows order"
    assert by_name(nonevent(*few).json)[state] == {"met": 1}
    # What had not arrived was not seen; at the deadline itself nothing is judged yet.
    for until, expected in ((30, "pending"), (30.001, "missing"), (49, "missing"), (50, "met")):
        assert by_name(nonevent(*few, "--until", moment(until)).json)[state] == {expected: 1}
    write_events(folder / "open.jsonl", [happened(0, "order.created", "o")])
    said = nonevent("backtest", "--events", "open.jsonl", "--json")
    assert (said.code, by_name(said.json)[state]) == (0, {"pending": 1})


@pytest.mark.parametrize("case", load_cases(), ids=lambda case: case["name"])
def test_a_worked_case_comes_out_as_in_a_test(
    case: dict[str, Any], tmp_path: Path, nonevent: Nonevent
) -> None:
    head = {"version": 1, "flow": "case", "begins": "start", "ends": ["end"]}
    rules = case.get("rules") or [{"name": "r", **case["rule"]}]
    for rule in rules:
        if rule.get("grace") == "default":
            del rule["grace"]
    rule_file = {**head, **case.get("flow", {}), "expectations": rules}
    (tmp_path / "case.yaml").write_bytes(msgspec.json.encode(rule_file))
    write_events(
        tmp_path / "case.jsonl",
        [
            {"name": e.name, "time": format_time(e.time), "arrival": format_time(e.arrival),
             "id": e.id, "correlation_id": list(e.correlation_ids),
             "payload": json.loads(e.payload or "null")}
            for e in events(case)
        ],
    )  # fmt: skip
    until = BASE + _us(case["until"])
    said = nonevent(
        "backtest", "--events", "case.jsonl", "--rules", "case.yaml", "--json",
        "--until", format_time(until),
    )  # fmt: skip
    counts = by_name(said.json)
    expected = {"r": case["expect"]} if "rule" in case else case["expect"]
    assert {name: counts[name] for name in expected} == expected
    assert said.code == (1 if any(counts[n].get(s) for n in counts for s in STATES[1:4]) else 0)


def _us(text: str) -> int:
    us = parse_duration(text)
    assert us is not None
    return us


# Where the data begin


def test_flows_that_began_before_the_data_are_unknown_and_never_found(
    folder: Path, nonevent: Nonevent
) -> None:
    """Within the flow's `within` of the first event; a later orphan is told."""
    (folder / "cut.yaml").write_text(
        "version: 1\nflow: order\nbegins: order.created\nwithin: 10m\nexpectations:\n"
        "  - {name: r, before: order.shipped, require: order.created}\n"
    )
    write_events(
        folder / "cut.jsonl",
        [
            happened(0, "order.paid", "begun before"),
            happened(5, "order.shipped", "begun before"),
            happened(599, "order.shipped", "maybe, too"),
            happened(600, "order.shipped", "orphan"),
            happened(601, "note", "x"),
        ],
    )
    cut = ("backtest", "--rules", "cut.yaml", "--events", "cut.jsonl", "--json")
    assert by_name(nonevent(*cut).json)["r"] == {"unknown": 2, "violated": 1}
    since = nonevent(*cut, "--since", moment(1)).json
    assert by_name(since)["r"] == {"unknown": 3}


def test_a_day_that_was_cut_out_of_a_bus_makes_no_false_alarm(
    folder: Path, nonevent: Nonevent
) -> None:
    """Without `within` it is the offsets that tell: what they begin with was not the first."""
    (folder / "cut.yaml").write_text(
        "version: 1\nflow: order\nbegins: order.created\nexpectations:\n"
        "  - {name: r, before: order.shipped, require: order.created}\n"
    )
    for first, expected in ((0, "violated"), (1, "violated"), (5_000, "unknown")):
        path = folder / f"{first}.jsonl"
        write_events(
            path,
            [
                happened(0, "order.shipped", "o", topic="t", offset=first),
                happened(1, "note", "p", topic="t", offset=first + 1),
            ],
        )
        told = nonevent("backtest", "--rules", "cut.yaml", "--events", path, "--json").json
        assert by_name(told)["r"] == {expected: 1}


# From where


def test_lines_in_any_order_and_other_forms_give_the_same(folder: Path, nonevent: Nonevent) -> None:
    def found(path: Path) -> tuple[Any, list[dict[str, Any]]]:
        said = nonevent("backtest", "--events", path, "--json", "--findings", "found.jsonl")
        assert said.code == 1, said.err
        return said.json, lines_of(folder / "found.jsonl")

    expected = found(folder / "events.jsonl")
    assert len(expected[1]) > 20
    write_events(folder / "sorted.jsonl", sorted(LINES, key=lambda line: str(line["time"])))
    duckdb.sql(f"COPY (SELECT * FROM read_json('{folder}/events.jsonl')) TO '{folder}/e.parquet'")
    columns = {k: [line[k] for line in LINES] for k in LINES[0] if k != "payload"}
    pq.write_table(pa.table(columns), folder / "plain.parquet")
    with (folder / "e.csv").open("w") as csv:
        csv.write("name,time,correlation_id,topic,partition,offset\n")
        for line in LINES:
            csv.write(",".join(str(line[k]) for k in ("name", "time", "correlation_id")))
            csv.write(f",{line['topic']},{line['partition']},{line['offset']}\n")
    for name in ("sorted.jsonl", "e.parquet", "plain.parquet", "e.csv"):
        assert found(folder / name) == expected, name
    for name in ("e.parquet", "e.csv"):
        store = folder / f"{name}.duckdb"
        watch(folder / name, [folder / "rules"], store, now=DAY_LATER)
        items = nonevent("findings", "--json", "--limit", 1000, "--store", store).json["items"]
        standing = {one["id"] for one in items if one["state"] != "retracted"}
        assert standing == {line["id"] for line in expected[1]}


def test_standard_input(folder: Path) -> None:
    asked = [sys.executable, "-m", "nonevent", "backtest", "--events", "-", "--json"]
    duckdb.sql(f"COPY (SELECT * FROM read_json('{folder}/events.jsonl')) TO '{folder}/e.parquet'")
    told = [
        subprocess.run(asked, cwd=folder, input=(folder / name).read_bytes(), capture_output=True)
        for name in ("events.jsonl", "e.parquet")
    ]
    assert [one.returncode for one in told] == [1, 1], told
    assert told[0].stdout == told[1].stdout
    assert json.loads(told[0].stdout)["events"] == len(LINES)
    nothing = subprocess.run(asked, cwd=folder, input=b"", capture_output=True, text=False)
    assert nothing.returncode == 2
    assert b"standard input holds no event" in nothing.stderr


def test_a_store_and_its_export_give_the_findings_that_the_daemon_settled(
    folder: Path, nonevent: Nonevent
) -> None:
    (folder / "rules" / "guarded.yaml").write_text(
        "version: 1\nflow: guarded\nbegins: order.created\nexpectations:\n"
        "  - {after: order.created, where: event.payload.n > 200, never: order.shipped}\n"
    )
    watch(folder / "events.jsonl", [folder / "rules"], folder / "nonevent.duckdb", now=DAY_LATER)
    settled = {
        (one["id"], one["finding"], one["state"], one["text"])
        for one in nonevent("findings", "--json", "--limit", 1000).json["items"]
        if one["state"] != "retracted"
    }
    assert len(settled) > 20
    assert "forbidden" in {finding for _, finding, _, _ in settled}
    (folder / "exported.jsonl").write_text(nonevent("export").out)
    for kind in ("backup", "snapshot"):
        assert nonevent(kind, f"{kind}.duckdb").code == 0
    for past in (
        [], ["--events", "exported.jsonl"],
        ["--store", "backup.duckdb"], ["--store", "snapshot.duckdb"],
    ):  # fmt: skip
        said = nonevent("backtest", *past, "--findings", "found.jsonl", "--json")
        assert said.code == 1, said.err
        lines = lines_of(folder / "found.jsonl")
        assert {(f["id"], f["finding"], f["state"], f["text"]) for f in lines} == settled
        assert len(lines) == len(settled)
        assert said.json["events"] == len(LINES)


@pytest.mark.parametrize(("within", "expected"), [("", 3), ("within: 10m\n", 1)])
def test_where_the_data_begin_daemon_store_and_export_agree(
    folder: Path, nonevent: Nonevent, within: str, expected: int
) -> None:
    """Orphans: what may have begun before the file did is not known, and never found."""
    (folder / "rules" / "order.yaml").write_text(
        f"version: 1\nflow: order\nbegins: order.created\n{within}expectations:\n"
        "  - {name: r, before: order.shipped, require: order.created}\n"
        "  - {name: s, after: order.paid, never: order.lost}\n"
    )
    (folder / "events.jsonl").unlink()
    write_events(
        folder / "events.jsonl",
        [
            happened(0, "order.paid", "x"), happened(1, "order.shipped", "x"),
            happened(599, "note", "y"), happened(601, "order.shipped", "y"),
            happened(598, "order.paid", "z"), happened(602, "order.shipped", "z"),
            happened(603, "note", "n"),
        ],
    )  # fmt: skip
    watch(folder / "events.jsonl", [folder / "rules"], folder / "nonevent.duckdb", now=DAY_LATER)
    daemon = {one["flow"] for one in nonevent("findings", "--json").json["items"]}
    # Only what rules name counts: that is the first event of y that they see.
    assert daemon == ({"x", "y", "z"} if expected == 3 else {"y"})
    (folder / "exported.jsonl").write_text(nonevent("export").out)
    for past in ([], ["--events", "exported.jsonl"], ["--events", "events.jsonl"]):
        told = nonevent("backtest", *past, "--findings", "found.jsonl", "--json").json
        assert {line["flow"] for line in lines_of(folder / "found.jsonl")} == daemon
        assert by_name(told)["r"].get("unknown", 0) == 3 - expected


def test_keys_that_tie_make_the_flows_that_they_make_in_the_daemon(
    folder: Path, nonevent: Nonevent
) -> None:
    key = {"order_id": {"from": ["payload:order"], "ties": True}}
    (folder / "tied.yaml").write_bytes(
        msgspec.json.encode(
            {"sources": [{"name": "export", "file": {"path": "tied.jsonl"}, "keys": key}]}
        )
    )
    write_events(
        folder / "tied.jsonl",
        [
            happened(0, "order.created", "a", payload={"order": 1}),
            happened(5, "order.paid", "b", payload={"order": 1}),
            happened(6, "order.paid", payload={"order": 2}),
            happened(1, "order.created", "c", payload={"order": 2}),
            happened(2, "order.created", "d", payload={"order": 3}),
            happened(90, "note", "z"),
        ],
    )
    asked = ("backtest", "--events", "tied.jsonl", "--rules", "rules", "--json")
    tied = nonevent(*asked, "--config", "tied.yaml").json
    assert (tied["flows"], tied["events"]) == (4, 6)
    assert by_name(tied)["payment follows order"] == {"met": 2, "missing": 1}
    loose = nonevent(*asked).json
    assert by_name(loose)["payment follows order"] == {"missing": 3}


def test_while_the_daemon_runs_its_store_is_asked_of_it(
    house: House,  # noqa: F811
) -> None:
    daemon = house.run(11)
    running = house.ask("backtest", "--json")
    assert (running.code, running.err) == (1, "")
    assert daemon.stop() == 0
    alone = house.ask("backtest", "--json")
    assert running.json == alone.json
    assert running.json["events"] == 11


def test_a_part_of_the_past(folder: Path, nonevent: Nonevent) -> None:
    every = ("backtest", "--events", "events.jsonl", "--json")
    part = nonevent(*every, "--since", moment(60), "--until", moment(120)).json
    wanted = [line for line in LINES if moment(60) <= line["time"] <= moment(120)]
    assert part["events"] == len(wanted)
    assert (part["since"], part["until"]) == (min(e["time"] for e in wanted), moment(120))
    (folder / "rules" / "other.yaml").write_text(
        "version: 1\nflow: other\nbegins: a\nexpectations: [{name: r, after: a, never: b}]\n"
    )
    assert [e["type"] for e in nonevent(*every, "--flow-type", "other").json["expectations"]] == [
        "other"
    ]
    said = nonevent(*every, "--flow-type", "none")
    assert said.code == 2
    assert "there are: order, other" in said.err


# What steps take, and what would be different


def test_how_long_the_awaited_step_takes(folder: Path, nonevent: Nonevent) -> None:
    write_events(
        folder / "took.jsonl",
        [
            line
            for n in range(100)
            for line in (
                happened(n * 1000, "order.created", f"o{n}"),
                happened(n * 1000 + (90 if n == 17 else n / 10), "order.paid", f"o{n}"),
            )
        ],
    )
    told = nonevent("backtest", "--events", "took.jsonl", "--json").json
    (payment, _, before, never) = told["expectations"]
    assert (payment["met"], payment["late"]) == (99, 1)
    assert payment["took"] == {"count": 100, "p50": 5.0, "p90": 9.0, "p99": 9.9, "max": 90.0}
    assert payment["within"] == {"0.1%": "2m", "1%": "10s", "5%": "10s"}
    assert payment["examples"]["late"] == ["o17"]
    assert before["took"] is None
    assert never["took"] is None


def test_the_difference_to_the_rules_that_are_live(folder: Path, nonevent: Nonevent) -> None:
    tried = RULES.replace("within: 30s", "within: 5s").replace("name: shipped", "name: sent")
    (folder / "new.yaml").write_text(tried)
    asked = ("backtest", "--events", "events.jsonl")
    nonevent(*asked, "--findings", "live.jsonl")
    live = {line["id"]: line for line in lines_of(folder / "live.jsonl")}
    told = nonevent(*asked, "--rules", "new.yaml", "--findings", "new.jsonl", "--json").json
    new = {line["id"]: line for line in lines_of(folder / "new.jsonl")}
    difference = told["difference"]
    assert difference["new"] == len(new.keys() - live.keys()) > 0
    assert difference["gone"] == len(live.keys() - new.keys()) > 0
    assert difference["same"] == len(live.keys() & new.keys()) > 0
    changes = {one["name"]: one for one in difference["expectations"]}
    assert changes["shipped once"]["new"] == changes["sent once"]["gone"] == 0
    assert changes["shipped once"]["gone"] == changes["sent once"]["new"] > 0
    example = changes["payment follows order"]["new_examples"][0]
    assert example in {new[id]["flow"] for id in new.keys() - live.keys()}
    reverse = nonevent(*asked, "--against", "new.yaml", "--json").json["difference"]
    assert (reverse["new"], reverse["gone"]) == (difference["gone"], difference["new"])
    assert nonevent(*asked, "--json").json["difference"] is None
    assert nonevent(*asked, "--rules", "rules", "--json").json["difference"] is None
    (folder / "rules" / "order.yaml").write_text("version: 2")
    broken = nonevent(*asked, "--rules", "new.yaml", "--json")
    assert (broken.code, broken.json["difference"]) == (1, None)
    assert broken.err.startswith("not compared with the rules of the configuration:\n")


# What is said of it


def test_what_people_are_told(folder: Path, nonevent: Nonevent) -> None:
    write_events(
        folder / "told.jsonl",
        [
            happened(0, "order.created", "o1"), happened(10, "order.paid", "o1"),
            happened(0, "order.created", "o2"), happened(45, "order.paid", "o2"),
            happened(50, "order.shipped", "o2"), happened(51, "order.shipped", "o2"),
            happened(52, "order.completed", "o2"), happened(60, "order.created", "o3"),
        ],
    )  # fmt: skip
    (folder / "new.yaml").write_text(RULES.replace("30s", "1m"))
    said = nonevent("backtest", "--events", "told.jsonl", "--rules", "new.yaml")
    assert said.code == 1
    golden = Path(__file__).with_name("backtest.txt")
    if os.environ.get("GOLDEN"):
        golden.write_text(said.out)
    assert said.out == golden.read_text()


def test_exit_codes(folder: Path, nonevent: Nonevent) -> None:
    def code(*options: object) -> int:
        return nonevent("backtest", *options).code

    write_events(folder / "fine.jsonl", [happened(0, "note", "x")])
    (folder / "broken.yaml").write_text("version: 1\nflow: x\n  y: z\n")
    assert code("--events", "fine.jsonl") == 0
    assert code("--events", "events.jsonl") == 1
    assert code("--events", "none.jsonl") == 2
    assert code("--events", "fine.jsonl", "--rules", "broken.yaml") == 2
    assert code("--events", "fine.jsonl", "--rules", "none") == 2
    assert code("--events", "fine.jsonl", "--until", "2026-03-01T10:00:00") == 2
    assert code("--events", "fine.jsonl", "--findings", "no/such/folder.jsonl") == 2
    assert code("--events", "fine.jsonl", "--findings", folder / "fine.jsonl") == 2
    assert code("--events", "fine.jsonl", "--findings", "/dev/full") == 0
    assert code("--events", "events.jsonl", "--findings", "/dev/full") == 2
    assert code("--store", "none.duckdb") == 3
    (folder / "nonevent.yaml").unlink()
    said = nonevent("backtest", "--events", "fine.jsonl")
    assert (said.code, said.err) == (2, "no rules: name a file or a folder with --rules\n")


def test_a_store_that_another_process_holds_is_busy(folder: Path, nonevent: Nonevent) -> None:
    watch(folder / "events.jsonl", [folder / "rules"], folder / "nonevent.duckdb")
    script = (
        "import duckdb, sys; c = duckdb.connect('nonevent.duckdb'); print('held', flush=True);"
        "sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        said = nonevent("backtest")
        other.communicate(b"")
    assert said.code == 3
    assert "cannot be opened" in said.err
    assert nonevent("backtest").code == 1


def test_findings_are_whole_or_as_they_were(folder: Path, nonevent: Nonevent) -> None:
    (folder / "found.jsonl").write_text("as it was")
    write_events(folder / "cut.jsonl", [*LINES, b'{"name":'])
    said = nonevent("backtest", "--events", "cut.jsonl", "--findings", "found.jsonl")
    assert said.code == 2
    assert said.err.startswith(f"cut.jsonl:{len(LINES) + 1}: ")
    assert (folder / "found.jsonl").read_text() == "as it was"
    assert not list(folder.glob("*.part"))
