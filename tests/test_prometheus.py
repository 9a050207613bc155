"""The sample rules and the dashboard ask for what `/metrics` tells: names, labels, values."""

import json
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from ruamel.yaml import YAML

from analyzer.rules.loader import load
from analyzer.settings import AlertSettings
from collector.batch import Batch, PartitionState
from collector.event import Event
from collector.sources.condition import Condition
from nonevent.instruments import Instruments
from tests.analyzer.alerts.desk import START, Desk, finding
from tests.needing import lacking
from tests.nonevent.conftest import free_port
from tests.ui.alerted import House
from ui.access import allowed_hosts
from ui.api import create_app
from ui.server import Server
from ui.store_queries import StoreQueries

DOCS = Path(__file__).parent.parent / "docs"
RULES = DOCS / "prometheus-rules.yaml"
RULES_TEST = Path(__file__).parent / "prometheus-rules.test.yaml"
DASHBOARD = DOCS / "grafana-dashboard.json"
INSTALLED = Path(__file__).parent.parent / ".venv" / "prometheus"
PATIENCE_S = 60
RULE_FILE = """
version: 1
flow: order
begins: order.created
expectations: [{name: paid, after: order.created, expect: order.paid, within: 30s}]
"""
SELECTOR = re.compile(r"\b(nonevent[a-z0-9_:]*)(?:\{([^}]*)\})?")
MATCHER = re.compile(r'(\w+)\s*(=~|!=|!~|=)\s*"([^"]*)"')
GROUPED = re.compile(r"\b(?:by|without|on)\s*\(([^)]*)\)")


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path / "house")
    yield made
    made.close()


@dataclass
class Told:
    """Of one metric, the labels of its series and the values that they have."""

    labels: dict[str, set[str]] = field(default_factory=dict)


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Told]:
    """By the name of a sample: from a store and stages with a little of everything."""
    folder = tmp_path_factory.mktemp("told")
    (folder / "rules.yaml").write_text(RULE_FILE)
    rules = load([folder / "rules.yaml"])
    desk = Desk(folder / "store.duckdb", AlertSettings(), rules)
    instruments = Instruments()
    state = PartitionState("s", "t", "t", 0, 1, 0, high_watermark=9, complete_to=START)
    batch = Batch(
        events=[Event("s", "t", "t", 0, 0, START, START, "order.created")], partitions=[state],
        now=START,
    )  # fmt: skip
    desk.store.commit(batch).result()
    desk.found(finding("a"))
    measured = desk._batch
    instruments.around(desk.stage).process(measured)
    desk.store.commit(measured).result()
    instruments.committed(measured)
    queries = StoreQueries(
        desk.store,
        lambda: rules,
        running=True,
        conditions=lambda: {"s": Condition("kafka", "reading", START)},
        clock=lambda: START,
    )
    app = create_app(
        queries, token=None, allowed_hosts=allowed_hosts("127.0.0.1"), ready=lambda: True,
        collectors=instruments.collectors,
    )  # fmt: skip
    server = Server(app, host="127.0.0.1", port=0)
    server.start()
    try:
        text = httpx.get(f"{server.url}/metrics", trust_env=False).raise_for_status().text
    finally:
        server.stop()
        desk.close()
    found: dict[str, Told] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            one = found.setdefault(sample.name, Told())
            for name, value in sample.labels.items():
                one.labels.setdefault(name, set()).add(value)
    return found


