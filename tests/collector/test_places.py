"""Places: how they are written, and what is found at them."""

import pytest

from collector.places import Place, as_text, parse_place, trace_id, walk

DOCUMENT = {
    "id": 7,
    "order": {"id": "o-1", "lines": [{"sku": "a"}, {"sku": "b"}, {}]},
    "matrix": [[1, 2], [3]],
    "none": None,
    "a.b": "dotted",
}


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("header:type", Place("header", "type")),
        ("header:x:y", Place("header", "x:y")),
        ("payload:id", Place("payload", "id", ("id",))),
        ("payload.order.id", Place("payload", "order.id", ("order", "id"))),
        (
            "payload:order.lines[*].sku",
            Place("payload", "order.lines[*].sku", ("order", "lines", "*", "sku")),
        ),
        ("payload:matrix[0][1]", Place("payload", "matrix[0][1]", ("matrix", 0, 1))),
        ("payload:$type", Place("payload", "$type", ("$type",))),
        ("key", Place("key")),
        ("topic", Place("topic")),
        ("record", Place("record")),
    ],
)
def test_a_place_is_written_so(text: str, place: Place) -> None:
    assert parse_place(text) == place


@pytest.mark.parametrize(
    "text",
    ["", "id", "header:", "payload:", "payload:a..b", "payload:a[", "payload:a[-1]", "payload:a[b]",
     "payload:a b", "key:x", "body:x", "payload:.a", "payload:a."],
)  # fmt: skip
def test_what_is_no_place(text: str) -> None:
    assert parse_place(text) is None


@pytest.mark.parametrize(
    ("path", "values"),
    [
        ("id", [7]),
        ("order.id", ["o-1"]),
        ("order.lines[*].sku", ["a", "b"]),
        ("order.lines[1].sku", ["b"]),
        ("matrix[*][*]", [1, 2, 3]),
        ("matrix[*][0]", [1, 3]),
        ("none", [None]),
        ("gone", []),
        ("id.deeper", []),
        ("id[*]", []),
        ("order[0]", []),
        ("order.lines[9].sku", []),
        ("order.lines.sku", []),
    ],
)
def test_what_is_found_at_a_path(path: str, values: list[object]) -> None:
    place = parse_place(f"payload:{path}")
    assert place is not None
    assert walk(DOCUMENT, place.path) == values


@pytest.mark.parametrize(
    ("value", "text"),
    [("a", "a"), (7, "7"), (2**80, str(2**80)), (1.5, "1.5"), ("", None), (None, None),
     (True, None), (False, None), ([1], None), ({}, None)],
)  # fmt: skip
def test_texts_and_numbers_are_identifiers(value: object, text: str | None) -> None:
    assert as_text(value) == text


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("attribute:type", Place("attribute", "type")),
        ("attribute:correlationid", Place("attribute", "correlationid")),
        ("traceparent", Place("traceparent")),
        ("attribute:Type", None),
        ("attribute:", None),
        ("traceparent:x", None),
    ],
)
def test_places_of_cloud_events_and_traces(text: str, place: Place | None) -> None:
    assert parse_place(text) == place


TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.mark.parametrize(
    ("traceparent", "found"),
    [
        (f"00-{TRACE}-00f067aa0ba902b7-01", TRACE),
        (f" 00-{TRACE}-00f067aa0ba902b7-00 ", TRACE),
        (f"01-{TRACE}-00f067aa0ba902b7-01-more", TRACE),
        (f"00-{'0' * 32}-00f067aa0ba902b7-01", None),
        (f"ff-{TRACE}-00f067aa0ba902b7-01", None),
        (f"00-{TRACE.upper()}-00f067aa0ba902b7-01", None),
        (f"00-{TRACE[:-1]}-00f067aa0ba902b7-01", None),
        (TRACE, None),
        ("", None),
    ],
)
def test_of_a_traceparent_the_trace_id_counts(traceparent: str, found: str | None) -> None:
    assert trace_id(traceparent) == found
