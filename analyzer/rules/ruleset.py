"""Rule files after loading: what the judge walks and what the live cache looks names up in."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import msgspec

from analyzer.rules.rule import Check, Names, Rule
from analyzer.rules.tests import RuleTest


@dataclass(frozen=True)
class RuleFile:
    """One file: one flow type with its expectations."""

    path: Path
    flow: str
    begins: Names
    ends: Names
    within: int | None
    rules: tuple[Rule, ...]
    skew: int | None = None
    grace: int | None = None
    about: str | None = None
    tests: tuple[RuleTest, ...] = ()

    @cached_property
    def checks(self) -> tuple[Check, ...]:
        """Of each rule, whether it plainly has nothing to say."""
        return tuple(rule.check() for rule in self.rules)

    @cached_property
    def every_name(self) -> bool:
        """Whether one of its rules looks at the events of every name."""
        return any(rule.every_name() for rule in self.rules)

    def names(self) -> frozenset[str]:
        return frozenset((*self.begins, *self.ends)).union(*(rule.names() for rule in self.rules))


@dataclass(frozen=True)
class RuleSet:
    """All files that are live."""

    files: tuple[RuleFile, ...] = ()
    by_name: dict[tuple[str, str], Rule] = field(default_factory=dict)
    """(flow type, expectation) to its rule."""

    @classmethod
    def of(cls, files: Sequence[RuleFile]) -> "RuleSet":
        rules = {(file.flow, rule.options.name): rule for file in files for rule in file.rules}
        return cls(tuple(files), rules)

    def expectations(self) -> list[str]:
        return [f"{type}: {name}" for type, name in self.by_name]

    def read(self) -> frozenset[str]:
        """The names of events whose payload, headers or key some rule reads."""
        return frozenset(
            name for rule in self.by_name.values() if rule.reads() for name in rule.names()
        )

    def fingerprint(self) -> str:
        """The same as long as every judgement would be."""
        told = [
            (
                file.flow, file.begins, file.ends, file.within, file.skew, file.grace,
                [(rule.options.name, rule.options.version) for rule in file.rules],
            )
            for file in self.files
        ]  # fmt: skip
        return hashlib.sha256(msgspec.json.encode(told)).hexdigest()[:16]
