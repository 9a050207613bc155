"""Each payload in the format that it is in: by what its headers and its first bytes say."""

from collector.codecs.cloudevents import STRUCTURED, Structured
from collector.codecs.content import Codec, Content, Needs
from collector.codecs.json import Json
from collector.codecs.wire import Wire, is_wire
from collector.lookup import Texts
from collector.record import content_type


class Auto:
    """In this order: what the content type says; with a registry, its wire format; JSON; text.

    A content type other than JSON's is no promise of JSON: text is then no problem.
    """

    def __init__(self, needs: Needs) -> None:
        self._json = Json(needs).read
        self._structured: Codec = Structured(needs)
        self._wire: Codec | None = Wire(needs) if needs.registry is not None else None

    def __call__(self, value: bytes, texts: Texts) -> Content:
        said = content_type(texts)
        if said == STRUCTURED:
            return self._structured(value, texts)
        if self._wire is not None and is_wire(value, said):
            return self._wire(value, texts)
        content = self._json(value)
        if content.problems and said is not None and not promises_json(said):
            content.problems = tuple(p for p in content.problems if p not in NO_JSON)
        return content


NO_JSON = ("bad-json", "empty-payload")


def promises_json(media_type: str) -> bool:
    """application/octet-stream says nothing: many clients write it on whatever they send."""
    return media_type.endswith("json") or media_type == "application/octet-stream"
