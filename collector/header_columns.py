"""The headers of many records: as a column for each name, and as the JSON that is stored."""

import functools
from collections.abc import Sequence
from itertools import chain

import msgspec

from collector.record import Headers

_encode = msgspec.json.Encoder().encode
_encode_lines = msgspec.json.Encoder().encode_lines
_BETWEEN = "\n"
"""Between the values of all records while they are one text: JSON escapes it."""


class HeaderColumns:
    """Those whose headers are no text, or stand twice, are put among the odd ones.

    Where all records have the same names in the same order, as those of one producer do, nothing
    is made for a single record but its JSON.
    """

    def __init__(self, headers: Sequence[Headers], odd: set[int]) -> None:
        self._rows = len(headers)
        self._columns: dict[str, list[str]] | None = {}
        self._texts: list[dict[str, str]] | None = None
        self.json: list[str] = []
        if not self._read_alike(headers):
            self._columns = None
            self._read_each(headers, odd)

    def column(self, name: str) -> Sequence[str | None]:
        """The values of one header; None where there is none of that name."""
        if self._columns is None:
            return [some.get(name) for some in self.texts()]
        return self._columns.get(name) or [None] * self._rows

    def texts(self) -> list[dict[str, str]]:
        """The headers of each record by name."""
        if self._texts is None:
            columns = self._columns or {}
            rows = zip(*columns.values(), strict=True) if columns else [()] * self._rows
            self._texts = [dict(zip(columns, row, strict=True)) for row in rows]
        return self._texts

    def _read_alike(self, headers: Sequence[Headers]) -> bool:
        pairs = list(chain.from_iterable(headers))
        if not pairs:
            self.json = ["[]"] * self._rows
            return True
        width = len(headers[0])
        names = [name for name, _ in pairs]
        own = names[:width]
        # Names alone do not tell: one record may lack what the next one has twice.
        if set(map(len, headers)) != {width} or names != own * self._rows or len(set(own)) != width:
            return False
        try:
            raw = _BETWEEN.encode().join([raw for _, raw in pairs])
            text = raw.decode()
        except (TypeError, UnicodeDecodeError):  # a header without a value; one that is no text
            return False
        values = text.split(_BETWEEN)
        if len(values) != len(pairs):
            return False
        self._columns = {name: values[at::width] for at, name in enumerate(own)}
        if len(_encode(text)) == len(raw) + 2 + len(pairs) - 1:
            # Nothing but what is between them needs to be escaped.
            self.json = _woven(tuple(own), values)
        else:
            rows = zip(*self._columns.values(), strict=True)
            self.json = _lines([list(zip(own, row, strict=True)) for row in rows])
        return True

    def _read_each(self, headers: Sequence[Headers], odd: set[int]) -> None:
        pairs = []
        for row, some in enumerate(headers):
            try:
                pairs.append([(name, raw.decode() if raw else "") for name, raw in some])
            except UnicodeDecodeError:
                odd.add(row)
                pairs.append([])
        self._texts = list(map(dict, pairs))
        odd |= {row for row, some in enumerate(pairs) if len(some) != len(self._texts[row])}
        self.json = _lines(pairs)


def _lines(pairs: Sequence[Sequence[tuple[str, str]]]) -> list[str]:
    return _encode_lines(pairs).decode().split("\n")[:-1]


def _woven(names: tuple[str, ...], values: Sequence[str]) -> list[str]:
    """The JSON of all records with headers of these names, from values that need no escapes."""
    first, *others, end = _around(names)
    around = [f"{end}\n{first}", *others] * (len(values) // len(names))
    around[0] = first
    woven = [""] * (2 * len(values))
    woven[0::2], woven[1::2] = around, values
    return ("".join(woven) + end).split("\n")


@functools.lru_cache(maxsize=256)
def _around(names: tuple[str, ...]) -> list[str]:
    """What stands before, between and behind the values in the JSON of such headers."""
    written = [_encode(name).decode() for name in names]
    return [f'[[{written[0]},"', *(f'"],[{name},"' for name in written[1:]), '"]]']
