"""What the commands print: readable at 80 columns, without colour, and safe."""

import re
from collections.abc import Callable
from io import StringIO

import pytest
from rich.console import Console

from nonevent import terminal
from nonevent.status_terminal import print_status
from tests.ui import samples
from ui.models import EventItem, EventPage, FindingPage, FlowPage, PublishedAfter

ESCAPE = re.compile(r"\x1b\[[0-9;]*m")


@pytest.fixture
def printed() -> Callable[..., str]:
    """What a function prints to a console of 80 columns that is no terminal."""

    def run(show: Callable[..., None], model: object, *, colour: bool = False) -> str:
        console = Console(
            file=StringIO(),
            width=80,
            force_terminal=colour,
            color_system="truecolor" if colour else None,
            highlight=False,
            markup=False,
            emoji=False,
        )
        show(model, console)
        assert isinstance(console.file, StringIO)
        text = console.file.getvalue()
        assert colour or "\x1b" not in text
        return text

    return run


def test_a_flow_is_told_with_its_ghosts(printed: Callable[..., str]) -> None:
    text = printed(terminal.print_flow, samples.broken_flow())
    lines = [" ".join(line.split()) for line in text.splitlines()]
    assert lines[0] == "ord-8812 open order order_id=8812 customer=c-204"
    assert "10:02:00.120 +120 ms ● item.reserved items 2@1290" in lines
    assert "10:02:30.000 due ✗ payment.authorized, missing –" in lines
    assert "10:02:00.000 due ◌ order.delivered pending –" in lines
    assert lines.count("2026-03-01") == 1
    assert lines.count("2026-03-02") == 1
    assert any("none came" in line for line in lines)
    assert any(line.startswith("items are reserved met 2026-03-01 10:04:00") for line in lines)
    assert max(map(len, text.splitlines())) <= 80


def test_flows_are_listed_whole_at_80_columns(printed: Callable[..., str]) -> None:
    long_id = "0af7651916cd43dd8448eb211c80319c-" * 3
    flow = samples.item_of(samples.broken_flow(long_id))
    text = printed(terminal.print_flows, FlowPage(items=[flow], next="abc"))
    assert max(map(len, text.splitlines())) <= 80
    first_column = "".join(line.split(" ")[0] for line in text.splitlines()[1:-1])
    assert first_column == long_id
    assert "--cursor abc" in text


def test_findings_say_what_and_why(printed: Callable[..., str]) -> None:
    page = FindingPage(items=[samples.finding(), samples.retracted_finding()], next=None)
    text = " ".join(printed(terminal.print_findings, page).split())
    assert "✗ order.created at 10:02:00 expected" in text
    assert "retracted: payment.authorized arrived 12 s after" in text


def test_events_are_one_line_each(printed: Callable[..., str]) -> None:
    long = samples.event_item().model_copy(update={"name": "n" * 200})
    page = EventPage(items=[samples.event_item(), long], next=None)
    lines = printed(terminal.print_events, page).splitlines()
    assert len(lines) == 2
    assert lines[0] == (
        "2026-03-01 10:02:00.000  orders 2@4711  order.created  ord-8812  order_id=8812"
    )


def test_status_says_what_is_held_back(printed: Callable[..., str]) -> None:
    text = printed(print_status, samples.blocked_status())
    assert "blind on eu-prod/orders-3 since 2026-03-01 10:02:00 UTC" in text
    assert "214 judgements held" in text
    assert "No partition is tapped" in printed(print_status, samples.unread_status())


def test_status_says_what_lies_between_tap_and_bus(printed: Callable[..., str]) -> None:
    text = " ".join(printed(print_status, samples.troubled_status()).split())
    assert "✗ us-prod cannot be reached since 2026-03-01 10:01:00 UTC; next try" in text
    assert "kafka.us:9092: connection refused" in text
    assert "eu-prod/secrets is denied since 2026-03-01 09:00:00 UTC: grant <READ>" in text
    assert (
        "eu-prod/orders-1: an open transaction hides what lies from offset 4,700 on, "
        "since 2026-03-01 10:03:00 UTC"
    ) in text
    assert "eu-prod catches up: 1 partition waits for slower ones" in text


