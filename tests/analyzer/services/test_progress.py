"""What commits, seen by looking now and then, tell of when an event was taken in."""

from __future__ import annotations

from analyzer.services.progress import Progress, Taking
from analyzer.services.sighting import Sighting
from collector.consumers.observation import CommitRow, WatchRow
from tests.analyzer.services.bus import SOURCE, START, us


def event(seconds: float, offset: int, id: str = "id") -> Sighting:
    return Sighting(SOURCE, "t", id, 0, offset, us(seconds), "A", (f"f{offset}",))


def commit(seconds: float, before: float | None, offset: int | None) -> CommitRow:
    return CommitRow(us(seconds), SOURCE, "g", "t", "id", 0, offset, us(seconds),
                     None if before is None else us(before), 100, None)  # fmt: skip


def progress(*commits: CommitRow, until: float = 100) -> Progress:
    return Progress(commits, [WatchRow(SOURCE, START, us(until), 1_000_000, ("*",))])


def taken(known: Progress, one: Sighting, *others: Sighting) -> list[Taking]:
    return known.takings(one, known.trailing([one, *others]))


FIRST = commit(1, None, 1)


def test_what_was_past_when_it_was_first_looked_at_was_taken_by_then() -> None:
    assert taken(progress(FIRST), event(0, 0)) == [Taking("g", us(0), us(1))]


def test_it_was_not_taken_before_the_commit_before_which_left_it_out() -> None:
    known = progress(FIRST, commit(20, 19, 5), commit(90, 89, 9))
    # Its own commit came 70 s after that, which is usual for one that does so always.
    assert taken(known, event(2, 7)) == [Taking("g", us(19), us(90))]


def test_nor_longer_before_its_own_commit_than_is_usual() -> None:
    """Ten commits of a second each, then nothing for a minute, then all that has waited."""
    steps = [commit(n + 1, n, n) for n in range(1, 11)]
    known = progress(FIRST, *steps, commit(70, 69, 40))
    others = [event(n, n - 1) for n in range(1, 11)]
    (one,) = taken(known, event(11, 30), *others)
    assert us(66) <= one.earliest <= us(69)
    assert one.latest == us(70)


def test_it_was_never_taken_before_it_happened() -> None:
    known = progress(FIRST, commit(20, 19, 5), commit(21, 20, 9))
    (one,) = taken(known, event(20.5, 7))
    assert one == Taking("g", us(20.5), us(21))


def test_what_is_not_committed_was_not_taken_longer_ago_than_commits_trail() -> None:
    known = progress(*(commit(n + 1, n, n) for n in range(11)))
    others = [event(n, n - 1) for n in range(1, 11)]
    (one,) = taken(known, event(12, 50), *others)
    assert one.latest is None
    assert us(96) <= one.earliest < us(100)


def test_a_commit_that_went_back_makes_nothing_untaken() -> None:
    known = progress(FIRST, commit(20, 19, 5), commit(30, 29, 2), commit(40, 39, 5))
    assert known.passed("g", event(2, 3)) == us(20)


def test_of_another_topic_of_that_name_nothing_is_known() -> None:
    known = progress(FIRST, commit(20, 19, 5))
    assert taken(known, event(2, 3, id="before")) == []
    assert known.unknown("g", event(2, 3, id="before"))
    assert not known.unknown("g", event(2, 3))
    assert known.unknown("g", event(2, 3)._replace(source="another"))
