"""The fields of a document that some place names: what is read of every payload."""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from collector.places import Place

Values = tuple[Any, ...]
"""The values of the named fields, in the order of their names; the last is a document's own."""

_astuple = msgspec.structs.astuple


class Fields:
    """Decodes only the top-level fields that places name, and checks the whole.

    A document that is a list has no fields; where places begin with an index, it is read itself.
    """

    def __init__(self, places: Sequence[Place]) -> None:
        first = [place.path[0] for place in places if place.kind == "payload"]
        self._names = sorted({step for step in first if isinstance(step, str) and step != "*"})
        self._lists = any(isinstance(step, int) or step == "*" for step in first)
        self._index = {name: index for index, name in enumerate(self._names)}
        self.nothing: Values = (None,) * (len(self._names) + 1)
        named = [
            (f"f{i}", Any, msgspec.field(default=None, name=name))
            for i, name in enumerate(self._names)
        ]
        needed = msgspec.defstruct("Needed", named, gc=False)
        self._needed = msgspec.json.Decoder(needed).decode

    def index(self, step: str | int) -> int:
        """Where the values hold what a path's first step names."""
        return self._index.get(step, len(self._names)) if isinstance(step, str) else -1

    def decode(self, raw: bytes) -> Values:
        """JSON to values; raises what msgspec raises: ValidationError for another shape."""
        values = _astuple(self._needed(raw))
        return (*values, None) if self._lists else values

    def decode_each(self, raws: Iterable[bytes | None]) -> list[Values]:
        """The same of many payloads; of none, that nothing is in it."""
        needed, nothing = self._needed, self.nothing
        if self._lists:
            return [nothing if raw is None else self.decode(raw) for raw in raws]
        return [nothing if raw is None else _astuple(needed(raw)) for raw in raws]

    def of(self, document: object) -> Values:
        """The values of a document that is decoded already."""
        if isinstance(document, dict):
            return (*map(document.get, self._names), None)
        if isinstance(document, list) and self._lists:
            return (*self.nothing[:-1], document)
        return self.nothing

    def of_other(self, raw: bytes) -> Values:
        """JSON that is no object, or one that is not sound: it raises what msgspec raises."""
        return self.of(msgspec.json.decode(raw))
