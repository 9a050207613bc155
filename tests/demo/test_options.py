from __future__ import annotations

import socket
from pathlib import Path

import pytest

from demo.options import DemoOptions
from demo.run import run_demo


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (DemoOptions(faults=("lost",)), "no fault is called 'lost'; there are: lost-outcome"),
        (DemoOptions(rate=0), "--rate 0: orders a second, more than 0"),
        (DemoOptions(duration=0), "--duration: more than 0 s"),
        (DemoOptions(truth=Path("/nowhere/t.jsonl")), "cannot write the truth file /nowhere/t"),
    ],
)
def test_what_makes_no_sense_ends_with_2_before_anything_starts(
    options: DemoOptions, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_demo(options) == 2
    assert told in capsys.readouterr().err


def test_a_port_that_is_wanted_and_taken(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        assert run_demo(DemoOptions(port=port)) == 2
    assert f"--port {port}: taken on 127.0.0.1" in capsys.readouterr().err


def test_a_bus_that_is_not_there_ends_with_3(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_demo(DemoOptions(bootstrap="127.0.0.1:9", open_page=False)) == 3
    assert "no Kafka answers on 127.0.0.1:9" in capsys.readouterr().err
