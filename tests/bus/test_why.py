"""The shop with every fault that keeps an event away: `why` says what its truth says."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from demo.broker import Broker
from demo.faults import STOCK
from demo.plan import FaultPlan
from demo.rules import shop_rules
from demo.shop import Shop, Timing
from demo.switches import Switches
from demo.truth import Truth, TruthLine, in_the_end
from tests.bus.daemon_process import DaemonProcess, Receiver

TIMING = Timing(within=3.0, late_by=2.0, sluggish=1.5)
RESERVED = "the order is reserved"
SINGLE = ("lost-outcome", "late", "dropped-correlation", "retry-storm", "dead-letter",
          "dead-letter-bare")  # fmt: skip
SHOPS = {"single": 1, "slow": 2}
"""Each with orders of its own: the seed gives their IDs."""
VERDICTS = {
    "swallowed", "late", "correlation_dropped", "retrying", "dead_lettered", "in_queue", "stalled",
    "hidden", "consumer_down", "other_path",
}  # fmt: skip
STABLE_S = 2.0
PATIENCE_S = 120.0


@dataclass
class Branch:
    """One shop of its own on the same bus, with what it did wrong."""

    shop: Shop
    switches: Switches
    truth: Truth

    def lines(self, *faults: str) -> dict[tuple[str, str], TruthLine]:
        """What rules can see of these, by flow and expectation; told a while ago."""
        told = {(line.flow or "", line.expect["expectation"]): line
                for line in in_the_end(self.truth.lines)}  # fmt: skip
        return {
            key: line
            for key, line in told.items()
            if line.fault in faults and _age(line) > STABLE_S
        }


@dataclass
class Matrix:
    """What was said against what was so."""

    said: Counter[tuple[str, str]] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    def note(self, truth: str, answer: dict[str, Any]) -> None:
        self.said[truth, answer["verdict"]] += 1
        if truth != answer["verdict"]:
            self.wrong.append(f"{truth}: {json.dumps(answer, indent=1)}")

    def print(self) -> None:
        print("\nconfusion matrix: truth -> verdict: how many")
        for (truth, said), count in sorted(self.said.items()):
            print(f"  {truth:20} -> {said:20} {count:4}{'' if truth == said else '  WRONG'}")


def _age(line: TruthLine) -> float:
    return datetime.now().timestamp() - datetime.fromisoformat(line.at).timestamp()


@contextlib.asynccontextmanager
async def branches(broker: Broker, prefix: str, folder: Path) -> AsyncIterator[dict[str, Branch]]:
    plans = dict.fromkeys(SHOPS, FaultPlan())
    found: dict[str, Branch] = {}
    async with contextlib.AsyncExitStack() as stack:
        shops = []
        for name, seed in SHOPS.items():
            plans[name] = FaultPlan(seed, dict.fromkeys(SINGLE, 0.1) if name == "single" else {})
            truth = stack.enter_context(Truth(folder / f"{name}.jsonl"))
            switches = Switches(plans[name])
            shop = Shop(broker.bootstrap, switches, truth, TIMING, prefix=f"{prefix}.{name}.")
            found[name] = Branch(shop, switches, truth)
            shops.append(stack.enter_async_context(shop))
        for shop in shops:
            await shop
        yield found


def daemon(
    folder: Path, broker: Broker, prefix: str, shops: dict[str, Branch], hook: str,
    *, consumers: str = "{every: 500ms}",
) -> DaemonProcess:  # fmt: skip
    reserved = f"""
  - name: {RESERVED}
    after: order.created
    expect: stock.reserved
    within: 3s
