"""Templates: checked when configured; and whatever one does, the alert goes out."""

import sys

import pytest

from analyzer.sinks import templates, wording
from analyzer.sinks.rendering import LONGEST
from analyzer.sinks.templates import KNOWN, Texts, check
from analyzer.why.summary import Reasons
from tests.analyzer.sinks.told import resolved, told

BOMBS = {
    "a loop without end": "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}"
    "{% endfor %}",
    "a loop over loops": "{% for a in text %}{% for b in text %}{% for c in text %}"
    "{% for d in text %}{% for e in text %}{% endfor %}{% endfor %}{% endfor %}{% endfor %}"
    "{% endfor %}",
    "a range that is too long": "{{ range(10**9) | length }}",
    "a word of ten billion letters": "{{ 'a' * 10**10 }}",
    "a number without end": "{{ 10**(10**10) }}",
    "a width": "{{ 'a' | center(10**10) }}",
    "a format": "{{ '%10000000000d' % 1 }}",
    "a format by method": "{{ '{:>10000000000}'.format(1) }}",
    "too long a text": "{% for a in range(99999) %}aaaaaaaaaa{% endfor %}",
    "a macro of itself": "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
    "a class": "{{ ''.__class__.__mro__ }}",
    "builtins": "{{ cycler.__init__.__globals__.os.environ }}",
    "a private name": "{{ labels._x.y }}",
    "a change of what is told": "{{ labels.update({'a': 'b'}) }}",
    "an unknown label's label": "{{ labels.none.there }}",
    "a division by nothing": "{{ count // 0 }}",
    "a file": "{% include '/etc/passwd' %}",
    "an import": "{% import 'os' as os %}",
}


async def text_of(template: str) -> tuple[str, str]:
    check(template)
    return await Texts("chat", {"title": None, "body": template}).title_and_body(told())


@pytest.mark.parametrize("what", BOMBS)
async def test_what_fails_loops_or_reaches_out_is_replaced_with_a_note(
    what: str, caplog: pytest.LogCaptureFixture
) -> None:
    title, body = await text_of(BOMBS[what])
    assert title == wording.title(told())
    assert body.startswith(wording.body(told()))
    assert "(the template `body` failed: " in body
    assert "sink chat: the template `body` failed" in caplog.text


async def test_a_good_title_survives_a_bad_body() -> None:
    texts = Texts("chat", {"title": "{{ expectation }}!", "body": BOMBS["a loop without end"]})
    title, body = await texts.title_and_body(told())
    assert title == "paid!"
    assert body.startswith(wording.body(told()))


async def test_every_field_can_be_used() -> None:
    for field in sorted(KNOWN):
        _, body = await text_of("{{ " + field + " }}.")
        assert "failed" not in body, field
        assert body.endswith(".")


async def test_a_template_sees_what_the_notification_says() -> None:
    template = (
        "{{ default_title }}|{% for one in findings %}{{ one.flow }} {% endfor %}|"
        "{{ labels.team }}|{{ labels.none }}|{{ also[0].expectation }}|"
        "{% if runbook %}{{ runbook }}{% endif %}|<b>&"
    )
    _, body = await text_of(template)
    assert body == (
        f"{wording.title(told())}|ord-1 ord-2 ord-3 |payments||shipped|"
        "https://wiki.example/paid|<b>&"
    )


async def test_a_title_is_one_line() -> None:
    texts = Texts("mail", {"title": "a\nBcc: all@example\r\n{{ expectation }}"})
    title, _ = await texts.title_and_body(told())
    assert title == "a Bcc: all@example paid"


async def test_a_text_may_be_long_but_not_too_long() -> None:
    _, body = await text_of(f"{{{{ 'a' * {LONGEST} }}}}")
    assert body == "a" * LONGEST
    _, body = await text_of(f"{{{{ 'a' * {LONGEST + 1} }}}}")
    assert "longer than" in body


