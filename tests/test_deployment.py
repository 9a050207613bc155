"""What the compose file, the Dockerfile and the systemd unit name is there, and runs as written."""

import configparser
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
from ruamel.yaml import YAML
from typer.core import TyperGroup

from demo.broker import SETTINGS
from demo.crew.roles import CONVERSATIONS
from demo.options import FOREIGN_PREFIX, DemoOptions
from demo.shop.roles import ORDERS
from nonevent.cli import app
from nonevent.config import Configuration, load_configuration
from ui.access import PROBES

ROOT = Path(__file__).parent.parent
CONFIGURATION = ROOT / "deploy" / "nonevent.yaml"
UNIT = ROOT / "deploy" / "nonevent.service"
TOKEN = "a token of this test"


# The compose file


def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = YAML(typ="safe").load(ROOT / "docker-compose.yml")
    return loaded


def services() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = compose()["services"]
    return found


def parse(words: list[str]) -> tuple[str, dict[str, Any]]:
    """What the real command line makes of these words, without running the command."""
    command: Any = typer.main.get_command(app)
    path = []
    while isinstance(command, TyperGroup):
        context = command.make_context(path[-1] if path else "nonevent", list(words))
        rest = [*context._protected_args, *context.args]
        if not rest:
            return " ".join(path), context.params
        name, command, words = command.resolve_command(context, rest)
        path.append(str(name))
    return " ".join(path), command.make_context(path[-1], list(words)).params


def volumes(service: dict[str, Any]) -> dict[str, str]:
    """Path in the container -> what is mounted there."""
    parts = [volume.split(":") for volume in service.get("volumes", [])]
    return {part[1]: part[0] for part in parts}


@pytest.fixture
def configuration(monkeypatch: pytest.MonkeyPatch) -> Configuration:
    monkeypatch.setenv("NONEVENT_TOKEN", TOKEN)
    return load_configuration(CONFIGURATION)


def test_the_parser_of_these_tests_refuses_what_the_command_line_refuses() -> None:
    assert parse(["run", "--config", "x.yaml"])[0] == "run"
    assert parse(["demo", "faults", "--json"])[0] == "demo faults"
    for wrong in (["runs"], ["run", "--confg", "x"], ["demo", "--rate", "0"], ["demo", "fault"]):
        with pytest.raises(Exception, match=r"(?i)no such|missing|greater than"):
            parse(wrong)


def test_each_command_is_one_that_the_command_line_has() -> None:
    command, options = parse(services()["nonevent"]["command"])
    assert command == "run"
    assert volumes(services()["nonevent"])[str(options["config"])] == "./deploy/nonevent.yaml"
    command, options = parse(services()["shop"]["command"])
    assert command == "demo"
    assert (options["shop_only"], options["force"]) == (True, True)
    assert options["bootstrap"] == "kafka:9092"


def test_the_images_are_pinned_and_every_part_is_healthy_before_the_next() -> None:
    for name, service in services().items():
        assert re.search(r":\d+\.\d+\.\d+$", service["image"]), name
        assert service["healthcheck"]["test"][0] == "CMD", name
        assert service["cap_drop"] == ["ALL"], name
        assert "no-new-privileges:true" in service["security_opt"], name
        for other in service.get("depends_on", {}):
            assert service["depends_on"][other] == {"condition": "service_healthy"}
    assert all(services()[name]["read_only"] is True for name in ("shop", "nonevent"))
    assert list(services()["nonevent"]["depends_on"]) == ["shop"]
    assert list(services()["shop"]["depends_on"]) == ["kafka"]


