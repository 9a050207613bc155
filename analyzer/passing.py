"""What nearly every deadline comes to that passes while a flow goes on: it was met.

As in `analyzer.plain`: where no name came twice, names and times tell. Then nothing is found, and
the flow waits for its next deadline.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from analyzer.origins import ByName
from analyzer.rules.ruleset import RuleFile
from analyzer.span import Condition, Span, all_hold
from collector.times import FOREVER


class Deadline(NamedTuple):
    cause: str
    """The event from which it counts, by name."""
    wait: int
    """So long (µs) after it something may be found."""
    spans: Sequence[Span] | None
    """What must hold that nothing is; None: that is not known, and the flow is judged then."""
    conditions: Sequence[Condition] = ()
    """And what payloads decide."""

    def met(self, at: ByName) -> bool:
        if self.spans is None or not all_hold(self.spans, at):
            return False
        try:
            return all(holds(at) for holds in self.conditions)
        except Exception:  # noqa: BLE001  # a mistake of ours: judging tells of it
            return False


def deadlines(
    file: RuleFile, present: frozenset[str], skew: int, default_grace: int
) -> list[Deadline] | None:
    """Those of a flow that has begun and not ended, in which each of these names came once, if
    sources differ by `skew`; None where it cannot be told from the names."""
    if file.naming is not None or file.every_name or not present.isdisjoint(file.ends):
        return None
    begins = [name for name in file.begins if name in present]
    if len(begins) != 1:
        return None
    found = []
    if file.within is not None:
        found.append(Deadline(begins[0], file.within, None))
    for rule in file.rules:
        grace = default_grace if rule.options.grace is None else rule.options.grace
        for due in rule.dues():
            for cause in dict.fromkeys(due.names or file.begins):
                if cause in present:
                    asked = rule.met(cause, present, skew)
                    found.append(_deadline(cause, due.wait + grace, asked))
    return found


def _deadline(cause: str, wait: int, asked: Sequence[Span | Condition] | None) -> Deadline:
    if asked is None:
        return Deadline(cause, wait, None)
    spans = tuple(one for one in asked if isinstance(one, Span))
    return Deadline(cause, wait, spans, tuple(o for o in asked if not isinstance(o, Span)))


def following(some: Iterable[Deadline], at: ByName, passed: int) -> int | None:
    """The next deadline of this flow that is not known to be met, if all before `passed` were; None
    where one was not, or none is left: what the flow still waits for is then for judging to say."""
    following = FOREVER
    for one in some:
        if not one.conditions and one.met(at):
            continue
        moment = at.kept[one.cause][1].time + one.wait
        if moment >= passed:
            following = min(following, moment)
        elif not one.met(at):
            return None
    return None if following == FOREVER else following
