"""What could not be told, counted as it comes up: never a finding. Where judging failed, that is
told of nonevent itself."""

import logging
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

Expectation = tuple[str, str]
"""Flow type and name."""

SHOWN = 3
"""Flows in which that was so last."""
PRUNE_AFTER = 10_000
log = logging.getLogger(__name__)


class Unknown(NamedTuple):
    flows: int
    """In which it could not be told, since the daemon began; one that comes back after it was let
    go of counts again."""
    last: Sequence[str]
    failed: int = 0
    """In so many of them, and in so many windows, judging failed, by a mistake of nonevent's."""
    last_failed: str = ""
    """In which it did last, and why."""

    def failure(self) -> str:
        return failure(self.failed, self.last_failed)


NOTHING = Unknown(0, ())


class Undecided:
    """By expectation. Of a flow it is remembered as long as that is in memory."""

    def __init__(self) -> None:
        self._of_flow: dict[str, dict[Expectation, bool]] = {}
        """Those of a flow, and whether it was told that judging failed."""
        self._counts: dict[Expectation, Unknown] = {}
        self._until_pruned = PRUNE_AFTER

    def note(self, flow: str, unknown: Mapping[Expectation, str], there: Collection[str]) -> None:
        """As this flow was judged now, and why judging failed, where it did; `there` are those in
        memory."""
        known = self._of_flow.setdefault(flow, {})
        for one, why in unknown.items():
            if one not in known:
                count = self._counts.get(one, NOTHING)
                last = (*count.last[-SHOWN + 1 :], flow)
                self._counts[one] = count._replace(flows=count.flows + 1, last=last)
            if why and not known.get(one):
                self.failed(one, flow, why)
            known[one] = known.get(one, False) or bool(why)
        self._until_pruned -= 1
        if self._until_pruned <= 0:
            self._until_pruned = PRUNE_AFTER
            self._of_flow = {id: some for id, some in self._of_flow.items() if id in there}

    def failed(self, one: Expectation, where: str, why: str) -> None:
        """Judging failed in this flow or window."""
        count = self._counts.get(one, NOTHING)
        times = count.failed + 1
        self._counts[one] = count._replace(failed=times, last_failed=f"{where}: {why}")
        if _is_worth_a_line(times):
            said = "%s: %s: judging failed (%d so far), last in %s: %s; please report this mistake"
            log.error(said, *one, times, where, why)

    def told(self) -> Mapping[Expectation, Unknown]:
        """May be asked from any thread."""
        return self._counts.copy()


def failure(times: int, last: str) -> str:
    often = "once" if times == 1 else f"{times:,} times"
    return f"judging failed {often}, last in {last}"


def failures(told: Mapping[Expectation, Unknown]) -> list[str]:
    """Each expectation of which judging failed, in words."""
    return [f"{type}: {name}: {one.failure()}" for (type, name), one in told.items() if one.failed]


def _is_worth_a_line(number: int) -> bool:
    """1, 10, 100, …: where all flows fail, there may be thousands a second."""
    return str(number).rstrip("0") == "1"
