"""Stored events written as event lines: what a file source reads back as the same events."""

from collections.abc import Iterator

import msgspec

from collector.event import Event
from collector.payload import JSON_TEXT
from collector.selection import Selection
from collector.store import reading
from collector.store.reading import THESE, these
from collector.store.store import Store
from collector.store.tied import whole_flow
from collector.times import format_time

CHUNK = 5_000
"""Events that are read in one transaction: a long one would keep deleted rows in the file."""

_encode = msgspec.json.Encoder().encode


def export(store: Store, wanted: Selection) -> Iterator[bytes]:
    """Lines, some thousands at a time, of what is stored when this begins; in that order."""
    condition, parameters = wanted.clauses()
    if wanted.flow is not None:
        seqs = whole_flow(store, wanted.flow).seqs
        condition, parameters = f"{condition} AND {THESE}", [*parameters, *these(seqs)]
    with store.reader() as cursor:
        end = reading.last_seq(cursor)
    last = -1
    while last < end:
        with store.reader() as cursor:
            found = reading.events(
                cursor,
                f"WHERE seq > ? AND seq <= ? AND {condition} ORDER BY seq LIMIT {CHUNK}",
                [last, end, *parameters],
            )
        if not found:
            return
        yield b"".join(event_line(event) + b"\n" for event in found)
        last = found[-1].seq


def event_line(event: Event) -> bytes:
    """The contract's event line; `encoding` and `problems` besides tell what its text does not."""
    ids = event.correlation_ids
    line: dict[str, object] = {
        "source": event.source,
        "topic": event.topic,
        "topic_id": event.topic_id,
        "partition": event.partition,
        "offset": event.offset,
        "time": format_time(event.time),
        "arrival": format_time(event.arrival),
        "name": event.name,
        "correlation_id": None if not ids else ids[0] if len(ids) == 1 else ids,
        "id": event.id,
        "keys": dict(event.keys),
        "key": event.key,
        "headers": msgspec.Raw(event.headers.encode("utf-8", "surrogatepass")),
        "payload": _payload(event),
        "encoding": event.encoding,
    }
    if event.problems:
        line["problems"] = event.problems
    return _encode(line)


def _payload(event: Event) -> object:
    text = event.payload
    if text is None or event.encoding not in JSON_TEXT:
        return text
    # A JSON text is part of the line as it is, unless it would be read as something else there:
    # a string is a payload's text, null is no payload, and a line ends where it ends.
    if text.lstrip()[:1] in ('"', "n", "") or "\n" in text or "\r" in text:
        return text
    return msgspec.Raw(text.encode("utf-8", "surrogatepass"))
