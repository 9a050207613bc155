"""The outbox: everything is told at least once, in order for each alert, whatever sinks do."""

import asyncio
import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from analyzer.notification import Also, Notification
from analyzer.outbox import deliveries, errand, rest
from analyzer.outbox.outbox import Outbox
from analyzer.settings import AlertSettings
from analyzer.sinks.sink import NotDelivered, Refused, Sink
from analyzer.sinks.table import make_sinks
from analyzer.tables import OUTBOX, OutboxRow
from collector.batch import Batch
from collector.store.store import Store
from collector.times import US_PER_S
from nonevent.clock import clock
from tests.analyzer.outbox.outboxes import Running, open_store, state, write
from tests.analyzer.sinks.receiver import HANG, RESET, Receiver, receiver
from tests.analyzer.sinks.told import resolved, told


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(tmp_path)
    yield opened
    opened.close()


@pytest.fixture
def server() -> Iterator[Receiver]:
    with receiver() as found:
        yield found


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same, in less time."""
    monkeypatch.setattr(rest, "FIRST_PAUSE", 10_000)
    monkeypatch.setattr(rest, "LONGEST_PAUSE", 100_000)
    monkeypatch.setattr(rest, "FIRST_REFUSED", 10_000)
    monkeypatch.setattr(rest, "LONGEST_REFUSED", 100_000)
    monkeypatch.setattr(errand, "SHORTEST_S", 0.01)


def hook(server: Receiver, **changes: object) -> dict[str, Sink]:
    webhook = {"url": server.url, "timeout": 1, **changes}
    settings = AlertSettings.model_validate({"sinks": {"hook": {"webhook": webhook}}})
    return make_sinks(settings, clock)


def outcomes(store: Store) -> list[str | None]:
    with store.reader() as cursor:
        rows = cursor.execute(f"SELECT outcome FROM {OUTBOX.name} ORDER BY seq").fetchall()
    return [outcome for (outcome,) in rows]


async def test_what_was_written_before_the_start_and_after_it_is_delivered(
    store: Store, server: Receiver
) -> None:
    write(store, told(1))
    async with Running(store, hook(server)) as running:
        await running.settled()
        running.tell(told(2, change="more"))
        await running.settled()
    assert server.ids == ["n-000001", "n-000002"]
    assert outcomes(store) == ["taken", "taken"]


async def test_a_thousand_that_wait_for_one_alert_become_one(
    store: Store, server: Receiver
) -> None:
    server.always = 503
    async with Running(store, hook(server)) as running:
        running.tell(told(1))
        await running.until(lambda: len(server.requests) > 1)
        running.tell(*(told(n, change="more", count=n) for n in range(2, 1002)))
        await running.tried_with_all_told()
        server.always = 200
        await running.settled()
    (request,) = server.taken
    assert request.json["id"] == "n-001001"
    assert request.json["merged"] == 1000
    assert outcomes(store) == ["merged"] * 1000 + ["taken"]


@pytest.mark.parametrize("last", [told(2, change="more", also=()), resolved(2, also=())])
async def test_alerts_that_were_to_be_told_with_another_are_told_with_what_goes_in_its_stead(
    store: Store, server: Receiver, last: Notification
) -> None:
    """They have no message of their own: merged or spared, nobody would ever hear of them."""
    server.always = 503
    third = Also("alert-3", "packed", "order", "info", 1, "http://x/alerts/alert-3")
    write(store, told(1))
    write(store, told(3, also=(third,)))
    write(store, msgspec.structs.replace(last, id="n-000004"))
    async with Running(store, hook(server)) as running:
        await running.until(lambda: len(server.requests) > 1)
        server.always = 200
        await running.settled()
    (request,) = server.taken
    assert request.json["id"] == "n-000004"
    assert {one["fingerprint"] for one in request.json["also"]} == {"alert-2", "alert-3"}
    assert outcomes(store) == ["merged", "merged", "taken"]


async def test_one_that_has_a_message_of_its_own_since_is_told_by_that(
    store: Store, server: Receiver
) -> None:
    server.always = 503
    write(store, told(1))
    write(store, resolved(2, fingerprint="alert-2", also=()), told(3, change="more", also=()))
    async with Running(store, hook(server)) as running:
        await running.until(lambda: len(server.requests) > 1)
        server.always = 200
        await running.settled()
    assert {one.json["id"]: one.json["also"] for one in server.taken} == {
        "n-000002": [], "n-000003": [],
    }  # fmt: skip


async def test_each_alert_keeps_its_order_while_the_sink_fails_now_and_then(
    store: Store, server: Receiver
) -> None:
    server.next = [500, 200, RESET, 200, HANG, 429, 200, 502]
    async with Running(store, hook(server, timeout=0.3)) as running:
        for n in range(1, 11):
            running.tell(told(n, fingerprint="a"), told(n + 100, fingerprint="b"))
        await running.settled()
    for fingerprint in ("a", "b"):
        of = [one.json["id"] for one in server.taken if one.json["fingerprint"] == fingerprint]
        assert of == sorted(set(of))
        assert of[-1] == max(of)
    assert {"n-000010", "n-000110"} <= set(server.ids)
    assert None not in outcomes(store)


async def test_a_sink_that_hangs_resets_or_is_away_delays_no_other(
    store: Store, server: Receiver
) -> None:
    with receiver() as hanging, receiver() as resetting, receiver() as gone:
        hanging.always, resetting.always = HANG, RESET
        gone.stop()
        ill = {"hanging": hanging, "resetting": resetting, "gone": gone}
        sinks = hook(server)
        for name, one in ill.items():
            sinks[name] = hook(one, timeout=60)["hook"]
        async with Running(store, sinks) as running:
            for name in ill:
                running.tell(told(), sink=name)
            await running.until(lambda: hanging.requests and resetting.requests)
            for n in range(1, 21):
                running.tell(told(n), sink="hook")
                await running.settled()
            assert [state(store, name).waiting for name in ill] == [1, 1, 1]
            await running.until(lambda: {"resetting", "gone"} <= running.outbox.troubles().keys())
            assert "hook" not in running.outbox.troubles()
    assert len(server.taken) == 20


async def test_one_that_is_refused_for_good_delays_no_other_and_is_given_up(
    store: Store, server: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    server.bad = {'"fingerprint":"bad"': 422}
    async with Running(store, hook(server)) as running:
        running.tell(told(1, fingerprint="bad"), told(2), told(3, fingerprint="other"))
        await running.settled()
        running.tell(told(4, fingerprint="bad"), told(5))
        await running.settled()
    assert server.ids == ["n-000002", "n-000003", "n-000005"]
    tries = [one.json["id"] for one in server.requests if one.answer == 422]
    assert [tries.count(one) for one in ("n-000001", "n-000004")] == [rest.REFUSALS] * 2
    assert outcomes(store) == ["refused", "taken", "taken", "refused", "taken"]
    assert state(store).refused == 2
    assert "the answer was 422" in caplog.text
    assert "given up after" in caplog.text


async def test_one_that_makes_the_sink_fail_each_time_delays_no_other(
    store: Store, server: Receiver
) -> None:
    server.bad = {'"fingerprint":"bad"': 500}
    async with Running(store, hook(server)) as running:
        running.tell(told(1, fingerprint="bad"))
        await running.until(lambda: len(server.requests) > 3)
        running.tell(*(told(n, fingerprint=f"good-{n}") for n in range(2, 202)))
        await running.until(lambda: len(server.taken) == 200 and state(store).waiting == 1)
        server.bad = {}
        await running.settled()
    assert server.ids[-1] == "n-000001"


async def test_what_fired_and_was_over_while_the_sink_was_away_is_not_told(
    store: Store, server: Receiver
) -> None:
    async with Running(store, hook(server)) as running:
        running.tell(told(0, fingerprint="before"))
        await running.settled()
        server.stop()
        running.tell(told(1, fingerprint="first", also=()))
        await running.until(lambda: running.outbox.troubles())
        running.tell(told(2, also=()), told(3, change="more", also=()), resolved(4, also=()))
        running.tell(resolved(5, fingerprint="first", also=()), told(6, fingerprint="stands"))
        await running.tried_with_all_told()
        server.start()
        await running.settled()
    assert server.ids == ["n-000000", "n-000006"]
    assert outcomes(store) == ["taken"] + ["spared"] * 5 + ["taken"]


async def test_what_the_sink_was_told_to_fire_is_told_to_be_resolved(
    store: Store, server: Receiver
) -> None:
    async with Running(store, hook(server)) as running:
        running.tell(told(1))
        await running.settled()
        server.stop()
        running.tell(told(2, change="more"), resolved(3), told(4), resolved(5))
        server.start()
        await running.settled()
    assert server.ids == ["n-000001", "n-000005"]
    assert server.taken[-1].json["merged"] == 3


@pytest.mark.parametrize("trouble", [HANG, RESET, 500])
async def test_what_the_sink_may_have_heard_to_fire_is_told_to_be_resolved(
    store: Store, server: Receiver, trouble: int | str
) -> None:
    server.always = trouble
    async with Running(store, hook(server, timeout=0.3)) as running:
        running.tell(told(1))
        await running.until(lambda: server.requests and running.outbox.troubles())
        running.tell(resolved(2))
        server.always = 200
        await running.settled()
    assert server.ids[-1] == "n-000002"
    assert outcomes(store)[-1] == "taken"


async def test_what_a_killed_process_may_have_told_is_told_to_be_resolved(
    store: Store, server: Receiver
) -> None:
    write(store, told(1), resolved(2))
    async with Running(store, hook(server)) as running:
        await running.settled()
    assert server.ids == ["n-000002"]


async def test_nothing_is_asked_of_a_sink_before_the_time_that_it_named(
    store: Store, server: Receiver
) -> None:
    server.next, server.headers = [429], {"Retry-After": "3"}
    async with Running(store, hook(server)) as running:
        running.tell(told(1))
        await running.until(running.outbox.troubles)
        trouble = running.outbox.troubles()["hook"]
        assert trouble.next_try - trouble.since >= 3 * US_PER_S
        server.headers = {}
        for n in range(2, 8):
            running.tell(told(n, fingerprint=f"a-{n}"))
        await running.settled()
        assert clock() >= trouble.next_try
    assert [one.answer for one in server.requests].count(429) == 1
    assert len(server.taken) == 7


class Counting:
    """A sink that takes, refuses or fails as it is told, without a network."""

    resend_every: float | None = None

    def __init__(self, fails: Callable[[Notification], Exception | None] = lambda _: None) -> None:
        self.taken: list[Notification] = []
        self.fails = fails

    async def deliver(self, notification: Notification) -> str:
        if (error := self.fails(notification)) is not None:
            raise error
        self.taken.append(notification)
        return "taken"

    async def close(self) -> None:
        pass


async def test_a_sink_that_has_a_fault_of_its_own_ends_nothing(store: Store) -> None:
    faults = [ValueError("hidden-word")] * 3
    sink = Counting(lambda _: faults.pop() if faults else None)
    async with Running(store, {"hook": sink}) as running:
        running.tell(told())
        await running.until(running.outbox.troubles)
        assert running.outbox.troubles()["hook"].why == "it failed (ValueError)"
        await running.settled()
    assert len(sink.taken) == 1


async def test_a_hundred_thousand_that_wait_are_looked_at_piece_by_piece(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a sink that refuses each: what is remembered of them, and asked for, has a bound."""
    monkeypatch.setattr(errand, "MOST_RESTING", 100)
    store.submit(
        lambda connection: connection.execute(
            f"INSERT INTO {OUTBOX.name} SELECT n, 'hook', 'alert-' || n % 50000, "
            "replace(replace(?, 'n-000001', 'n-' || n), 'alert-1', 'alert-' || n % 50000), "
            "make_timestamp(0), NULL, NULL FROM range(1, 100001) AS r(n)",
            [msgspec.json.encode(told()).decode()],
        )
    ).result()
    sink = Counting(lambda _: Refused("no"))
    outbox = Outbox(store, {"hook": sink}, clock)
    found: list[int] = []
    real = deliveries.waiting

    def watched(*arguments: object) -> list[deliveries.Waiting]:
        answer = real(*arguments)  # type: ignore[arg-type]
        found.append(len(answer))
        return answer

    monkeypatch.setattr(deliveries, "waiting", watched)
    task = asyncio.create_task(outbox.run())
    async with asyncio.timeout(60):
        while len(found) < 10:
            await asyncio.sleep(0.01)
            (one,) = outbox._errands.values()
            assert len(one._rests) <= 100 + errand.LIMIT
    sink.fails = lambda _: None
    async with asyncio.timeout(60):
        while len(sink.taken) < 500:
            await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert max(found) == errand.LIMIT
    assert all(one.merged == 1 for one in sink.taken)
    assert len({one.fingerprint for one in sink.taken}) == len(sink.taken)


