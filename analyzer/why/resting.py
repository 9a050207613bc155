"""A verdict that rests on who runs the step is no surer than that is."""

from dataclasses import replace

from analyzer.services.learned import Learned
from analyzer.why.case import Case, Found
from analyzer.why.letters import is_letter_topic
from analyzer.why.proof import Proof, of_learned
from analyzer.why.words import CONFIDENCES, Word
from collector.event import ORDER, Event

ON_SERVICE: frozenset[Word] = frozenset(
    ("other_path", "consumer_down", "stalled", "in_queue", "swallowed")
)


def as_sure_as_its_service(word: Word, found: Found, case: Case) -> Found:
    """With what is known of a service that was learned; of a declared one, as it was."""
    learned = _learned(case)
    of_commits = any(proof["kind"] == "consumer" for proof in found.evidence)
    rests = word in ON_SERVICE or (word == "out_of_order" and of_commits)
    if learned is None or not rests:
        return found
    sure = max(found.confidence, learned.confidence, key=CONFIDENCES.index)
    told = (
        f"; that {learned.group} makes {learned.emits} of {learned.consumes} is learned and "
        f"{learned.confidence}, by {learned.cases_for:,} cases for it, {learned.against:,} against"
        f", and {learned.undecided:,} that fit others as well"
    )
    if word == "swallowed" and (other := _unexplained(case)) is not None:
        sure, told = "possible", f"{told}; nobody is known who makes {other.name}, which came since"
    proofs: list[Proof] = [*found.evidence, of_learned(learned)]
    return replace(found, confidence=sure, text=found.text + told, evidence=proofs)


def _learned(case: Case) -> Learned | None:
    """On what it rests that this service brings out what lacks, or came."""
    service, act = case.step.service, case.step.act
    names = case.step.awaited if act is None else case.episode.called(act)
    of = [] if service is None else [one for one in service.learned if one.emits in names]
    return min(
        of, key=lambda one: (CONFIDENCES.index(one.confidence), -one.cases_for), default=None
    )


def _unexplained(case: Case) -> Event | None:
    """What came after the cause, and may be an answer that is seldom given and was not learned."""
    cause, episode = case.cause, case.episode
    if cause is None:
        return None
    made = {name for service in case.services for name in service.emits}
    return next(
        (
            event
            for event in episode.events
            if ORDER(event) > ORDER(cause)
            and made.isdisjoint(episode.called(event))
            and not is_letter_topic(event.topic, case.services)
        ),
        None,
    )
