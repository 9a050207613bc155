"""Moments, spans, payloads and unprintable characters as people read them."""

import json

import pytest

from ui import moments
from ui.errors import BadParameterError
from ui.payload import indented
from ui.visible import visible

NOW = 1_772_359_500.0


@pytest.mark.parametrize(
    ("text", "micros"),
    [
        ("2026-03-01T10:00:00Z", 1_772_359_200_000_000),
        ("2026-03-01T11:00:00+01:00", 1_772_359_200_000_000),
        ("2026-03-01T11:00:00 01:00", 1_772_359_200_000_000),
        ("1772359200000", 1_772_359_200_000_000),
        ("0", 0),
        ("5m", 1_772_359_200_000_000),
        ("1m240s", 1_772_359_200_000_000),
        ("90000d", 0),
    ],
)
def test_moments_are_read(text: str, micros: int) -> None:
    assert moments.parse_moment("since", text, NOW) == micros


@pytest.mark.parametrize(
    "text", ["", "soon", "-5m", "5", "1.5h", "9" * 40, "٣m", "1969-12-31T00:00:00Z", "2026-03-01"]
)
def test_what_is_no_moment_is_refused(text: str) -> None:
    with pytest.raises(BadParameterError, match=r"^since: "):
        moments.parse_moment("since", text, NOW)


@pytest.mark.parametrize(
    ("ms", "said"),
    [
        (0, "0 ms"),
        (999.4, "999 ms"),
        (999.6, "1.0 s"),
        (9_999, "10.0 s"),
        (10_000, "10 s"),
        (59_999, "59 s"),
        (60_000, "1 min"),
        (200_000, "3 min 20 s"),
        (7_500_000, "2 h 5 min"),
        (190_000_000, "2 d 4 h"),
    ],
)
def test_spans_are_said_in_at_most_two_units(ms: float, said: str) -> None:
    assert moments.duration(ms) == said


def test_unprintable_characters_are_spelled_out() -> None:
    assert visible("a\tb\x7f\u200b\ud800é✓") == "a⟨TAB⟩b⟨U+007F⟩⟨U+200B⟩⟨U+D800⟩é✓"
    assert visible("a\r\n\tb\x1b[31m", block=True) == "a\n\tb⟨ESC⟩[31m"


def test_json_is_laid_out_without_changing_it() -> None:
    text = '{"a":1.50,"a":"x, {y}: \\"z\\"","b":[],"c":{},"d":[1,{"e":null}]}'
    laid_out = indented(text)
    assert laid_out.splitlines()[:3] == ["{", '  "a": 1.50,', '  "a": "x, {y}: \\"z\\"",']
    assert '"b": [],' in laid_out
    assert json.loads(laid_out) == json.loads(text)


@pytest.mark.parametrize("text", ["", "7", '"open', "]]]", '{"a":', "{" * 3_000, "nul l"])
def test_broken_json_stays_what_it_was(text: str) -> None:
    laid_out = indented(text)
    assert "".join(laid_out.split()) == "".join(text.split())
    assert len(laid_out) < 60 * (len(text) + 1)