def test_the_health_checks_ask_what_is_there(configuration: Configuration) -> None:
    check = services()["nonevent"]["healthcheck"]["test"]
    (url,) = re.findall(r"'(http://[^']+)'", check[-1])
    address, path = re.fullmatch(r"http://127\.0\.0\.1:(\d+)(/\w+)", url).groups()  # type: ignore[union-attr]
    assert int(address) == configuration.http.port
    assert path in PROBES, "and needs no token"
    assert check[1:3] == ["python", "-c"]
    _, program, *words = services()["shop"]["healthcheck"]["test"]
    assert (program, parse(words)[0]) == ("nonevent", "demo faults")
    _, program, *words = services()["kafka"]["healthcheck"]["test"]
    assert program.startswith("/opt/kafka/bin/")
    assert words == ["--bootstrap-server", "localhost:9092"]


def test_the_health_check_of_nonevent_tells_well_from_ill() -> None:
    """The very program of the file, against a server that answers and one that does not."""
    *_, program = services()["nonevent"]["healthcheck"]["test"]

    def check(status: int) -> int:
        with socket.socket() as listening:
            listening.bind(("127.0.0.1", 0))
            listening.listen()
            port = listening.getsockname()[1]
            here = program.replace(":8321", f":{port}")
            assert here != program
            asking = subprocess.Popen([sys.executable, "-c", here], stderr=subprocess.DEVNULL)
            connection, _ = listening.accept()
            with connection:
                assert connection.recv(1000).startswith(b"GET /readyz ")
                connection.sendall(f"HTTP/1.0 {status} x\r\n\r\n".encode())
            return asking.wait(30)

    assert check(200) == 0
    assert check(503) != 0


def test_the_ports_are_those_that_are_listened_on_and_no_other_machine_reaches_them(
    configuration: Configuration,
) -> None:
    assert services()["nonevent"]["ports"] == [f"127.0.0.1:{configuration.http.port}:8321"]
    assert "EXPOSE 8321\n" in dockerfile()
    assert configuration.http.host == "0.0.0.0"
    kafka = services()["kafka"]
    listeners = dict(re.findall(r"(\w+)://\w*:(\d+)", kafka["environment"]["KAFKA_LISTENERS"]))
    advertised = dict(
        re.findall(r"(\w+)://(\w+:\d+)", kafka["environment"]["KAFKA_ADVERTISED_LISTENERS"])
    )
    assert advertised == {"PLAINTEXT": "kafka:9092", "HOST": "localhost:29092"}
    assert listeners == {"PLAINTEXT": "9092", "HOST": "29092", "CONTROLLER": "9093"}
    assert kafka["ports"] == [f"127.0.0.1:{listeners['HOST']}:{listeners['HOST']}"]


def test_every_variable_that_the_configuration_names_is_given(
    monkeypatch: pytest.MonkeyPatch, configuration: Configuration
) -> None:
    named = set(re.findall(r"\$\{(\w+)\}", CONFIGURATION.read_text()))
    given = services()["nonevent"]["environment"]
    assert named == set(given) == {"NONEVENT_TOKEN"}
    # Without a value compose itself refuses to start, and says what to do.
    assert given["NONEVENT_TOKEN"].startswith("${NONEVENT_TOKEN:?")
    token = configuration.http.token
    assert token is not None
    assert token.get_secret_value() == TOKEN


def test_the_daemon_watches_what_the_shop_writes_and_keeps_it_in_the_volume(
    configuration: Configuration,
) -> None:
    (source,) = configuration.sources
    assert source.kafka is not None
    assert source.kafka.bootstrap == parse(services()["shop"]["command"])[1]["bootstrap"]
    assert DemoOptions(bootstrap="kafka:9092").named_with == FOREIGN_PREFIX
    carried = ORDERS.carried(FOREIGN_PREFIX) | CONVERSATIONS.carried(FOREIGN_PREFIX)
    assert source.kafka.topics == [f"{FOREIGN_PREFIX}*"]
    assert {topic: one.names for topic, one in source.topics.items()} == carried
    mounted = volumes(services()["nonevent"])
    assert mounted[str(configuration.store.path.parent)] == "nonevent-data"
    assert set(compose()["volumes"]) == {"nonevent-data", "kafka-data"}
    # Taken from the file's folder, which is /etc/nonevent there.
    (rules,) = configuration.expectations
    there = Path("/etc/nonevent") / rules.relative_to(CONFIGURATION.parent)
    assert mounted[str(there)] == "./expectations"


