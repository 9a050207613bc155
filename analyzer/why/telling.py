"""Words that several verdicts need."""

from collector.event import Event
from collector.times import US_PER_S, format_duration


def placed(event: Event) -> str:
    """An event with where it lies."""
    return f"{event.name} ({event.topic}-{event.partition}@{event.offset})"


def span(us: int) -> str:
    """How long, in whole seconds where it is more than a few."""
    return format_duration(us // US_PER_S * US_PER_S if us >= 10 * US_PER_S else us // 1000 * 1000)
