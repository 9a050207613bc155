"""Many records at once, a column at a time: a call for each column instead of a dozen a record.

What is not as most records are (no JSON, a header that is no text or stands twice, a time that
cannot be) is left to the reader of single records, so that there is one account of what it means.
"""

from collections.abc import Callable, Iterable, Sequence
from itertools import repeat
from operator import add, sub

from collector.event import Event
from collector.extraction import Extraction
from collector.fields import Fields, Values
from collector.header_columns import HeaderColumns
from collector.payload import UNDECODABLE
from collector.record import LAST_MS, Record, text_of
from collector.times import US_PER_MS

ROWS = 512
"""Records at a time: their columns stay in the processor's cache."""
FEW = 8
"""For fewer records columns are not worth their while."""


class ByColumn:
    """One topic's records. `doubtful` tells by their headers which payloads may be no JSON."""

    def __init__(
        self,
        where: tuple[str, str, str],
        fields: Fields,
        of: Extraction,
        doubtful: Callable[[HeaderColumns], set[int]],
        long: int,
        normalised: Callable[[Sequence[str]], tuple[str, ...]] | None,
    ) -> None:
        self._source, self._topic, self._topic_id = where
        self._fields, self._of, self._doubtful = fields, of, doubtful
        self._long, self._normalised = long, normalised

    def read(
        self, partition: int, records: Sequence[Record], arrival: int
    ) -> tuple[list[Event], set[int], int] | None:
        """Their events, which of these are none (those of records to be read by themselves), and
        where there are no such how long (µs) after it happened one was published at most.

        None when most are such.
        """
        odd: set[int] = set()
        raws = [record.value for record in records]
        values = self._values(raws, odd)
        if len(odd) > len(records) // 2:
            return None
        headers = HeaderColumns([record.headers for record in records], odd)
        payloads = _texts(raws, odd)
        if max(map(len, filter(None, payloads)), default=0) > self._long:
            odd |= {row for row, text in enumerate(payloads) if text and len(text) > self._long}
        odd |= self._doubtful(headers)
        keys = [None if key is None else text_of(key) for key in [one.key for one in records]]
        stamps = self._stamps(records, arrival, odd)
        of = self._of
        times = of.times(headers, values, keys, stamps, odd)
        names = of.names(headers, values, keys)
        ids = of.correlations(headers, values, keys)
        if self._normalised is not None:
            ids = list(map(self._normalised, ids))
        if all(names) and all(ids):
            problems: Iterable[tuple[str, ...]] = repeat(())
        else:
            problems = list(map(_missing, names, ids))
            names = [name or "" for name in names]
        events = list(map(
            Event,
            repeat(self._source), repeat(self._topic), repeat(self._topic_id), repeat(partition),
            [record.offset for record in records],
            times, repeat(arrival), names, ids, of.ids(headers, values, keys),
            self._business_keys(headers, values, keys),
            keys, headers.json, payloads, _encodings(payloads), problems,
        ))  # fmt: skip
        return events, odd, 0 if odd else max(map(sub, stamps, times))

    def _values(self, raws: Sequence[bytes | None], odd: set[int]) -> list[Values]:
        try:
            return self._fields.decode_each(raws)
        except UNDECODABLE:
            pass
        found, decode, nothing = [], self._fields.decode, self._fields.nothing
        for row, raw in enumerate(raws):
            try:
                found.append(nothing if raw is None else decode(raw))
            except UNDECODABLE:
                odd.add(row)
                found.append(nothing)
            if len(odd) == FEW == len(found):
                # No JSON at all, so it seems: it is not worth trying all of them.
                odd.update(range(len(raws)))
                break
        return found

    def _stamps(self, records: Sequence[Record], arrival: int, odd: set[int]) -> list[int]:
        stamps = [record.timestamp for record in records]
        if min(stamps) < 0 or max(stamps) >= LAST_MS:
            for row, stamp in enumerate(stamps):
                if not 0 <= stamp < LAST_MS:
                    odd.add(row)
                    stamps[row] = arrival // US_PER_MS
        return [stamp * US_PER_MS for stamp in stamps]

    def _business_keys(
        self, headers: HeaderColumns, values: Sequence[Values], keys: Sequence[str | None]
    ) -> list[tuple[tuple[str, str], ...]]:
        found: list[tuple[tuple[str, str], ...]] = []
        for name, finds in self._of.each_key:
            column = finds(headers, values, keys)
            pairs: list[tuple[tuple[str, str], ...]] = [
                () if value is None else ((name, value),) for value in column
            ]
            found = list(map(add, found, pairs)) if found else pairs
        return found or [()] * len(keys)


def _missing(name: str | None, ids: tuple[str, ...]) -> tuple[str, ...]:
    if name:
        return () if ids else ("no-correlation-id",)
    return ("no-name",) if ids else ("no-name", "no-correlation-id")


def _texts(raws: Sequence[bytes | None], odd: set[int]) -> list[str | None]:
    try:
        return [None if raw is None else raw.decode() for raw in raws]
    except UnicodeDecodeError:
        found: list[str | None] = []
        for row, raw in enumerate(raws):
            try:
                found.append(None if raw is None else raw.decode())
            except UnicodeDecodeError:
                odd.add(row)
                found.append(None)
        return found


def _encodings(payloads: Sequence[str | None]) -> list[str]:
    if None in payloads:
        return ["none" if payload is None else "json" for payload in payloads]
    return ["json"] * len(payloads)
