"""The collector's part of `nonevent.yaml`: sources and the store."""

from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    model_validator,
)

from collector.places import PLACE_HELP, parse_place
from collector.times import parse_duration, parse_time


def _duration(text: str) -> str:
    if parse_duration(text) is None:
        raise ValueError(f"{text!r} is not a duration; write e.g. 500ms, 30s, 5m, 2h or 1d")
    return text


def _ahead(text: str) -> str:
    return text if text == "none" else _duration(text)


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
    if place is None or place.kind not in ("header", "payload", "attribute", "key"):
        raise ValueError(
            f"{text!r} cannot be redacted; write header:NAME, payload:PATH "
            "(payload:card.number), attribute:NAME or key"
        )
    return text


def _as_mapping(value: Any) -> Any:
    """`payload.card` alone is short for {path: payload.card}."""
    return {"path": value} if isinstance(value, str) else value


def _condition(text: str) -> str:
    # Here, because CEL's parser takes a tenth of a second to load, and most have no condition.
    from collector.cel import GuardError, check_kinds, compile_cel

    try:
        compile_cel(text, frozenset(("event",)))
        check_kinds(text, condition=True)
    except GuardError as error:
        raise ValueError(f"column {error.column}: {error}") from None
    return text


PARENT = "parent"
"""The key under which a flow's parent is kept."""

Duration = Annotated[str, AfterValidator(_duration)]
Ahead = Annotated[str, AfterValidator(_ahead)]
Redactable = Annotated[str, AfterValidator(_redactable)]
Place = Annotated[str, AfterValidator(_place)]
Start = Annotated[str, AfterValidator(_start)]
Condition = Annotated[str, AfterValidator(_condition)]
Size = Annotated[str, AfterValidator(_size)]


class Section(BaseModel):
    """A section of the file: what it does not know is an error, not a silence."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class TlsSettings(Section):
    """An encrypted connection; with a certificate of our own where the broker wants one."""

    ca: Path | None = None
    """PEM of the authority that signed the brokers' certificates; else the system's."""
    cert: Path | None = None
    key: Path | None = None
    """PEM; where it is left out, the key is in `cert`."""
    key_password: SecretStr | None = None
    check_hostname: bool = True

    @model_validator(mode="after")
    def a_key_belongs_to_a_certificate(self) -> "TlsSettings":
        if self.cert is None and (self.key or self.key_password):
            raise ValueError("`key` and `key_password` need `cert`, the certificate they belong to")
        return self

    def relative_to(self, folder: Path) -> "TlsSettings":
        paths = {"ca": self.ca, "cert": self.cert, "key": self.key}
        return self.model_copy(update={name: folder / p for name, p in paths.items() if p})


class SaslSettings(Section):
    """Who we are: by password, or by a token (given, or fetched with client credentials)."""

    mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"]
    username: str | None = None
    password: SecretStr | None = None
    token: SecretStr | None = None
    token_url: str | None = Field(default=None, pattern=r"^https?://")
    client_id: str | None = None
    client_secret: SecretStr | None = None
    scope: str | None = None

    @model_validator(mode="after")
    def what_the_mechanism_needs(self) -> "SaslSettings":
        by_password = {"username", "password"}
        by_client = {"token_url", "client_id", "client_secret"}
        given = {name for name, value in self if value is not None} - {"mechanism"}
        if self.mechanism != "OAUTHBEARER":
            ways = [by_password]
        else:
            ways = [{"token"}, by_client, by_client | {"scope"}]
        if given not in ways:
            needs = " or ".join(", ".join(sorted(way)) for way in ways[:2])
            raise ValueError(f"{self.mechanism} takes {needs}")
        return self


class ConsumerSettings(Section):
    """Which consumer groups are watched, and how often. Nothing is joined or committed."""

    enabled: bool = True
    groups: list[str] = Field(default=["*"], min_length=1)
    """Globs; with `!` in front: groups to leave out. Named ones are asked for though they are not
    listed."""
    every: Duration = "5s"
    from_: Literal["admin", "offsets_topic"] = Field(default="admin", alias="from")
    """Where commits are seen: by asking for them, or exactly and in time in Kafka's own topic."""

    @model_validator(mode="after")
    def not_too_often(self) -> "ConsumerSettings":
        if (parse_duration(self.every) or 0) < 100_000:
            raise ValueError("`every` is at least 100ms")
        return self

    def every_us(self) -> int:
        return parse_duration(self.every) or 0


