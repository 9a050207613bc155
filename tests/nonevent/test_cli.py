"""The commands that ask: options, JSON and exit codes, on a store without a daemon."""

import os
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import msgspec
import pytest

from nonevent.beacon import Beacon
from tests.nonevent.conftest import Nonevent
from tests.watching import happened, moment, watch, write_events

COMMANDS = (
    "run", "flows", "show", "findings", "tail", "dropped", "status", "check", "test", "backtest",
    "export", "snapshot", "backup", "restore", "forget", "demo", "notify",
)  # fmt: skip
RULES = """
version: 1
flow: order
begins: order.created
ends: order.completed
expectations:
  - {name: payment follows order, after: order.created, expect: order.paid, within: 30s}
"""
EVENTS = [
    happened(0, "order.created", "ord-1", keys={"order_id": "123"}),
    happened(10, "order.paid", "ord-1"),
    happened(20, "order.created", "ord-2", keys={"order_id": "124"}),
    happened(30, "order.completed", "ord-1"),
    happened(90, "order.created", "ord-3"),
    happened(91, "order.paid"),
]


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as the daemon leaves it: configuration, rules, events and a store."""
    folder = tmp_path_factory.mktemp("filled")
    (folder / "rules").mkdir()
    (folder / "rules" / "order.yaml").write_text(RULES)
    write_events(folder / "events.jsonl", EVENTS)
    watch(folder / "events.jsonl", [folder / "rules"], folder / "nonevent.duckdb")
    (folder / "nonevent.yaml").write_text(
        "sources: [{name: export, file: {path: events.jsonl}}]\nexpectations: [rules]\n"
    )
    return folder


@pytest.fixture
def at_hand(filled: Path, tmp_path: Path, nonevent: Nonevent) -> Nonevent:
    """Commands in a folder of its own with all of that in it: no option is needed."""
    shutil.copytree(filled, tmp_path, dirs_exist_ok=True)
    return nonevent


HEAVY = ("aiokafka", "apprise", "celpy", "duckdb", "fastapi", "jinja2", "pyarrow")


def test_who_asks_a_daemon_waits_for_no_part_of_it() -> None:
    """Each costs a tenth of a second or more, and none is needed to ask and to print."""
    said = subprocess.run(
        [sys.executable, "-c", "import sys, nonevent.cli; print(*sys.modules)"],
        check=True, capture_output=True, text=True,
    ).stdout.split()  # fmt: skip
    assert "httpx" in said
    assert not {*HEAVY} & {*said}


def test_version(nonevent: Nonevent) -> None:
    assert nonevent("--version").out == f"nonevent {version('nonevent')}\n"


# What is asked


def test_flows(at_hand: Nonevent) -> None:
    said = at_hand("flows", "--json")
    assert (said.code, said.err) == (0, "")
    assert [(f["flow"], f["state"]) for f in said.json["items"]] == [
        ("ord-3", "open"), ("ord-1", "ended"), ("ord-2", "failed"),
    ]  # fmt: skip
    told = at_hand("flows")
    assert told.code == 0
    for word in ("ord-1", "ord-2", "ord-3", "failed", "order"):
        assert word in told.out


def test_flows_with_every_filter(at_hand: Nonevent) -> None:
    def flows(*options: str) -> list[str]:
        said = at_hand("flows", "--json", *options)
        assert said.code == 0, said.err
        return [item["flow"] for item in said.json["items"]]

    assert flows("--state", "failed", "--type", "order") == ["ord-2"]
    assert flows("-q", "124") == ["ord-2"]
    assert flows("--name", "order.created", "--without", "order.paid") == ["ord-3", "ord-2"]
    assert flows("--since", moment(31)) == ["ord-3"]
    assert flows("--until", moment(19), "--since", "2026-02-01T00:00:00+01:00") == ["ord-1"]
    assert flows("--since", "1990-01-01T00:00:00Z", "--limit", "1000") != []


def test_flows_page_by_page(at_hand: Nonevent) -> None:
    first = at_hand("flows", "--json", "--limit", "2").json
    second = at_hand("flows", "--json", "--limit", "2", "--cursor", first["next"]).json
    assert [item["flow"] for item in first["items"] + second["items"]] == [
        "ord-3", "ord-1", "ord-2",
    ]  # fmt: skip
    assert f"--cursor {first['next']}" in at_hand("flows", "--limit", "2").out


def test_show_of_a_flow_in_order_ends_with_0_and_of_one_with_findings_with_1(
    at_hand: Nonevent,
) -> None:
    said = at_hand("show", "ord-1", "--json")
    assert (said.code, said.json["flow"], said.json["state"]) == (0, "ord-1", "ended")
    broken = at_hand("show", "ord-2", "--json")
    assert (broken.code, broken.json["state"]) == (1, "failed")
    assert [item["kind"] for item in broken.json["timeline"]] == ["event", "ghost"]
    told = at_hand("show", "ord-2")
    assert told.code == 1
    assert "order.paid" in told.out
    assert "missing" in told.out


def test_show_finds_a_flow_by_a_business_key(at_hand: Nonevent) -> None:
    assert at_hand("show", "124", "--json").json["flow"] == "ord-2"


def test_a_flow_that_is_not_there_ends_with_3(at_hand: Nonevent) -> None:
    said = at_hand("show", "ord-9")
    assert (said.code, said.out) == (3, "")
    assert said.err.startswith("No flow 'ord-9'")


def test_findings_end_with_1_while_one_is_open(at_hand: Nonevent) -> None:
    said = at_hand("findings", "--json")
    assert said.code == 1
    (finding,) = said.json["items"]
    assert (finding["flow"], finding["finding"], finding["state"]) == ("ord-2", "missing", "open")
    assert at_hand("findings").code == 1
    for options in (["--state", "retracted"], ["--flow", "ord-1"], ["--expectation", "x"]):
        none = at_hand("findings", "--json", *options)
        assert (none.code, none.json) == (0, {"items": [], "next": None})


def test_tail_prints_an_object_an_event(at_hand: Nonevent) -> None:
    said = at_hand("tail", "--json")
    lines = [msgspec.json.decode(line) for line in said.out.splitlines()]
    assert (said.code, [line["seq"] for line in lines]) == (0, [1, 2, 3, 4, 5, 6])
    untied = at_hand("tail", "--json", "--untied").json
    assert (untied["name"], untied["problems"]) == ("order.paid", ["no-correlation-id"])
    assert at_hand("tail", "--problems", "--name", "order.created").out == ""
    assert len(at_hand("tail", "--limit", "2").out.splitlines()) == 2


def test_status(at_hand: Nonevent, tmp_path: Path) -> None:
    said = at_hand("status", "--json")
    assert said.code == 0
    assert said.json["events"] == len(EVENTS)
    assert said.json["settled_to"] == moment(91)
    assert said.json["running"] is False
    assert said.json["store"] == str(tmp_path / "nonevent.duckdb")
    assert "not running" in at_hand("status").out


def test_dropped_ends_with_1_while_somebody_drops_correlation_ids(
    at_hand: Nonevent, tmp_path: Path
) -> None:
    none = at_hand("dropped")
    assert none.code == 0
    assert "No event lacks" in none.out
    order = {"topic": "orders", "keys": {"order_id": "1"}}
    events = [
        happened(n, "order.paid", flow, **order, topic_id="o", partition=0, offset=n,
                 headers=[["producer", "payment"]])
        for n, flow in enumerate(["ord-1", None])
    ]  # fmt: skip
    write_events(tmp_path / "more.jsonl", events)
    watch(tmp_path / "more.jsonl", [], tmp_path / "more.duckdb")
    where = ("--store", tmp_path / "more.duckdb")
    said = at_hand("dropped", "--json", *where)
    assert said.code == 1
    (one,) = said.json["items"]
    assert (one["topic"], one["producer"], one["since"]) == ("orders", "payment", moment(1))
    told = at_hand("dropped", *where)
    assert told.code == 1
    for word in ("orders", "order.paid", "payment", "ord-1"):
        assert word in told.out


def test_a_store_and_rules_may_be_named_without_a_configuration(
    filled: Path, nonevent: Nonevent
) -> None:
    where = ["--store", filled / "nonevent.duckdb", "--rules", filled / "rules" / "order.yaml"]
    assert nonevent("show", "ord-2", "--json", *where).code == 1
    without_rules = nonevent("show", "ord-2", "--json", "--store", filled / "nonevent.duckdb")
    assert without_rules.json["type"] is None
    config = ["--config", filled / "nonevent.yaml"]
    assert nonevent("flows", "--json", "--state", "failed", *config).json["items"] != []


def test_nothing_is_written_by_asking(at_hand: Nonevent, tmp_path: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    for command in (["flows"], ["show", "ord-1"], ["findings"], ["tail"], ["status"]):
        at_hand(*command)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


# What goes wrong


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["flows", "--state", "lost"], "--state"),
        (["findings", "--state", "failed"], "--state"),
        (["flows", "--limit", "0"], "--limit"),
        (["flows", "--limit", "1001"], "--limit"),
        (["flows", "--since", "yesterday"], "since: 'yesterday' is no moment"),
        (["flows", "--since", "2026-03-01T10:00:00"], "has no zone"),
        (["flows", "--since", "1772359200"], "if these are seconds, write 1772359200000"),
        (["flows", "--cursor", "page 2"], "cursor: give the `next`"),
        (["findings", "--cursor", "page 2"], "cursor: give the `next`"),
        (["flows", "--no-such-option"], "--no-such-option"),
        (["show"], "FLOW_OR_KEY"),
        (["no-such-command"], "no-such-command"),
        (["flows", "--config", "gone.yaml"], "gone.yaml cannot be read"),
        (["run", "--config", "gone.yaml"], "gone.yaml cannot be read"),
        (["flows", "--rules", "gone"], "no rule file or folder at"),
    ],
)
def test_a_mistake_of_use_or_configuration_ends_with_2(
    at_hand: Nonevent, arguments: list[str], said: str
) -> None:
    answer = at_hand(*arguments)
    assert (answer.code, answer.out) == (2, "")
    assert said.lower() in answer.err.lower()
    assert "Traceback" not in answer.err


def test_rules_with_mistakes_end_with_2_and_name_them(at_hand: Nonevent, tmp_path: Path) -> None:
    (tmp_path / "rules" / "order.yaml").write_text("version: 2\n")
    for command in (["flows"], ["run"]):
        answer = at_hand(*command)
        assert answer.code == 2
        assert f"{tmp_path / 'rules' / 'order.yaml'}:1:10: expected `version: 1`" in answer.err


def test_without_a_store_it_ends_with_3_and_makes_none(nonevent: Nonevent, tmp_path: Path) -> None:
    for command in (["flows"], ["show", "x"], ["findings"], ["tail"], ["status"]):
        answer = nonevent(*command)
        assert (answer.code, answer.out) == (3, "")
        assert "no store at nonevent.duckdb: start `nonevent run`" in answer.err
    assert list(tmp_path.iterdir()) == []


def test_a_store_of_something_else_ends_with_3(nonevent: Nonevent, tmp_path: Path) -> None:
    (tmp_path / "nonevent.duckdb").write_bytes(b"not a database" * 1_000)
    assert nonevent("flows").code == 3


def test_where_nobody_answers_it_ends_with_3(nonevent: Nonevent) -> None:
    for url in ("http://127.0.0.1:9", "http://no-such-host.invalid"):
        answer = nonevent("flows", "--url", url)
        assert answer.code == 3
        assert f"no nonevent answers at {url}" in answer.err
    for url in ("127.0.0.1:8321", "ftp://x", "http://[", ""):
        answer = nonevent("flows", "--url", url)
        assert answer.code in (2, 3)
        assert "Traceback" not in answer.err


def test_without_a_source_there_is_nothing_to_run(nonevent: Nonevent) -> None:
    answer = nonevent("run")
    assert answer.code == 2
    assert answer.err.startswith("nothing to watch: name a bus with --bootstrap HOST:PORT")


def test_an_address_that_others_reach_needs_a_token(at_hand: Nonevent) -> None:
    assert at_hand("run", "--listen", "0.0.0.0:0").code == 2
    assert at_hand("run", "--listen", "8321").code == 2


# Whom they ask


def test_a_daemon_that_died_without_a_word_is_not_waited_for(
    at_hand: Nonevent, tmp_path: Path
) -> None:
    beacon = tmp_path / "nonevent.duckdb.daemon.json"
    gone = 2**22 + 1  # beyond the highest process id of Linux
    for left in (
        msgspec.json.encode({"url": "http://127.0.0.1:9", "pid": gone}),
        b'{"url":"http://127.0.0.1:9","pi',
        b"",
        b"[]",
        msgspec.json.encode({"url": "http://127.0.0.1:9", "pid": 2**70}),
        msgspec.json.encode({"url": "http://127.0.0.1:9", "pid": -1}),
    ):
        beacon.write_bytes(left)
        assert at_hand("flows", "--json").code == 0, left


def test_a_beacon_says_where_its_process_listens_until_it_is_out(tmp_path: Path) -> None:
    store = tmp_path / "x.duckdb"
    beacon = Beacon(store)
    assert beacon.url() is None
    beacon.light("http://127.0.0.1:8321")
    assert Beacon(store).url() == "http://127.0.0.1:8321"
    assert Beacon(tmp_path / "y.duckdb").url() is None
    beacon.out()
    beacon.out()
    assert Beacon(store).url() is None


# Help


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself_with_an_example(nonevent: Nonevent, command: str) -> None:
    answer = nonevent(command, "--help")
    assert answer.code == 0
    assert "Example" in answer.out
    assert f"nonevent {command}" in answer.out


def test_the_list_of_commands_is_whole(nonevent: Nonevent) -> None:
    answer = nonevent("--help")
    assert answer.code == 0
    for command in COMMANDS:
        assert command in answer.out


@pytest.mark.skipif(os.name != "posix", reason="terminals of another kind")
def test_what_is_printed_holds_no_colour_where_nobody_sees_it(at_hand: Nonevent) -> None:
    for command in (["flows"], ["show", "ord-2"], ["findings"], ["tail"], ["status"]):
        assert "\x1b" not in at_hand(*command).out
