"""What the demo prints: what to look at, what was seen, and what it came to."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime

from rich.console import Console
from rich.markup import escape

from demo.faults import FAULTS, FaultPlan
from demo.truth import TruthLine, moment
from demo.watch import Finding, Watch


class Screen:
    """Lines for people on standard output; without a terminal they are plain and unwrapped."""

    def __init__(self) -> None:
        self._console = Console(soft_wrap=True, highlight=False)

    def say(self, line: str = "") -> None:
        self._console.print(line)

    def opening(self, url: str, bus: str, watch: Watch, rate: float) -> None:
        plan = watch.plan
        self.say()
        self.say(f"[bold]The shop is open[/]: {rate:g} orders a second, seed {plan.seed}.")
        self.say(f"  page     [bold cyan]{url}[/]")
        self.say(f"  bus      {escape(bus)}")
        self.say(f"  truth    {escape(str(watch.truth.path))}  (each fault, as soon as committed)")
        self.say()
        self._faults(plan, rate)
        self.say("[bold]Look on in another terminal[/]")
        self.say(f"  nonevent flows --url {url}")
        self.say(f"  nonevent show ord-00003 --url {url}")
        self.say(f"  nonevent tail --url {url}")
        self.say()
        self.say("Ctrl-C ends the demo and removes its data.")
        self.say()

    def seen(self, line: TruthLine, finding: Finding, order_id: str) -> None:
        clock = moment()[11:19]
        self.say(
            f"{clock}  [red]{finding.finding:<8}[/] {order_id}  {escape(finding.expectation)}"
            f"  [dim]({line.fault} at {line.at[11:19]})[/]  {escape(finding.text)}"
        )

    def summary(self, created: int, open_: int, ended: Counter[str], watch: Watch) -> None:
        self.say()
        ends = ", ".join(f"{count} {how}" for how, count in sorted(ended.items()))
        self.say(f"[bold]{created} orders[/]: {ends or 'none has ended'}, {open_} under way.")
        for name in FAULTS:
            if injected := watch.injected(name):
                found, overdue = watch.confirmed(name), watch.overdue(name, datetime.now(UTC))
                waiting = injected - found - overdue
                rest = f", {waiting} not due yet" if waiting else ""
                rest += f", [yellow]{overdue} not found[/]" if overdue else ""
                self.say(f"  {name:<20} {injected} injected, {found} found{rest}")
        if not watch.lines:
            self.say("  No fault was injected.")
        for flow, expectation, finding in watch.unexplained:
            self.say(f"  [yellow]not injected[/]: {finding}: {escape(expectation)} in {flow}")

    def _faults(self, plan: FaultPlan, rate: float) -> None:
        if not plan.shares and not plan.early:
            self.say("[bold]No faults[/]: nothing should be found.")
            self.say()
            return
        self.say("[bold]Faults[/]")
        for name, fault in FAULTS.items():
            if share := plan.shares.get(name):
                self.say(
                    f"  {name:<20} {share:>4.0%}  {fault.about}\n"
                    f"  {'':<27}found as [red]{fault.finding}[/]: "
                    f"{fault.expectation}, some {fault.seen_after} s after the order"
                )
        if plan.early:
            first = min(plan.early)
            soon = first / rate + FAULTS[plan.early[first]].seen_after
            self.say(f"The first missing event is seen in about {soon:.0f} s.")
        self.say()