"""
    rules = shop_rules("3s", "3s", "3s", "3s").replace("within: 1h", "within: 1h\ngrace: 1s")
    for role in ("payment", "inventory", "shipping", "notification", "checkout"):
        written = f"group: [{role}-svc, nonevent-demo.{role}-svc]"
        assert written in rules
        here = ", ".join(f"{prefix}.{name}.{role}-svc" for name in shops)
        rules = rules.replace(written, f"group: [{here}]")
    carried = {topic: names for one in shops.values() for topic, names in one.shop.carried.items()}
    topics = "\n".join(f'      "{topic}": {{names: {json.dumps(names)}}}'
                       for topic, names in carried.items())  # fmt: skip
    folder.mkdir(exist_ok=True)
    made = DaemonProcess(
        folder, broker.bootstrap, list(carried), rules + reserved, hook,
        extra=f"    topics:\n{topics}",
    )  # fmt: skip
    text = made.configuration.read_text()
    text = text.replace("start: earliest", f"start: earliest, consumers: {consumers}")
    made.configuration.write_text(text)
    return made


async def asked(daemon: DaemonProcess, path: str, **parameters: Any) -> Any:
    return await asyncio.to_thread(daemon.ask, path, **parameters)


async def why(daemon: DaemonProcess, flow: str, expectation: str | None = None) -> dict[str, Any]:
    given = {} if expectation is None else {"expectation": expectation}
    answer: dict[str, Any] = await asked(daemon, f"/api/flows/{flow}/why", **given)
    assert "verdict" in answer, (flow, expectation, answer)
    return answer


async def found(daemon: DaemonProcess) -> dict[tuple[str, str], str]:
    """Findings that stand or stood, by flow and expectation: what they were."""
    told: dict[tuple[str, str], str] = {}
    cursor = None
    while True:
        given = {"limit": 1000} | ({} if cursor is None else {"cursor": cursor})
        page = await asked(daemon, "/api/findings", **given)
        for item in page["items"]:
            if item["state"] != "retracted":
                told[item["flow"], item["expectation"]] = item["finding"]
        if (cursor := page["next"]) is None:
            return told


async def until(
    holds: Callable[[], Awaitable[bool]], daemon: DaemonProcess, lacks: Callable[[], object] = str
) -> None:
    loop = asyncio.get_running_loop()
    end = loop.time() + PATIENCE_S
    while not await holds():
        assert loop.time() < end, (lacks(), daemon.tail())
        await asyncio.sleep(0.3)


async def settled(daemon: DaemonProcess, lines: Iterable[TruthLine], *, after: float = 0) -> None:
    """All of these are found, and everything is seen for a while after the last of them."""
    wanted = {(line.flow, line.expect["expectation"]): line.expect["finding"] for line in lines}
    last = max(datetime.fromisoformat(line.at).timestamp() for line in lines)

    lacks: object = None

    async def there() -> bool:
        nonlocal lacks
        told = await found(daemon)
        to = (await asked(daemon, "/api/status"))["settled_to"]
        whole = not after or datetime.fromisoformat(to).timestamp() > last + after
        missing = wanted.items() - told.items()
        lacks = missing, [told.get(key) for key, _ in missing], to, last
        return whole and not missing

    await until(there, daemon, lambda: lacks)


async def compare(daemon: DaemonProcess, branch: Branch, matrix: Matrix, *faults: str) -> None:
    """Of what is still as it was once it was told of."""
    before = branch.lines(*faults)
    told = await found(daemon)
    keys = [key for key, line in before.items() if told.get(key) == line.expect["finding"]]
    answers = await asyncio.gather(*(why(daemon, *key) for key in keys))
    after = {
        (line.flow, line.expect["expectation"]): line for line in in_the_end(branch.truth.lines)
    }
    same = [(key, answer) for key, answer in zip(keys, answers, strict=True)
            if after[key] == before[key]]  # fmt: skip
    assert {before[key].fault for key, _ in same} == set(faults), (faults, before, told)
    for key, answer in same:
        matrix.note(before[key].expect["verdict"], answer)


@pytest.mark.long
async def test_why_says_of_each_fault_of_the_shop_what_its_truth_says(
    broker: Broker, topic_name: str, tmp_path: Path
) -> None:
    matrix = Matrix()
    with Receiver() as receiver:
        async with branches(broker, topic_name, tmp_path) as shops:
            single, slow = shops["single"], shops["slow"]
            with daemon(tmp_path / "eyes", broker, topic_name, shops, receiver.url) as eyes:
                await asked(eyes, "/api/status")
                for fault in ("slow-consumer", "poison-message"):
                    slow.switches.switch(fault, True)
                await asyncio.gather(single.shop.take(8.0, 60), slow.shop.take(4.0, 24))
                await asyncio.sleep(TIMING.within + STABLE_S + 2)
                await compare(eyes, slow, matrix, "slow-consumer", "poison-message")
                await single.shop.settled()
                lines = list(single.truth.lines)
                await settled(eyes, lines, after=8)
                await compare(eyes, single, matrix, *SINGLE)
                await declined(eyes, matrix)
                for fault in SINGLE:
                    single.switches.switch(fault, False)
                await hung(eyes, single, matrix)
                await stopped(eyes, single, matrix)
                await alerts_count_the_reasons(eyes, receiver)
            matrix.print()
            assert not matrix.wrong, "\n".join(matrix.wrong)
            assert {truth for truth, _ in matrix.said} == VERDICTS
            blind = daemon(
                tmp_path / "blind", broker, topic_name, {"single": single}, receiver.url,
                consumers="{enabled: false}",
            )  # fmt: skip
            with blind:
                await settled(blind, lines)
                await nothing_is_claimed(blind, lines)


async def declined(eyes: DaemonProcess, matrix: Matrix) -> None:
    """Of an order that was declined, nothing is reserved: it went another way."""
    page = await asked(eyes, "/api/flows", name="payment.declined", limit=100)
    assert page["items"]
    for flow in page["items"]:
        matrix.note("other_path", await why(eyes, flow["flow"], RESERVED))


async def hung(eyes: DaemonProcess, branch: Branch, matrix: Matrix) -> None:
    """What others publish behind an open transaction is not seen, and `why` says who holds it."""
    known = set(branch.shop.ledger.flows)
    branch.switches.switch("hung-transaction", True)

    async def is_on() -> bool:
        return any(line.switched == "on" for line in branch.truth.lines)

    await until(is_on, eyes)
    await branch.shop.take(4.0, 4)
    flows = set(branch.shop.ledger.flows) - known

    async def answered(name: str) -> set[str]:
        page = await asked(eyes, "/api/flows", name=name, limit=1000)
        return {item["flow"] for item in page["items"]} & flows

    async def all_are() -> bool:
        return await answered("payment.authorized") | await answered("payment.declined") == flows

    await until(all_are, eyes)
    await asyncio.sleep(TIMING.within + STABLE_S)
    paid = await answered("payment.authorized")
    assert paid
    for flow in paid:
        answer = await why(eyes, flow, STOCK)
        matrix.note("hidden", answer)
        assert f"{branch.shop.topics[2]}-" in answer["text"]
        assert "since offset" in answer["text"], "its producer is named"
    branch.switches.switch("hung-transaction", False)

    async def is_off() -> bool:
        return any(line.switched == "off" for line in branch.truth.lines)

    await until(is_off, eyes)


async def stopped(eyes: DaemonProcess, branch: Branch, matrix: Matrix) -> None:
    branch.switches.switch("stopped-consumer", True)

    async def is_on() -> bool:
        last = [line for line in branch.truth.lines if line.fault == "stopped-consumer"]
        return bool(last)

    await until(is_on, eyes)
    await branch.shop.take(4.0, 6)
    await asyncio.sleep(TIMING.within + STABLE_S + 2)
    await compare(eyes, branch, matrix, "stopped-consumer")


async def alerts_count_the_reasons(eyes: DaemonProcess, receiver: Receiver) -> None:
    """Each alert that fires is told with what `why` says of its findings, one by one."""
    page = await asked(eyes, "/api/alerts", state="firing", limit=100)
    explained = 0
    for item in page["items"]:
        alert = await asked(eyes, f"/api/alerts/{item['fingerprint']}")
        given = {"alert": item["fingerprint"], "state": "open", "limit": 300}
        open_now = (await asked(eyes, "/api/findings", **given))["items"]
        flows = [one["flow"] for one in open_now if one["finding"] in ("missing", "unhandled")]
        if not flows or alert["why"] is None:
            continue
        answers = [await why(eyes, flow, item["expectation"]) for flow in flows]
        one_by_one = Counter(answer["verdict"] for answer in answers)
        counted: Counter[str] = Counter()
        for one in alert["why"]["items"]:
            counted[one["verdict"]] += one["count"]
        assert counted == one_by_one, alert["why"]
        explained += 1
    assert explained > 2
    told = [one["why"] for one in receiver.taken if one["why"] is not None]
    assert any("behind" in one["text"] for one in told), told


async def nothing_is_claimed(blind: DaemonProcess, lines: list[TruthLine]) -> None:
    """Nobody looks at consumers: of what they did nothing is said, of what is on the bus all is."""
    for line in in_the_end(lines):
        answer = await why(blind, line.flow or "", line.expect["expectation"])
        verdict = line.expect["verdict"]
        assert answer["verdict"] == ("unobserved" if verdict == "swallowed" else verdict), answer
        if verdict == "swallowed":
            assert "consumers of shop are not watched" in answer["text"]