class KafkaSettings(Section):
    """Where the bus is, and what of it to read."""

    bootstrap: str
    topics: list[str] = Field(min_length=1)
    """Globs; with `!` in front: topics to leave out."""
    start: Start = "1h"
    """Where to begin on the very first start: latest, earliest, 24h, or a time."""
    isolation: Literal["read_committed", "read_uncommitted"] = "read_committed"
    ahead: Ahead = "5m"
    """When catching up, no partition reads further past the slowest, in record time."""
    consumers: ConsumerSettings = ConsumerSettings()
    tls: TlsSettings | None = None
    sasl: SaslSettings | None = None

    @model_validator(mode="after")
    def some_topic_is_wanted(self) -> "KafkaSettings":
        if all(glob.startswith("!") for glob in self.topics):
            raise ValueError("`topics` only leaves out: name what to read too, as in ['*', '!x.*']")
        return self

    def ahead_us(self) -> int | None:
        return None if self.ahead == "none" else parse_duration(self.ahead)

    def relative_to(self, folder: Path) -> "KafkaSettings":
        return self.model_copy(update={"tls": self.tls and self.tls.relative_to(folder)})


class FileSettings(Section):
    """A file of event lines (JSON Lines), read to its end and then followed."""

    path: Path

    def relative_to(self, folder: Path) -> "FileSettings":
        return self.model_copy(update={"path": folder / self.path})


class KeySettings(Section):
    """A business identifier: where it is found."""

    from_: list[Place] = Field(alias="from", min_length=1)
    ties: bool = False
    """Events that carry one value of it are one flow."""


Format = Literal["auto", "json", "text", "bytes", "cloudevents", "avro"]
Normalise = Literal["none", "lower", "uuid"]


class RegistrySettings(Section):
    """Where the schemas of Avro payloads are asked for."""

    url: str = Field(pattern=r"^https?://")
    username: str | None = None
    password: SecretStr | None = None
    token: SecretStr | None = None
    """A bearer token, instead of name and password."""
    timeout: Duration = "3s"
    tls: TlsSettings | None = None

    @model_validator(mode="after")
    def one_way_in(self) -> "RegistrySettings":
        if (self.username is None) != (self.password is None):
            raise ValueError("`username` and `password` belong together")
        if self.token is not None and self.username is not None:
            raise ValueError("give `token`, or `username` and `password`, not both")
        return self

    def relative_to(self, folder: Path) -> "RegistrySettings":
        return self.model_copy(update={"tls": self.tls and self.tls.relative_to(folder)})


class RedactSettings(Section):
    """One thing that is not stored as it came."""

    path: Redactable
    how: Literal["mask", "drop", "hash"] = "mask"


class TopicSettings(Section):
    """What is special about some topics. Where several globs fit, the last word counts."""

    format: Format | None = None
    correlation: list[Place] | None = None
    normalise: Normalise | None = None
    redact: list[Annotated[RedactSettings, BeforeValidator(_as_mapping)]] = []
    """Payload paths, headers, attributes and keys; what several globs name is all redacted."""
    ignore: Condition | None = None
    """Events for which this is true are not stored; with several globs, for which any is."""
    sample: float | None = Field(default=None, gt=0, le=1)
    """The share of correlation IDs whose events are stored."""
    store: Literal["payload", "headers", "position"] | None = None
    max_payload: Size | None = None
    names: list[str] | None = None
    """The event names (globs) that these topics carry, where the places alone cannot tell."""


