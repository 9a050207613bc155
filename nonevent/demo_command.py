"""`nonevent demo` as the command line gives it to the demo.

Its parts are imported where they are used: no other command needs them.
"""

import sys
from pathlib import Path

from collector.errors import ConfigurationError
from collector.times import US_PER_S, parse_duration


def start_demo(
    *,
    port: int | None,
    rate: float,
    duration: str | None,
    seed: int | None,
    faults: list[str],
    truth: Path | None,
    bootstrap: str | None,
    prefix: str | None,
    force: bool,
    shop_only: bool,
    open_browser: bool,
) -> int:
    """The demo's exit code."""
    from demo.options import DemoOptions
    from demo.run import run_demo

    seconds = None
    if duration is not None:
        us = parse_duration(duration)
        if not us:
            raise ConfigurationError(f"--duration {duration}: write e.g. 60s or 5m")
        seconds = us / US_PER_S
    return run_demo(
        DemoOptions(
            port=port,
            rate=rate,
            duration=seconds,
            seed=seed,
            faults=tuple(faults),
            truth=truth,
            bootstrap=bootstrap,
            prefix=prefix,
            force=force,
            shop_only=shop_only,
            open_page=open_browser,
        )
    )


def list_faults(control: str | None, json: bool) -> int:
    """The exit code of `nonevent demo faults`."""
    from demo.errors import DemoError
    from demo.switching import show_faults

    try:
        show_faults(control, json)
    except DemoError as error:
        print(f"nonevent demo: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def set_fault(name: str, on: bool, share: float | None, control: str | None, json: bool) -> int:
    """The exit code of `nonevent demo fault`."""
    from demo.errors import DemoError
    from demo.switching import switch_fault

    try:
        switch_fault(control, name, on, share, json)
    except DemoError as error:
        print(f"nonevent demo: {error}", file=sys.stderr)
        return error.exit_code
    return 0
