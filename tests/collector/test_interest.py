"""What is kept of an event in memory: all that rules read, and nothing else."""

import pytest

from collector.cel import compile_cel, fields_read
from collector.event import Event
from collector.event_view import EventView
from collector.interest import Interest, Part


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("event.payload.amount == cause.payload.amount", {"amount"}),
        ("event.payload.a.b > 1 && cause.payload.c == 'x'", {"a", "c"}),
        ("(event.payload).a == 1", {"a"}),
        ("has(event.payload.x)", {"x"}),
        ("event.payload.items.exists(i, i.sku == 'x')", {"items"}),
        ("event.headers['a'] == 'b'", set()),
        ("event.payload['y'] == 1", None),
        ("size(event.payload) > 2", None),
        ("event.payload.size() > 2", None),
        ("cause.payload == event.payload", None),
        ("event.payload.exists(p, p > 1)", None),
        ("event.payload.x == 1 && event.payload['y'] == 1", None),
    ],
)
def test_which_fields_of_the_payload_a_guard_reads(text: str, fields: set[str] | None) -> None:
    assert fields_read(text, "payload") == fields


def event(payload: str | None, encoding: str = "json") -> Event:
    return Event(
        "s", "t", "id", 0, 0, 5, 6, "order.created", ("c",), "e", (("k", "v"),), "key",
        '[["a","b"]]', payload, encoding, ("bad-json",), 7,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("payload", "kept"),
    [
        ('{"a": 1.50, "x": "long", "b": {"c": [1]}}', '{"a":1.50,"b":{"c": [1]}}'),
        ('{"x": 1}', "{}"),
        ('{"a": 1, "a": 12345678901234567890123}', '{"a":12345678901234567890123}'),
        ('{"a": null}', '{"a":null}'),
        ("[1, 2]", "[1, 2]"),
        ("17", "17"),
        ('{"a": ', '{"a": '),
        ("[" * 5_000, "[" * 5_000),
        (None, None),
    ],
)
def test_of_a_json_object_only_the_fields_that_are_read_are_kept(
    payload: str | None, kept: str | None
) -> None:
    slim = Part(payload=("a", "b")).of(event(payload))
    assert slim.payload == kept
    assert (slim.headers, slim.key, slim.correlation_ids) == ("[]", None, ("c",))


def test_other_formats_and_whole_payloads_are_kept_as_they_are() -> None:
    assert Part(payload=("a",)).of(event('{"data": {"a": 1}}', "cloudevents")).payload
    assert Part(payload=None).of(event('{"x": 1}')).payload == '{"x": 1}'
    assert Part(rest=True).of(event('{"x": 1}')).headers == '[["a","b"]]'
    assert Part().of(event('{"x": 1}')).payload is None


def test_of_events_that_no_rule_names_position_and_ids_are_kept() -> None:
    (slim,) = Interest({"order.paid": Part(payload=None)}).slim([event("{}")])
    assert (slim.correlation_ids, slim.keys, slim.payload) == (("c",), (("k", "v"),), None)


@pytest.mark.parametrize(
    "payload", ['{"a": 1, "b": "x"}', '{"a": 2}', '{"b": "x", "z": {}}', "[1]", "nonsense", None]
)
@pytest.mark.parametrize(
    "text", ["event.payload.a == 1", "has(event.payload.b)", "event.payload.z.y == 2"]
)
def test_a_guard_says_of_the_kept_part_what_it_says_of_the_whole(
    text: str, payload: str | None
) -> None:
    guard, fields = compile_cel(text, frozenset(("event",))), fields_read(text, "payload")
    assert fields is not None
    whole = event(payload, "json" if payload != "nonsense" else "text")
    assert said(guard, Part(payload=tuple(fields)).of(whole)) == said(guard, whole)


def said(guard: object, about: Event) -> object:
    try:
        return guard({"event": EventView(about)})  # type: ignore[operator]  # a closure
    except Exception as error:  # noqa: BLE001  # which one is what is compared
        return type(error)
