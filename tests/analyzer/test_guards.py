"""Guards against another implementation of CEL, and what they deliberately do otherwise.

The oracle is the Rust implementation, `common-expression-language`. Guards differ from it, and
from CEL, where the rule language says so:

- A field that is not there makes the whole guard false, also under `!`, `!=` and `||`; in CEL
  `missing || true` is true. So does a value of the wrong type.
- Whole numbers and decimals are numbers of one kind, as they are in JSON: `1 + 1.5` is no error,
  and there is no 64-bit overflow.
- Durations are those of the rule language (`1d`, but not `1h30m`).

And the oracle differs from CEL itself: its `size` of a text counts bytes, where guards count
characters; it negates truth values, and makes no text of them.
"""

import contextlib
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from itertools import zip_longest
from typing import Any

import cel
import msgspec
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from analyzer.guards import MISSING, Guard
from analyzer.origins import ByName, Origins
from analyzer.plan import reading
from analyzer.rules.rule import Options
from collector.cel import MAX_ELEMENTS, MAX_LENGTH, GuardError, compile_cel
from collector.event import Event
from collector.interest import Interest, Part
from collector.times import US_PER_S
from tests.examples import examples

Texts = st.SearchStrategy[str]
TIME = datetime(2026, 3, 1, 10, tzinfo=UTC)


def event(payload: object = None, **changes: Any) -> Event:
    made = Event(
        "bus", "orders", "t", 0, 7, int(TIME.timestamp()) * US_PER_S, 0, "order.created", ("c",),
        "e-1", (), "k-1", '[["x","first"],["x","second"],["raw",{"hex":"ff"}]]',
        msgspec.json.encode({} if payload is None else payload).decode(), "json",
    )  # fmt: skip
    return msgspec.structs.replace(made, **changes)


def asked(guard: Guard, one: Event, cause: Event | None = None) -> bool:
    """In both ways: of events, and of what the live cache keeps of them."""
    held, missing = guard(one, cause), guard.missing
    named = guard.named(one.name, None if cause is None else CAUSE)
    some = [one] if cause is None else [one, msgspec.structs.replace(cause, name=CAUSE)]
    assert (named(kept(guard, some)) is True) is held
    assert guard.missing == 2 * missing
    guard.missing = missing
    return held


CAUSE = "the.cause"


def kept(guard: Guard, some: Sequence[Event]) -> ByName:
    """A flow of these events, of which is kept what this guard reads."""
    part = reading(Part(), guard)
    glimpses = Interest({}, others=part).glimpses(some)
    origins = Origins()
    packed = [
        origins.packed(glimpses.origins[number]) + body
        for number, body in zip(glimpses.numbers, glimpses.bodies, strict=True)
    ]
    return ByName("c", b"".join(packed), len(packed), origins)


def judged(text: str, payload: object = None, cause: object = None) -> bool:
    return asked(Guard(text), event(payload), None if cause is None else event(cause))


def value(text: str, payload: object) -> object:
    return Guard(text).value(event(payload))


# Against the oracle

FIELDS = ("a", "b", "s", "t", "l", "n")
json_scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-1_000, 1_000),
    st.floats(-1e6, 1e6, allow_nan=False).map(lambda f: float(f"{f:.3f}")),
    st.text("abé😀\"\\\n'", max_size=4),
)
documents = st.dictionaries(
    st.sampled_from(FIELDS), json_scalars | st.lists(json_scalars, max_size=4), max_size=6
)


def _literal(one: object) -> str:
    if isinstance(one, float):
        return repr(one)
    if isinstance(one, list):
        return "[" + ", ".join(map(_literal, one)) + "]"
    return msgspec.json.encode(one).decode()


fields: Texts = st.sampled_from([f"event.payload.{name}" for name in FIELDS])
literals = (json_scalars | st.lists(json_scalars, max_size=3)).map(_literal)
operands = fields | literals


def _either(*templates: str) -> Callable[[Texts], Texts]:
    """Expressions in which each § of a template is an operand in brackets."""

    def fill(inner: Texts) -> Texts:
        return st.sampled_from(templates).flatmap(
            lambda template: st.tuples(*[inner] * template.count("§")).map(
                lambda parts: "".join(map("".join, zip_longest(template.split("§"),
                    [f"({part})" for part in parts], fillvalue="")))
            )
        )  # fmt: skip

    return fill


