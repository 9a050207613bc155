"""A real Alertmanager: what fires is grouped, told on, kept alive, resolved, and counted once."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from analyzer.settings import AlertSettings
from analyzer.sinks.sink import Sink
from analyzer.sinks.table import make_sinks
from collector.store.store import Store
from nonevent.clock import clock
from tests.analyzer.outbox.outboxes import Running, open_store, until
from tests.analyzer.sinks.receiver import Receiver, receiver
from tests.analyzer.sinks.told import resolved, told
from tests.bus.alertmanager import RealAlertmanager

pytestmark = pytest.mark.field


@pytest.fixture
def people() -> Iterator[Receiver]:
    with receiver() as found:
        yield found


@pytest.fixture
def real(tmp_path: Path, people: Receiver) -> Iterator[RealAlertmanager]:
    with RealAlertmanager(tmp_path, people.url) as found:
        yield found


@pytest.fixture
def stores(tmp_path: Path) -> Iterator[list[Store]]:
    opened = []
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        opened.append(open_store(tmp_path / name))
    yield opened
    for store in opened:
        store.close()


def sinks(real: RealAlertmanager, every: str = "1m") -> dict[str, Sink]:
    hook = {"alertmanager": {"urls": [real.url], "resend_every": every}}
    return make_sinks(AlertSettings.model_validate({"sinks": {"hook": hook}}), clock)


def heard(people: Receiver, status: str) -> list[dict[str, Any]]:
    """The alerts of all that people were told with this status."""
    groups = [one.json for one in people.taken]
    return [alert for group in groups for alert in group["alerts"] if alert["status"] == status]


async def test_alerts_fire_together_and_are_resolved(
    real: RealAlertmanager, people: Receiver, stores: list[Store]
) -> None:
    async with Running(stores[0], sinks(real)) as running:
        running.tell(
            told(1, fingerprint="a", labels={"team": "payments"}),
            told(2, fingerprint="b", labels={"team": "shop", "a.b c": "ünï 🎉"}),
            told(3, fingerprint="c", expectation="shipped"),
        )
        await running.settled()
        await running.until(lambda: len(heard(people, "firing")) >= 3)
        together = next(one.json for one in people.taken if len(one.json["alerts"]) == 2)
        assert together["groupLabels"] == {"alertname": "paid"}
        assert {one["labels"]["team"] for one in together["alerts"]} == {"payments", "shop"}
        assert together["commonLabels"]["flow_type"] == "order"
        assert together["commonAnnotations"]["flows"] == "ord-1, ord-2, ord-3"
        assert together["commonAnnotations"]["runbook_url"] == told().runbook
        assert together["alerts"][0]["generatorURL"] == told().link
        assert [one["labels"].get("a_b_c") for one in real.alerts()].count("ünï 🎉") == 1
        running.tell(resolved(4, fingerprint="a", until=None))
        await running.settled()
        await running.until(lambda: heard(people, "resolved"))
        assert {one["labels"]["fingerprint"] for one in heard(people, "resolved")} == {"a"}
        assert {one["labels"]["fingerprint"] for one in real.alerts()} == {"b", "c"}


async def test_what_two_daemons_tell_is_one_alert(
    real: RealAlertmanager, people: Receiver, stores: list[Store]
) -> None:
    async with Running(stores[0], sinks(real)) as one, Running(stores[1], sinks(real)) as other:
        # They see a bus alike, and tell of it at moments of their own.
        one.tell(told(1))
        await one.settled()
        other.tell(told(1, since="2026-03-01T10:00:00.250Z", link="http://other/alerts/alert-1"))
        await other.settled()
        one.tell(told(2, fingerprint="next", expectation="shipped"))
        await until(lambda: len(heard(people, "firing")) >= 2)
        assert len(real.alerts()) == 2
        first = [a for a in heard(people, "firing") if a["labels"]["alertname"] == "paid"]
        assert len(first) == 1


async def test_it_is_kept_alive_by_being_told_again_and_ends_with_the_daemon(
    real: RealAlertmanager, people: Receiver, stores: list[Store]
) -> None:
    async with Running(stores[0], sinks(real, every="1s")) as running:
        running.tell(told(1))
        await running.settled()
        (first,) = real.alerts()
        # Without being told again it would have ended by then.
        await running.until(lambda: real.alerts()[0]["updatedAt"] > first["endsAt"])
        assert len(heard(people, "firing")) == 1
        assert not heard(people, "resolved")
    await until(lambda: heard(people, "resolved"))
    assert not real.alerts()
    async with Running(stores[0], sinks(real, every="1h")) as running:
        await running.until(real.alerts)
