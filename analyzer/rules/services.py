"""`services:` of a rule file: who runs a step, what it takes and what comes out of it."""

from dataclasses import dataclass
from fnmatch import fnmatchcase

from analyzer.rules.checker import Checker
from analyzer.rules.fields import Fields
from analyzer.rules.located import Value
from analyzer.services.learned import Learned

KEYS = ("group", "consumes", "emits", "retry", "dead_letter")


@dataclass(frozen=True, slots=True)
class Service:
    name: str
    groups: tuple[str, ...]
    """Its consumer groups."""
    consumes: tuple[str, ...]
    emits: tuple[str, ...]
    retry: tuple[str, ...] = ()
    """Topics (globs) on which it tries again."""
    dead_letter: tuple[str, ...] = ()
    learned: tuple[Learned, ...] = ()
    """What it rests on, by what it brings out, where nobody has declared it."""

    def reads(self, source: str) -> bool:
        return not self.learned or any(one.source == source for one in self.learned)

    def has_letters_on(self, topic: str) -> bool:
        return any(fnmatchcase(topic, glob) for glob in (*self.retry, *self.dead_letter))


def read_services(value: Value | None, checker: Checker) -> tuple[Service, ...]:
    if value is None:
        return ()
    if not isinstance(value.data, dict):
        checker.error(value.place, "`services` is a mapping: `payment: {group: payment-svc, …}`")
        return ()
    found = [_service(name, item, checker) for name, item in value.data.items()]
    return tuple(service for service in found if service is not None)


def _service(name: str, value: Value, checker: Checker) -> Service | None:
    if not isinstance(value.data, dict):
        checker.error(value.place, f"`{name}` is a mapping with group, consumes and emits")
        return None
    checker.known_keys(value, KEYS, "for a service")
    fields = Fields(value, checker)
    for needed in ("group", "consumes"):
        if needed not in fields:
            checker.error(value.place, f"the service `{name}` needs `{needed}`")
    return Service(
        name, fields.names("group"), fields.names("consumes"), fields.names("emits"),
        fields.names("retry"), fields.names("dead_letter"),
    )  # fmt: skip