async def test_the_environment_is_not_handed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Even who got out of the sandbox would find no secret there."""
    monkeypatch.setenv("PAGER_TOKEN", "hidden-word")
    said = "json.dumps({'key': 'body', 'text': ' '.join(os.environ)})"
    peek = f"import json, os, sys; sys.stdin.read(); print({said})"
    monkeypatch.setattr(templates, "RENDERING", (sys.executable, "-c", peek))
    written = await Texts("chat", {"body": "x"}).of(told())
    names = written.texts["body"].split()
    assert "PATH" in names
    assert "PAGER_TOKEN" not in names


@pytest.mark.parametrize(
    "command", [("/nowhere/at/all",), (sys.executable, "-c", "print('?')"), ("true",)]
)
async def test_where_nothing_can_be_rendered_the_default_goes_out(
    monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    monkeypatch.setattr(templates, "RENDERING", command)
    title, body = await Texts("chat", {"title": "x", "body": "y"}).title_and_body(told())
    assert title == wording.title(told())
    assert body.startswith(wording.body(told()))


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("a\n{{ text", "line 2: "),
        ("{% for a in b", "line 1: "),
        ("a\n\n{{ text | shout }}", "line 3: No filter named 'shout'"),
        ("{{ txet }}", "line 1: there is no `txet`; there are: about, "),
        ("\n{% if textt %}{% endif %}", "line 2: there is no `textt`"),
        ("{{ " + "(" * 5000 + ")" * 5000 + " }}", "this is no template"),
    ],
)
def test_a_template_that_cannot_be_is_an_error_with_its_line(template: str, said: str) -> None:
    with pytest.raises(ValueError, match=r"line|template") as failure:
        check(template)
    assert said in str(failure.value)


def test_checking_a_template_computes_nothing() -> None:
    word = "'a' * 10**12"
    check(
        f"{{{{ {word} }}}}{{{{ 10**(10**10) }}}}{{% if {word} %}}{{% endif %}}"
        f"{{% for a in [{word}] %}}{{% endfor %}}{{% set a = {word} | center(10**12) %}}"
    )
    with pytest.raises(ValueError, match="line 1: `autoescape` is not there"):
        check(f"{{% autoescape {word} %}}{{% endautoescape %}}")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "[CRITICAL] order: paid, 3 open"),
        ({"change": "more", "new": 1}, "[CRITICAL] order: paid, 3 open, 1 of them new"),
        ({"change": "again", "new": 0}, "[CRITICAL] order: paid, still 3 open"),
        ({"type": "nonevent", "expectation": "blind", "about": "orders-3", "count": 0},
         "[CRITICAL] nonevent: blind (orders-3)"),
        ({"expectation": "a\nb\x1b[31m"}, "[CRITICAL] order: a b [31m, 3 open"),
        ({"expectation": "x" * 999}, f"[CRITICAL] order: {'x' * 181}…"),
    ],
)  # fmt: skip
def test_the_default_title_says_what_and_how_many(
    changes: dict[str, object], expected: str
) -> None:
    assert wording.title(told(**changes)) == expected


def test_the_default_text_tells_what_since_when_how_many_where() -> None:
    assert wording.body(told(merged=2, count=30)).splitlines() == [
        "3 orders expected payment.authorized within 30s of order.created; none came",
        "",
        "Since 2026-03-01T10:00:00.000Z",
        "Open: 30, 3 of them new",
        "Oldest flow: ord-1",
        "Flows: ord-1, ord-2, ord-3 and 27 more",
        "team: payments",
        "For the same flows:",
        "- [WARNING] order: shipped, 3 open: http://x/alerts/alert-2",
        "Runbook: https://wiki.example/paid",
        "http://x/alerts/alert-1",
        "(in place of 2 earlier messages that could not be delivered)",
    ]


def test_the_default_text_says_why_right_after_what() -> None:
    why = Reasons("3 missing: all queued behind payment-svc", 3, 3, ())
    lines = wording.body(told(why=why)).splitlines()
    assert lines[1] == "Why: 3 missing: all queued behind payment-svc"


def test_what_is_resolved_says_why_and_until_when() -> None:
    told_of = resolved()
    assert wording.title(told_of) == "[RESOLVED] order: paid"
    lines = wording.body(told_of).splitlines()
    assert lines[1] == "all have come"
    assert "Since 2026-03-01T10:00:00.000Z until 2026-03-01T10:20:00.000Z" in lines
    assert not any(line.startswith("Open") for line in lines)
