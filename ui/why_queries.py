"""Why something is missing from a flow: what was seen is gathered from the store, and judged."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from analyzer.instance import finding_id
from analyzer.judge import judge
from analyzer.rules.ruleset import RuleFile, RuleSet
from analyzer.rules.services import Service
from analyzer.services.filling import services_for
from analyzer.why.gathering import Gathering
from analyzer.why.lack import Lack
from analyzer.why.steps import race_of
from analyzer.why.table import Why, why
from collector.event import ORDER, Event
from ui.flow_queries import FlowReader
from ui.models import RuledOut, WhyItem
from ui.rows import moment

LACKING = ("missing", "late", "unknown", "pending")
ASKED = ("missing", "late", "unknown", "violated")
"""Before what is awaited still."""
MOST_ASKED = 50
"""So many instances of a flow are explained at once."""


class Explained(NamedTuple):
    lack: Lack
    why: Why


class WhyReader:
    """Within the transaction of a reader of flows: all of one moment."""

    def __init__(
        self,
        reader: FlowReader,
        rules: RuleSet,
        learned: Callable[[], Sequence[Service]] = tuple,
    ) -> None:
        """`learned`: services where none is declared; asked only where one is needed."""
        self._reader = reader
        self._rules = rules
        self._learned = learned
        self._filled: dict[str, Sequence[Service]] = {}
        """By type, the services that are declared and those that are learned."""
        self._gathering = Gathering(
            reader.cursor, reader.sight, reader.topics, reader.flows_of, reader.commits.watched
        )

    def explain(self, flow_or_key: str, expectation: str | None) -> list[WhyItem] | None:
        """None: there is no such flow."""
        whole = self._reader.whole(flow_or_key)
        if whole is None:
            return None
        lacks = list(self._lacks(whole.flow, whole.events))
        if expectation is not None:
            lacks = [one for one in lacks if one.rule.options.name == expectation]
        told = [one for one in lacks if one.instance.state in ASKED or _overdue(one, self._reader)]
        return [_item(one) for one in self._explained((told or lacks)[:MOST_ASKED])]

    def explain_findings(self, wanted: Iterable[tuple[str, str]]) -> list[Explained]:
        """Of findings, by flow and id. Those that are no more are left out."""
        ids: dict[str, set[str]] = {}
        for flow, id in wanted:
            ids.setdefault(self._reader.flow(flow), set()).add(id)
        found = self._reader.whole_events(list(ids))
        lacks = [
            lack
            for flow, events in found.items()
            for lack in self._lacks(flow, sorted(events, key=ORDER))
            if finding_id(lack.episode, lack.instance) in ids[flow]
        ]
        return self._explained(lacks)

    def _lacks(self, flow: str, events: Sequence[Event]) -> Iterator[Lack]:
        names = {event.name for event in events}
        for file in self._rules.files:
            if not file.concerned(names):
                continue
            for one in judge(flow, events, file, self._reader.sight):
                for instance in one.instances:
                    rule = self._rules.by_name[file.flow, instance.expectation]
                    if instance.state in LACKING or race_of(instance, one.episode, rule):
                        declared = file.services
                        lack = Lack(flow, file, rule, declared, events, one.episode, instance)
                        if lack.step.service is None:
                            lack = replace(lack, services=self._services(file))
                        yield lack

    def _services(self, file: RuleFile) -> Sequence[Service]:
        if file.flow not in self._filled:
            self._filled[file.flow] = tuple(services_for(file, self._learned()))
        return self._filled[file.flow]

    def _explained(self, lacks: Sequence[Lack]) -> list[Explained]:
        seen = self._gathering.seen(lacks)
        return [
            Explained(lack, why(lack.instance, lack.episode, lack.step, lack.services, beside))
            for lack, beside in zip(lacks, seen, strict=True)
        ]


def _item(one: Explained) -> WhyItem:
    lack, told = one
    return WhyItem(
        type=lack.file.flow,
        deadline=moment(lack.instance.deadline),
        flow=lack.flow,
        expectation=lack.instance.expectation,
        verdict=told.verdict,
        confidence=told.confidence,
        text=told.text,
        evidence=[dict(one) for one in told.evidence],
        ruled_out=[RuledOut(verdict=word, why=reason) for word, reason in told.ruled_out],
    )


def _overdue(lack: Lack, reader: FlowReader) -> bool:
    """Pending past its deadline: its judgement is held, for not all can be seen."""
    due = lack.instance.due
    return due is not None and reader.sight.newest() > due
