"""The tree of what can go wrong, written for the person who reads it: what, where, what to do."""


class NoneventError(Exception):
    """Anything that nonevent says instead of failing silently. `exit_code` is the command's."""

    exit_code = 3


class ConfigurationError(NoneventError):
    """The configuration, a rule file or an option is wrong; nothing was started."""

    exit_code = 2


class SourceError(NoneventError):
    """A bus or a file cannot be read."""


class RegistryAway(SourceError):
    """The schema registry does not say now what a schema is: what needs it must wait."""


class StoreError(NoneventError):
    """The store cannot be opened, read or written."""
