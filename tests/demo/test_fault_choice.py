from __future__ import annotations

import pytest

from demo.errors import OptionError
from demo.faults import DEFAULT_SHARE, FAULTS, LOTS, Reach
from demo.plan import FaultPlan, default_plan, parse_faults
from demo.shop.order import number_of, order

ORDERS = range(1, 2_001)
OF_ORDERS = [name for name, fault in FAULTS.items() if fault.reach is Reach.ORDER]
OF_LOTS = [name for name, fault in FAULTS.items() if fault.reach in LOTS]
ALL = dict.fromkeys(OF_LOTS, 0.05)


def test_a_fault_follows_from_seed_and_number_not_from_the_order_of_arrival() -> None:
    plan, again = FaultPlan(7, ALL), FaultPlan(7, ALL)
    forwards = [plan.fault_of(number) for number in ORDERS]
    backwards = [again.fault_of(number) for number in reversed(ORDERS)]
    assert forwards == backwards[::-1]
    assert forwards != [FaultPlan(8, ALL).fault_of(number) for number in ORDERS]


@pytest.mark.parametrize("name", OF_LOTS)
def test_a_share_is_about_the_share_of_orders(name: str) -> None:
    plan = FaultPlan(7, {**ALL, name: 0.3})
    hit = sum(plan.fault_of(number, FAULTS[name].reach) is FAULTS[name] for number in ORDERS)
    assert 0.25 < hit / len(ORDERS) < 0.35


def test_all_or_none_of_the_orders() -> None:
    assert all(FaultPlan(7, {"late": 1.0}).fault_of(number) for number in ORDERS)
    assert not any(FaultPlan(7, {"late": 0.0}).fault_of(number) for number in ORDERS)
    assert not any(FaultPlan(7).fault_of(number) for number in ORDERS)


def test_a_faulty_order_is_never_declined_and_some_others_are() -> None:
    orders = [order(FaultPlan(7, ALL), number) for number in ORDERS]
    assert not any(one.declined for one in orders if one.fault)
    assert any(one.declined for one in orders)


def test_a_fault_changes_nothing_else_about_an_order() -> None:
    for number in ORDERS[:50]:
        good, bad = order(FaultPlan(7), number), order(FaultPlan(7, {"late": 1.0}), number)
        assert (good.flow, good.items, good.customer) == (bad.flow, bad.items, bad.customer)


def test_by_default_the_first_twenty_orders_show_every_fault_of_orders() -> None:
    plan = default_plan(seed=7)
    assert {plan.fault_of(number) for number in range(1, 21)} >= {FAULTS[n] for n in OF_ORDERS}
    assert plan.fault_of(3) is FAULTS["lost-outcome"]
    asked = {plan.fault_of(number, Reach.CONVERSATION) for number in range(1, 5)}
    assert asked >= {FAULTS["agent-silent"], FAULTS["agent-late"]}


def test_faults_of_fields_stand_beside_those_of_orders() -> None:
    plan = FaultPlan(7, {"late": 1.0, "tax-in-amount": 0.5})
    written = [plan.is_written(FAULTS["tax-in-amount"], number) for number in ORDERS]
    assert 0.45 < sum(written) / len(written) < 0.55
    assert all(plan.fault_of(number) is FAULTS["late"] for number in ORDERS)


def test_an_order_id_leads_back_to_its_number() -> None:
    assert number_of(order(FaultPlan(7), 123).key) == 123
    assert number_of("4711-of-somebody-else") is None
    assert number_of("123") is None
    assert number_of("") is None


def test_names_with_and_without_a_share() -> None:
    assert parse_faults(["late", "duplicate=0.25"]) == {"late": DEFAULT_SHARE, "duplicate": 0.25}
    assert parse_faults(["tax-in-amount", "hung-transaction"]) == {
        "tax-in-amount": 1.0,
        "hung-transaction": 1.0,
    }
    assert parse_faults(["late=0.6", "agent-late=0.6"]), "they strike different things"
    assert parse_faults(["none"]) == {}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (
            ["lost"],
            "--fault lost: no fault is called 'lost'; there are: lost-outcome, late, duplicate, ",
        ),
        (["late=much"], "--fault late=much: a share is a number from 0 to 1, such as 0.1"),
        (["late=1.5"], "--fault late=1.5: a share is a number from 0 to 1, such as 0.1"),
        (["late=nan"], "--fault late=nan: a share is a number from 0 to 1, such as 0.1"),
        (["late="], "--fault late=: a share is a number from 0 to 1, such as 0.1"),
        (["late", "late=0.2"], "--fault late=0.2: late is given twice; give it once"),
        (["none", "late"], "--fault none stands alone: leave it out, or the others"),
        (["late=0.6", "duplicate=0.6"], "single orders add up to 1.2"),
    ],
)
def test_what_cannot_be_meant_is_told(words: list[str], told: str) -> None:
    with pytest.raises(OptionError) as refused:
        parse_faults(words)
    assert told in str(refused.value)
    assert refused.value.exit_code == 2