def recorded() -> list[dict[str, Any]]:
    groups = YAML(typ="safe").load(RULES.read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(DASHBOARD.read_text())["panels"]
    return found


def expressions() -> list[str]:
    asked = [target["expr"] for panel in panels() for target in panel["targets"]]
    return [*(rule["expr"] for rule in recorded()), *asked]


def made(told: dict[str, Told]) -> dict[str, Told]:
    """With what the rules record of it: grouped, it has the labels that it is grouped by."""
    own = {rule["record"]: rule["expr"] for rule in recorded() if "record" in rule}
    grouped = {name: labels_of(expression, told) for name, expression in own.items()}
    return told | {
        name: Told({label: set() for label in labels}) for name, labels in grouped.items()
    }


def labels_of(expression: str, told: dict[str, Told]) -> set[str]:
    """Those of what an expression gives."""
    grouped = GROUPED.findall(expression)
    if grouped:
        given = {name.strip() for names in grouped for name in names.split(",")}
        return given - {"le"} if "histogram_quantile" in expression else given
    return {label for name, _ in SELECTOR.findall(expression) for label in told[name].labels}


def wrong(expression: str, told: dict[str, Told]) -> list[str]:
    """What it asks for that is not there."""
    mistakes, labels = [], set()
    for name, matchers in SELECTOR.findall(expression):
        if name not in told:
            mistakes.append(f"no metric {name}")
            continue
        labels |= told[name].labels.keys()
        for label, operator, value in MATCHER.findall(matchers):
            values = told[name].labels.get(label)
            if values is None:
                mistakes.append(f"{name} has no label {label}")
            elif operator == "=" and value not in values:
                mistakes.append(f"{name} has no {label}={value}")
    asked = {one.strip() for group in GROUPED.findall(expression) for one in group.split(",")}
    mistakes += [f"no label {label}" for label in sorted(asked - labels - {"le"})]
    return mistakes + ([] if SELECTOR.search(expression) else ["asks for nothing"])


@pytest.mark.parametrize("expression", expressions())
def test_whatever_is_asked_for_is_told(expression: str, told: dict[str, Told]) -> None:
    assert wrong(expression, made(told)) == []


@pytest.mark.parametrize(
    ("expression", "mistake"),
    [
        ("nonevent_nothing > 0", "no metric nonevent_nothing"),
        ('nonevent_alerts{status="firing"}', "nonevent_alerts has no label status"),
        ('nonevent_alerts{state="burning"}', "nonevent_alerts has no state=burning"),
        ("sum by (team) (nonevent_alerts)", "no label team"),
        ("up == 0", "asks for nothing"),
    ],
)
def test_a_mistake_would_be_seen(expression: str, mistake: str, told: dict[str, Told]) -> None:
    assert wrong(expression, told) == [mistake]


def test_what_rules_say_in_words_is_known_of_their_series(told: dict[str, Told]) -> None:
    known = made(told)
    for rule in recorded():
        words = json.dumps([rule.get("annotations"), rule.get("labels")])
        asked = set(re.findall(r"\$labels\.(\w+)", words))
        assert asked <= labels_of(rule["expr"], known), rule
        assert "record" in rule or {"summary", "description"} <= rule["annotations"].keys()


def test_alerts_and_panels_have_names_of_their_own() -> None:
    alerts = [rule["alert"] for rule in recorded() if "alert" in rule]
    assert len(alerts) == len(set(alerts)) > 10
    dashboard = json.loads(DASHBOARD.read_text())
    assert len({panel["id"] for panel in panels()}) == len(panels()) > 10
    assert len({panel["title"] for panel in panels()}) == len(panels())
    variables = {one["name"] for one in dashboard["templating"]["list"]}
    assert set(re.findall(r"\$\{?(\w+)", json.dumps(panels()))) <= variables | {"__all"}
    places = [panel["gridPos"] for panel in panels()]
    cells = [
        (x, y)
        for at in places
        for x in range(at["x"], at["x"] + at["w"])
        for y in range(at["y"], at["y"] + at["h"])
    ]
    assert len(cells) == len(set(cells)), "no panel lies on another"
    assert max(x for x, _ in cells) < 24


def program(name: str) -> str:
    found = INSTALLED / name
    program = str(found) if found.exists() else shutil.which(name)
    if program is None:
        lacking(name, "sh tests/install-prometheus.sh .venv/prometheus")
    return program


def promtool(*arguments: str, told: str = "") -> str:
    """What it says to what it is told."""
    ran = subprocess.run(
        [program("promtool"), *arguments], capture_output=True, text=True, timeout=60, input=told
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


@pytest.mark.field
def test_prometheus_takes_the_rules_and_fires_as_they_say() -> None:
    assert "SUCCESS" in promtool("check", "rules", str(RULES))
    assert "SUCCESS" in promtool("test", "rules", str(RULES_TEST))


@pytest.mark.field
def test_prometheus_has_nothing_to_say_against_the_names_of_metrics(house: House) -> None:
    promtool("check", "metrics", told=house.client.get("/metrics").text)


PROMETHEUS = """
global: {{scrape_interval: 1s, evaluation_interval: 1s}}
rule_files: ["{rules}"]
scrape_configs:
  - {{job_name: nonevent, static_configs: [{{targets: ["{target}"]}}]}}
"""


@pytest.mark.field
def test_a_real_prometheus_fires_for_what_nonevent_tells(house: House, tmp_path: Path) -> None:
    configuration = PROMETHEUS.format(rules=RULES, target=house.server.url.removeprefix("http://"))
    (tmp_path / "prometheus.yml").write_text(configuration)
    port = free_port()
    started = [
        program("prometheus"), f"--config.file={tmp_path / 'prometheus.yml'}",
        f"--storage.tsdb.path={tmp_path / 'data'}", f"--web.listen-address=127.0.0.1:{port}",
    ]  # fmt: skip
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(started, stdout=log, stderr=log)
    house.desk.found(finding("a", severity="critical"))
    house.desk.at(1)
    fired: list[dict[str, Any]] = []
    health = {"yet to be asked": "unknown"}
    end = time.monotonic() + PATIENCE_S
    try:
        while not fired or "unknown" in health.values():
            assert process.poll() is None, (tmp_path / "log").read_text()
            assert time.monotonic() < end, (fired, health)
            time.sleep(0.2)
            with suppress(httpx.TransportError):
                told = {what: ask(port, what) for what in ("alerts", "rules")}
                rules = [rule for group in told["rules"]["groups"] for rule in group["rules"]]
                health = {rule["name"]: rule["health"] for rule in rules}
                fired = [one for one in told["alerts"]["alerts"] if one["state"] == "firing"]
    finally:
        process.terminate()
        process.wait()
    assert [one["labels"] for one in fired] == [
        {"alertname": "NoneventAlertFires", "severity": "critical"}
    ]
    assert set(health.values()) == {"ok"}, health


def ask(port: int, what: str) -> dict[str, Any]:
    """Of a Prometheus; nothing while it starts."""
    answer = httpx.get(f"http://127.0.0.1:{port}/api/v1/{what}", trust_env=False)
    nothing: dict[str, Any] = {"alerts": [], "groups": []}
    return answer.json()["data"] if answer.is_success else nothing