computed = st.recursive(
    operands,
    _either("§ + §", "§ - §", "§ * §", "§ / §", "§ % §", "0 - §", "§ ? § : §", "§[§]", "[§, §]"),
    max_leaves=4,
)
compared = _either(
    "§ == §", "§ != §", "§ < §", "§ <= §", "§ > §", "§ >= §", "§ in §",
    "§.startsWith(§)", "§.endsWith(§)", "§.contains(§)",
    "§.exists(x, x == §)", "§.all(x, x != §)", "§.filter(x, x == §) == §",
    "§.map(x, x + x) == §", "size([§, §]) == §", "int(§) == §", "string(§ - 0) == §",
)(computed)  # fmt: skip
conditions = st.recursive(compared, _either("§ && §", "§ || §", "!§", "§ ? § : §"), max_leaves=4)


def oracle(text: str, payload: object) -> object:
    """What the other implementation says; MISSING for each of its errors."""
    try:
        return cel.evaluate(text, {"event": {"payload": payload}})
    except (ValueError, TypeError, RuntimeError, ArithmeticError, LookupError):
        return MISSING


ABSORBING = ("&&", "||", ".exists(", ".all(")
"""With these CEL may know the answer although one side of them has none."""


def _has_decimals(text: str, payload: object) -> bool:
    """Whether decimals are in it: mixed with whole numbers, CEL computes with them otherwise."""
    return re.search(r"[0-9]\.|[0-9]e", text + msgspec.json.encode(payload).decode()) is not None


@settings(max_examples=examples(100))
@given(conditions, documents)
@example("(event.payload.a) == ([1, true])", {"a": [1, 1]})
@example("(event.payload.l).exists(x, x == 1)", {"l": [True, 1]})
@example("([1]) == ([true])", {})
@example("int(' 5') == 5", {})
@example("(-7) / (2) == -3 && (-7) % (2) == -1", {})
def test_guards_agree_with_another_implementation(text: str, payload: dict[str, Any]) -> None:
    assume(not _has_decimals(text, payload))
    other = oracle(text, payload)
    guard = Guard(text)
    held = asked(guard, event(payload))
    if guard.missing == 0:
        assert held is other
    else:
        # Whatever cannot be computed makes the whole guard false.
        assert held is False
        assert other is MISSING or any(one in text for one in ABSORBING)


@settings(max_examples=examples(100))
@given(st.floats(allow_nan=False, allow_infinity=False), st.integers(-(2**53), 2**53))
def test_whole_numbers_and_decimals_are_compared_as_numbers(a: float, b: int) -> None:
    for operator in ("==", "!=", "<", "<=", ">", ">="):
        text = f"event.payload.a {operator} event.payload.b"
        assert judged(text, {"a": a, "b": b}) is oracle(text, {"a": a, "b": b})


# The language


