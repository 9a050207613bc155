"""Why what an alert tells is missing goes with its notification, and holds none up."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from analyzer.notification import Notification
from analyzer.outbox.explaining import MOST_A_MINUTE, Explaining
from analyzer.sinks.sink import NotDelivered
from analyzer.why.summary import Reason, Reasons
from collector.times import US_PER_S, format_time
from tests.analyzer.outbox.outboxes import Running, open_store
from tests.analyzer.sinks.told import resolved, told

REASONS = Reasons(
    "3 missing: all queued behind g", 3, 3,
    (Reason("in_queue", "certain", 3, "queued behind g", "ord-1", "ord-1 waits for g"),),
)  # fmt: skip
NOON = 1_750_000_000 * US_PER_S


class Asked:
    """Counts how often it was asked."""

    def __init__(self) -> None:
        self.alerts: list[str] = []

    def __call__(self, fingerprint: str) -> Reasons | None:
        self.alerts.append(fingerprint)
        return REASONS


def test_what_fires_is_explained_once_for_all_sinks_and_tries() -> None:
    asked = Asked()
    explaining = Explaining(asked)
    tasks = [threading.Thread(target=explaining.explained, args=[told()]) for _ in range(8)]
    for task in tasks:
        task.start()
    for task in tasks:
        task.join()
    assert explaining.explained(told()).why == REASONS
    assert asked.alerts == ["alert-1"]
    later = told(2, moment="2026-03-01T10:05:01.000Z")
    assert explaining.explained(later).why == REASONS
    assert len(asked.alerts) == 2


def test_what_is_over_is_not_explained() -> None:
    asked = Asked()
    assert Explaining(asked).explained(resolved()).why is None
    assert not asked.alerts


def test_so_many_are_explained_in_a_minute_and_the_others_are_told_without() -> None:
    explaining = Explaining(asked := Asked())
    crowd = [
        told(fingerprint=f"a{n}", moment=format_time(NOON + n * US_PER_S // 10)) for n in range(100)
    ]
    whys = [explaining.explained(one).why for one in crowd]
    assert whys == [REASONS] * MOST_A_MINUTE + [None] * (100 - MOST_A_MINUTE)
    assert explaining.explained(crowd[0]).why == REASONS
    a_minute_later = told(fingerprint="b", moment=format_time(NOON + 66 * US_PER_S))
    assert explaining.explained(a_minute_later).why == REASONS
    assert len(asked.alerts) == MOST_A_MINUTE + 1


def test_an_alert_that_is_told_of_all_the_time_is_explained_now_and_then() -> None:
    explaining = Explaining(asked := Asked())
    told_of = [told(n, moment=format_time(NOON + n * 20 * US_PER_S)) for n in range(7)]
    assert [explaining.explained(one).why is not None for one in told_of] == [
        True, False, False, True, False, False, True,
    ]  # fmt: skip
    assert len(asked.alerts) == 3


def test_one_that_cannot_be_explained_goes_without(caplog: pytest.LogCaptureFixture) -> None:
    def fail(fingerprint: str) -> Reasons | None:
        raise ZeroDivisionError(fingerprint)

    assert Explaining(fail).explained(told()) == told()
    assert "why alert-1 fires could not be told (ZeroDivisionError)" in caplog.text


class Moody:
    """Takes nothing at first."""

    resend_every = None

    def __init__(self) -> None:
        self.offered: list[Notification] = []

    async def deliver(self, notification: Notification) -> str:
        self.offered.append(notification)
        if len(self.offered) == 1:
            raise NotDelivered("not now")
        return "taken"

    async def close(self) -> None:
        pass


async def test_a_sink_is_told_why_and_the_same_when_it_is_told_again(tmp_path: Path) -> None:
    asked, sink, store = Asked(), Moody(), open_store(tmp_path)
    async with Running(store, {"hook": sink}, asked) as outbox:
        outbox.tell(told())
        await outbox.until(lambda: len(sink.offered) == 2)
    store.close()
    assert [one.why for one in sink.offered] == [REASONS, REASONS]
    assert asked.alerts == ["alert-1"]
