"""The docs say what is there: no more, no less. And what they show runs."""

import json
import re
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
import typer
from fastapi import FastAPI
from prometheus_client.parser import text_string_to_metric_families
from pydantic import BaseModel
from ruamel.yaml import YAML

from analyzer.notification import Notification
from analyzer.rules import expectation, loader
from analyzer.rules.doubts import doubts
from analyzer.rules.loader import check
from analyzer.rules.ruleset import RuleSet
from analyzer.sinks import wording
from analyzer.sinks.templates import Texts
from analyzer.sinks.templates import check as check_template
from analyzer.sinks.webhook import sign
from analyzer.tables import ANALYZER_TABLES
from analyzer.trial import run_test
from collector.batch import Batch, PartitionState
from collector.event import Event
from collector.settings import StoreSettings
from collector.store.tables import COLLECTOR_TABLES
from demo.faults import FAULTS
from nonevent.cli import app
from nonevent.config import Configuration, load_configuration
from nonevent.instruments import Instruments
from nonevent.opening import open_store
from ui.access import allowed_hosts
from ui.api import create_app
from ui.server import Server
from ui.store_acts import StoreActs
from ui.store_operations import StoreOperations
from ui.store_queries import StoreQueries

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"


def text(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def fenced(source: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", source, re.S)


# Rule files


@pytest.mark.parametrize("page", [ROOT / "README.md", DOCS / "rules.md"], ids=lambda p: p.name)
def test_rule_files_in_the_docs_are_valid_and_their_tests_pass(page: Path, tmp_path: Path) -> None:
    shown = [block for block in fenced(page.read_text(), "yaml") if block.startswith("version:")]
    assert shown
    for number, block in enumerate(shown):
        path = tmp_path / f"{number}.yaml"
        path.write_text(block)
        files, problems = check([path])
        assert problems == []
        assert doubts(files[0]) == []
        assert files[0].tests
        assert all(run_test(files[0], test).passed for test in files[0].tests)


def test_every_key_of_rule_files_is_documented() -> None:
    page = text("rules.md")
    keys = {*loader.HEAD, *expectation.COMMON}
    for kind in expectation.KINDS:
        keys |= {*kind.needs, *kind.takes}
        assert all(f"`{finding}`" in page for finding in kind.findings)
    missing = [key for key in keys if not re.search(rf"`{key}[`:]", page)]
    assert missing == []


# Configuration


def keys_of(model: type[BaseModel]) -> set[str]:
    """Every key that a section and the sections within it have."""
    found: set[str] = set()
    for name, field in model.model_fields.items():
        found.add(field.alias or name)
        for inner in sections_in(field.annotation):
            found |= keys_of(inner)
    return found


def sections_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [one for part in getattr(annotation, "__args__", ()) for one in sections_in(part)]


def keys_in(value: Any) -> set[str]:
    if isinstance(value, dict):
        return set(value) | {key for inner in value.values() for key in keys_in(inner)}
    return {key for inner in value for key in keys_in(inner)} if isinstance(value, list) else set()


def test_the_configuration_that_the_docs_show_is_valid_and_has_every_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (block,) = fenced(text("configuration.md"), "yaml")
    for variable in re.findall(r"\$\{(\w+)\}", block):
        address = variable.endswith("_URL")
        value = "http://127.0.0.1:1/hook" if address else "a secret of some length"
        monkeypatch.setenv(variable, value)
    path = tmp_path / "nonevent.yaml"
    path.write_text(block)
    load_configuration(path)
    assert keys_of(Configuration) - keys_in(YAML(typ="safe").load(block)) == set()


# Commands


def test_every_command_and_option_is_documented_and_no_other() -> None:
    sections = dict(
        re.findall(r"^## nonevent (\w+)\n(.*?)(?=^## |\Z)", text("commands.md"), re.S | re.M)
    )
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    assert sections.keys() == commands.keys()
    for name, command in commands.items():
        within = getattr(command, "commands", {})
        assert set(re.findall(rf"^### nonevent {name} (\w+)$", sections[name], re.M)) == set(within)
        real = {
            option
            for one in (command, *within.values())
            for parameter in one.params
            if parameter.param_type_name == "option"
            for option in parameter.opts
        }
        told = set(re.findall(r"`(--?[a-z][a-z-]*)`", sections[name]))
        assert told == real, name


def test_every_command_has_json_but_for_daemons_and_those_that_print_nothing_else() -> None:
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    lacking = {
        name
        for name, command in commands.items()
        for one in getattr(command, "commands", {"": command}).values()
        if not any("--json" in parameter.opts for parameter in one.params)
    }
    assert lacking == {"run", "export", "schema"}


def test_every_fault_of_the_demo_is_documented_with_what_finds_it() -> None:
    rows = re.findall(r"^\| `([a-z-]+)` \|(.*)\|$", text("demo.md"), re.M)
    assert [name for name, _ in rows] == list(FAULTS)
    for name, row in rows:
        fault = FAULTS[name]
        assert fault.about in row
        for word in ("finding", "verdict", "detector"):
            if told := fault.expect.get(word) or fault.while_on.get(word):
                assert f"`{told}`" in row, name


def test_commands_in_the_readme_exist() -> None:
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    source = (ROOT / "README.md").read_text()
    used = set(re.findall(r"^(?:\.venv/bin/)?nonevent (\w+)", source, re.M))
    assert used
    assert used <= commands.keys()
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.M))
    pages = source + (ROOT / "CONTRIBUTING.md").read_text()
    assert set(re.findall(r"^make ([a-z]+)", pages, re.M)) <= targets


