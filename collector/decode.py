"""From a record's bytes to an event: one compiled reader per topic."""

from collections import Counter
from collections.abc import Sequence
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from collector.batch import Gap
from collector.blind import Blind
from collector.by_column import FEW, ROWS, ByColumn
from collector.codecs.content import Content, Needs
from collector.codecs.table import CODECS, MOSTLY_JSON
from collector.codecs.wire import readable
from collector.errors import RegistryAway
from collector.event import Event
from collector.extraction import Extraction
from collector.fields import Fields
from collector.hashing import Hasher
from collector.keep import Condition, Keep
from collector.normalise import NORMALISERS
from collector.places import Place, parse_place
from collector.published_after import PublishedAfter
from collector.record import LAST_MS, PlacedRecord, Record, read_headers, text_of
from collector.redact import Redact, Redaction
from collector.settings import SourceSettings, TopicSettings, parse_size
from collector.times import US_PER_MS

if TYPE_CHECKING:
    from collector.codecs.registry import Registry

_PROBLEMS = attrgetter("problems")


class Reader:
    """Reads the records of one topic of one source as its settings say."""

    def __init__(
        self,
        source: SourceSettings,
        topic: str,
        topic_id: str,
        special: Sequence[TopicSettings],
        registry: "Registry | None" = None,
    ) -> None:
        self._source, self._topic, self._topic_id = source.name, topic, topic_id
        how = _last(special, "normalise", source.normalise)
        self._normalise = None if how == "none" else NORMALISERS[how]
        places = {
            "name": _places(source.name_from),
            "id": _places(source.id_from),
            "time": _places(source.time_from),
            "correlation": _places(_last(special, "correlation", source.correlation)),
        }
        keys = {key: _places(settings.from_) for key, settings in source.keys.items()}
        every = [place for some in (*places.values(), *keys.values()) for place in some]
        fields = Fields(every)
        self._of = Extraction(topic, fields, keys=keys, **places)
        self._nothing = Content(fields.nothing, None, "none")
        self._redaction = _redaction(source, special, NORMALISERS[how])
        attributes = {place.name for place in every if place.kind == "attribute"}
        if any(place.kind == "traceparent" for place in every):
            attributes.add("traceparent")
        format = _last(special, "format", source.format)
        self._registry = registry if format in ("auto", "cloudevents", "avro") else None
        self._always_wire = format == "avro"
        self._decode = CODECS[format](
            Needs(fields, tuple(sorted(attributes)), self._redaction, self._registry)
        )
        self._keep = _keep(source, special)
        self._by_column: ByColumn | None = None
        if self._redaction is None and format in MOSTLY_JSON:
            self._by_column = ByColumn(
                (source.name, topic, topic_id), fields, self._of, MOSTLY_JSON[format],
                self._keep.long, self.normalised if self._normalise else None,
            )  # fmt: skip
        self._keeps_all = self._keep.trivial
        self._blind = Blind(source.name, topic, topic_id)
        self.skipped: Counter[str] = Counter()
        """Events that were not kept, by the reason."""
        self.problems: Counter[str] = Counter()
        """Problems of the events that were kept, by the word before their colon."""
        self.published_after = PublishedAfter()
        """Of the events that were kept, where they came as records of a bus: by `events`."""

    async def readable(self, records: Sequence[Record]) -> tuple[int, RegistryAway | None]:
        """How many of these, from the first, can be decoded now, and what the next one waits for.

        To be asked before `event`, which then never waits: new schemas are fetched here.
        """
        if self._registry is None:
            return len(records), None
        return await readable(records, self._registry, always=self._always_wire)

    def events(self, partition: int, records: Sequence[Record], arrival: int) -> list[Event]:
        """One partition's records as events, without those that are not kept: as `event` has them.

        Whatever could not be read is named in an event's problems, and what is not kept is counted
        in `skipped`. Only a schema that was never asked for raises: RegistryAway.
        """
        found: list[Event] = []
        for start in range(0, len(records), ROWS):
            found += self._some(partition, records[start : start + ROWS], arrival)
        return found

    def _some(self, partition: int, records: Sequence[Record], arrival: int) -> list[Event]:
        by_column, found = self._by_column, None
        if by_column is not None and len(records) >= FEW:
            found = by_column.read(partition, records, arrival)
        if found is None:
            events = [self._read(record, partition, arrival) for record in records]
        else:
            events, odd, later = found
            for row in sorted(odd):
                events[row] = self._read(records[row], partition, arrival)
            if self._keeps_all and not odd and not any(map(_PROBLEMS, events)):
                self.published_after.note(later, arrival)
                return events
        kept = [
            (event, record.timestamp)
            for event, record in zip(events, records, strict=True)
            if self._plain(event) or self.kept(event) is not None
        ]
        self.published_after.note(max(map(_later, kept), default=0), arrival)
        return [event for event, _ in kept]

    def _plain(self, event: Event) -> bool:
        """Whether it is surely kept as it is, and there is nothing to say of it."""
        payload = event.payload
        short = payload is None or len(payload) <= self._keep.long
        return self._keeps_all and short and not event.problems

    def event(self, record: PlacedRecord, arrival: int) -> Event | None:
        """The record as an event; None when it is not kept."""
        return self.kept(self.read(record, arrival))

    def kept(self, event: Event) -> Event | None:
        """The event as it is to be stored, if it is; counted either way."""
        reason = self._keep(event)
        if reason is not None:
            self.skipped[reason] += 1
            return None
        for problem in event.problems:
            self.problems[problem.partition(":")[0]] += 1
        return event

    def normalised(self, ids: Sequence[str]) -> tuple[str, ...]:
        """Correlation IDs as this topic writes them, each once."""
        return tuple(dict.fromkeys(map(self._normalise, ids) if self._normalise else ids))

    def read(self, record: PlacedRecord, arrival: int) -> Event:
        """The event with its whole payload, before it is said what of it is kept."""
        return self._read(record, record.partition, arrival)

    def _read(self, record: Record, partition: int, arrival: int) -> Event:
        headers, value, raw_key = record.headers, record.value, record.key
        if self._redaction is not None:
            headers = self._redaction.headers(headers)
            raw_key = None if raw_key is None else self._redaction.key(raw_key)
        texts, headers_text = read_headers(headers) if headers else ({}, "[]")
        content = self._nothing if value is None else self._decode(value, texts)
        if content.attributes is not None:
            texts = texts | content.attributes
        problems = list(content.problems)
        values, of = content.values, self._of
        key = None if raw_key is None else text_of(raw_key)
        if 0 <= record.timestamp < LAST_MS:
            stamp = record.timestamp * US_PER_MS
        else:
            stamp = arrival
            problems.append("no-record-time")
        time = of.time(texts, values, key, stamp, problems)
        name = of.name(texts, values, key)
        if name is None:
            problems.append("no-name")
        ids = of.correlation(texts, values, key)
        if not ids:
            problems.append("no-correlation-id")
        elif self._normalise is not None:
            ids = self.normalised(ids)
        if content.undecoded and not (ids and of.sure_name(texts, values, key)):
            self._blind.add(partition, record.offset, stamp, problems[0])
        keys = [(k, v) for k, find in of.keys if (v := find(texts, values, key)) is not None]
        return Event(
            self._source, self._topic, self._topic_id, partition, record.offset,
            time, arrival, name or "", ids, of.id(texts, values, key), tuple(keys),
            key, headers_text, content.payload, content.encoding, tuple(problems),
        )  # fmt: skip

    def take_gaps(self) -> list[Gap]:
        """The ranges of what could not be decoded, since this was last asked."""
        return self._blind.take()


