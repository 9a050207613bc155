"""What was seen of the names in a rule file, told from the stored counts by topic and name."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from analyzer.naming import ANY_NAME, Meaning
from analyzer.rules.kind import Expectation
from analyzer.rules.rule import Names, Rule
from analyzer.rules.ruleset import RuleFile
from collector.store.rollups import Sighting


@dataclass(frozen=True)
class Sighted:
    """How often events with some names came: at most, where a condition tells which are meant."""

    events: int
    recent: int
    last: int | None
    """The minute (µs) of the last one; None: never."""
    at_most: bool


def activating(file: RuleFile, expectation: Expectation) -> Names:
    """The names of the events that bring an expectation to bear, as its file calls them."""
    if isinstance(expectation, Rule):
        return expectation.activating(file.begins)
    return tuple(sorted(expectation.activating()))


def sighted(file: RuleFile, names: Iterable[str], seen: Sequence[Sighting]) -> Sighted:
    """What was seen of events that have one of these names in this file."""
    found: dict[tuple[str, str], Sighting] = {}
    at_most = False
    for name in names:
        meaning = None if file.naming is None else file.naming.meaning(name)
        meant = Meaning(name, () if name == ANY_NAME else (name,)) if meaning is None else meaning
        found |= {(one.topic, one.name): one for one in seen if meant.allows(one.topic, one.name)}
        at_most = at_most or (meaning is not None and meaning.where is not None)
    return Sighted(
        sum(one.events for one in found.values()),
        sum(one.recent for one in found.values()),
        max((one.last for one in found.values()), default=None),
        at_most,
    )


def activations_sighted(
    file: RuleFile, expectation: Expectation, seen: Sequence[Sighting]
) -> Sighted:
    """What was seen of the events that bring an expectation to bear; its `where` narrows them."""
    found = sighted(file, activating(file, expectation), seen)
    narrowed = expectation.options.where is not None
    return Sighted(found.events, found.recent, found.last, found.at_most or narrowed)
