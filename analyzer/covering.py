"""Which expectations judge before what they await is published: `grace` is to cover that."""

from collections.abc import Sequence

from analyzer.rules.kind import Expectation
from analyzer.rules.rule import Rule
from analyzer.rules.ruleset import RuleSet
from analyzer.rules.sighted import sighted
from collector.store.rollups import Sighting


def least_grace(rules: RuleSet, default: int) -> int:
    """The least (µs) of all expectations; `default` is that of those that set none."""
    every = [one for file in rules.files for one in file.expectations()]
    return min((_grace(one, default) for one in every), default=default)


def not_covered(
    rules: RuleSet, default: int, difference: int, seen: Sequence[Sighting]
) -> dict[tuple[str, str], int]:
    """The grace (µs), by type and name, of the expectations that judge too early where events are
    published so much (µs) after they happened: of those that await any of what was `seen` there."""
    return {
        (file.flow, one.options.name): _grace(one, default)
        for file in rules.files
        for one in file.expectations()
        if _grace(one, default) < difference and sighted(file, _awaited(one), seen).events
    }


def _grace(one: Expectation, default: int) -> int:
    return default if one.options.grace is None else one.options.grace


def _awaited(one: Expectation) -> frozenset[str]:
    """The names for which completeness is asked, as its file calls them."""
    return one.awaits() if isinstance(one, Rule) else one.names()