async def test_what_fires_is_told_again_in_the_sinks_own_rhythm_after_a_restart_too(
    store: Store,
) -> None:
    def again(sink: Counting) -> list[str]:
        return [one.id for one in sink.taken]

    first = Counting()
    first.resend_every = 0.05
    async with Running(store, {"hook": first}) as running:
        running.tell(told(1), told(2, fingerprint="b"), told(3, fingerprint="c"))
        running.tell(told(4, change="more"))
        await running.until(lambda: again(first).count("n-000004") > 3)
        running.tell(resolved(5, fingerprint="b"))
        await running.settled()
        told_until = len(first.taken)
        await running.until(lambda: again(first)[told_until:].count("n-000003") > 3)
    assert "n-000002" not in again(first)[told_until + 1 :]
    assert "n-000001" not in again(first)[told_until:]

    second = Counting()
    second.resend_every = 3600
    async with Running(store, {"hook": second}) as running:
        await running.until(lambda: len(second.taken) == 2)
        running.tell(resolved(6, fingerprint="c"))
        await running.settled()
    assert sorted(again(second)[:2]) == ["n-000003", "n-000004"]
    assert outcomes(store)[1:] == ["taken"] * 5


async def test_telling_again_goes_on_where_the_sink_was_away(store: Store) -> None:
    write(store, *(told(n, fingerprint=f"a-{n}") for n in range(1, 121)))
    first = Counting()
    async with Running(store, {"hook": first}) as running:
        await running.settled()
    failing = [NotDelivered("away")] * 3
    second = Counting(lambda one: failing.pop() if failing and one.id == "n-000060" else None)
    second.resend_every = 3600
    async with Running(store, {"hook": second}) as running:
        await running.until(lambda: len(second.taken) == 120)
        assert not running.outbox.troubles()
    assert len({one.id for one in second.taken}) == 120


