"""How many events that no rule names are in a flow: at least so many, in 8 MB for any number."""

from array import array

MASK = (1 << 20) - 1
"""They are counted by these bits of their flow's hash, together with those of other flows."""


class Unnamed:
    """Counts by bucket. `buckets` and `mask` are for the loop that every event passes."""

    __slots__ = ("buckets", "mask")

    def __init__(self) -> None:
        self.mask = MASK
        self.buckets = array("Q", bytes(8 * (MASK + 1)))

    def add(self, flow_id: str, count: int = 1) -> None:
        self.buckets[hash(flow_id) & self.mask] += count

    def of(self, flow_id: str) -> int:
        return self.buckets[hash(flow_id) & self.mask]
