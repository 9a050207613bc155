"""What a tap in a process of its own says to the daemon: one frame after another, over a pipe.

Events cross twice: as the columns that are stored, and as glimpses for the stages. Both are made
on the tap's side, so that the daemon's side has nothing left to convert.
"""

from typing import BinaryIO

import msgspec
import pyarrow as pa

from collector.batch import Batch, Gap, PartitionState
from collector.glimpse import glimpses_in
from collector.interest import Interest
from collector.sources.condition import Condition
from collector.store.columns import Columns

_LENGTH = 8


class Started(msgspec.Struct, tag=True, array_like=True):
    """The tap has connected and knows where to go on."""


class Failed(msgspec.Struct, tag=True, array_like=True):
    """It could not start. `why` says what to do about it."""

    why: str
    configuration: bool
    """Whether it is wrong here, and no waiting helps."""


class Said(msgspec.Struct, tag=True, array_like=True):
    """A batch, and how the tap stands with its bus."""

    condition: Condition
    now: int
    glimpses: bytes
    partitions: list[PartitionState]
    gaps: list[Gap]
    table: bytes
    lengths: list[int]
    blocks: list[bytes]
    decoded_in: int = 0

    @classmethod
    def of(cls, batch: Batch, condition: Condition, interest: Interest) -> "Said":
        columns = Columns.of(batch.events)
        return cls(
            condition, batch.now, interest.glimpses(batch.events).written(), batch.partitions,
            batch.gaps, _table_bytes(columns.table), columns.lengths, columns.blocks,
            batch.decoded_in,
        )  # fmt: skip

    def batch(self) -> Batch:
        with pa.ipc.open_stream(self.table) as reader:
            table = reader.read_next_batch()
        return Batch(
            [], self.partitions, self.gaps, now=self.now, decoded_in=self.decoded_in,
            columns=Columns(table, self.lengths, self.blocks), glimpses=glimpses_in(self.glimpses),
        )  # fmt: skip


Frame = Started | Failed | Said

_encode = msgspec.msgpack.Encoder().encode
_decoder: msgspec.msgpack.Decoder[Frame] = msgspec.msgpack.Decoder(Frame)


def _table_bytes(table: pa.RecordBatch) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_batch(table)
    written: bytes = sink.getvalue().to_pybytes()
    return written


def write(pipe: BinaryIO, frame: Frame) -> None:
    data = _encode(frame)
    pipe.write(len(data).to_bytes(_LENGTH, "little"))
    pipe.write(data)
    pipe.flush()


def read(pipe: BinaryIO) -> Frame | None:
    """The next frame; None where the other side has ended, in the midst of one or not."""
    head = pipe.read(_LENGTH)
    data = pipe.read(int.from_bytes(head, "little")) if len(head) == _LENGTH else b""
    if len(head) < _LENGTH or len(data) < int.from_bytes(head, "little"):
        return None
    return _decoder.decode(data)
