"""Reads `events:` of a rule file."""

from analyzer.naming import Meaning, Naming
from analyzer.rules.checker import Checker
from analyzer.rules.fields import Fields
from analyzer.rules.located import Value


def read_naming(value: Value | None, checker: Checker) -> Naming | None:
    if value is None:
        return None
    if not isinstance(value.data, dict):
        what = "`events` is a mapping: `payment.declined: {topic: payments, where: …}`"
        checker.error(value.place, what)
        return None
    meanings = []
    for name, item in value.data.items():
        if not isinstance(item.data, dict) or not item.data:
            checker.error(item.place, f"say what `{name}` means by `topic`, `name` or `where`")
            continue
        checker.known_keys(item, ("topic", "name", "where"), f"for `{name}`")
        fields = Fields(item, checker)
        alone = "topic" in fields or "name" in fields
        stored = fields.names("name") if alone else (name,)
        where = fields.condition("where", alone="it tells of one event what this is called")
        meanings.append(Meaning(name, stored, fields.names("topic"), where))
    return Naming(tuple(meanings))