@pytest.mark.parametrize(
    "text",
    [
        'event.name == "order.created"',
        'event.topic == "orders" && event.id == "e-1" && event.key == "k-1"',
        'event.time == timestamp("2026-03-01T10:00:00Z")',
        'event.time > timestamp("2026-03-01T10:59:59+01:00")',
        'event.time - timestamp("2026-03-01T09:58:30Z") == duration("90s")',
        'event.time + duration("1d") == timestamp("2026-03-02T10:00:00Z")',
        "event.headers['x'] == 'first'",
        'has(event.headers["x"]) && !has(event.headers["y"])',
        "event.payload.n == 5",
        "event.payload['n'] == 5",
        "event.payload.l[0] == 1 && event.payload.l[2.0] == 3",
        "has(event.payload.deep.er) && !has(event.payload.deep.est) && !has(event.payload.x.y.z)",
        'event.payload.s.size() == 5 && size("😀") == 1 && size(event.payload.l) == 3',
        'event.payload.s.startsWith("hé") && event.payload.s.endsWith("lo")',
        'event.payload.s.contains("éll") && !event.payload.s.contains("x")',
        'event.payload.s.matches("^h.l+o$") && event.payload.s.matches("l")',
        "3 in event.payload.l && !(4 in event.payload.l) && 'er' in event.payload.deep",
        "event.payload.l.exists(x, x > 2) && event.payload.l.all(x, x < 4)",
        "event.payload.l.filter(x, x > 1) == [2, 3] && event.payload.l.map(x, x * 2) == [2, 4, 6]",
        "event.payload.l.all(x, x + event.payload.n > 5)",
        "int('7') == 7 && int(7.9) == 7 && double('1.5') == 1.5 && uint(3) == 3u",
        "string(5) == '5' && string(1.5) == '1.5' && string(true) == 'true'",
        'duration("1.5h") > duration("89m")',
        "(event.payload.n > 4 ? 'many' : 'few') == 'many'",
        r'"\x41\101\u00e9\n\"" == "AAé' + '\\n\\""',
        r"r'\n'.size() == 2 && '\?\`' == '?`'",
        "event.payload.none == null && event.payload.n != null",
        "1 + 1.5 == 2.5 && 1 == 1.0 && 1 in [1.0]",
        "[1, [2]] == [1.0, [2.0]] && [1] != [true] && 1 != true && 0x10 == 16",
        "9223372036854775807 + 1 > 9223372036854775807",
    ],
)
def test_what_the_language_has(text: str) -> None:
    payload = {"n": 5, "s": "héllo", "l": [1, 2, 3], "deep": {"er": None}, "none": None}
    guard = Guard(text)
    assert asked(guard, event(payload)) is True
    assert guard.missing == 0


@pytest.mark.parametrize(
    "text",
    ["event.payload.gone == 1", "event.payload.gone != 1", "!(event.payload.gone == 1)",
     "event.payload.gone == 1 || true", "event.payload.l[9] != 1", "event.payload.l[0.5] != 1",
     "event.payload.n.deeper != 1", "event.headers['gone'] != 'x'", "event.nothing != 1",
     "cause.name != 'x'", "event.payload.l.all(x, x.y != 1)", "-event.payload.gone < 1",
     "event.payload.n > 'a' || true", "event.payload.n && true", "!event.payload.n",
     "event.payload.n / 0 != 1", "event.payload.n % 0 != 1", "int('x') != 1", "int(true) != 2",
     "int('1_000') == 1000", "int(' 5') == 5", "double(' 5') == 5.0", "uint(-1) != 1",
     "string(event.payload.l) != ''", "string(null) != ''", "size(5) != 1", "(5).size() != 1",
     "timestamp(event.payload.zoneless) != event.time",
     "duration(event.payload.s) != duration('1s')",
     "event.time + duration('100000d') + duration('100000d') + duration('100000d') "
     + "+ duration('100000d') " * 30 + "> event.time",
     "event.payload.n.matches('5')", "event.payload.s.matches(event.payload.pattern)",
     "'a' * 3 == 'aaa'", "true + true == 2", "event.payload.n in 5", "event.payload.l < [9]"],
)  # fmt: skip
def test_what_is_missing_or_of_the_wrong_kind_makes_it_all_false_and_is_counted(text: str) -> None:
    payload = {"n": 5, "s": "s", "l": [1, 2, 3], "pattern": "(", "zoneless": "2026-03-01T10:00:00"}
    guard = Guard(text)
    assert asked(guard, event(payload)) is False
    assert guard.missing == 1


def test_what_is_decided_before_a_missing_field_is_reached_stands() -> None:
    assert judged("true || event.payload.gone == 1")
    assert judged("has(event.payload.gone) && event.payload.gone == 1 || event.payload.n == 5",
                  {"n": 5})  # fmt: skip


def test_only_true_is_true() -> None:
    for text in ("1", "'true'", "event.payload.t", "null", "[true]", "event"):
        assert judged(text, {"t": "true"}) is False


def test_a_guard_may_compare_an_event_with_its_cause() -> None:
    text = "event.payload.amount <= cause.payload.total"
    assert judged(text, {"amount": 5}, {"total": 5})
    assert not judged(text, {"amount": 6}, {"total": 5})


