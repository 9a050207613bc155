"""What can go wrong between a person and the API; every message says the cure."""

from collector.errors import ConfigurationError, NoneventError


class UnsafeListenError(ConfigurationError):
    """The address can be reached from other machines, or the token protects nothing."""


class CannotListenError(NoneventError):
    """The address could not be opened: taken, not of this machine, or not allowed."""


class BadParameterError(NoneventError):
    """A query parameter that says nothing; `name` is the parameter as it was written."""

    exit_code = 2

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(f"{name}: {problem}")
        self.name = name


class UnknownFlowError(NoneventError):
    """No flow has this correlation ID, and it is not a key of exactly one."""

    def __init__(self, flow: str) -> None:
        super().__init__(
            f"No flow {flow!r}: it is no correlation ID in the store, and no key of exactly one "
            "flow; it may not have been read yet, or be older than the retention. "
            "The list of flows, searched for it, shows every flow that carries it as a key"
        )
        self.flow = flow


class NothingSuchError(NoneventError):
    """What was named is not there."""


class NothingToDoError(NoneventError):
    """It is there, and what was asked of it is done already, or no longer possible."""