def _later(kept: tuple[Event, int]) -> int:
    """How long (µs) after it happened an event was published, by its record's stamp (ms)."""
    event, stamp = kept
    return stamp * US_PER_MS - event.time if 0 <= stamp < LAST_MS else 0


def _last(special: Sequence[TopicSettings], name: str, otherwise: Any) -> Any:
    """What the last of the topic's globs says; else what holds for the source."""
    said = [value for one in special if (value := getattr(one, name)) is not None]
    return said[-1] if said else otherwise


def _redaction(
    source: SourceSettings, special: Sequence[TopicSettings], normalise: Any
) -> Redaction | None:
    wanted = [one for settings in special for one in settings.redact]
    if not wanted:
        return None
    rules = [Redact(_places([one.path])[0], one.how) for one in wanted]
    secret = source.hash_key
    return Redaction(rules, Hasher(secret.get_secret_value(), normalise) if secret else None)


def _keep(source: SourceSettings, special: Sequence[TopicSettings]) -> Keep:
    most = parse_size(_last(special, "max_payload", source.max_payload))
    assert most is not None  # the settings have checked it
    return Keep(
        [_compiled(settings.ignore) for settings in special if settings.ignore is not None],
        _last(special, "sample", None),
        _last(special, "store", "payload"),
        most,
    )


def _compiled(text: str) -> Condition:
    # Here, because CEL's parser takes a tenth of a second to load, and most have no condition.
    from collector.cel import compile_cel

    return compile_cel(text, frozenset(("event",)))


def _places(texts: Sequence[str]) -> list[Place]:
    places = [parse_place(text) for text in texts]
    assert None not in places, texts  # the settings have checked them
    return [place for place in places if place is not None]
