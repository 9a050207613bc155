from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from demo.errors import OptionError
from demo.faults import (
    AGENT_LATE,
    LATE,
    LOST_OUTCOME,
    POISON_MESSAGE,
    SLOW_CONSUMER,
    STOPPED_CONSUMER,
    TAX_IN_AMOUNT,
    Reach,
)
from demo.plan import FaultPlan
from demo.switches import Switches

START = datetime(2026, 3, 1, tzinfo=UTC)


class Hours:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> datetime:
        return self.at(self.now)

    def at(self, hour: float) -> datetime:
        return START + timedelta(hours=hour)


def test_a_switch_concerns_what_comes_after_it_and_nothing_that_is_decided() -> None:
    switches = Switches(FaultPlan(7, {"late": 1.0}))
    assert [switches.fault_of(number) for number in (1, 2, 3)] == [LATE] * 3
    switches.switch("late", on=False)
    switches.switch("lost-outcome", on=True, share=1.0)
    assert [switches.fault_of(number) for number in (3, 4, 1)] == [LATE, LOST_OUTCOME, LATE]


def test_whoever_asks_first_hears_what_the_plan_says() -> None:
    plan = FaultPlan(7, {"late": 0.5})
    switches = Switches(plan)
    switches.fault_of(50)
    assert [switches.fault_of(n) for n in range(1, 51)] == [plan.fault_of(n) for n in range(1, 51)]


def test_orders_and_conversations_are_told_apart() -> None:
    switches = Switches(FaultPlan(7, {"agent-late": 1.0}))
    assert switches.fault_of(1) is None
    assert switches.fault_of(1, Reach.CONVERSATION) is AGENT_LATE


def test_what_is_switched_off_strikes_nobody_early_either() -> None:
    switches = Switches(FaultPlan(7, early={"late": 5}))
    switches.switch("late", on=False)
    assert switches.fault_of(5) is None


def test_without_a_share_it_is_the_usual_one() -> None:
    switches = Switches(FaultPlan(7))
    for fault, share in ((LATE, 0.1), (TAX_IN_AMOUNT, 1.0), (STOPPED_CONSUMER, 1.0)):
        assert not switches.is_on(fault)
        switches.switch(fault.name, on=True)
        assert switches.share(fault) == share


@pytest.mark.parametrize(
    ("name", "on", "share", "told"),
    [
        ("lost", True, None, "no fault is called 'lost'; there are: lost-outcome, late"),
        ("late", True, 0.0, "0 is no share: a number above 0 and up to 1"),
        ("late", True, 1.1, "1.1 is no share"),
        ("late", True, float("nan"), "nan is no share"),
        ("late", False, 0.2, "a share goes with on, not with off"),
        ("stopped-consumer", True, 0.5, "strikes a whole service and has no share"),
        ("late", True, 0.6, "single orders add up to 1.1, and one order suffers at most one"),
    ],
)
def test_what_makes_no_sense_changes_nothing(
    name: str, on: bool, share: float | None, told: str
) -> None:
    switches = Switches(FaultPlan(7, {"duplicate": 0.5}))
    with pytest.raises(OptionError) as refused:
        switches.switch(name, on, share)
    assert told in str(refused.value)
    assert switches.plan == FaultPlan(7, {"duplicate": 0.5})


async def test_who_waits_for_a_switch_goes_on_when_it_is_turned() -> None:
    switches = Switches(FaultPlan(7))
    waiting = asyncio.create_task(switches.until(SLOW_CONSUMER, on=True))
    await asyncio.sleep(0)
    switches.switch("late", on=True)
    await asyncio.sleep(0)
    assert not waiting.done()
    switches.switch("slow-consumer", on=True)
    await waiting
    await switches.until(SLOW_CONSUMER, on=True)


def test_a_service_is_blamed_for_what_overlaps_with_its_fault() -> None:
    clock = Hours()
    switches = Switches(FaultPlan(7), clock)
    clock.now = 2
    switches.switch("stopped-consumer", on=True)
    clock.now = 4
    assert switches.blamed("payment", clock.at(3), clock.at(9)) is STOPPED_CONSUMER
    switches.switch("stopped-consumer", on=False)
    assert switches.blamed("payment", clock.at(0), clock.at(1)) is None
    assert switches.blamed("payment", clock.at(1), clock.at(2)) is STOPPED_CONSUMER
    assert switches.blamed("payment", clock.at(4), clock.at(5)) is STOPPED_CONSUMER
    assert switches.blamed("payment", clock.at(5), clock.at(6)) is None
    assert switches.blamed("shipping", clock.at(2), clock.at(4)) is None


def test_poison_strikes_once_each_time_it_is_switched_on() -> None:
    switches = Switches(FaultPlan(7))
    assert not switches.strikes_once(POISON_MESSAGE)
    for _ in range(2):
        switches.switch("poison-message", on=True)
        assert [switches.strikes_once(POISON_MESSAGE) for _ in range(3)] == [True, False, False]
        switches.switch("poison-message", on=False)
        assert not switches.strikes_once(POISON_MESSAGE)