def test_what_is_mounted_from_here_is_here() -> None:
    for service in services().values():
        for source in volumes(service).values():
            assert not source.startswith(".") or (ROOT / source).exists(), source


def test_the_broker_is_set_up_as_the_one_of_the_tests() -> None:
    """Each setting that one node needs (a setting X.Y is the variable KAFKA_X_Y of the image)."""
    given = services()["kafka"]["environment"]
    for name, value in SETTINGS.items():
        if "replication" in name or "min.isr" in name or name in ("process.roles", "node.id"):
            assert given[f"KAFKA_{name.replace('.', '_').upper()}"] == value, name


# The Dockerfile


def dockerfile() -> str:
    return (ROOT / "Dockerfile").read_text()


def instructions() -> list[tuple[str, str]]:
    joined = re.sub(r"\\\n\s*", "", dockerfile())
    lines = [line for line in joined.splitlines() if line and not line.startswith("#")]
    return [(line.partition(" ")[0], line.partition(" ")[2]) for line in lines]


def arguments(of: str) -> list[str]:
    return [rest for word, rest in instructions() if word == of]


def test_the_image_is_pinned_and_is_of_a_python_that_the_project_supports() -> None:
    bases = [base.split()[0] for base in arguments("FROM")]
    assert len(set(bases)) == 1
    assert re.fullmatch(r"python:3\.11\.\d+-slim-\w+", bases[0])


def test_what_is_copied_is_here_and_is_sent_to_the_builder() -> None:
    sources = [word for line in arguments("COPY") for word in line.split()[:-1]]
    assert {"requirements.lock", "pyproject.toml", "collector", "expectations"} <= set(sources)
    sent = (ROOT / ".dockerignore").read_text().splitlines()
    for source in sources:
        assert (ROOT / source).exists()
        assert f"!{source}" in sent
    assert sent[1] == "*", "and nothing else is"


def test_the_user_has_no_rights_and_owns_the_volume() -> None:
    *_, user = arguments("USER")
    assert user == "10001:10001"
    words = [word for word, _ in instructions()]
    assert words.index("USER") < words.index("VOLUME") < words.index("ENTRYPOINT")
    (added,) = (run for run in arguments("RUN") if run.startswith("useradd"))
    assert "--uid 10001 " in added
    assert "--home-dir /var/lib/nonevent --create-home" in added
    assert arguments("VOLUME") == arguments("WORKDIR")[-1:] == ["/var/lib/nonevent"]


def test_the_entry_point_is_the_command_and_starts_the_daemon_by_default() -> None:
    assert arguments("ENTRYPOINT") == ['["nonevent"]']
    (default,) = arguments("CMD")
    command, options = parse(YAML(typ="safe").load(default))
    assert (command, str(options["config"])) == ("run", "/etc/nonevent/nonevent.yaml")


def test_only_locked_versions_are_installed() -> None:
    installs = [run for run in arguments("RUN") if "pip " in run]
    assert len(installs) == 4
    for run in installs:
        assert "--require-hashes" in run or "--no-index" in run, run
    assert sum("-r requirements.lock" in run for run in installs) == 1


