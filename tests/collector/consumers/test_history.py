"""What of each look is written down: what changed, and enough to tell how it stands."""

import dataclasses

import pytest

from collector.consumers.history import REPEAT_EVERY, History
from collector.consumers.observation import (
    CommitRow,
    End,
    ExactCommit,
    GroupState,
    Known,
    Look,
    Place,
    WatchRow,
)
from collector.times import US_PER_S

S = US_PER_S
P0 = Place("orders", 0)
STABLE = GroupState("classic", "Stable", 1)


def look(
    at: int,
    committed: int | None,
    end: int,
    topic_id: str = "id-1",
    group: GroupState | None = STABLE,
    **more: object,
) -> Look:
    """The question is sent at `at` seconds and answered 10 ms later."""
    commits = {} if group is None or group.why else {"g": {P0: committed}}
    if committed is None and commits:
        commits = {"g": {}}
    groups = {} if group is None else {"g": group}
    return Look(
        at * S, at * S + 10_000, groups, commits, {P0: End(topic_id, end, end)},  # type: ignore[arg-type]
        **more,  # type: ignore[arg-type]
    )  # fmt: skip


def commits_of(history: History, *looks: Look) -> list[CommitRow]:
    return [row for one in looks for row in history.take(one).commits]


def test_what_does_not_change_is_not_written_again() -> None:
    history = History("bus", Known())
    history.take(look(0, 5, 5))
    for at in range(5, 500, 5):
        rows = history.take(look(at, 5, 5))
        assert (rows.groups, rows.commits, rows.ends) == ([], [], [])