class SourceSettings(Section):
    """One named bus and how its records are read."""

    name: str = Field(pattern=r"^[A-Za-z0-9_.-]+$")
    kafka: KafkaSettings | None = None
    file: FileSettings | None = None
    format: Format = "auto"
    registry: RegistrySettings | None = None
    name_from: list[Place] = ["header:type", "attribute:type", "payload:type", "topic"]
    id_from: list[Place] = ["header:event_id", "attribute:id", "payload:id"]
    time_from: list[Place] = ["payload:occurred_at", "attribute:time", "record"]
    correlation: list[Place] = [
        "header:correlation_id", "attribute:correlationid", "payload:correlation_id",
    ]  # fmt: skip
    normalise: Normalise = "none"
    """How correlation IDs are written: as they come, in lower case, or UUIDs in their usual form"""
    keys: dict[str, KeySettings] = {}
    hash_key: SecretStr | None = Field(default=None, min_length=16)
    """What `how: hash` is keyed with: who does not know it cannot guess what was hashed."""
    max_payload: Size = "1MB"
    """Of longer payloads the beginning is stored, with their size and hash."""
    parent: list[Place] = []
    """Where an event names the flow that its own came from: linked, and not merged."""
    skew: Duration | None = None
    """How far producers' clocks may differ: 1s for Kafka, 0s for a file."""
    topics: dict[str, TopicSettings] = {}

    @model_validator(mode="after")
    def one_kind(self) -> "SourceSettings":
        if (self.kafka is None) == (self.file is None):
            raise ValueError("a source needs exactly one of `kafka:` and `file:`")
        return self

    @model_validator(mode="after")
    def what_is_used_is_given(self) -> "SourceSettings":
        if self.registry is not None and self.kafka is None:
            raise ValueError("`registry:` is for `kafka:` only: event lines hold no Avro")
        formats = [self.format, *(topic.format for topic in self.topics.values())]
        if "avro" in formats and self.registry is None:
            raise ValueError("`format: avro` needs `registry:`, where the schemas are")
        ways = [one.how for topic in self.topics.values() for one in topic.redact]
        if "hash" in ways and self.hash_key is None:
            raise ValueError('`how: hash` needs `hash_key:`; write e.g. "${NONEVENT_HASH_KEY}"')
        return self

    @model_validator(mode="after")
    def parent_is_a_key(self) -> "SourceSettings":
        if self.parent:
            kept = KeySettings.model_validate({"from": self.parent})
            if self.keys.setdefault(PARENT, kept) != kept:
                raise ValueError(f"`parent:` is kept as the key `{PARENT}`: rename that key")
        return self

    @property
    def kind(self) -> str:
        return "kafka" if self.kafka else "file"

    def relative_to(self, folder: Path) -> "SourceSettings":
        """The same with its paths taken from this folder."""
        where = self.kafka or self.file
        registry = self.registry and self.registry.relative_to(folder)
        update = {self.kind: where and where.relative_to(folder), "registry": registry}
        return self.model_copy(update=update)

    def special(self, topic: str) -> list[TopicSettings]:
        """What is configured for this topic, by every glob that fits."""
        return [one for glob, one in self.topics.items() if fnmatchcase(topic, glob)]

    def carries(self, topic: str) -> tuple[str, ...] | None:
        """The names that a topic can carry: as declared, or its own where only it names events."""
        declared = [n for s in self.special(topic) if s.names is not None for n in s.names]
        if declared:
            return tuple(declared)
        return (topic,) if self.name_from == ["topic"] else None

    def skew_us(self) -> int:
        default = "1s" if self.kafka else "0s"
        return parse_duration(self.skew or default) or 0


class StoreSettings(Section):
    """The one DuckDB file."""

    path: Path = Path("nonevent.duckdb")
    memory: Size = "2GB"
    retention: Duration = "7d"
    """How long events are kept after they were stored; those of open flows are kept longer."""
    max_size: Size = "20GB"
    """Of the file: beyond it the oldest events go, though they are younger than `retention`."""
    max_flow_age: Duration = "30d"
    """After this even an open flow's events go."""

    @model_validator(mode="after")
    def open_flows_are_kept_longer(self) -> "StoreSettings":
        if (parse_duration(self.max_flow_age) or 0) < (parse_duration(self.retention) or 0):
            raise ValueError("`max_flow_age` is shorter than `retention`: make it longer, or equal")
        return self
