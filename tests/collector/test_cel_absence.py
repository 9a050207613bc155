"""Which comparisons are false where a field is not there, and were not said to be."""

import pytest

from analyzer.guards import Guard
from collector.cel_absence import unasked
from collector.event import Event


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("event.payload.x != 3", [("event.payload.x", 1)]),
        ("!(event.payload.x == 3)", [("event.payload.x", 3)]),
        ("true && !(event.payload.x in [1, 2])", [("event.payload.x", 11)]),
        ("!!(event.payload.x != 3)", [("event.payload.x", 4)]),
        ("!(event.payload.x == 1 || event.payload.y == 2)",
         [("event.payload.x", 3), ("event.payload.y", 27)]),
        ("event.payload.x > 1 ? event.payload.y != 1 : true", [("event.payload.y", 23)]),
        ("int(event.payload['a b'][0].c) != 3", [('event.payload["a b"][0].c', 1)]),
        ("event.headers['x'] != cause.headers['x']",
         [('event.headers["x"]', 1), ('cause.headers["x"]', 1)]),
        ("event.key != 'a' || event.id != 'b'", [("event.key", 1), ("event.id", 21)]),
        ("event.payload != cause.payload", [("event.payload", 1), ("cause.payload", 1)]),
        ("event.payload.l.all(x, x.y != 1)", [("x.y", 24)]),
        ("!event.payload.l.exists(x, x.y == 1)", [("x.y", 28)]),
        ("!event.payload.x", [("event.payload.x", 2)]),
        ("event.payload.y > 1 && !(event.payload.x || event.payload['z'])",
         [("event.payload.x", 26), ('event.payload.z', 45)]),
        ("!event.payload.l.exists(x, x.y)", [("x.y", 28)]),
        ("!event.payload.x.startsWith('a') && !(size(event.payload.z) > 1)", []),
        ("has(event.payload.x) && !event.payload.x", []),
        ("!!event.payload.x", []),
        ("has(event.payload.x) && event.payload.x.y != 3", [("event.payload.x.y", 25)]),
        ("has(cause.payload.x) && event.payload.x != 3", [("event.payload.x", 25)]),
        ("!has(event.payload.x) || event.payload['x'] != 3", []),
        ("has(event.payload.x.y) && event.payload.x != 3", []),
        ("event.payload.x != 1 && has(event.payload.x)", []),
        ("event.payload.x == 3 && !(event.payload.x != 3)", []),
        ("!!(event.payload.x == 3)", []),
        ("(!(event.payload.x == 1) ? 1 : 2) == 1", [("event.payload.x", 4)]),
        ("!(event.payload.x == 1 ? true : false)", []),
        ("event.name != 'a' && event.topic != 'b' && event.time != cause.time", []),
        ("event.headers != cause.headers", []),
        ("event.payload.l.all(x, x != 1)", []),
    ],
)  # fmt: skip
def test_a_field_that_is_compared_and_not_asked_for_is_told(
    text: str, said: list[tuple[str, int]]
) -> None:
    Guard(text)
    assert [(field, one.column) for one in unasked(text) for field in one.fields] == said


def test_a_field_is_told_once_where_it_is_first_compared() -> None:
    (one,) = unasked("event.payload.x != 1 && event.payload.x != 2")
    assert (one.comparison, one.negated) == ("event.payload.x != 1", False)
    (one,) = unasked("!(event.payload.x == [1])")
    assert (one.comparison, one.negated) == ("event.payload.x == [1]", True)


@pytest.mark.parametrize(
    "text",
    ["event.payload.x != 3", "!(event.payload.x == 3)", "!(event.payload.x in [3, 4])",
     "!event.payload.x"],
)  # fmt: skip
def test_the_cures_that_are_told_mean_what_they_say(text: str) -> None:
    without = Event("s", "t", "t", 0, 0, 0, 0, "a", ("x",), payload="{}", encoding="json")
    (one,) = unasked(text)
    there, said = f"has({one.fields[0]})", one.comparison
    mended = text.replace(said, f"({there} && {said})" if one.negated else f"!{there} || {said}")
    assert not Guard(text)(without, None)
    assert Guard(mended)(without, None)
    assert not Guard(f"{there} && {text}")(without, None)