# API, metrics, store


@pytest.fixture
def served(tmp_path: Path) -> Iterator[FastAPI]:
    """The app over a real store that holds a little of everything."""
    settings = StoreSettings(path=tmp_path / "store.duckdb")
    store = open_store(Configuration(store=settings))
    state = PartitionState("s", "t", "t", 0, 1, 0, high_watermark=1, complete_to=10**15)
    broken = Event("s", "t", "t", 0, 0, 10**15, 10**15, "", problems=("bad-json",))
    store.commit(Batch(events=[broken], partitions=[state], now=10**15)).result()
    queries = StoreQueries(store, RuleSet)
    yield create_app(
        queries,
        token=None,
        allowed_hosts=allowed_hosts("127.0.0.1"),
        ready=lambda: True,
        collectors=Instruments().collectors,
        store=StoreOperations(store),
        acts=StoreActs(store, lambda: 10**15),
    )
    store.close()


def paths(routes: Any) -> set[str]:
    """The paths of these routes, and of the routers that are included."""
    found: set[str] = set()
    for route in routes:
        included = getattr(route, "original_router", None)
        found |= paths(included.routes) if included else {route.path}
    return found


def test_every_route_is_documented_and_no_other(served: FastAPI) -> None:
    real = {re.sub(r"\{(\w+):path\}", r"{\1}", path) for path in paths(served.routes)}
    told = set(re.findall(r"`(?:GET|POST|DELETE) (/\S*)`", text("api.md")))
    assert told == {path for path in real if not re.search(r"\.(css|svg|ico)$", path)}


def test_every_metric_is_documented_and_no_other(served: FastAPI) -> None:
    server = Server(served, host="127.0.0.1", port=0)
    server.start()
    try:
        answer = httpx.get(f"{server.url}/metrics").raise_for_status()
    finally:
        server.stop()
    real = {
        family.name + ("_total" if family.type == "counter" else "")
        for family in text_string_to_metric_families(answer.text)
    }
    assert set(re.findall(r"`(nonevent_\w+)`", text("api.md"))) == real


def test_every_table_and_column_is_documented() -> None:
    page = text("store.md")
    for table in (*COLLECTOR_TABLES, *ANALYZER_TABLES):
        assert table.name in page
        assert [c for c in table.columns if f"`{c}`" not in page] == []


def test_examples_of_json_are_json() -> None:
    blocks = fenced(text("api.md"), "json")
    assert blocks
    for block in blocks:
        json.loads(block)


# Alerts


def test_the_notification_and_the_text_in_the_docs_are_what_is_sent() -> None:
    (block,) = fenced(text("alerts.md"), "json")
    shown = msgspec.json.decode(block, type=Notification)
    assert set(json.loads(block)) == {f.name for f in msgspec.structs.fields(Notification)}
    assert f"```\n{wording.title(shown)}\n\n{wording.body(shown)}\n```" in text("alerts.md")


def test_the_receiver_in_the_docs_knows_a_genuine_signature() -> None:
    (block,) = fenced(text("alerts.md"), "python")
    names: dict[str, Any] = {}
    exec(block, names)
    now = int(time.time())
    good = sign(b"secret", b"{}", now)
    assert names["genuine"](b"secret", good, b"{}")
    assert not names["genuine"](b"other", good, b"{}")
    assert not names["genuine"](b"secret", good, b"{ }")
    assert not names["genuine"](b"secret", sign(b"secret", b"{}", now - 3600), b"{}")


async def test_the_templates_in_the_docs_can_be_used() -> None:
    (block,) = fenced(text("alerts.md"), "json")
    shown = msgspec.json.decode(block, type=Notification)
    blocks = [YAML(typ="safe").load(one) for one in fenced(text("alerts.md"), "yaml")]
    templates = {key: one for found in blocks for key, one in found.items() if key != "urls"}
    assert templates.keys() == {"template", "title", "body"}
    texts = Texts("chat", templates)
    for template in templates.values():
        check_template(template)
    written = await texts.of(shown)
    assert written.texts.keys() == templates.keys(), written.note
    assert json.loads(written.texts["template"])["msgtype"] == "text"


# The rest


def test_every_dependency_has_its_reason() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    declared = [
        *project["project"]["dependencies"],
        *project["project"]["optional-dependencies"]["demo"],
        *project["dependency-groups"]["dev"],
    ]
    names = {re.split(r"[\[<>=]", one)[0] for one in declared}
    page = text("dependencies.md")
    told = {
        n.strip() for row in re.findall(r"^\| ([\w., -]+) \|", page, re.M) for n in row.split(",")
    }
    assert told - {"package"} == names


def test_every_page_is_in_the_index_and_every_link_leads_somewhere() -> None:
    index = text("index.md")
    for page in DOCS.glob("*.md"):
        assert page.name == "index.md" or f"({page.name})" in index
    for page in [*DOCS.rglob("*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md"]:
        for link in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text()):
            if "://" not in link:
                assert (page.parent / link).exists(), f"{page.name}: {link}"
