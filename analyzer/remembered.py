"""The live cache as bytes, written beside the offsets: what a restart takes up again.

It is a cache of a cache. Whatever does not fit what is stored is dropped, and read back from the
events.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import msgspec
import pyarrow as pa

from analyzer.open_flow import DONE, FOUND, OpenFlow
from analyzer.origins import Origins
from analyzer.shape import Shapes
from collector.glimpse import Origin

FORMAT = 2
FLOWS = 20_000
"""In one piece."""
_ZSTD = pa.Codec("zstd", compression_level=1)
_SIZE = 8


class _Head(msgspec.Struct, array_like=True):
    format: int
    key: str
    seq: int
    pieces: int
    origins: list[Origin]
    masks: list[str]
    """The shapes, in hexadecimal: of many names they are long."""
    pending: list[str]


class _Piece(msgspec.Struct, array_like=True):
    """Flows, a column each."""

    ids: list[str]
    packed: list[bytes]
    counts: list[int]
    shapes: list[int]
    states: list[int]
    dues: list[int]


@dataclass(frozen=True, slots=True)
class Remembered:
    """What the cache held when all events up to `seq` were in it."""

    seq: int
    flows: dict[str, OpenFlow]
    origins: list[Origin]
    pending: set[str]
    """Flows that were let go of although an event may settle something in them."""


def written(
    key: str, seq: int, flows: Mapping[str, OpenFlow], origins: Origins, pending: Iterable[str]
) -> list[bytes]:
    """`key`: what must be the same for any of it to be of use."""
    # What is done is left out: it is read back if ever an event comes for it.
    kept = [(id, flow) for id, flow in flows.items() if not flow.state & DONE]
    masks: dict[int, int] = {}
    pieces = []
    for first in range(0, len(kept), FLOWS):
        some = kept[first : first + FLOWS]
        piece = _Piece(
            [id for id, _ in some],
            [bytes(flow.packed) for _, flow in some],
            [flow.count for _, flow in some],
            [masks.setdefault(flow.shape.mask, len(masks)) for _, flow in some],
            [flow.state & ~FOUND for _, flow in some],
            [flow.due for _, flow in some],
        )
        pieces.append(_shrunk(piece))
    head = _Head(
        FORMAT,
        key,
        seq,
        len(pieces),
        origins.all(),
        [f"{mask:x}" for mask in masks],
        sorted(pending),
    )
    return [_shrunk(head), *pieces]


def read(parts: Sequence[bytes], key: str, shapes: Shapes) -> Remembered | None:
    """None where there is nothing of use."""
    if not parts:
        return None
    try:
        head = _heads.decode(_unshrunk(parts[0]))
    except msgspec.ValidationError:
        return None  # of another format
    if head.format != FORMAT or head.key != key or head.pieces >= len(parts):
        return None
    of = [shapes.of(int(mask, 16)) for mask in head.masks]
    flows: dict[str, OpenFlow] = {}
    for part in parts[1 : head.pieces + 1]:
        piece = _pieces.decode(_unshrunk(part))
        for id, packed, count, shape, state, due in zip(
            piece.ids, piece.packed, piece.counts, piece.shapes, piece.states, piece.dues,
            strict=True,
        ):  # fmt: skip
            flow = flows[id] = OpenFlow(of[shape])
            flow.packed, flow.count, flow.state, flow.due = packed, count, state, due
            flow.make_room()
    return Remembered(head.seq, flows, head.origins, set(head.pending))


_encode = msgspec.msgpack.Encoder().encode
_heads = msgspec.msgpack.Decoder(_Head)
_pieces = msgspec.msgpack.Decoder(_Piece)


def _shrunk(part: _Head | _Piece) -> bytes:
    plain = _encode(part)
    shrunk: bytes = _ZSTD.compress(plain, asbytes=True)
    return len(plain).to_bytes(_SIZE, "little") + shrunk


def _unshrunk(part: bytes) -> bytes:
    size = int.from_bytes(part[:_SIZE], "little")
    plain: bytes = _ZSTD.decompress(part[_SIZE:], size, asbytes=True)
    return plain
