"""Watches the consumers of one Kafka: to the pipeline a tap of its own, whose batches hold rows."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from aiokafka.errors import IncompatibleBrokerVersion, KafkaError

from collector.batch import Batch
from collector.consumers.history import History
from collector.consumers.kafka_commits import CommitTopic
from collector.consumers.kafka_look import look
from collector.consumers.kafka_tails import Tails
from collector.consumers.observation import Known, Look, WatchRow
from collector.settings import KafkaSettings, SourceSettings
from collector.sources.condition import Condition
from collector.sources.kafka_client import REQUEST_TIMEOUT_MS, PatientClient
from collector.sources.kafka_fetches import Fetches
from collector.sources.kafka_security import cure, security_options
from collector.sources.patience import Patience
from collector.store.tables import COMMITS, ENDS, GROUPS, WATCHES
from collector.times import US_PER_S

log = logging.getLogger(__name__)

TOO_OLD = "its brokers are too old to be asked (Kafka 3.0 and newer tell)"


class KafkaWatch:
    """It joins no group and commits nothing; DESCRIBE on groups and topics is all it needs, and to
    read commits from their own topic READ on that."""

    paced = True

    def __init__(
        self,
        settings: SourceSettings,
        known: Known,
        clock: Callable[[], int],
        expected: frozenset[str] = frozenset(),
    ) -> None:
        """`expected`: groups of which rules tell something, whether they are named or not."""
        assert settings.kafka is not None
        self.name = settings.name
        self._kafka: KafkaSettings = settings.kafka
        self._settings = settings.kafka.consumers
        self._clock = clock
        self._expected = expected
        self._security = security_options(
            f"source {settings.name}", settings.kafka.tls, settings.kafka.sasl, clock
        )
        self._history = History(settings.name, known)
        before = known.watch
        now = clock()
        self._watch = WatchRow(
            settings.name, now if before is None else before.began,
            now if before is None else before.moment, self._settings.every_us(),
            tuple(self._settings.groups), None if before is None else before.why,
        )  # fmt: skip
        self._tails = Tails()
        since = None if before is None else before.moment
        exactly = self._settings.from_ == "offsets_topic"
        self._topic = CommitTopic(self.name, self._settings.groups, since) if exactly else None
        self._client: PatientClient | None = None
        self._trouble: Patience | None = None
        self._next = now
        self._denied: set[str] = set()
        self._since = now

    async def start(self) -> None:
        """The bus is looked for by the first poll: nobody waits for this one."""

    async def stop(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    def condition(self) -> Condition:
        trouble = self._trouble
        if trouble is None:
            denied = None if self._topic is None else self._topic.denied
            return Condition(
                "kafka", "reading", self._since, denied=() if denied is None else (denied,)
            )
        return Condition("kafka", "connecting", trouble.since, trouble.why, trouble.next_try)

    async def poll(self) -> Batch:
        """What has changed by the time that it is time to look; empty where nothing is seen."""
        # A clock that was set back keeps nobody waiting.
        pause = min(max(0, self._next - self._clock()), self._settings.every_us())
        if self._trouble is not None:
            pause = self._trouble.pause
        await asyncio.sleep(pause / US_PER_S)
        began = self._clock()
        self._next = began + self._settings.every_us()
        try:
            seen = await self._look()
        except (IncompatibleBrokerVersion, NotImplementedError):
            return self._failed(TOO_OLD)
        except (KafkaError, OSError, TimeoutError) as error:
            return self._failed(_said(error))
        except Exception as error:  # who only looks on stops nobody from reading
            log.exception("source %s: consumers could not be looked at", self.name)
            await self.stop()
            return self._failed(f"{type(error).__name__}: {_said(error)}")
        self._there_again()
        return self._rows(seen)

    async def _look(self) -> Look:
        if self._client is None:
            client = PatientClient(f"{self.name} (consumers)", self._options(),
                                   Fetches(lambda tp, error: None), self._clock)  # fmt: skip
            try:
                await client.bootstrap()
            except BaseException:
                await client.close()
                raise
            self._client = client
        seconds = REQUEST_TIMEOUT_MS / 1000
        async with asyncio.timeout(seconds):
            # What is no longer listed may be denied now.
            expected = self._expected | self._history.groups()
            seen = await look(
                self._client, self._settings.groups, self._clock, self._topic, expected
            )
            return replace(seen, done=await self._tails.read_to_the_end(self._client, seen))

    def _options(self) -> dict[str, Any]:
        return {
            "bootstrap_servers": self._kafka.bootstrap,
            "client_id": "nonevent",
            "request_timeout_ms": REQUEST_TIMEOUT_MS,
            **self._security,
        }

    def _rows(self, seen: Look) -> Batch:
        batch = Batch(now=self._clock())
        rows = self._history.take(seen)
        for table, some in ((GROUPS, rows.groups), (COMMITS, rows.commits), (ENDS, rows.ends)):
            if some:
                batch.rows[table.name] = list(some)
        w = self._watch
        # Not before what was known: a clock that was set back unsees nothing.
        moment = seen.asked if seen.whole and not seen.unseen else w.moment
        self._watch = WatchRow(w.source, w.began, moment, w.every, w.groups)
        batch.add(WATCHES.name, self._watch)
        self._tell_denied({g: s.why for g, s in seen.groups.items() if s.why and s.type != "share"})
        return batch

    def _tell_denied(self, denied: dict[str, str]) -> None:
        for group in sorted(denied.keys() - self._denied):
            log.warning("source %s: consumers of %s are not seen: %s",
                        self.name, group, denied[group])  # fmt: skip
        for group in sorted(self._denied - denied.keys()):
            log.warning("source %s: consumers of %s are seen again", self.name, group)
        self._denied = set(denied)

    def _failed(self, why: str) -> Batch:
        now = self._clock()
        if self._topic is not None:
            self._topic.lost()
        self._trouble = self._trouble or Patience(now)
        batch = Batch(now=now)
        if self._trouble.failed(now, why):
            log.warning("source %s: consumers are not seen (%s): %s; trying on with growing pauses",
                        self.name, why, cure(why))  # fmt: skip
            w = self._watch
            self._watch = WatchRow(w.source, w.began, w.moment, w.every, w.groups, why)
            batch.add(WATCHES.name, self._watch)
        return batch

    def _there_again(self) -> None:
        if self._trouble is not None:
            log.warning("source %s: consumers are seen again", self.name)
            self._trouble = None
            self._since = self._clock()


def _said(error: BaseException) -> str:
    said = " ".join(str(part) for part in error.args)
    return " ".join(said.split()) or type(error).__name__