class Forgetful(Counting):
    """A sink that is to be told again of what fires, and notes whatever reaches it."""

    resend_every = 0.02

    def __init__(self, fails: Callable[[Notification], Exception | None]) -> None:
        super().__init__(fails)
        self.reached: list[str] = []

    async def deliver(self, notification: Notification) -> str:
        self.reached.append(notification.id)
        return await super().deliver(notification)


@pytest.mark.parametrize("crashed", [False, True])
async def test_what_a_sink_may_know_better_is_not_told_again(store: Store, crashed: bool) -> None:
    """It took that it is over, and only the answer did not come, to this process or to the one
    before it: then it must not hear that it fires."""
    write(store, told(1), told(2, fingerprint="b"))
    sink = Forgetful(lambda one: None)
    async with Running(store, {"hook": sink}) as running:
        await running.settled()
    away = NotDelivered("no connection", perhaps_taken=not crashed)
    failing = [away] * 5
    if crashed:
        write(store, resolved(3))
    sink = Forgetful(lambda one: failing.pop() if failing and one.id == "n-000003" else None)
    async with Running(store, {"hook": sink}) as running:
        if not crashed:
            await running.until(lambda: sink.reached.count("n-000002") > 2)
            running.tell(resolved(3))
        await running.until(lambda: "n-000003" in sink.reached)
        since = len(sink.reached)
        for number in range(4, 10):  # news, for which it is not left alone
            running.tell(told(number, fingerprint="c"))
            await running.until(lambda id=f"n-{number:06}": id in sink.reached)  # type: ignore[misc]
        await running.settled()
        await running.until(lambda: sink.reached[since:].count("n-000002") > 3)
    assert sink.reached.count("n-000003") == 6
    assert "n-000001" not in sink.reached[sink.reached.index("n-000003") :]


