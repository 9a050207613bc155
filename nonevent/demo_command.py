"""`nonevent demo` as the command line gives it to the demo."""

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
    open_browser: bool,
) -> int:
    """The demo's exit code. Its parts are imported here: no other command needs them."""
    try:
        from demo.run import DemoOptions, run_demo
    except ImportError as error:
        raise ConfigurationError(
            f"the demo's own parts are not installed ({error.name}): pip install 'nonevent[demo]'"
        ) from error
    seconds = None
    if duration is not None:
        us = parse_duration(duration)
        if not us:
            raise ConfigurationError(f"--duration {duration}: write e.g. 60s or 5m")
        seconds = us / US_PER_S
    return run_demo(
        DemoOptions(port, rate, seconds, seed, tuple(faults), truth, bootstrap, open_browser)
    )