@pytest.mark.field
@pytest.mark.timeout(1200)
def test_the_steps_of_the_image_make_a_nonevent_that_runs(tmp_path: Path) -> None:
    """The Dockerfile's own steps, in folders of this test instead of the image's."""
    folders = {"/wheels": tmp_path / "wheels", "/opt/nonevent": tmp_path / "venv"}
    stages = ("/src", "/var/lib/nonevent")
    places = {stage: tmp_path / stage.strip("/") for stage in stages}
    for place in places.values():
        place.mkdir(parents=True)
    builder = tmp_path / "builder"
    subprocess.run([sys.executable, "-m", "venv", builder], check=True)
    path = f"{builder}/bin:{os.environ['PATH']}"
    here = places["/src"]
    for word, rest in instructions():
        if word == "COPY":
            *sources, target = rest.split()
            for source in sources:
                if (ROOT / source).is_dir():
                    shutil.copytree(ROOT / source, here / target)
                else:
                    shutil.copy(ROOT / source, here / target)
        elif word == "RUN" and "useradd" not in rest:
            command = re.sub(r"--mount=\S+ ", "", rest)
            for image, folder in folders.items():
                command = re.sub(rf"(?<![\w/]){image}", str(folder), command)
            subprocess.run(
                command, shell=True, cwd=here, check=True, env={**os.environ, "PATH": path}
            )
    nonevent = folders["/opt/nonevent"] / "bin" / "nonevent"
    empty = places["/var/lib/nonevent"]
    asked = [
        [nonevent, "demo", "--shop-only", "--bootstrap", "127.0.0.1:9", "--no-open"],
        [nonevent, "test", ROOT / "expectations"],
    ]
    codes = [subprocess.run(one, cwd=empty, check=False).returncode for one in asked]
    assert codes == [3, 0], "no Kafka answers there; and the rules' tests pass"
    listed = subprocess.run(
        [folders["/opt/nonevent"] / "bin" / "pip", "list"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "pytest" not in listed
    assert "mypy" not in listed


# The systemd unit


def unit() -> configparser.ConfigParser:
    parsed = configparser.ConfigParser(strict=False, interpolation=None)
    parsed.optionxform = str  # type: ignore[assignment,method-assign]
    parsed.read_string(UNIT.read_text())
    return parsed


def test_the_unit_runs_a_command_that_is_there_as_a_user_without_rights() -> None:
    service = unit()["Service"]
    program, *words = shlex.split(service["ExecStart"])
    assert program == "/opt/nonevent/bin/nonevent"
    command, options = parse(words)
    assert (command, str(options["config"])) == ("run", "/etc/nonevent/nonevent.yaml")
    assert service["User"] not in ("", "root")
    assert service["CapabilityBoundingSet"] == ""
    assert service["NoNewPrivileges"] == "yes"
    assert f"/var/lib/{service['StateDirectory']}" == service["WorkingDirectory"]
    assert service["RestartPreventExitStatus"] == "2"


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The unit as it would be, with a program that is here."""
    path = tmp_path / "nonevent.service"
    text = UNIT.read_text()
    assert "/opt/nonevent/bin/nonevent" in text
    path.write_text(text.replace("/opt/nonevent/bin/nonevent", shutil.which("true") or "/bin/true"))
    return path


def analyze(*words: str | Path) -> subprocess.CompletedProcess[str]:
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("needs systemd-analyze, which comes with systemd")
    return subprocess.run([program, *words], capture_output=True, text=True, check=False)


def test_systemd_understands_every_line_of_the_unit(installed: Path) -> None:
    answer = analyze("verify", "--man=no", installed)
    assert (answer.returncode, answer.stderr) == (0, "")


def test_systemd_finds_the_unit_well_confined(installed: Path) -> None:
    answer = analyze("security", "--offline=true", "--threshold=20", "--no-pager", installed)
    assert answer.returncode == 0, answer.stdout[-300:] + answer.stderr


# The page about it


def test_the_page_names_the_files_and_routes_that_are_there() -> None:
    page = (ROOT / "docs" / "deployment.md").read_text()
    for path in re.findall(r"`((?:deploy/|docker-|requirements)[\w./-]+)`", page):
        assert (ROOT / path).exists(), path
    assert set(re.findall(r"`(/\w+z)`", page)) == set(PROBES)
    shown = "".join(re.findall(r"```sh\n(.*?)```", page, re.S))
    used = re.findall(r"^docker compose exec (\w+) nonevent (.*)$", shown, re.M)
    assert used
    for service, words in used:
        assert service in services()
        assert parse(shlex.split(words))[0] == "demo fault"
