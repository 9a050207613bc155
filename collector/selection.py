"""Which of the stored events are wanted."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Selection:
    """Which events; what is None leaves none out. Times in µs, `until` not included."""

    since: int | None = None
    until: int | None = None
    topic: str | None = None
    flow: str | None = None
    """By any of its correlation IDs; with what keys tie to it."""

    def clauses(self) -> tuple[str, list[object]]:
        """Those of `flow` aside."""
        parts, parameters = ["true"], list[object]()
        for value, condition in (
            (self.since, "epoch_us(time) >= ?"),
            (self.until, "epoch_us(time) < ?"),
            (self.topic, "topic = ?"),
        ):
            if value is not None:
                parts.append(condition)
                parameters.append(value)
        return " AND ".join(parts), parameters
