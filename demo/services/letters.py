"""Headers of retries and dead letters, as Spring writes them: numbers as big-endian bytes."""

from __future__ import annotations

from demo.services.event import Headers, Record

ATTEMPTS = "retry_topic-attempts"
FIRST_TIME = "retry_topic-original-timestamp"
DUE = "retry_topic-backoff-timestamp"


def dead_letter_headers(record: Record, failure: str, message: str) -> Headers:
    """The record's own headers, and where it lay and why it is here."""
    return [*record.headers, *_origin("kafka_dlt-", record, failure, message)]


def retry_headers(record: Record, attempt: int, due_ms: int, failure: str, message: str) -> Headers:
    """The record's own headers, and when to try for which time; earlier tries' are replaced."""
    before = dict(record.headers)
    own = [(k, v) for k, v in record.headers if not k.startswith(("kafka_", "retry_topic-"))]
    origin = [(k, v) for k, v in record.headers if k.startswith("kafka_original-")]
    written = _origin("kafka_", record, failure, message)
    return [
        *own,
        *(origin or written[:4]),
        *written[4:],
        (ATTEMPTS, attempt.to_bytes(4)),
        (FIRST_TIME, before.get(FIRST_TIME) or _big_integer(record.timestamp)),
        (DUE, _big_integer(due_ms)),
    ]


def attempt_of(record: Record) -> int:
    """1 for a record that never failed."""
    return int.from_bytes(dict(record.headers).get(ATTEMPTS) or b"\1")


def due_of(record: Record) -> int:
    """Epoch milliseconds; 0 for at once."""
    return int.from_bytes(dict(record.headers).get(DUE) or b"")


def _origin(prefix: str, record: Record, failure: str, message: str) -> Headers:
    return [
        (f"{prefix}original-topic", record.topic.encode()),
        (f"{prefix}original-partition", record.partition.to_bytes(4)),
        (f"{prefix}original-offset", record.offset.to_bytes(8)),
        (f"{prefix}original-timestamp", record.timestamp.to_bytes(8)),
        (f"{prefix}exception-fqcn", failure.encode()),
        (f"{prefix}exception-message", message.encode()),
    ]


def _big_integer(milliseconds: int) -> bytes:
    """As Java's BigInteger.toByteArray: no more bytes than needed, the sign bit included."""
    return milliseconds.to_bytes(milliseconds.bit_length() // 8 + 1)
