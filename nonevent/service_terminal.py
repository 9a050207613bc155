"""Services as the terminal shows them: all in a table, or one in words with its minutes."""

from rich.console import Console
from rich.text import Text

from nonevent.terminal import QUIET, moment_text, stdout, table_of, words
from ui.models import BalanceCounts, ServiceItem, ServicePage

MOST_MINUTES = 60
MAIN = ("came", "answered", "waiting", "unaccounted")
COUNTS = ("came", "answered", "waiting", "in_work", "put_away", "unaccounted", "unknown")


def print_services(page: ServicePage, console: Console | None = None) -> None:
    """Each with what it takes and brings out, how that is known, and its balance."""
    console = console or stdout()
    if not page.items:
        console.print(
            words(
                "No service is known: declare it under `services:` of a rule file, or let "
                "`nonevent run` watch the consumers of a Kafka for a while.", block=True
            )
        )  # fmt: skip
        return
    table = table_of("Service", "Came", "Answered", "Waiting", "Unaccounted", "Rest")
    for column in table.columns[1:]:
        column.justify = "right"
    for one in page.items:
        step = f"\n{', '.join(one.consumes)} → {', '.join(one.emits) or 'nothing'}"
        what = words(one.service, "bold").append(words(f"  {known(one)}", QUIET))
        table.add_row(
            what.append(words(step, block=True)),
            *(_count(one.balance, word) for word in MAIN),
            _rest(one.balance),
        )
    console.print(table)
    console.print(words("\nRest: in work, put away, unknown", QUIET, block=True))
    console.print(words(_of(page), QUIET, block=True))


def print_service(page: ServicePage, console: Console | None = None) -> None:
    """In words, with what was learned and the balance of its newest minutes."""
    console = console or stdout()
    for one in page.items:
        head = words(one.service, "bold").append(words(f"  {known(one)}", QUIET))
        console.print(head)
        takes = f"{', '.join(one.consumes)} → {', '.join(one.emits) or 'nothing'}"
        console.print(words(f"  {takes}  by {', '.join(one.groups)}"))
        console.print(words(f"  {sentence(one)}", block=True))
        for step in one.learned:
            told = (
                f"  {step.emits} of {step.consumes}: {step.confidence}, {step.cases_for:,} for, "
                f"{step.against:,} against, {step.undecided:,} undecided"
            )
            if step.or_of:
                told += f"; it may as well be of {', '.join(step.or_of)}"
            if step.confused_with:
                told += f"; {', '.join(step.confused_with)} fit as well"
            console.print(words(told, QUIET, block=True))
        _print_minutes(one, console)
    console.print(words(f"\n{_of(page)}", QUIET, block=True))


def _print_minutes(one: ServiceItem, console: Console) -> None:
    if not one.minutes:
        return
    table = table_of("Minute (UTC)", *(word.replace("_", " ").capitalize() for word in COUNTS))
    for number in range(1, 1 + len(COUNTS)):
        table.columns[number].justify = "right"
    for minute in one.minutes[-MOST_MINUTES:]:
        table.add_row(words(moment_text(minute.minute)), *(_count(minute, w) for w in COUNTS))
    console.print(table)


def sentence(one: ServiceItem) -> str:
    """`12,040 came: 11,702 answered, 290 waiting, 48 unaccounted`."""
    found = one.balance
    if found is None:
        return "its events are not told by what they are called: no balance"
    parts = [("answered", True), ("waiting", True), ("in_work", False), ("put_away", False),
             ("unaccounted", True), ("unknown", False)]  # fmt: skip
    told = [
        f"{count:,} {word.replace('_', ' ')}"
        for word, always in parts
        if (count := getattr(found, word)) or always
    ]
    return f"{found.came:,} came, {found.consumed:,} consumed: {', '.join(told)}"


def known(one: ServiceItem) -> str:
    """How it is known who runs the step."""
    if one.confidence is None:
        return "declared"
    others = sorted({name for step in one.learned for name in step.confused_with})
    told = f"learned, {one.confidence}"
    return f"{told}, or {', '.join(others)}" if others and one.confidence != "likely" else told


def _rest(found: BalanceCounts | None) -> Text:
    return words("–" if found is None else f"{found.in_work + found.put_away + found.unknown:,}")


def _count(found: BalanceCounts | None, word: str) -> Text:
    if found is None:
        return words("–")
    count: int = getattr(found, word)
    return words(f"{count:,}", "red" if count and word == "unaccounted" else "")


def _of(page: ServicePage) -> str:
    since = "–" if page.since is None else moment_text(page.since)
    until = "never" if page.until is None else moment_text(page.until)
    return (
        f"what happened since {since}, of the newest {page.events:,} events; consumers were seen "
        f"to {until}; learned from {page.learned_from:,} events"
    )
