"""The reasons of many, counted and said in a sentence."""

from __future__ import annotations

import pytest

from analyzer.why.summary import summary
from analyzer.why.table import Why
from analyzer.why.words import Confidence, Word


def why(
    verdict: Word = "consumer_down",
    gist: str = "queued behind g (down since 10:02)",
    confidence: Confidence = "certain",
) -> Why:
    return Why(verdict, confidence, f"A waits: {gist}", gist, [], [])


SWALLOWED = why("swallowed", "swallowed by s", "likely")
NEVER = why("never_published", "never published", "possible")
UNSEEN = why("unobserved", "not seen whole", "certain")
LATE = why("late", "late")


@pytest.mark.parametrize(
    ("whys", "count", "sentence"),
    [
        ([why()], 1, "A waits: queued behind g (down since 10:02)"),
        ([why()] * 2, 2, "2 missing: all queued behind g (down since 10:02)"),
        ([why()] * 309 + [SWALLOWED] * 3, 312,
         "312 missing: 309 queued behind g (down since 10:02), 3 likely swallowed by s"),
        ([why()] * 2, 12_040,
         "12,040 missing; of 2 that were looked at: all queued behind g (down since 10:02)"),
        ([UNSEEN, NEVER, SWALLOWED], 3,
         "3 missing: 1 possibly never published, 1 likely swallowed by s, 1 not seen whole"),
        ([why()] * 5 + [UNSEEN, NEVER, SWALLOWED, LATE], 9,
         "9 missing: 5 queued behind g (down since 10:02), 1 late, 1 possibly never published, "
         "1 likely swallowed by s, 1 for other reasons"),
    ],
)  # fmt: skip
def test_the_sentence(whys: list[Why], count: int, sentence: str) -> None:
    found = summary([(f"f{n}", "missing", one) for n, one in enumerate(whys)], count)
    assert found is not None
    assert found.text == sentence
    assert (found.asked, found.count) == (len(whys), count)
    assert sum(one.count for one in found.items) == len(whys)


def test_of_those_that_are_alike_the_least_sure_counts() -> None:
    sure: tuple[Confidence, ...] = ("certain", "possible", "likely")
    told = [(one, "missing", why(confidence=one)) for one in sure]
    found = summary(told, 3)
    assert found is not None
    (one,) = found.items
    assert (one.confidence, one.count, one.flow) == ("possible", 3, "certain")


def test_of_nothing_there_is_nothing_to_say() -> None:
    assert summary([], 7) is None