def published(printed: Callable[..., str], *told: PublishedAfter, colour: bool = False) -> str:
    """What status says of it, on one line."""
    status = samples.status()
    status.sources[0].published_after = list(told)
    return " ".join(printed(print_status, status, colour=colour).split())


def test_status_says_where_grace_does_not_cover_how_late_events_are_published(
    printed: Callable[..., str],
) -> None:
    text = published(
        printed,
        samples.published_after("cards", 12.5, 5, "order: is paid", "order: is packed"),
        samples.published_after("uploads", 7_530, 120, "photo: is shown"),
    )
    assert (
        "✗ eu-prod/cards: events were published up to 12.5s after they happened, lately; "
        "`grace: 5s` does not cover that, and what is only on its way may be called missing: "
        "give `order: is paid` and 1 other a longer one"
    ) in text
    assert "published up to 2 h 5 min after they happened" in text
    assert "`grace: 2m` does not cover that" in text
    assert "give `photo: is shown` a longer one" in text


def test_what_grace_covers_is_told_in_passing_and_only_where_it_is_a_second_or_more(
    printed: Callable[..., str],
) -> None:
    much = samples.published_after("cards", 1.25)
    text = published(printed, much, samples.published_after("orders", 0.999))
    assert "– eu-prod/cards: events were published up to 1.25s after they happened" in text
    assert "lately; `grace` covers it" in text
    assert "eu-prod/orders" not in text
    yellow = "\x1b[33m"
    assert yellow not in published(printed, much, colour=True)
    short = samples.published_after("cards", 1.25, 1, "order: is paid")
    assert yellow in published(printed, short, colour=True)


def test_empty_lists_say_so(printed: Callable[..., str]) -> None:
    assert "No flow" in printed(terminal.print_flows, FlowPage(items=[], next=None))
    more = printed(terminal.print_flows, FlowPage(items=[], next="123:x"))
    assert "None of the flows that were looked at fits" in more
    assert "123:x" in more
    assert "No finding" in printed(terminal.print_findings, FindingPage(items=[], next=None))
    assert printed(terminal.print_events, EventPage(items=[], next=None)) == ""


@pytest.mark.parametrize("colour", [False, True])
def test_nothing_from_the_bus_reaches_the_terminal_as_a_command(
    printed: Callable[..., str], colour: bool
) -> None:
    nasty = "[red]x[/red]\x1b[2J\x9b31m\r\u202e:boom:"
    event = samples.event(
        nasty, "10:02:00", 1, None, topic=nasty, problems=[nasty], keys={nasty: nasty}
    )
    flow = samples.broken_flow(
        nasty,
        type=nasty,
        keys={nasty: [nasty]},
        timeline=[event],
        found=[samples.finding(text=nasty, expectation=nasty, reason=nasty, state="closed")],
    )
    events = EventPage(items=[EventItem(**event.model_dump(), seq=1)], next=None)
    told = [
        printed(terminal.print_flow, flow, colour=colour),
        printed(terminal.print_flows, FlowPage(items=[flow], next=nasty), colour=colour),
        printed(terminal.print_findings, FindingPage(items=flow.found, next=None), colour=colour),
        printed(terminal.print_events, events, colour=colour),
        printed(print_status, samples.status(rule_errors=[nasty]), colour=colour),
        printed(print_status, samples.status(failures=[nasty]), colour=colour),
    ]
    for text in told:
        plain = ESCAPE.sub("", text)
        assert not set(plain) & set("\x1b\x9b\r\u202e")
        assert "[red]x[/red]⟨ESC⟩[2J" in "".join(plain.split())


def test_no_color_is_respected(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    terminal.print_flow(samples.broken_flow())
    assert "\x1b" not in capsys.readouterr().out