@pytest.mark.parametrize(
    "changes",
    [
        {"payload": None, "encoding": "none"},
        {"payload": "5 5", "encoding": "text"},
        {"payload": "ff", "encoding": "hex"},
        {"payload": '{"n":5,"x":1e999}', "encoding": "json"},
        {"payload": '{"n":5,"x":' + "[" * 5_000 + "]" * 5_000 + "}", "encoding": "json"},
    ],
)
def test_of_an_event_without_a_readable_payload_every_field_is_missing(
    changes: dict[str, str],
) -> None:
    guard = Guard("event.payload.n == 5 || true")
    assert asked(guard, event(**changes)) is False
    assert guard.missing == 1


def test_a_header_that_is_not_utf8_is_no_text() -> None:
    assert not judged("event.headers['raw'].startsWith('f')")
    assert judged("event.headers['raw'].hex == 'ff'")


# What is refused when it is read


@pytest.mark.parametrize(
    ("text", "column", "said"),
    [
        ("", 1, "not CEL"),
        ("event.payload.n >", 17, "not CEL"),
        ("event.name == 'x' && && true", 22, "not CEL"),
        ("event.name = 'x'", 12, "not CEL"),
        ("payload.n == 1", 1, "`payload` is not known here; there are cause, event"),
        ("event.n == 1 && x", 17, "`x` is not known"),
        ("lower(event.name) == 'x'", 1, "`lower()` is not known"),
        ("event.name.lower() == 'x'", 1, "`.lower()` is not known"),
        ("event.l.exists_one(x, x > 1)", 1, "`.exists_one()` is not known"),
        ("size(event.l, 2) == 1", 1, "`size()` is not known here; of one value"),
        ("event.l.exists(x > 1)", 1, "takes a name and a condition"),
        ("event.l.exists(x, event.m.all(y, y > x))", 19, "one level is allowed"),
        ("event.l.all(x, y > 1)", 16, "`y` is not known here; there are cause, event, x"),
        ("event.name.matches('(')", 1, "no RE2 pattern"),
        ("event.name.matches('(?=x)')", 1, "no RE2 pattern"),
        ("event.name.matches('(a{1000}){1000}')", 1, "no RE2 pattern"),
        ("event.time - cause.time < duration('1h30m')", 27, "`1h30m` is no duration; write `90m`"),
        ("duration('soon') == duration('1s')", 1, "`soon` is no duration; write e.g. 500ms"),
        ("duration('1000000d') == duration('1s')", 1, "is no duration; write e.g. 500ms"),
        ("event.time > timestamp('soon')", 14, "`soon` is no timestamp; write it with its zone"),
        ("timestamp('2026-03-01T10:00:00') != event.time", 1, "is no timestamp; write it with its"),
        ("event.payload.l.exists(x, x == timestamp('2026-02-30T00:00:00Z'))", 32, "no timestamp"),
        (r"event.name == '\xZZ'", 15, "no value that can be read"),
        (r"event.name == '\U00110000'", 15, "no value that can be read"),
        ("event.n == 007", 12, "no value that can be read"),
        ("event.n == " + "9" * 5_000, 12, "no value that can be read"),
        ("event.n == b'x'", 12, "a kind of literal that guards do not have"),
        ("event.payload == {'a': 1}", 18, "maps are not part of the guards' language"),
        ("(" * 2_000 + "true" + ")" * 2_000, 1, "nested too deep"),
        ("!" * 5_000 + "true", 1, "nested too deep"),
        ("1" + " + 1" * 2_400 + " == 2401", 1, "nested too deep"),
        ("x" * (MAX_LENGTH + 1), 1, "longer than"),
    ],
)
def test_what_is_not_of_the_language_is_refused_with_its_column(
    text: str, column: int, said: str
) -> None:
    with pytest.raises(GuardError) as refused:
        Guard(text)
    assert said in str(refused.value)
    assert refused.value.column == column


@settings(max_examples=examples(200))
@given(st.text(max_size=30) | st.text("event.payload[]()'\"\\x10<=>&|!?:{},+-*/% ", max_size=30))
def test_any_text_is_compiled_or_refused(text: str) -> None:
    with contextlib.suppress(GuardError):
        guard = Guard(text)
        assert asked(guard, event()) in (True, False)


