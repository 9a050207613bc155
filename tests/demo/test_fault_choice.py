from __future__ import annotations

import pytest

from demo.errors import OptionError
from demo.faults import DEFAULT_SHARE, FAULTS, FaultPlan, default_plan, parse_faults
from demo.shop.order import number_of, order

ORDERS = range(1, 2_001)
ALL = dict.fromkeys(FAULTS, 0.1)


def test_a_fault_follows_from_seed_and_number_not_from_the_order_of_arrival() -> None:
    plan, again = FaultPlan(7, ALL), FaultPlan(7, ALL)
    forwards = [plan.fault_of(number) for number in ORDERS]
    backwards = [again.fault_of(number) for number in reversed(ORDERS)]
    assert forwards == backwards[::-1]
    assert forwards != [FaultPlan(8, ALL).fault_of(number) for number in ORDERS]


@pytest.mark.parametrize("name", FAULTS)
def test_a_share_is_about_the_share_of_orders(name: str) -> None:
    plan = FaultPlan(7, {**ALL, name: 0.3})
    hit = sum(plan.fault_of(number) is FAULTS[name] for number in ORDERS)
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


def test_by_default_the_first_ten_orders_show_every_fault() -> None:
    plan = default_plan(seed=7)
    early = [fault.name for number in range(1, 11) if (fault := plan.fault_of(number))]
    assert set(early) == set(FAULTS)
    assert plan.fault_of(min(plan.early)) is FAULTS["lost-outcome"]


def test_an_order_id_leads_back_to_its_number() -> None:
    assert number_of({"order_id": order(FaultPlan(7), 123).order_id}) == 123
    assert number_of({"order_id": "4711-of-somebody-else"}) is None
    assert number_of({"order_id": 123}) is None
    assert number_of({}) is None


def test_names_with_and_without_a_share() -> None:
    assert parse_faults(["late", "duplicate=0.25"]) == {"late": DEFAULT_SHARE, "duplicate": 0.25}
    assert parse_faults(["none"]) == {}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (
            ["lost"],
            "--fault lost: no fault is called 'lost'; there are: "
            "lost-outcome, late, duplicate, dropped-correlation, none",
        ),
        (["late=much"], "--fault late=much: a share is a number from 0 to 1, such as 0.1"),
        (["late=1.5"], "--fault late=1.5: a share is a number from 0 to 1, such as 0.1"),
        (["late=nan"], "--fault late=nan: a share is a number from 0 to 1, such as 0.1"),
        (["late="], "--fault late=: a share is a number from 0 to 1, such as 0.1"),
        (["late", "late=0.2"], "--fault late=0.2: late is given twice; give it once"),
        (["none", "late"], "--fault none stands alone: leave it out, or the others"),
        (["late=0.6", "duplicate=0.6"], "the shares add up to 1.2"),
    ],
)
def test_what_cannot_be_meant_is_told(words: list[str], told: str) -> None:
    with pytest.raises(OptionError) as refused:
        parse_faults(words)
    assert told in str(refused.value)
    assert refused.value.exit_code == 2
