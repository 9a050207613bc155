"""nonevent looks at itself each second; what it has to say goes to alerts and the heartbeat."""

import asyncio
from collections.abc import Callable, Mapping, Sequence

from analyzer.alerts.stage import AlertStage
from analyzer.outbox.errand import Trouble
from analyzer.rules.ruleset import RuleSet
from analyzer.stages import JudgeStage
from collector.sources.condition import Condition
from collector.store.store import Store
from collector.times import US_PER_S
from nonevent.config import Configuration
from nonevent.self_watch import Seen, SelfWatch, room_at
from nonevent.silence import unusually_silent

LOOK_S = 1.0
SILENCE_EVERY = 300 * US_PER_S


class Vigil:
    """Of one daemon; the parts of its watch change when its rules do."""

    def __init__(
        self,
        configuration: Configuration,
        store: Store,
        clock: Callable[[], int],
        *,
        taps: Callable[[], Mapping[str, Condition]],
        troubles: Callable[[], Mapping[str, Trouble]],
        rule_errors: Callable[[], Sequence[str]],
    ) -> None:
        self._settings = configuration.alerts.watch_itself
        self._path = configuration.store.path
        self._store = store
        self._clock = clock
        self._taps, self._troubles, self._rule_errors = taps, troubles, rule_errors
        self._own = SelfWatch(self._settings)
        self._silent: list[tuple[str, str, str]] = []
        self._silence_asked = 0
        self.well = False
        """Whether people would be told if something were missing."""

    async def run(
        self, judge: JudgeStage, alert: AlertStage, rules: RuleSet, held: Callable[[], int]
    ) -> None:
        """Tells what keeps nonevent from seeing, or from telling; until cancelled."""
        while True:
            now = self._clock()
            if self._settings.silent and not 0 <= now - self._silence_asked < SILENCE_EVERY:
                self._silence_asked = now
                self._silent = await asyncio.to_thread(self._unusually_silent, judge, rules)
            conditions = self._own.conditions(self._seen(judge, held), now)
            alert.watch_itself(conditions)
            self.well = self._own.healthy(conditions, now) and self._store.full is None
            await asyncio.sleep(LOOK_S)

    def _seen(self, judge: JudgeStage, held: Callable[[], int]) -> Seen:
        partitions = judge.partitions()
        # To count what is held, all that waits is walked through: only where it is to be told.
        holding = any(one.blocked_since or one.hidden_since for one in partitions)
        return Seen(
            partitions,
            self._taps(),
            held() if holding else 0,
            self._troubles(),
            self._rule_errors(),
            self._silent,
            judge.live.undecided.told(),
            room_at(self._path),
        )

    def _unusually_silent(self, judge: JudgeStage, rules: RuleSet) -> list[tuple[str, str, str]]:
        # What was not seen yet is no silence.
        settled = min(self._clock(), judge.sight.settled_to())
        with self._store.reader() as cursor:
            return list(unusually_silent(cursor, rules, settled))
