"""Every kind of expectation, by the keys that make its sentence."""

from collections.abc import Callable
from dataclasses import dataclass

from analyzer.kinds.after_expect import AfterExpect
from analyzer.kinds.after_never import AfterNever
from analyzer.kinds.once import Once
from analyzer.rules.fields import Fields
from analyzer.rules.rule import Options, Rule


@dataclass(frozen=True)
class Kind:
    """`needs` tell the kind; `takes` are the further keys that it understands."""

    name: str
    needs: tuple[str, ...]
    takes: tuple[str, ...]
    build: Callable[[Fields, Options], Rule | None]
    findings: tuple[str, ...]


def _after_expect(fields: Fields, options: Options) -> Rule | None:
    trigger, needs = fields.names("after"), fields.needs("expect")
    if not trigger or not needs:
        return None
    return AfterExpect(options, trigger, needs, fields.duration("within"))


def _after_never(fields: Fields, options: Options) -> Rule | None:
    trigger, never = fields.names("after"), fields.names("never")
    if not trigger or not never:
        return None
    return AfterNever(options, trigger, never, fields.duration("within"), fields.names("until"))


def _once(fields: Fields, options: Options) -> Rule | None:
    counted = fields.names("once")
    if not counted:
        return None
    return Once(options, counted, fields.names("after"), fields.duration("within"))


KINDS: tuple[Kind, ...] = (
    Kind("expect", ("after", "expect"), ("within", "match"), _after_expect, ("missing", "late")),
    Kind("never", ("after", "never"), ("within", "until"), _after_never, ("forbidden",)),
    Kind("once", ("once",), ("after", "within"), _once, ("repeated", "missing", "late")),
)

NOT_YET = (
    "next", "before", "order", "at_most", "at_least", "exactly", "together", "either", "undo",
    "for_each", "agree", "across", "handled", "every", "rate", "latency", "retries", "lag",
)  # fmt: skip
"""Keys of kinds that the language has and this version does not judge yet."""
