"""What the demo prints: what to look at, what was seen, and what it came to."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime

from rich.console import Console
from rich.markup import escape

from demo.faults import FAULTS, Reach
from demo.plan import FaultPlan
from demo.services.ledger import Ledger
from demo.services.work import W
from demo.truth import Truth, TruthLine, moment
from demo.watch import Finding, Watch


class Screen:
    """Lines for people on standard output; without a terminal they are plain and unwrapped."""

    def __init__(self) -> None:
        self._console = Console(soft_wrap=True, highlight=False)

    def say(self, line: str = "") -> None:
        self._console.print(line)

    def opening(self, bus: str, truth: Truth, plan: FaultPlan, rate: float) -> None:
        self.say()
        self.say(f"[bold]The shop is open[/]: {rate:g} orders a second, seed {plan.seed}.")
        self.say(f"  bus      {escape(bus)}")
        self.say(f"  truth    {escape(str(truth.path))}  (each fault, as soon as committed)")
        self._faults(plan, rate)

    def watching(self, url: str) -> None:
        self.say(f"  page     [bold cyan]{url}[/]")
        self.say()
        self.say("[bold]Look on in another terminal[/]")
        self.say(f"  nonevent flows --url {url}")
        self.say(f"  nonevent show ord-00003 --url {url}")
        self.say(f"  nonevent tail --url {url}")
        self.say()

    def switches(self, url: str, found: bool) -> None:
        """`found`: whether a command in another terminal finds it by itself."""
        option = "" if found else f" --control {url}"
        self.say(f"[bold]Switch faults while it runs[/] (over HTTP: {url}/faults)")
        self.say(f"  nonevent demo faults{option}")
        self.say(f"  nonevent demo fault stopped-consumer on{option}")
        self.say()

    def seen(self, line: TruthLine, finding: Finding, order_id: str) -> None:
        clock = moment()[11:19]
        self.say(
            f"{clock}  [red]{finding.finding:<8}[/] {order_id}  {escape(finding.expectation)}"
            f"  [dim]({line.fault} at {line.at[11:19]})[/]  {escape(finding.text)}"
        )

    def summary(self, what: str, ledger: Ledger[W]) -> None:
        ends = ", ".join(f"{count} {how}" for how, count in sorted(ledger.ended.items()))
        self.say(
            f"[bold]{ledger.created} {what}[/]: {ends or 'none has ended'}, "
            f"{ledger.open} under way."
        )

    def verdict(self, watch: Watch) -> None:
        """What was injected, and what of it nonevent has found."""
        for name in FAULTS:
            if injected := watch.injected(name):
                found, overdue = watch.confirmed(name), watch.overdue(name, datetime.now(UTC))
                waiting = injected - found - overdue
                rest = f", {waiting} not due yet" if waiting > 0 else ""
                rest += f", [yellow]{overdue} not found[/]" if overdue else ""
                self.say(f"  {name:<20} {injected} injected, {found} found{rest}")
        unseen = Counter(
            line.fault for line in watch.truth.lines if line.flow and "finding" not in line.expect
        )
        for name, count in sorted(unseen.items()):
            self.say(f"  {name:<20} {count} injected; no rule can see it")
        if not watch.truth.lines:
            self.say("  No fault was injected.")
        for flow, expectation, finding in watch.unexplained:
            self.say(f"  [yellow]not injected[/]: {finding}: {escape(expectation)} in {flow}")

    def _faults(self, plan: FaultPlan, rate: float) -> None:
        self.say()
        if not plan.shares and not plan.early:
            self.say("[bold]No faults[/]: nothing should be found.")
            self.say()
            return
        self.say("[bold]Faults[/]")
        for name, fault in FAULTS.items():
            if share := plan.shares.get(name):
                amount = "on" if fault.reach is Reach.SERVICE else f"{share:.3g}"
                self.say(f"  {name:<20} {amount:>5}  {fault.about}")
                if fault.seen_after:
                    self.say(
                        f"  {'':<28}found as [red]{fault.expect['finding']}[/]: "
                        f"{fault.expectation}, some {fault.seen_after} s later"
                    )
        soon = [
            number / rate + FAULTS[name].seen_after
            for name, number in plan.early.items()
            if FAULTS[name].reach is Reach.ORDER and FAULTS[name].expect["finding"] == "missing"
        ]
        if soon:
            self.say(f"The first missing event is seen in about {min(soon):.0f} s.")
        self.say()
