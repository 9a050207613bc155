"""Rule files after loading: what the judge walks and what the live cache looks names up in."""

import hashlib
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import msgspec

from analyzer.folds.fold import Fold
from analyzer.guards import Guard
from analyzer.naming import ANY_NAME, Meaning, Naming
from analyzer.rules.located import Value
from analyzer.rules.rule import Check, Names, Reads, Rule
from analyzer.rules.services import Service
from analyzer.rules.tests import RuleTest
from collector.event import Event


class Lacking(NamedTuple):
    """How often a field was not there that a condition or a path reads, and how often it was
    asked."""

    text: str
    missing: int
    asked: int


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
    naming: Naming | None = None
    """Where some of its names mean other events than those that are called so."""
    services: tuple[Service, ...] = ()
    folds: tuple[Fold, ...] = ()
    """Expectations that look at more than one flow."""
    written: Value | None = field(default=None, compare=False, repr=False)
    """As it stands on the disk, with places."""

    @cached_property
    def checks(self) -> tuple[Check, ...]:
        """Of each rule, whether it plainly has nothing to say."""
        return tuple(rule.check() for rule in self.rules)

    @cached_property
    def named(self) -> frozenset[str] | None:
        """What the events may be called that it names; None: anything."""
        return self.stored_names(self.told())

    def stored_names(self, names: Iterable[str]) -> frozenset[str] | None:
        """What events with one of these names may be called; None: anything."""
        stored = self.stored(names)
        return None if ANY_NAME in stored else stored

    @cached_property
    def every_name(self) -> bool:
        """Whether it looks at the events of every name."""
        named = ANY_NAME in self.stored(self.told())
        return named or any(rule.every_name() for rule in self.rules)

    def expectations(self) -> tuple[Rule | Fold, ...]:
        return (*self.rules, *self.folds)

    def told(self) -> frozenset[str]:
        """Every name that the file looks at, as it calls it."""
        return frozenset((*self.begins, *self.ends)).union(*(rule.names() for rule in self.rules))

    def names(self) -> frozenset[str]:
        """What the events that it looks at may be called."""
        return self.stored(self.told()) - {ANY_NAME}

    def stored(self, names: Iterable[str]) -> frozenset[str]:
        """What events with one of these names may be called; ANY_NAME: whatever."""
        return frozenset(names) if self.naming is None else self.naming.stored(names)

    def conditions(self) -> list[tuple[Meaning, Guard]]:
        """The conditions by which events get a name that the file looks at."""
        return [] if self.naming is None else self.naming.guards(self.told())

    def asked_by(self, expectation: Rule | Fold) -> list[Reads]:
        """Every condition and path of this expectation, and of the names that it looks at."""
        named = [] if self.naming is None else self.naming.guards(expectation.names())
        return [*expectation.reads(), *(guard for _, guard in named)]

    def lacking(self, expectation: Rule | Fold) -> list[Lacking]:
        """The conditions and paths of this expectation of which a field was not there when they
        were asked, by whomever, since they were loaded."""
        found: dict[str, Lacking] = {}
        for one in self.asked_by(expectation):
            _, missing, asked = found.get(one.text, Lacking(one.text, 0, 0))
            found[one.text] = Lacking(one.text, missing + one.missing, asked + one.asked)
        return [one for one in found.values() if one.missing]

    def concerned(self, names: Set[str]) -> bool:
        """Whether it may have something to say of a flow of events that are called so."""
        return self.named is None or not self.named.isdisjoint(names)

    def calls(self, event: Event) -> Sequence[str]:
        """What this event is here."""
        return (event.name,) if self.naming is None else self.naming.called(event)


@dataclass(frozen=True)
class RuleSet:
    """All files that are live."""

    files: tuple[RuleFile, ...] = ()
    by_name: dict[tuple[str, str], Rule] = field(default_factory=dict)
    """(flow type, expectation) to its rule."""
    folds: dict[tuple[str, str], tuple[RuleFile, Fold]] = field(default_factory=dict)
    """The same of those that look at more than one flow, with their file."""

    @classmethod
    def of(cls, files: Sequence[RuleFile]) -> "RuleSet":
        rules = {(file.flow, rule.options.name): rule for file in files for rule in file.rules}
        folds = {(file.flow, one.options.name): (file, one) for file in files for one in file.folds}
        return cls(tuple(files), rules, folds)

    def of_type(self, flow: str) -> "RuleSet":
        """Those for one type of flows."""
        return RuleSet.of([file for file in self.files if file.flow == flow])

    def expectations(self) -> list[str]:
        return [f"{type}: {name}" for type, name in (*self.by_name, *self.folds)]

    def concern(self, type: str, expectation: str, events: Iterable[Event]) -> list[Event]:
        """Of these events, those that this expectation looks at."""
        rule = self.by_name[(type, expectation)]
        file = next(file for file in self.files if file.flow == type)
        if rule.every_name():
            return list(events)
        return [event for event in events if not rule.names().isdisjoint(file.calls(event))]

    def read(self) -> frozenset[str] | None:
        """The names of events whose payload, headers or key some rule reads; None: any."""
        found: set[str] = set()
        for file in self.files:
            found |= file.stored(meaning.name for meaning, _ in file.conditions())
            for rule in file.rules:
                if rule.reads():
                    found |= file.stored(rule.read_of())
            for fold in file.folds:
                if file.asked_by(fold):
                    found |= file.stored(fold.names())
        return None if ANY_NAME in found else frozenset(found)

    def groups(self) -> frozenset[str]:
        """The consumer groups that some expectation names."""
        found: set[str] = set()
        for file in self.files:
            for one in file.expectations():
                found.update(getattr(one, "groups", ()))
        return frozenset(found)

    def groups_told_of(self) -> frozenset[str]:
        """Those, and the consumer groups by which services run."""
        run = {group for file in self.files for one in file.services for group in one.groups}
        return self.groups() | run

    def fingerprint(self) -> str:
        """The same as long as every judgement would be."""
        told = [
            (
                file.flow, file.begins, file.ends, file.within, file.skew, file.grace,
                [(one.options.name, one.options.version) for one in file.expectations()],
            )
            for file in self.files
        ]  # fmt: skip
        return hashlib.sha256(msgspec.json.encode(told)).hexdigest()[:16]