def test_what_does_not_change_is_written_again_every_now_and_then() -> None:
    history = History("bus", Known())
    history.take(look(0, 5, 5))
    rows = history.take(look(REPEAT_EVERY // S, 5, 5))
    assert [row.since for row in rows.commits] == [10_000]
    assert (len(rows.groups), len(rows.ends)) == (1, 1)


def test_a_commit_is_known_to_have_come_between_two_looks() -> None:
    first, second = commits_of(
        History("bus", Known()), look(0, 5, 9), look(5, 5, 9), look(10, 7, 9)
    )
    assert (first.committed, first.before) == (5, None)
    assert (second.committed, second.before, second.since) == (7, 5 * S, 10 * S + 10_000)


def test_a_record_waits_from_about_when_it_was_appended() -> None:
    (_, caught_up, behind) = commits_of(
        History("bus", Known()), look(0, 0, 100), look(5, 100, 100), look(10, 100, 110)
    )
    assert caught_up.waiting_since is None
    # Somewhere between the looks at 5 s and at 10 s, early among the ten that came.
    assert behind.waiting_since is not None
    assert 5 * S < behind.waiting_since < 6 * S
    assert (behind.since, behind.at_least) == (caught_up.since, False)


def test_what_was_there_at_the_first_look_waits_for_at_least_as_long() -> None:
    (first,) = commits_of(History("bus", Known()), look(0, 40, 100))
    assert (first.waiting_since, first.at_least) == (10_000, True)


def test_after_a_quiet_stretch_a_record_is_not_taken_for_old() -> None:
    history = History("bus", Known())
    history.take(look(0, 100, 100))
    for at in range(5, 300, 5):
        history.take(look(at, 100, 100))
    (row,) = history.take(look(300, 100, 101)).commits
    assert row.waiting_since is not None
    assert row.waiting_since >= 295 * S


def test_what_comes_behind_markers_has_not_waited_since_they_came() -> None:
    history = History("bus", Known())
    read = {"done": frozenset({(P0, 5)})}
    commits_of(history, look(0, 5, 6, **read), look(5, 5, 6, **read))
    (row,) = commits_of(history, look(40, 5, 7), look(45, 5, 7))
    assert row.waiting_since is not None
    assert row.waiting_since > 4 * S
    assert not row.at_least


def test_an_offset_of_a_topic_that_is_no_more_stays_that_topics() -> None:
    history = History("bus", Known())
    history.take(look(0, 50, 50))
    rows = history.take(look(5, 50, 10, topic_id="id-2"))
    assert [row.topic_id for row in rows.ends] == ["id-2"]
    assert {row.topic_id for row in rows.commits} <= {"id-1"}
    (fresh,) = history.take(look(10, 3, 10, topic_id="id-2")).commits
    assert (fresh.topic_id, fresh.committed) == ("id-2", 3)


def test_an_end_that_was_not_seen_is_told_with_the_commit_as_soon_as_it_is() -> None:
    history = History("bus", Known())
    history.take(look(0, 5, 5))
    unseen = [dataclasses.replace(look(at, 9, 9), ends={}) for at in (5, 10)]
    rows = commits_of(history, *unseen, look(15, 9, 9), look(20, 9, 9))
    assert [(row.committed, row.since, row.end) for row in rows] == [
        (9, 5 * S + 10_000, None), (9, 5 * S + 10_000, 9),
    ]  # fmt: skip


def test_a_group_that_is_gone_is_told_with_its_commits() -> None:
    history = History("bus", Known())
    history.take(look(0, 5, 9))
    rows = history.take(look(5, None, 9, group=None))
    assert [(row.state, row.members) for row in rows.groups] == [("Gone", 0)]
    assert [row.committed for row in rows.commits] == [None]
    again = history.take(look(10, None, 9, group=None))
    assert (again.groups, again.commits) == ([], [])


def test_what_cannot_be_seen_now_is_not_gone() -> None:
    history = History("bus", Known())
    history.take(look(0, 5, 9))
    denied = GroupState("classic", "Unknown", None, "denied")
    for one in (
        look(5, None, 9, group=None, whole=False),
        look(10, None, 9, group=None, unseen=frozenset(("g",))),
        look(15, None, 9, group=denied),
    ):
        rows = history.take(one)
        assert rows.commits == []
        assert [row.state for row in rows.groups if row.state == "Gone"] == []
    (row,) = history.take(look(20, 6, 9)).commits
    assert row.committed == 6


def test_a_restart_goes_on_with_what_was_stored() -> None:
    whole, until = History("bus", Known()), History("bus", Known())
    looks = [look(0, 0, 10), look(5, 10, 10), look(10, 10, 20), look(15, 10, 30), look(20, 25, 30)]
    expected = [row for one in looks for row in whole.take(one).commits]
    rows = [until.take(one) for one in looks[:3]]
    known = Known(
        WatchRow("bus", 0, 10 * S, 5 * S, ("*",)),
        tuple(row for one in rows for row in one.groups),
        tuple(row for one in rows for row in one.commits)[-1:],
        tuple(row for one in rows for row in one.ends),
    )
    after = History("bus", known)
    found = [row for one in rows for row in one.commits]
    found += [row for one in looks[3:] for row in after.take(one).commits]
    assert found == expected


def test_commits_whose_moments_are_known_are_each_written_with_theirs() -> None:
    history = History("bus", Known())
    known = [row.committed for row in history.take(look(0, 5, 40)).commits]
    some = [exact(6_000, 10), exact(7_000, 3), exact(8_000, 40)]
    rows = history.take(look(10, 40, 40, exact={("g", P0): some})).commits
    assert known == [5]
    assert [(row.committed, row.before, row.since) for row in rows] == [
        (10, 6 * S, 6 * S + 1_000), (3, 7 * S, 7 * S + 1_000), (40, 8 * S, 8 * S + 1_000),
    ]  # fmt: skip
    assert [row.moment for row in rows] == [6 * S + 1_000, 7 * S + 1_000, 10 * S + 10_000]
    # What was owed is known as of the looks alone.
    assert [row.end for row in rows] == [None, None, 40]
    assert history.take(look(15, 40, 40)).commits == []


def test_what_is_committed_once_more_is_the_same_commit() -> None:
    history = History("bus", Known())
    history.take(look(0, 5, 5))
    some = [exact(6_000, 5), exact(7_000, 5)]
    assert history.take(look(10, 5, 5, exact={("g", P0): some})).commits == []


@pytest.mark.parametrize("ms", [1_000, 900_000], ids=["behind", "ahead"])
def test_where_the_clock_of_a_broker_is_wrong_the_looks_alone_tell(ms: int) -> None:
    history = History("bus", Known())
    history.take(look(100, 5, 50))
    some = [exact(ms, 10), exact(ms + 500, 20), exact(ms + 1_000, 30)]
    (row,) = history.take(look(110, 30, 50, exact={("g", P0): some})).commits
    assert (row.committed, row.before, row.since) == (30, 100 * S, 110 * S + 10_000)


def test_what_follows_on_a_moment_that_cannot_be_is_not_said_to_be_later_than_it_may_be() -> None:
    history = History("bus", Known())
    history.take(look(100, 5, 50))
    some = [exact(102_000, 10), exact(900_000, 20), exact(104_000, 30), exact(103_000, 40)]
    rows = history.take(look(110, 40, 50, exact={("g", P0): some})).commits
    assert [(row.committed, row.before, row.since) for row in rows] == [
        (10, 102 * S, 102 * S + 1_000), (30, 100 * S, 104 * S + 1_000),
        (40, 103 * S, 104 * S + 1_001),
    ]  # fmt: skip
    assert [row.moment for row in rows] == sorted({row.moment for row in rows})


def test_of_a_group_that_is_new_or_was_not_seen_the_looks_alone_tell() -> None:
    """There may have been more than what is known."""
    some = {("g", P0): [exact(6_000, 7), exact(7_000, 9)]}
    history = History("bus", Known())
    history.take(look(0, None, 40, group=None))
    nothing, new = history.take(look(10, 9, 40, exact=some)).commits
    assert (nothing.committed, new.committed, new.before) == (None, 9, 0)
    history = History("bus", Known())
    history.take(look(0, 5, 40))
    history.take(look(5, None, 40, group=None, unseen=frozenset(("g",))))
    (again,) = history.take(look(10, 9, 40, exact=some)).commits
    assert (again.committed, again.before, again.since) == (9, 0, 10 * S + 10_000)


def test_what_was_deleted_meanwhile_is_told_with_its_moment() -> None:
    history = History("bus", Known())
    history.take(look(0, 5, 40))
    gone = {("g", P0): [exact(6_000, 10), exact(7_000, None)]}
    rows = history.take(look(10, None, 40, exact=gone)).commits
    assert [(row.committed, row.before) for row in rows] == [(10, 6 * S), (None, 7 * S)]
    # And what is committed after that is as new.
    anew = {("g", P0): [exact(12_000, 1), exact(13_000, None), exact(14_000, 2)]}
    rows = history.take(look(15, 2, 40, exact=anew)).commits
    assert [(row.committed, row.since) for row in rows] == [
        (None, 12 * S), (1, 12 * S + 1_000), (None, 13 * S + 1_000), (2, 14 * S + 1_000),
    ]  # fmt: skip


def test_of_a_topic_made_anew_only_what_stands_is_told() -> None:
    history = History("bus", Known())
    history.take(look(0, 50, 50))
    some = {("g", P0): [exact(6_000, 60), exact(7_000, None), exact(8_000, 3)]}
    (row,) = history.take(look(10, 3, 10, topic_id="id-2", exact=some)).commits
    assert (row.committed, row.topic_id, row.before) == (3, "id-2", 8 * S)


def exact(ms: int, committed: int | None) -> ExactCommit:
    return ExactCommit(ms * 1_000, ms * 1_000 + 1_000, committed)
