"""Why an event is missing: the verdicts in the order in which they are asked.

First what is there to be seen, then whether the cause was read at all, then what absence itself
tells; and where none of it says why, that. A new one is a function and a row.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from analyzer.episode import Episode
from analyzer.instance import Instance
from analyzer.rules.services import Service
from analyzer.why.absent import hidden, never_published, swallowed, unobserved
from analyzer.why.came import correlation_dropped, dead_lettered, late, other_path, retrying
from analyzer.why.case import Case, Found, Not
from analyzer.why.proof import Proof
from analyzer.why.queued import consumer_down, in_queue, stalled
from analyzer.why.races import out_of_order, unheeded
from analyzer.why.resting import as_sure_as_its_service
from analyzer.why.seen import Seen
from analyzer.why.steps import Step
from analyzer.why.words import Confidence, Word


def _nothing_lacks(case: Case) -> Found | Not:
    return Not("nothing is missing: something came that should not have")


VERDICTS: tuple[tuple[Word, Callable[[Case], Found | Not]], ...] = (
    ("dead_lettered", dead_lettered),
    ("retrying", retrying),
    ("late", late),
    ("out_of_order", out_of_order),
    ("other_path", other_path),
    ("correlation_dropped", correlation_dropped),
    ("consumer_down", consumer_down),
    ("stalled", stalled),
    ("in_queue", in_queue),
    ("hidden", hidden),
    ("swallowed", swallowed),
    ("never_published", never_published),
    ("unobserved", unobserved),
)
OF_WHAT_CAME: tuple[tuple[Word, Callable[[Case], Found | Not]], ...] = (
    *((word, _nothing_lacks) for word, _ in VERDICTS if word not in ("out_of_order", "unobserved")),
    ("out_of_order", out_of_order),
    ("unobserved", unheeded),
)
"""Where nothing is missing, and something came that should not have."""


@dataclass(frozen=True, slots=True)
class Why:
    verdict: Word
    confidence: Confidence
    text: str
    gist: str
    """The same for every flow with which it is the same: by it they are counted."""
    evidence: Sequence[Proof]
    ruled_out: Sequence[tuple[Word, str]]
    """The others, and why they are not so."""


def why(
    instance: Instance, episode: Episode, step: Step, services: Sequence[Service], seen: Seen
) -> Why:
    """Pure: of an instance that lacks something, or has what should not have come, what was seen
    tells the reason, or that it does not tell."""
    case = Case(instance, episode, step, services, seen)
    asked = VERDICTS if case.step.act is None else OF_WHAT_CAME
    said = [(word, verdict(case)) for word, verdict in asked]
    word, found = next((w, one) for w, one in said if isinstance(one, Found))
    found = as_sure_as_its_service(word, found, case)
    ruled_out = [(w, one.why) for w, one in said if isinstance(one, Not)]
    return Why(word, found.confidence, found.text, found.gist, found.evidence, ruled_out)
