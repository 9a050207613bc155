"""Notifications as CloudEvents on a Kafka topic: findings are events too, for who subscribes."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import msgspec
from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    CorruptRecordException,
    InvalidMessageError,
    KafkaError,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
)

from analyzer.notification import Notification
from analyzer.settings import KafkaSinkSettings
from analyzer.sinks.sink import NotDelivered, Refused
from collector.sources.kafka_client import why
from collector.sources.kafka_security import cure, security_options

ABOUT_THE_MESSAGE = (
    CorruptRecordException,
    InvalidMessageError,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
)
PARTING_S = 5.0
Headers = list[tuple[str, bytes]]


class KafkaSink:
    """Taken is what all in-sync replicas have. What is said of one alert is in one partition."""

    resend_every = None

    def __init__(self, name: str, settings: KafkaSinkSettings, clock: Callable[[], int]) -> None:
        self._settings = settings
        self._security = security_options(
            f"alerts.sinks.{name}.kafka", settings.tls, settings.sasl, clock
        )
        self._producer: AIOKafkaProducer | None = None

    async def deliver(self, notification: Notification) -> str:
        value, headers = cloud_event(notification, self._settings.mode)
        key = notification.fingerprint.encode()
        try:
            async with asyncio.timeout(self._settings.timeout):
                producer = await self._connected()
                sent = await producer.send_and_wait(
                    self._settings.topic, value, key=key, headers=headers
                )
        except ABOUT_THE_MESSAGE as error:
            raise Refused(why(error)) from error
        except TimeoutError as error:
            await self.close()
            said = f"no acknowledgement in {self._settings.timeout:g} s"
            raise NotDelivered(f"{said}: {cure(said)}", perhaps_taken=True) from error
        except (KafkaError, OSError) as error:
            await self.close()
            said = why(error)
            raise NotDelivered(f"{said}: {cure(said)}") from error
        return f"partition {sent.partition}, offset {sent.offset}"

    async def _connected(self) -> AIOKafkaProducer:
        if self._producer is None:
            self._producer = AIOKafkaProducer(
                bootstrap_servers=self._settings.bootstrap,
                client_id="nonevent",
                acks="all",
                enable_idempotence=True,
                request_timeout_ms=round(self._settings.timeout * 1000),
                retry_backoff_ms=500,
                **self._security,
            )
            await self._producer.start()
        return self._producer

    async def close(self) -> None:
        """Drops what the library still holds: it would try for ever, and send it after what was
        written since. Whoever wants it sent tells it again."""
        producer, self._producer = self._producer, None
        if producer is None:
            return
        producer._closed = True
        sending = producer._sender.sender_task
        if sending is not None:
            sending.cancel()
        with contextlib.suppress(KafkaError, TimeoutError, OSError):
            async with asyncio.timeout(PARTING_S):
                await producer.client.close()
                if sending is not None:
                    await asyncio.wait([sending])


def cloud_event(told: Notification, mode: str) -> tuple[bytes, Headers]:
    """Value and headers, as CloudEvents' Kafka binding has them."""
    attributes = {
        "specversion": "1.0",
        "id": told.id,
        "source": f"/nonevent/{quote(told.type, safe='')}/{quote(told.expectation, safe='')}",
        "type": f"nonevent.alert.{told.status}",
        "subject": told.fingerprint,
        "time": told.moment,
        "partitionkey": told.fingerprint,
    }
    if mode == "binary":
        headers = [(f"ce_{name}", text.encode()) for name, text in attributes.items()]
        return msgspec.json.encode(told), [*headers, ("content-type", b"application/json")]
    event: dict[str, Any] = {**attributes, "datacontenttype": "application/json", "data": told}
    return msgspec.json.encode(event), [("content-type", b"application/cloudevents+json")]
