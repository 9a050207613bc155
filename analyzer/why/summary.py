"""Why many are missing: their reasons counted, and said in a sentence."""

from collections import Counter
from collections.abc import Sequence

import msgspec

from analyzer.why.table import Why
from analyzer.why.words import CONFIDENCES, Confidence, Word

SURELY: dict[Confidence, str] = {"certain": "", "likely": "likely ", "possible": "possibly "}
SPELLED_OUT = 4
"""So many different reasons are in the sentence."""


class Reason(msgspec.Struct, frozen=True):
    """What is so of several flows alike."""

    verdict: Word
    confidence: Confidence
    """The least of them all."""
    count: int
    about: str
    """What is the same for them: behind whom they wait, since when."""
    flow: str
    """One of them."""
    text: str
    """Why that one is missing."""


class Reasons(msgspec.Struct, frozen=True):
    text: str
    asked: int
    """So many findings were looked at, of `count`."""
    count: int
    items: tuple[Reason, ...]
    """The most frequent first."""


def summary(told: Sequence[tuple[str, str, Why]], count: int) -> Reasons | None:
    """`told`: of findings their flow, what they are, and why; `count`: how many there are in all,
    perhaps more than were looked at. None where nothing was."""
    if not told:
        return None
    groups: dict[tuple[Word, str], list[tuple[str, Why]]] = {}
    for flow, _, why in told:
        groups.setdefault((why.verdict, why.gist), []).append((flow, why))
    items = tuple(
        sorted(
            (_reason(word, gist, those) for (word, gist), those in groups.items()),
            key=lambda one: (-one.count, one.verdict, one.about),
        )
    )
    what = Counter(finding for _, finding, _ in told).most_common(1)[0][0]
    return Reasons(_sentence(items, what, len(told), count), len(told), count, items)


def _reason(word: Word, gist: str, those: Sequence[tuple[str, Why]]) -> Reason:
    flow, why = those[0]
    least = max((one.confidence for _, one in those), key=CONFIDENCES.index)
    return Reason(word, least, len(those), gist, flow, why.text)


def _sentence(items: Sequence[Reason], what: str, asked: int, count: int) -> str:
    head = f"{count:,} {what}"
    if asked < count:
        head += f"; of {asked:,} that were looked at"
    if len(items) == 1:
        one = items[0]
        return one.text if count == 1 else f"{head}: all {_said(one)}"
    said = [f"{one.count:,} {_said(one)}" for one in items[:SPELLED_OUT]]
    others = sum(one.count for one in items[SPELLED_OUT:])
    return f"{head}: {', '.join([*said, *([f'{others:,} for other reasons'] if others else [])])}"


def _said(one: Reason) -> str:
    """Whatever is not certain says so."""
    return SURELY[one.confidence] + one.about if one.verdict != "unobserved" else one.about
