"""`nonevent demo faults` and `nonevent demo fault`: asks the demo that runs."""

from __future__ import annotations

from typing import Any

import httpx
from rich.console import Console
from rich.markup import escape

from demo.beacon import find_demo
from demo.control import FaultList, FaultState, Switch
from demo.errors import DemoError, OptionError

PATIENCE = 10.0  # seconds


def show_faults(control: str | None, as_json: bool) -> None:
    """Print every fault, what it does, and how it stands."""
    answer = FaultList.model_validate(_ask(control, "GET", "/faults"))
    if as_json:
        print(answer.model_dump_json())
        return
    console = Console(soft_wrap=True, highlight=False)
    for fault in answer.items:
        console.print(f"{fault.name:<20} {_stands(fault):<9} {escape(fault.about)}")


def switch_fault(
    control: str | None, name: str, on: bool, share: float | None, as_json: bool
) -> None:
    wanted = Switch(on=on, share=share).model_dump()
    state = FaultState.model_validate(_ask(control, "PUT", f"/faults/{name}", wanted))
    print(state.model_dump_json() if as_json else f"{state.name}: {_stands(state)}")


def _stands(fault: FaultState) -> str:
    if not fault.on:
        return "off"
    return "on" if fault.reach == "service" else f"on {fault.share:.3g}"


def _ask(control: str | None, method: str, path: str, body: Any = None) -> Any:
    url = control or find_demo()
    if url is None:
        raise DemoError(
            "no demo of yours runs on this machine: start `nonevent demo`, "
            "or say where it listens with --control URL"
        )
    try:
        answer = httpx.request(
            method, f"{url.rstrip('/')}{path}", json=body, timeout=PATIENCE, trust_env=False
        )
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise DemoError(f"the demo at {url} does not answer: {error}. Does it run?") from error
    if answer.status_code in (404, 422):
        raise OptionError(_detail(answer))
    if not answer.is_success:
        raise DemoError(f"the demo at {url} answered {answer.status_code}: {_detail(answer)}")
    return answer.json()


def _detail(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["detail"])
    except (ValueError, KeyError, TypeError):
        return answer.text[:200]
