"""One sink's deliveries: what waits goes, the newest of each alert, until the sink takes it."""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import TypeVar

import msgspec

from analyzer.notification import Notification
from analyzer.outbox import deliveries
from analyzer.outbox.deliveries import Waiting
from analyzer.outbox.explaining import Explaining
from analyzer.outbox.resending import Resending
from analyzer.outbox.rest import Chance, Rest
from analyzer.outbox.settling import PARTING_S, Settling
from analyzer.sinks.sink import NotDelivered, Refused, Sink
from collector.sources.patience import Patience
from collector.store.store import Store
from collector.times import US_PER_S, format_duration

log = logging.getLogger(__name__)

T = TypeVar("T")

SHORTEST_S = 1.0
"""So long a sink in trouble rests in any case, or less where that is its pause."""
LIMIT = 50
"""Alerts that are looked at at once."""
MOST_RESTING = 1000
"""While so many are refused or fail one by one, no other is tried: memory has a bound."""


class Trouble(msgspec.Struct, frozen=True):
    """Of a sink that takes nothing."""

    since: int
    why: str
    tries: int
    next_try: int


class Errand:
    """The loop of one sink.

    An alert whose message fails rests for itself, so that one bad message keeps no other from
    going; after each failure the sink rests as a whole, too, until something is taken.
    """

    def __init__(
        self, name: str, sink: Sink, store: Store, clock: Callable[[], int], chance: Chance,
        explaining: Explaining,
    ) -> None:  # fmt: skip
        self._name = name
        self._sink = sink
        self._store = store
        self._clock = clock
        self._chance = chance
        self._explaining = explaining
        self._settling = Settling(name, store, clock)
        self._news = asyncio.Event()
        self._rests: dict[str, Rest] = {}
        """By fingerprint."""
        self._trouble: Rest | None = None
        self._telling: Patience | None = None
        """When to say in the log that it is in trouble."""
        self._perhaps_told_to = 0
        """What was written up to here may have been sent by the process before this one."""
        self._resending = Resending(name, sink.resend_every, store, clock)

    def wake(self) -> None:
        self._news.set()

    def trouble(self) -> Trouble | None:
        """Asked from other threads, too."""
        rest = self._trouble
        return None if rest is None else Trouble(rest.since, rest.why, rest.tries, rest.until)

    async def run(self) -> None:
        try:
            await _through(self._begin)
            while True:
                await self._rested()
                self._news.clear()
                waiting = await _through(self._waiting)
                well = await self._tell(waiting)
                await self._settling.written()
                well = well and await self._tell_again()
                if well and not waiting and self._resending.left() != 0:
                    if not self._rests:
                        # What it failed to take is gone: of a sink with nothing to do nobody knows.
                        self._trouble = self._telling = None
                    await self._until_news()
        finally:
            await self._settling.close()

    async def close(self) -> None:
        await self._sink.close()

    # What there is to tell

    def _begin(self) -> None:
        with self._store.reader() as cursor:
            self._perhaps_told_to = deliveries.last_waiting(cursor, self._name)
        self._resending.recall(LIMIT)

    def _waiting(self) -> list[Waiting]:
        now = self._clock()
        resting = [one for one, rest in self._rests.items() if rest.left(now)]
        if len(resting) >= MOST_RESTING:
            return []
        with self._store.reader() as cursor:
            found = deliveries.waiting(cursor, self._name, resting, LIMIT)
        if len(found) < LIMIT:
            # These are all. What else has rested was deleted with its flow.
            left = {*resting, *(one.notification.fingerprint for one in found)}
            self._rests = {of: rest for of, rest in self._rests.items() if of in left}
        return found

    async def _rested(self) -> None:
        """While the sink is in trouble. What is new is tried soon: perhaps only what failed last
        is at fault. Not so when the sink has asked to be left alone."""
        if (trouble := self._trouble) is None:
            return
        await asyncio.sleep(min(trouble.left(self._clock()) / US_PER_S, SHORTEST_S))
        if trouble.asked:
            await asyncio.sleep(trouble.left(self._clock()) / US_PER_S)
        else:
            await self._news_within(trouble.left(self._clock()))

    async def _until_news(self) -> None:
        """Or until one that rests is to be tried again, or what fires is to be told again."""
        now = self._clock()
        left = [rest.left(now) for rest in self._rests.values()]
        if (again := self._resending.left()) is not None:
            left.append(again)
        await self._news_within(min(left, default=None))

    async def _news_within(self, us: int | None) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(None if us is None else us / US_PER_S):
                await self._news.wait()

    # Telling

    async def _tell(self, waiting: list[Waiting]) -> bool:
        """False as soon as the sink is in trouble."""
        for one in waiting:
            fingerprint = one.notification.fingerprint
            rest = self._rests.get(fingerprint)
            if self._is_over_and_unheard_of(one, rest):
                self._settle(one, "spared")
                continue
            try:
                await self._deliver(one.notification)
            except Refused as error:
                self._refused(one, str(error))
            except NotDelivered as error:
                self._failed(fingerprint, error)
                return False
            else:
                self._settle(one, "taken")
        return True

    def _is_over_and_unheard_of(self, one: Waiting, rest: Rest | None) -> bool:
        """It fired and resolved while the sink could not be told: then there is nothing to do for
        anybody, and the alert's page has it all. In doubt it is told; and where others were to be
        told of with it."""
        return (
            one.notification.status == "resolved"
            and one.begins == "new"
            and one.older > 0
            and not one.told
            and not one.notification.also
            and one.first > self._perhaps_told_to
            and not (rest is not None and rest.perhaps_taken)
        )

    async def _deliver(self, notification: Notification) -> None:
        told = await _through(lambda: self._explaining.explained(notification))
        try:
            answer = await self._sink.deliver(told)
        except NotDelivered:
            raise
        except Exception as error:
            # A sink that is wrong about something ends neither the others nor the watch.
            log.debug("sink %s", self._name, exc_info=error)
            raise NotDelivered(f"it failed ({type(error).__name__})", perhaps_taken=True) from error
        log.debug("sink %s: %s: %s", self._name, notification.id, answer)
        if (trouble := self._trouble) is not None:
            since = format_duration(max(0, self._clock() - trouble.since))
            log.info("sink %s takes notifications again, after %s", self._name, since)
            if trouble.tries > 1:
                # It was the sink, not what it was told: nobody needs to rest any more.
                for rest in self._rests.values():
                    if not rest.refusals:
                        rest.over()
            self._trouble = self._telling = None

    def _failed(self, fingerprint: str | None, error: NotDelivered) -> None:
        now = self._clock()
        if self._trouble is None:
            self._trouble = Rest(now)
        rests = [self._trouble] if fingerprint is None else [self._trouble, self._rest(fingerprint)]
        for rest in rests:
            rest.failed(now, str(error), self._chance, error.retry_after)
            rest.perhaps_taken = rest.perhaps_taken or error.perhaps_taken
        if self._telling is None:
            self._telling = Patience(now)
        if self._telling.failed(now, str(error)):
            log.warning("sink %s: %s; trying on with growing pauses", self._name, error)

    def _refused(self, one: Waiting, why: str) -> None:
        rest = self._rest(one.notification.fingerprint)
        rest.refused(self._clock(), why, self._chance)
        about = f"{one.notification.type}: {one.notification.expectation} ({one.notification.id})"
        if rest.hopeless:
            log.error("sink %s: %s; %s is given up after %d tries: it is on its page alone",
                      self._name, why, about, rest.refusals)  # fmt: skip
            self._settle(one, "refused")
        elif rest.refusals == 1:
            log.warning("sink %s: %s, of %s; the others go on", self._name, why, about)

    def _rest(self, fingerprint: str) -> Rest:
        return self._rests.setdefault(fingerprint, Rest(self._clock()))

    def _settle(self, one: Waiting, outcome: str) -> None:
        self._settling.add(one, outcome)
        self._rests.pop(one.notification.fingerprint, None)
        if outcome == "taken":
            self._resending.taken(one)

    # Telling again

    def _surely_known(self, some: list[str]) -> list[str]:
        """Without those of which the sink may have heard more than it is known to have taken: that
        would be taken back."""
        with self._store.reader() as cursor:
            before = deliveries.waiting_up_to(cursor, self._name, some, self._perhaps_told_to)
        return [one for one in some if not self._may_have_heard_more(one, one in before)]

    def _may_have_heard_more(self, fingerprint: str, before: bool) -> bool:
        """`before`: what waits may have been sent by the process before this one. What is refused
        now was not taken then."""
        rest = self._rests.get(fingerprint)
        if rest is None:
            return before
        return rest.perhaps_taken or (before and not rest.refusals)

    async def _tell_again(self) -> bool:
        """Some of what fires, to a sink that forgets it otherwise. False as soon as it is in
        trouble."""
        if not (some := self._resending.due(LIMIT)):
            return True
        found = await _through(lambda: self._resending.read(self._surely_known(some)))
        for fingerprint in some:
            try:
                if (told := found.get(fingerprint)) is not None:
                    await self._deliver(told)
            except Refused as error:
                log.warning("sink %s: %s, of %s told again", self._name, error, fingerprint)
            except NotDelivered as error:
                self._failed(None, error)
                return False
            self._resending.done()
        return True


async def _through(read: Callable[[], T]) -> T:
    """In a thread. What has begun is waited for, even to stop: the store is closed after that."""
    reading = asyncio.ensure_future(asyncio.to_thread(read))
    try:
        return await asyncio.shield(reading)
    finally:
        await asyncio.wait([reading], timeout=PARTING_S)