async def test_what_is_refused_does_not_end_what_is_told_again(store: Store) -> None:
    """The sink knows no more than what it took, and forgets that when it is not told again."""
    write(store, told(1), told(2, change="more", fingerprint="b"))
    sink = Forgetful(lambda one: Refused("no") if one.id == "n-000003" else None)
    async with Running(store, {"hook": sink}) as running:
        await running.settled()
        running.tell(told(3, change="more"))
        await running.until(lambda: "n-000003" in sink.reached)
        since = len(sink.reached)
        await running.until(lambda: sink.reached[since:].count("n-000001") > 3)


async def test_a_sink_that_is_away_is_said_once_and_that_it_is_back(
    store: Store, server: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    server.always = 503
    async with Running(store, hook(server)) as running:
        running.tell(told())
        await running.until(lambda: len(server.requests) > 5)
        server.always = 200
        await running.settled()
        assert not running.outbox.troubles()
    lines = [
        record.getMessage() for record in caplog.records if record.name == "analyzer.outbox.errand"
    ]
    assert len(lines) == 2
    assert "503" in lines[0]
    assert "takes notifications again" in lines[1]


async def test_a_sink_whose_last_message_was_deleted_is_in_no_trouble(store: Store) -> None:
    sink = Counting(lambda _: NotDelivered("away"))
    async with Running(store, {"hook": sink}) as running:
        running.tell(told())
        await running.until(running.outbox.troubles)
        store.submit(lambda connection: connection.execute(f"DELETE FROM {OUTBOX.name}")).result()
        await running.until(lambda: not running.outbox.troubles())


async def test_what_an_older_version_wrote_is_no_stumbling_block(
    store: Store, server: Receiver
) -> None:
    old = OutboxRow(1, "hook", "f-1", '{"version": 1, "finding": {}}', 0, 1, "taken")
    batch = Batch(now=1)
    batch.add(OUTBOX.name, old)
    store.commit(batch).result()
    sink = Counting()
    sink.resend_every = 60
    async with Running(store, {"hook": sink}) as running:
        running.tell(told(2, fingerprint="f-1"))
        await running.settled()
    assert [one.id for one in sink.taken] == ["n-000002"]


def test_the_last_word_of_what_fires_outlives_what_is_forgotten(store: Store) -> None:
    write(store, told(1), told(2), resolved(3, fingerprint="b"), told(4, fingerprint="c"))

    def job(connection: object) -> None:
        connection.execute(  # type: ignore[attr-defined]
            f"UPDATE {OUTBOX.name} SET delivered = make_timestamp(1000), outcome = 'taken' "
            "WHERE seq < 4"
        )
        deliveries.forget_settled(connection, 2000)  # type: ignore[arg-type]

    store.submit(job).result()
    with store.reader() as cursor:
        left = cursor.execute(f"SELECT seq FROM {OUTBOX.name} ORDER BY seq").fetchall()
    assert left == [(2,), (4,)]


def test_pauses_grow_to_a_bound_and_differ() -> None:
    by_chance = {}
    for chance in (0.0, 1.0):
        one, now, pauses = rest.Rest(0), 0, []
        for _ in range(20):
            one.failed(now, "away", lambda chance=chance: chance)  # type: ignore[misc]
            pauses.append(one.until - now)
            assert one.left(now) == pauses[-1]
            assert one.left(now - US_PER_S * 3600) == 0  # the clock was set back
            now = one.until
            assert one.left(now) == 0
        assert pauses == sorted(pauses)
        assert pauses[-1] == pauses[-2]
        by_chance[chance] = pauses
    assert all(low * 2 == high for low, high in zip(*by_chance.values(), strict=True))
