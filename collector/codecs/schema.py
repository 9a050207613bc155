"""What a schema can do, and what it says when it cannot."""

from dataclasses import dataclass
from typing import Protocol


class Schema(Protocol):
    """Turns payloads into JSON."""

    @property
    def encoding(self) -> str:
        """What its payloads are stored as."""

    def decode(self, body: bytes) -> tuple[bytes, tuple[str, ...]]:
        """The body as JSON, and what is to be said of it; raises BadBody."""


@dataclass(frozen=True)
class Unusable:
    """A schema that nothing can be decoded with; `problem` is what its events will carry."""

    problem: str


class BadSchema(Exception):
    """A schema that cannot be compiled."""


class BadBody(Exception):
    """A payload is not what its schema says; `problem` is what its event will carry."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem
