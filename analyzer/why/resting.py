"""A verdict that rests on who runs the step is no surer than that is."""

from dataclasses import replace

from analyzer.services.learned import Learned
from analyzer.why.case import Case, Confidence, Found, Word
from analyzer.why.proof import Proof, of_learned

ON_SERVICE: frozenset[Word] = frozenset(
    ("other_path", "consumer_down", "stalled", "in_queue", "swallowed")
)
ORDER: tuple[Confidence, ...] = ("possible", "likely", "certain")


def as_sure_as_its_service(word: Word, found: Found, case: Case) -> Found:
    """With what is known of a service that was learned; of a declared one, as it was."""
    learned = _learned(case)
    if learned is None or word not in ON_SERVICE:
        return found
    sure = min(found.confidence, learned.confidence, key=ORDER.index)
    told = (
        f"; that {learned.group} makes {learned.emits} of {learned.consumes} is learned and "
        f"{learned.confidence}, by {learned.cases_for:,} cases for it, {learned.against:,} against"
        f", and {learned.undecided:,} that fit others as well"
    )
    proofs: list[Proof] = [*found.evidence, of_learned(learned)]
    return replace(found, confidence=sure, text=found.text + told, evidence=proofs)


def _learned(case: Case) -> Learned | None:
    """On what it rests that this service brings out what lacks."""
    service = case.step.service
    of = (
        []
        if service is None
        else [one for one in service.learned if one.emits in case.step.awaited]
    )
    return max(of, key=lambda one: (ORDER.index(one.confidence), one.cases_for), default=None)