# What must not run away


def test_patterns_take_linear_time() -> None:
    assert not judged("event.payload.s.matches('^(a+)+$')", {"s": "a" * 100_000 + "b"})


def test_loops_are_bounded() -> None:
    text = "event.payload.l.all(x, x == 1)"
    assert judged(text, {"l": [1] * MAX_ELEMENTS})
    assert not judged(text, {"l": [1] * (MAX_ELEMENTS + 1)})


def test_a_condition_that_was_accepted_also_runs() -> None:
    assert judged("1" + " + 1" * 90 + " == 91")
    assert judged("(" * 20 + "true" + ")" * 20)
    assert judged(" && ".join(["event.payload.n == 5"] * 90), {"n": 5})


# Paths


def test_same_is_json_equality_at_any_depth_and_never_of_what_is_missing() -> None:
    options = Options(name="r", same=(Guard("event.payload.k"),))
    equal = [(1, 1.0), ("a", "a"), ([1, {"x": 2}], [1.0, {"x": 2.0}]), (None, None), (True, True)]
    different = [(1, "1"), (1, True), ([1], [True]), ({"x": 0}, {"x": False}), ([1, 2], [1])]
    for one, other in equal:
        assert options.fits(event({"k": one}), event({"k": other})), (one, other)
    for one, other in different:
        assert not options.fits(event({"k": one}), event({"k": other})), (one, other)
    assert not options.fits(event({}), event({}))
    assert not options.fits(event({"k": 1}), event({}))
    assert not options.fits(event({}), event({"k": 1}))


def test_a_path_that_leads_nowhere_has_no_value() -> None:
    assert value("event.payload.a.b", {"a": {}}) is MISSING
    assert value("event.payload.a.b", {"a": {"b": None}}) is None


def test_guards_are_the_same_function_however_often_they_run() -> None:
    guard: Guard = Guard("event.payload.l.map(x, x + 1) == [2]")
    assert [asked(guard, event({"l": [1]})) for _ in range(3)] == [True] * 3
    assert compile_cel("1 + 1", frozenset())({}) == 2


# What would run away

RUNAWAY = {
    "a loop over more than a thousand": ("event.payload.l.exists(x, x == 7)", {"l": [7] * 1_001}),
    "a long text looked through in a loop": (
        "event.payload.l.all(x, event.payload.s.contains(x))", {"l": ["a"], "s": "a" * 10_001},
    ),
    "long lists compared in a loop": (
        "event.payload.l.all(x, event.payload.m == event.payload.m)",
        {"l": [1], "m": [[[1] * 400] * 3]},
    ),
    "a search of a long list in a loop": (
        "event.payload.l.all(x, x in event.payload.m)", {"l": [1], "m": [1] * 1_001},
    ),
    "a text put together without end": (
        f"size({' + '.join(['event.payload.s'] * 6)}) > 0", {"s": "a" * 20_000},
    ),
    "lists put together without end": (
        f"size({' + '.join(['event.payload.l'] * 6)}) > 0", {"l": [1] * 20_000},
    ),
    "a pattern of an event that needs more memory than there is for one": (
        "'a'.matches(event.payload.p)", {"p": "(a|b|c)" * 30_000},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", RUNAWAY)
def test_what_would_run_away_is_false_and_counted(name: str) -> None:
    text, payload = RUNAWAY[name]
    guard = Guard(text)
    assert asked(guard, event(payload)) is False
    assert guard.missing == 1


def test_what_is_just_small_enough_is_evaluated() -> None:
    numbers = list(range(1_000))
    assert judged("event.payload.l.exists(x, x == 999)", {"l": numbers})
    assert judged("event.payload.l.all(x, x in event.payload.l)", {"l": numbers})
    assert judged(
        "event.payload.l.all(x, event.payload.s.contains(x))", {"l": ["a"], "s": "a" * 10_000}
    )
    assert judged("size(event.payload.s + event.payload.s) == 100000", {"s": "a" * 50_000})
