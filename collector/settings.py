"""The collector's part of `nonevent.yaml`: sources and the store."""

from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from collector.places import PLACE_HELP, parse_place
from collector.times import parse_duration, parse_time


def _duration(text: str) -> str:
    if parse_duration(text) is None:
        raise ValueError(f"{text!r} is not a duration; write e.g. 500ms, 30s, 5m, 2h or 1d")
    return text


def _start(text: str) -> str:
    if text in ("latest", "earliest") or parse_duration(text) or parse_time(text) is not None:
        return text
    raise ValueError(
        f"{text!r} is not a start; write latest, earliest, a duration back (24h) or a time "
        "(2026-11-20T08:00:00Z)"
    )


def _place(text: str) -> str:
    if parse_place(text) is None:
        raise ValueError(f"{text!r} is not a place; {PLACE_HELP}")
    return text


def _size(text: str) -> str:
    if parse_size(text) is None:
        raise ValueError(f"{text!r} is not a size; write e.g. 512MB or 2GB")
    return text


def parse_size(text: str) -> int | None:
    """`512MB`, `2GB` in bytes."""
    for unit, factor in (("GB", 10**9), ("MB", 10**6), ("KB", 10**3)):
        number = text.strip().upper().removesuffix(unit)
        if text.strip().upper().endswith(unit) and number.strip().isdecimal():
            return int(number) * factor
    return None


def _redactable(text: str) -> str:
    place = parse_place(text)
    if place is None or place.kind not in ("header", "payload"):
        raise ValueError(
            f"{text!r} cannot be redacted; write header:NAME or payload:PATH (payload:card.number)"
        )
    return text


Duration = Annotated[str, AfterValidator(_duration)]
Redactable = Annotated[str, AfterValidator(_redactable)]
Place = Annotated[str, AfterValidator(_place)]
Start = Annotated[str, AfterValidator(_start)]
Size = Annotated[str, AfterValidator(_size)]


class Section(BaseModel):
    """A section of the file: what it does not know is an error, not a silence."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class KafkaSettings(Section):
    """Where the bus is, and what of it to read."""

    bootstrap: str
    topics: list[str] = Field(min_length=1)
    start: Start = "1h"
    """Where to begin on the very first start: latest, earliest, 24h, or a time."""
    isolation: Literal["read_committed", "read_uncommitted"] = "read_committed"


class FileSettings(Section):
    """A file of event lines (JSON Lines), read to its end and then followed."""

    path: Path


class KeySettings(Section):
    """A business identifier: where it is found."""

    from_: list[Place] = Field(alias="from", min_length=1)


class TopicSettings(Section):
    """What is special about some topics."""

    redact: list[Redactable] = []
    """Payload paths and headers whose values are replaced before anything is stored."""
    names: list[str] | None = None
    """The event names (globs) that these topics carry, where the places alone cannot tell."""


class SourceSettings(Section):
    """One named bus and how its records are read."""

    name: str = Field(pattern=r"^[A-Za-z0-9_.-]+$")
    kafka: KafkaSettings | None = None
    file: FileSettings | None = None
    name_from: list[Place] = ["header:type", "payload:type", "topic"]
    id_from: list[Place] = ["header:event_id", "payload:id"]
    time_from: list[Place] = ["payload:occurred_at", "record"]
    correlation: list[Place] = ["header:correlation_id", "payload:correlation_id"]
    keys: dict[str, KeySettings] = {}
    skew: Duration | None = None
    """How far producers' clocks may differ: 1s for Kafka, 0s for a file."""
    topics: dict[str, TopicSettings] = {}

    @model_validator(mode="after")
    def one_kind(self) -> "SourceSettings":
        if (self.kafka is None) == (self.file is None):
            raise ValueError("a source needs exactly one of `kafka:` and `file:`")
        return self

    @property
    def kind(self) -> str:
        return "kafka" if self.kafka else "file"

    def special(self, topic: str) -> list[TopicSettings]:
        """What is configured for this topic, by every glob that fits."""
        return [one for glob, one in self.topics.items() if fnmatchcase(topic, glob)]

    def skew_us(self) -> int:
        default = "1s" if self.kafka else "0s"
        return parse_duration(self.skew or default) or 0


class StoreSettings(Section):
    """The one DuckDB file."""

    path: Path = Path("nonevent.duckdb")
    memory: Size = "2GB"
