"""A row of the tables of kinds."""

from collections.abc import Callable
from dataclasses import dataclass

from analyzer.folds.fold import Fold
from analyzer.rules.fields import Fields
from analyzer.rules.rule import Options, Rule

Expectation = Rule | Fold


@dataclass(frozen=True)
class Kind:
    """`needs` tell the kind; `takes` are the further keys that it understands."""

    name: str
    needs: tuple[str, ...]
    takes: tuple[str, ...]
    build: Callable[[Fields, Options], Expectation | None]
    findings: tuple[str, ...]
