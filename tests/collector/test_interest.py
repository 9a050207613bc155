"""What is kept of an event in memory: all that rules read, and nothing else."""

from collections.abc import Callable

import pytest

from collector.cel import compile_cel, fields_read
from collector.event import Event
from collector.event_view import EventView
from collector.glimpse import glimpses_in, kept_in, number_packed
from collector.interest import Interest, Part
from collector.payload import document


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


def kept_of(part: Part, whole: Event) -> Event:
    (glimpse,) = Interest({whole.name: part}).glimpses([whole])
    assert glimpse.name == whole.name
    assert glimpse.correlation_ids == whole.correlation_ids
    return glimpse.event()


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
    left = kept_of(Part(payload=("a", "b")), event(payload))
    assert left.payload == kept
    (glimpse,) = Interest({"order.created": Part(payload=("a", "b"))}).glimpses([event(payload)])
    ((_, packed),) = kept_in(number_packed(0) + glimpse.body, 1)
    assert told(lambda: packed.document(glimpse.origin)) == told(
        lambda: document(left.payload or "", left.encoding)
    ), "decoded without a way round"
    assert (left.headers, left.key, left.correlation_ids) == ("[]", None, ("c",))


def told(what: Callable[[], object]) -> object:
    try:
        return what()
    except (LookupError, ValueError, RecursionError) as error:
        return type(error)


def test_other_formats_and_whole_payloads_are_kept_as_they_are() -> None:
    assert kept_of(Part(payload=("a",)), event('{"data": {"a": 1}}', "cloudevents")).payload
    assert kept_of(Part(payload=None), event('{"x": 1}')).payload == '{"x": 1}'
    with_headers = kept_of(Part(rest=True), event('{"x": 1}'))
    assert (with_headers.headers, with_headers.key) == ('[["a","b"]]', "key")
    assert (with_headers.payload, with_headers.encoding) == (None, "none")
    assert kept_of(Part(), event('{"x": 1}')).payload is None


def test_of_events_that_no_rule_names_position_and_ids_are_kept() -> None:
    (glimpse,) = Interest({"order.paid": Part(payload=None)}).glimpses([event("{}")])
    assert (glimpse.correlation_ids, glimpse.source, glimpse.keys) == (("c",), "s", ())
    assert glimpse.event().position() == event("{}").position()
    assert glimpse.event().payload is None
    (glimpse,) = Interest({}, keys=True).glimpses([event("{}")])
    assert (glimpse.source, glimpse.keys) == ("s", (("k", "v"),))


def test_ids_are_numbers_that_tell_copies_apart_unless_they_are_read() -> None:
    one, other, same = event("{}"), event("{}"), event("{}")
    other.id, none = "é" * 1_000, event("{}")
    none.id = None
    for part in (Part(), Part(payload=None), Part(rest=True)):
        numbers = [kept_of(part, e).id for e in (one, other, same)]
        assert all(type(number) is int for number in numbers)
        assert numbers[0] == numbers[2] != numbers[1]
        assert kept_of(part, none).id is None
        again = kept_of(part, one)
        assert kept_of(part, again).id == again.id, "what was kept once may be kept anew"
    for whole in (Part(id=True), Part(payload=None, id=True)):
        assert [kept_of(whole, e).id for e in (one, other, none)] == ["e", other.id, None]


def test_what_is_packed_is_read_again_in_the_order_in_which_it_came() -> None:
    events = [
        Event("s", "t", "id", 3, n, n * 10**12, -n, "näme", ("c", "d"), None, (), None, "[]", "1")
        for n in range(70_000)
    ]  # fmt: skip
    interest = Interest({"näme": Part(payload=None)})
    glimpses = glimpses_in(interest.glimpses(events).written())
    (origin,) = glimpses.origins
    packed = b"".join(number_packed(300) + body for body in glimpses.bodies)
    kept = list(kept_in(packed, len(events)))
    assert {number for number, _ in kept} == {300}
    assert [one.event(origin, "") for _, one in kept] == events
    (other,) = Interest({}).glimpses([events[7]]).bodies
    kept = list(kept_in(packed + number_packed(1) + other, len(events) + 1))
    assert (kept[-1][0], kept[-1][1].offset) == (1, 7)


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
    assert said(guard, kept_of(Part(payload=tuple(fields)), whole)) == said(guard, whole)


def said(guard: object, about: Event) -> object:
    try:
        return guard({"event": EventView(about)})  # type: ignore[operator]  # a closure
    except Exception as error:  # noqa: BLE001  # which one is what is compared
        return type(error)
