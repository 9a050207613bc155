"""The client library's connections, made patient: growing pauses, and word of why.

Left alone it tries a broker that is away thousands of times a second, tells nobody but its log
why, and asks a bus in trouble for its topics as often as it is answered.
"""

# The library's class that this one extends is untyped.
# mypy: allow-untyped-calls

import asyncio
import contextlib
import logging
import random
from collections.abc import Callable
from typing import Any

from aiokafka.client import AIOKafkaClient, ConnectionGroup
from aiokafka.conn import AIOKafkaConnection, OAuthAuthenticator
from aiokafka.errors import (
    IncompatibleBrokerVersion,
    KafkaConnectionError,
    SaslAuthenticationFailed,
)
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.protocol.metadata import MetadataRequest
from aiokafka.util import create_task

from collector.sources.kafka_fetches import Fetches
from collector.sources.patience import Patience
from collector.times import US_PER_S, format_duration

log = logging.getLogger(__name__)

REQUEST_TIMEOUT_MS = 30_000
METADATA_PAUSE = US_PER_S // 2
"""The least time between two questions for the cluster's leaders."""
BOOTSTRAP = "bootstrap"


class PatientClient(AIOKafkaClient):
    """Notes what fetches tell in `fetches`, and in `away` which brokers cannot be reached."""

    def __init__(
        self, source: str, options: dict[str, Any], fetches: Fetches, clock: Callable[[], int]
    ) -> None:
        super().__init__(**options)
        self.away: dict[int | str, Patience] = {}
        self._source = source
        self._fetches = fetches
        self._clock = clock
        self._locks: dict[int | str, asyncio.Lock] = {}
        self._last_asked = 0

    def all_away(self) -> Patience | None:
        """Set while no broker can be reached: the one that will be tried first."""
        away = self.away.copy()  # asked from other threads too
        if not away or {broker.nodeId for broker in self.cluster.brokers()} - away.keys():
            return None
        return min(away.values(), key=lambda one: one.next_try)

    async def some_node(self) -> int:
        """A broker that is there, to ask what any can answer."""
        nodes = [broker.nodeId for broker in self.cluster.brokers()]
        for node in sorted(nodes, key=lambda node: (node in self.away, random.random())):
            if await self.ready(node):
                return int(node)
        reasons = [self.away[node].why for node in nodes if node in self.away]
        raise KafkaConnectionError("; ".join(reasons) or "no broker is known")

    # Connecting

    async def bootstrap(self) -> None:
        """Finds the cluster by the first address that answers, and says why none did."""
        reasons = []
        for host, port, _ in self.hosts:
            try:
                conn = await self._connect(host, port)
                metadata = await conn.send(MetadataRequest([]))
            except Exception as error:  # noqa: BLE001  # said by the caller
                reasons.append(f"{host}:{port}: {why(error)}")
                continue
            self.cluster.update_metadata(metadata)
            if self.cluster.brokers():
                conn.close()
            else:
                self._conns[BOOTSTRAP, ConnectionGroup.DEFAULT] = conn
            if self._sync_task is None:
                self._sync_task = create_task(self._md_synchronizer())
            return
        raise KafkaConnectionError("; ".join(reasons))

    async def _get_conn(
        self,
        node_id: int | str,
        *,
        group: ConnectionGroup = ConnectionGroup.DEFAULT,
        no_hint: bool = False,
    ) -> AIOKafkaConnection | None:
        key = (node_id, group)
        # A lock a broker: one that lets us wait keeps nobody from the others.
        async with self._locks.setdefault(node_id, asyncio.Lock()):
            conn: AIOKafkaConnection | None = self._conns.get(key)
            if conn is not None and conn.connected():
                return conn
            self._conns.pop(key, None)
            waited = self.away.get(node_id)
            if waited is not None and not waited.due(self._clock()):
                return None
            broker = self.cluster.broker_metadata(node_id)
            if broker is None:
                self.force_metadata_update()
                return None
            try:
                conn = await self._connect(broker.host, broker.port, self._on_connection_closed)
            except Exception as error:  # noqa: BLE001  # noted, said, and tried again for ever
                self._failed(node_id, f"{broker.host}:{broker.port}: {why(error)}")
                self.force_metadata_update()
                return None
            self._conns[key] = conn
            self._there_again(node_id)
            return conn

    async def _connect(
        self, host: str, port: int, on_close: Callable[..., None] | None = None
    ) -> AIOKafkaConnection:
        conn = _Connection(
            host,
            port,
            client_id=self._client_id,
            request_timeout_ms=self._request_timeout_ms,
            ssl_context=self._ssl_context,
            security_protocol=self._security_protocol,
            on_close=on_close,
            max_idle_ms=self._connections_max_idle_ms,
            sasl_mechanism=self._sasl_mechanism,
            sasl_plain_username=self._sasl_plain_username,
            sasl_plain_password=self._sasl_plain_password,
            sasl_oauth_token_provider=self._sasl_oauth_token_provider,
        )
        await conn.connect()
        return conn

    def _failed(self, node: int | str, reason: str) -> None:
        now = self._clock()
        patience = self.away.setdefault(node, Patience(now))
        # Of the bus as a whole there is nothing to say beside its brokers, one by one.
        if patience.failed(now, reason) and node != BOOTSTRAP:
            since = format_duration(now - patience.since)
            log.warning(
                "source %s: broker %s is away%s (%s): trying on with growing pauses",
                self._source, node, f" since {since}" if now > patience.since else "", reason,
            )  # fmt: skip

    def _there_again(self, node: int | str) -> None:
        patience = self.away.pop(node, None)
        if patience is not None and node != BOOTSTRAP:
            away = format_duration(max(0, self._clock() - patience.since))
            log.warning("source %s: broker %s is there again after %s", self._source, node, away)

    # Asking

    async def send(
        self, node_id: Any, request: Any, *, group: Any = ConnectionGroup.DEFAULT
    ) -> Any:
        if not isinstance(request, FetchRequest):
            return await super().send(node_id, request, group=group)
        sent = self._clock()
        response = await self._fetch(node_id, request, group)
        response.topics = self._fetches.answered(sent, response.topics)
        return response

    async def _fetch(self, node_id: Any, request: FetchRequest, group: Any) -> Any:
        by_id = self._fetches.by_id(request)
        if by_id is not None:
            with contextlib.suppress(IncompatibleBrokerVersion, NotImplementedError):
                answer = await super().send(node_id, by_id, group=group)
                return by_id.named(answer, self._fetches.ids)
        return await super().send(node_id, request, group=group)

    async def _metadata_update(self, cluster_metadata: Any, topics: Any) -> bool:
        now = self._clock()
        early = self._last_asked + METADATA_PAUSE - now
        if 0 < early <= METADATA_PAUSE:
            await asyncio.sleep(early / US_PER_S)
        self._last_asked = self._clock()
        if await super()._metadata_update(cluster_metadata, topics):
            self._there_again(BOOTSTRAP)
            return True
        return await self._find_again()

    async def _find_again(self) -> bool:
        """None of the brokers we know answers: perhaps the bus has moved."""
        waited = self.away.get(BOOTSTRAP)
        if waited is not None and not waited.due(self._clock()):
            return False
        try:
            await self.bootstrap()
        except KafkaConnectionError as error:
            self._failed(BOOTSTRAP, error.args[0])
            return False
        self._there_again(BOOTSTRAP)
        known = {broker.nodeId for broker in self.cluster.brokers()}
        for node in self.away.keys() - known:
            del self.away[node]
        # Tried at once where they are said to be now.
        for patience in self.away.values():
            patience.next_try = 0
        return True


class _Connection(AIOKafkaConnection):
    """A connection that minds when a token is refused."""

    def authenticator_oauth(self) -> "OAuthAuthenticator":
        return _MindingOAuth(sasl_oauth_token_provider=self._sasl_oauth_token_provider)


class _MindingOAuth(OAuthAuthenticator):
    """The broker says what is wrong with a token in an answer that the library does not read."""

    async def step(self, payload: bytes | None) -> tuple[bytes, bool] | None:
        if payload:
            said = payload.decode(errors="replace")
            raise SaslAuthenticationFailed(f"the broker refused the token: {said}")
        answer: tuple[bytes, bool] | None = await super().step(payload)
        return answer


def why(error: BaseException) -> str:
    """In words, with what is behind it: the library often says only that a connection closed."""
    said: list[str] = []
    link: BaseException | None = error
    while link is not None and len(said) < 3:
        text = " ".join(str(link).split()) or type(link).__name__
        if text not in said:
            said.append(text)
        link = link.__cause__
    return ": ".join(said)
