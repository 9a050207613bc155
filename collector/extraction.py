"""A topic's places, compiled: what is found in a record, and where."""

from collections.abc import Mapping, Sequence
from typing import TypeGuard, cast

from collector.fields import Fields, Values
from collector.header_columns import HeaderColumns
from collector.lookup import (
    Keys,
    Texts,
    column,
    everies_of,
    every_of,
    first_of,
    firsts_of,
    lookup,
)
from collector.places import Place
from collector.times import parse_time, parse_times

YEAR_2000 = 946_684_800_000_000
DAY = 86_400_000_000


class Extraction:
    """Finds an event's name, ID, time, correlation IDs and keys."""

    def __init__(
        self,
        topic: str,
        fields: Fields,
        *,
        name: Sequence[Place],
        id: Sequence[Place],
        time: Sequence[Place],
        correlation: Sequence[Place],
        keys: Mapping[str, Sequence[Place]],
    ) -> None:
        self.name = first_of(name, topic, fields)
        self.id = first_of(id, topic, fields)
        self.correlation = every_of(correlation, topic, fields)
        self.keys = [(key, first_of(places, topic, fields)) for key, places in keys.items()]
        self._time = [
            None if place.kind == "record" else lookup(place, topic, fields) for place in time
        ]
        # The same of many records at once.
        self.names = firsts_of(name, topic, fields)
        self.ids = firsts_of(id, topic, fields)
        self.correlations = everies_of(correlation, topic, fields)
        self.each_key = [(key, firsts_of(places, topic, fields)) for key, places in keys.items()]
        self._times = [
            None if place.kind == "record" else column(place, topic, fields) for place in time
        ]
        self.sure_name = first_of(_before_payload(name), topic, fields)
        """The name as it is whatever the payload says; None where the payload may name it."""

    def time(
        self, texts: Texts, values: Values, key: str | None, stamp: int, problems: list[str]
    ) -> int:
        """When it happened, by its own account if that can be; else the record's time."""
        for look in self._time:
            raw = None if look is None else look(texts, values, key)
            if raw is None:
                if look is None:
                    return stamp
                continue
            time = parse_time(raw)
            if time is None:
                problems.append("time-unreadable")
            elif time < YEAR_2000 or time > stamp + DAY:
                problems.append("time-implausible")
            else:
                return time
            return stamp
        return stamp

    def times(
        self,
        headers: HeaderColumns,
        values: Sequence[Values],
        keys: Keys,
        stamps: Sequence[int],
        odd: set[int],
    ) -> list[int]:
        """The times of many; those with something to say of it are put among the odd ones."""
        for look in self._times:
            raws = None if look is None else look(headers, values, keys)
            if raws is None:
                break
            absent = raws.count(None)
            if absent == len(raws):
                continue
            times = None if absent else parse_times(raws)
            if times is not None and _plausible(times, stamps):
                return times
            return self._each_time(headers, values, keys, stamps, odd)
        return list(stamps)

    def _each_time(
        self,
        headers: HeaderColumns,
        values: Sequence[Values],
        keys: Keys,
        stamps: Sequence[int],
        odd: set[int],
    ) -> list[int]:
        times, problems = [], list[str]()
        for row, one in enumerate(zip(headers.texts(), values, keys, stamps, strict=True)):
            times.append(self.time(*one, problems))
            if problems:
                odd.add(row)
                problems.clear()
        return times


def _plausible(times: list[int | None], stamps: Sequence[int]) -> TypeGuard[list[int]]:
    """Whether all are; it may say no where the records' times lie apart."""
    if None in times:
        return False
    found = cast(list[int], times)
    return min(found) >= YEAR_2000 and max(found) <= min(stamps) + DAY


def _before_payload(places: Sequence[Place]) -> list[Place]:
    """Those that a payload which was not read cannot have overruled."""
    first = next((i for i, place in enumerate(places) if place.kind == "payload"), len(places))
    return list(places[:first])
