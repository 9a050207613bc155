"""One conversation with the crew: everything about it follows from the seed and its number."""

from __future__ import annotations

from dataclasses import dataclass

from demo.chance import chance
from demo.faults import Fault, Reach
from demo.services.event import Payload
from demo.switches import Switches

SUBJECTS = ("churn in the spring", "the price of kettles", "late parcels", "returns by region")
PREFIX = "ask-"


@dataclass(frozen=True)
class Conversation:
    """What was asked, and what is going to happen to it."""

    number: int
    flow: str
    subject: str
    fault: Fault | None

    @property
    def key(self) -> str:
        return f"{PREFIX}{self.number:05d}"

    def about(self) -> Payload:
        return {"request_id": self.key, "subject": self.subject}


def conversation(switches: Switches, number: int) -> Conversation:
    choice = chance(switches.seed, number, "conversation")
    return Conversation(
        number=number,
        flow=f"conv-{choice.getrandbits(64):016x}",
        subject=choice.choice(SUBJECTS),
        fault=switches.fault_of(number, Reach.CONVERSATION),
    )


def number_of(key: str) -> int | None:
    """The number in a request's ID, or None where it is not one of the crew's."""
    digits = key.removeprefix(PREFIX)
    return int(digits) if key.startswith(PREFIX) and digits.isdecimal() else None
