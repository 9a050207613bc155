"""Who runs which step, and how what was taken in balances with what came out."""

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import duckdb

from analyzer.naming import Naming
from analyzer.rules.ruleset import RuleSet
from analyzer.rules.services import Service
from analyzer.services.balance import Balance, Balances, Told, balance
from analyzer.services.filling import learned_services
from analyzer.services.learned import Learned
from analyzer.services.learning import Lesson, learn
from analyzer.services.stored import Newest, newest_events, progress_with
from analyzer.sight import Sight
from collector.store import observed
from collector.ties import Ties
from collector.times import NEVER, US_PER_S
from ui.models import BalanceCounts, LearnedStep, MinuteBalance, ServiceItem, ServicePage
from ui.rows import moment

FRESH = 60 * US_PER_S
"""What was learned is learned anew once consumers were seen for so long since."""
FRESH_ENOUGH = 10 * FRESH
"""And for so long where one flow is asked about: that is to be answered at once."""
AN_HOUR = 3_600 * US_PER_S


class Lessons:
    """What was learned last, for all who ask: it takes about a second each time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lesson = Lesson()
        self._services: Sequence[Service] = ()
        self._of: tuple[int, RuleSet] | None = None
        """How far consumers were seen, and by which rules."""

    def services(
        self, cursor: duckdb.DuckDBPyConnection, ties: Ties | None, rules: RuleSet
    ) -> Sequence[Service]:
        """Those that nobody has declared."""
        return self.lesson(cursor, ties, rules, fresh=FRESH_ENOUGH)[1]

    def known(self) -> Sequence[Service]:
        """The same as far as they are learned already: for who cannot wait."""
        return self._services

    def lesson(
        self,
        cursor: duckdb.DuckDBPyConnection,
        ties: Ties | None,
        rules: RuleSet,
        newest: Newest | None = None,
        fresh: int = FRESH,
    ) -> tuple[Lesson, Sequence[Service]]:
        """`newest`: the store's newest events, where they are read already."""
        seen_to = _seen_to(cursor)
        if not seen_to:
            return Lesson(), ()
        with self._lock:
            known = self._of
            old = fresh if self._lesson.learned else FRESH
            if known is None or known[1] is not rules or seen_to - known[0] >= old:
                self._lesson = self._learned(cursor, ties, rules, newest)
                self._services = learned_services(rules.files, self._lesson.learned)
                self._of = seen_to, rules
            return self._lesson, self._services

    @staticmethod
    def _learned(
        cursor: duckdb.DuckDBPyConnection, ties: Ties | None, rules: RuleSet, newest: Newest | None
    ) -> Lesson:
        if not observed.anybody_commits(cursor):
            return Lesson()
        if newest is None:
            newest = newest_events(cursor, ties)
        return learn(newest.sightings, progress_with(cursor, newest), newest.letters(rules))


def _seen_to(cursor: duckdb.DuckDBPyConnection) -> int | None:
    """How far the consumers of every source were seen."""
    return min((watch.moment for watch in observed.watches(cursor)), default=None)


@dataclass(frozen=True)
class Declared:
    type: str | None
    service: Service
    naming: Naming | None = None

    @property
    def told_by_name(self) -> bool:
        """Whether events are called in the rule file as they are stored."""
        names = (*self.service.consumes, *self.service.emits)
        return self.naming is None or all(self.naming.meaning(name) is None for name in names)


def services(
    cursor: duckdb.DuckDBPyConnection,
    ties: Ties | None,
    rules: RuleSet,
    sight: Sight,
    lessons: Lessons,
    service: str | None,
    since: int | None,
) -> ServicePage:
    newest = newest_events(cursor, ties)
    lesson, learned = lessons.lesson(cursor, ties, rules, newest)
    if since is None:
        since = max(0, max((one.time for one in newest.sightings), default=0) - AN_HOUR)
    progress = progress_with(cursor, newest)
    told = Told(newest.sightings, progress, sight, newest.first, newest.letters(rules))
    filling = [Declared(None, one) for one in learned]
    found = [
        _item(one, balance(one.service, told, since) if one.told_by_name else None)
        for one in (*_declared(rules), *filling)
        if service is None or service in (one.service.name, *one.service.groups)
    ]
    seen_to = _seen_to(cursor)
    return ServicePage(
        items=found,
        since=moment(max(since, _counted_from(newest))) if newest.sightings else None,
        until=None if seen_to in (None, NEVER, 0) else moment(seen_to),
        events=len(newest.sightings),
        learned_from=lesson.events,
    )


def _counted_from(newest: Newest) -> int:
    return newest.sightings[newest.first].time if newest.first else 0


def _declared(rules: RuleSet) -> Iterable[Declared]:
    """Each once, though several files declare it."""
    told: list[Service] = []
    for file in rules.files:
        for service in file.services:
            if service not in told:
                told.append(service)
                yield Declared(file.flow, service, file.naming)


def _item(one: Declared, found: Balances | None) -> ServiceItem:
    service = one.service
    sure = {step.confidence for step in service.learned}
    return ServiceItem(
        service=service.name,
        type=one.type,
        origin="learned" if service.learned else "declared",
        confidence="likely" if "likely" in sure else "possible" if sure else None,
        groups=list(service.groups),
        consumes=list(service.consumes),
        emits=list(service.emits),
        learned=[_step(step) for step in service.learned],
        balance=None if found is None else BalanceCounts(**_counts(found.total)),
        minutes=[
            MinuteBalance(minute=moment(minute) or "", **_counts(some))
            for minute, some in (found.minutes.items() if found else ())
        ],
    )


def _counts(found: Balance) -> dict[str, int]:
    return {name: getattr(found, name) for name in BalanceCounts.model_fields}


def _step(one: Learned) -> LearnedStep:
    return LearnedStep(
        consumes=one.consumes, emits=one.emits, confidence=one.confidence,
        cases_for=one.cases_for, against=one.against, undecided=one.undecided,
        confused_with=list(one.confused_with), or_of=list(one.or_of),
    )  # fmt: skip
