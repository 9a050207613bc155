"""What can keep the demo from running, each with the exit code it ends with."""


class DemoError(Exception):
    """The demo cannot go on; its text says what, where and what to do."""

    exit_code = 3


class OptionError(DemoError):
    """An option that makes no sense; nothing was started."""

    exit_code = 2


class BrokerError(DemoError):
    """The broker could not be fetched or did not start, or ended by itself."""


class DaemonError(DemoError):
    """The nonevent daemon did not start, or ended by itself."""


def tail(text: str, lines: int = 20) -> str:
    """The last lines of a log, indented, for the end of an error message."""
    kept = text.rstrip().splitlines()[-lines:]
    return "\n".join(f"    {line}" for line in kept) or "    (the log is empty)"
