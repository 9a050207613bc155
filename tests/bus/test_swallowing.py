"""A service that takes its work off its topic, commits, and brings nothing out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from demo.broker import Broker
from demo.faults import LOST_OUTCOME
from demo.plan import FaultPlan
from demo.shop import Shop
from demo.switches import Switches
from demo.truth import Truth
from tests.bus.daemon_process import DaemonProcess, Receiver
from tests.bus.test_why import TIMING, Branch, asked, daemon, until

FEW, MANY = 20, 60
"""Orders before payment begins to swallow, and with it."""


class Plan(FaultPlan):
    """From one order on payment brings nothing out."""

    def fault_of(self, number: int, *rest: object) -> Any:
        return LOST_OUTCOME if number > FEW else None


@pytest.mark.field
async def test_who_commits_on_and_brings_nothing_out_swallows_and_nobody_else_does(
    broker: Broker, topic_name: str, tmp_path: Path
) -> None:
    """It is told half a minute after the events: so long may what comes of them take."""
    with Receiver() as receiver, Truth(tmp_path / "shop.jsonl") as truth:
        switches = Switches(Plan(5))
        prefix = f"{topic_name}.shop."
        shop = Shop(broker.bootstrap, switches, truth, TIMING, prefix=prefix)
        branch = {"shop": Branch(shop, switches, truth)}
        eyes = daemon(tmp_path / "eyes", broker, topic_name, branch, receiver.url)
        async with shop:
            with eyes:
                await asked(eyes, "/api/status")
                await shop.take(5.0, FEW)
                before = await said(eyes, prefix)
                assert {word for words in before.values() for word in words} <= {"ok", "unseen"}
                await shop.take(5.0, MANY)

                async def is_told() -> bool:
                    words = (await said(eyes, prefix)).get("payment-svc", [])
                    return words.count("swallowing") == len(words) > 0

                await until(is_told, eyes)
                told = await said(eyes, prefix)
    assert set(told.pop("payment-svc")) == {"swallowing"}
    # What comes to none of the others they need not answer.
    assert {word for words in told.values() for word in words} <= {"ok", "unseen"}
    assert told["inventory-svc"]


async def said(eyes: DaemonProcess, prefix: str) -> dict[str, list[str]]:
    """What is said of each service of this shop, on each partition that holds something for it."""
    page = await asked(eyes, "/api/consumers")
    found: dict[str, list[str]] = {}
    for one in page["items"]:
        if one["committed"] is not None and one["group"].startswith(prefix):
            found.setdefault(one["group"].removeprefix(prefix), []).append(one["verdict"])
    return found
