"""Any bytes, any headers, any settings: an event that can be stored, or one that is counted."""

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from collector import by_column
from collector.batch import Batch
from collector.codecs.registry import Registry
from collector.codecs.table import CODECS
from collector.decode import Reader
from collector.event import Event
from collector.normalise import NORMALISERS
from collector.settings import RegistrySettings
from collector.store import reading
from collector.store.store import Store
from tests.collector.codecs.registry_server import head, registry_server, wire
from tests.collector.records import NOW, STAMP, Record, source
from tests.examples import examples

ORDER = {
    "type": "record",
    "name": "Order",
    "fields": [
        {"name": "type", "type": "string"},
        {"name": "id", "type": ["null", "bytes", "long"]},
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
    ],
}
AVRO = wire(1, ORDER, {"type": "t", "id": b"\xff", "at": 5})
SECRET = "s3cret"

# Settings

places = st.lists(
    st.sampled_from(
        ["header:type", "payload:type", "payload:id", "payload:a.b", "payload:a[*].id", "key",
         "payload:[*]", "payload:[0].id", "attribute:type", "attribute:id", "traceparent", "topic",
         "record"]
    ),
    min_size=1, max_size=4,
)  # fmt: skip
redactions = st.builds(
    lambda path, how: {"path": path, "how": how},
    st.sampled_from(["payload:type", "payload:a", "payload:a.b", "payload:a[*].id", "payload:[*]",
                     "header:type", "header:CE_id", "attribute:type", "key"]),
    st.sampled_from(["mask", "drop", "hash"]),
)  # fmt: skip
topics = st.fixed_dictionaries(
    {},
    optional={
        "format": st.sampled_from(list(CODECS)),
        "correlation": places,
        "normalise": st.sampled_from(list(NORMALISERS)),
        "redact": st.lists(redactions, max_size=3),
        "ignore": st.sampled_from(
            ["event.payload.a > 5", "event.headers['type'] == ''", "event.id.size() > 3",
             "event.payload.a.exists(x, x.id == event.key)", "event.time > timestamp(event.id)"]
        ),
        "sample": st.sampled_from([0.5, 1]),
        "store": st.sampled_from(["payload", "headers", "position"]),
        "max_payload": st.sampled_from(["0KB", "1KB", "1MB"]),
    },
)  # fmt: skip
configurations = st.fixed_dictionaries(
    {"topics": st.fixed_dictionaries({"*": topics})},
    optional={
        "name_from": places,
        "id_from": places,
        "time_from": places,
        "correlation": places,
        "keys": places.map(lambda some: {"k": {"from": some}}),
    },
)

# Records

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["id", "b", "x"]), inner, max_size=3)
    ),
    max_leaves=8,
)
documents = st.dictionaries(
    st.sampled_from(
        ["type", "id", "a", "data", "data_base64", "specversion", "source", "time", "correlationid"]
    ),
    json_values,
    max_size=6,
)


@st.composite
def payloads(draw: st.DrawFn) -> bytes:
    value = msgspec.json.encode(draw(documents | json_values))
    kind = draw(
        st.sampled_from(["plain", "cut", "base64", "wire", "avro", "whole", "binary", "odd"])
    )
    if kind == "cut":
        return value[: draw(st.integers(0, 40))]
    if kind == "base64":
        encoded = base64.b64encode(value).decode()
        return msgspec.json.encode({"type": "t", "id": "i", "data_base64": encoded})
    if kind == "wire":
        return head(draw(st.integers(0, 4))) + value
    if kind == "avro":
        return AVRO[: draw(st.integers(0, 40))] + draw(st.binary(max_size=3))
    if kind == "whole":
        return AVRO
    if kind == "binary":
        return draw(st.binary(max_size=40))
    if kind == "odd":
        odd = [
            b"", b'{"id":1e999}', b'{"a":"\\ud83d"}', b'{"a":' + b"[" * 3_000, b'{"a":NaN}',
            b'{"type":"' + b"x" * 1_500 + b'"}', b"\xff" * 1_500, b'{"id":' + b"9" * 5_000 + b"}",
            b'{"a":1e999,"b":"\xff"}',
        ]  # fmt: skip
        return draw(st.sampled_from(odd))
    return value


types = [
    b"application/cloudevents+json",
    b"application/json",
    b"text/plain",
    b"avro/binary",
    b"\xff",
]
headers = st.tuples(st.just("content-type"), st.sampled_from(types)) | st.tuples(
    st.sampled_from(["type", "ce_id", "ce_type", "traceparent", "Content-Type"])
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
    st.none() | st.binary(max_size=10),
)
records = st.builds(
    Record,
    value=st.none() | payloads(),
    headers=st.lists(headers, max_size=4),
    key=st.none() | st.binary(max_size=10),
    timestamp=st.sampled_from([STAMP, 0, -1, 4_102_444_800_000]) | st.integers(-(2**63), 2**63 - 1),
    offset=st.integers(0, 2**63 - 1),
)


def stored(store: Store, events: Sequence[Event]) -> list[Event]:
    if not events:
        return []
    store.commit(Batch(events=list(events))).result()
    with store.reader() as cursor:
        return list(reading.events(cursor, "WHERE seq >= ? ORDER BY seq", [events[0].seq]))


async def test_any_record_under_any_settings_is_stored_or_counted(tmp_path: Path) -> None:
    with registry_server() as server:
        server.add(1, ORDER)
        server.schemas[2] = {"schema": "{}", "schemaType": "JSON"}
        registry_settings = RegistrySettings(url=server.url)
        registry = Registry("bus", registry_settings, lambda: NOW)
        await registry.ask(range(5))
        await registry.close()
    store = Store(tmp_path / "any.duckdb")
    seen = {"kept": 0, "skipped": 0, "avro": 0, "cloudevents": 0}

    # The same ones in every run: what is counted at the end must not hang on luck.
    @settings(max_examples=examples(300), derandomize=True)
    @given(configurations, st.lists(records, min_size=1, max_size=8))
    def holds(configuration: dict[str, Any], given_records: list[Record]) -> None:
        described = source(
            **configuration, registry=registry_settings.model_dump(), hash_key=SECRET * 3
        )
        reader = Reader(described, "orders", "id", described.special("orders"), registry)
        # A schema that nobody asked for is the tap's business, not an event.
        records = [r for r in given_records if not _unasked(r.value)]
        events = [event for r in records if (event := reader.event(r, NOW)) is not None]
        # The same again and again are enough to be read by columns; and nothing else comes of it.
        again = Reader(described, "orders", "id", described.special("orders"), registry)
        assert again.events(0, records * by_column.FEW, NOW) == events * by_column.FEW
        assert again.skipped.total() == reader.skipped.total() * by_column.FEW
        assert stored(store, events) == events
        assert len(events) + reader.skipped.total() == len(records)
        assert reader.problems.total() == sum(len(event.problems) for event in events)
        gaps = reader.take_gaps()
        assert all(gap.from_time < gap.to_time for gap in gaps)
        for event in events:
            assert bool(event.name) is ("no-name" not in event.problems)
            assert bool(event.correlation_ids) is ("no-correlation-id" not in event.problems)
            seen["kept"] += 1
            seen[event.encoding] = seen.get(event.encoding, 0) + 1
        seen["skipped"] += reader.skipped.total()

    holds()
    store.close()
    assert all(seen.values()), seen


def _unasked(value: bytes | None) -> bool:
    return value is not None and value[:1] == b"\0" and int.from_bytes(value[1:5], "big") > 4
