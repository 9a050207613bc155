"""The live cache: which flows are open, when each must be judged next, and what was found.

It is a cache of `judge`: drop it, read the events back, judge again, and the same findings stand.
It decides only *when* a flow is judged, never *what* the judgement is.
"""

import itertools
from array import array
from collections import deque
from collections.abc import Callable, Iterable, Sequence

from analyzer.deadlines import Deadlines
from analyzer.episode import is_over
from analyzer.finding import Finding, findings
from analyzer.instance import Instance, finding_id
from analyzer.judge import RUNAWAY, judge, plainly_fine
from analyzer.open_flow import NOTHING_FOUND, OpenFlow, distinct, together
from analyzer.plan import NamePlan, make_plan
from analyzer.rules.ruleset import RuleFile, RuleSet
from analyzer.sight import Sight
from analyzer.transition import Transition, changes, taken_back, why_gone
from collector.event import Event
from collector.glimpse import Glimpse
from collector.interest import Interest, Part
from collector.ties import Ties
from collector.times import US_PER_S

Mark = tuple[int, int, int, tuple[tuple[Callable[[int, str], None], int], ...]]
"""What an event of one name means, ready for use: its bits, what it wakes, when it is due."""
Load = Callable[[Sequence[str]], dict[str, list[Event]]]
"""Reads flows back from the store, by name, everything committed and submitted included."""

HOT_FLOWS = 200_000
MASK = (1 << 20) - 1
"""Events that no rule names are counted by these bits of their flow's hash: 8 MB for any number."""
SWEEP = 1_000_000
"""After so many events flows are looked for that have too many and that nothing had judged."""
LINGER = 60 * US_PER_S
"""Event time after which a flow that is done is let go of: late copies come within it."""


class Live:
    """All flows that may still change a finding. Give it events, then sight; take transitions."""

    def __init__(
        self,
        rules: RuleSet,
        load: Load,
        default_grace: int,
        hot_flows: int = HOT_FLOWS,
        linger: int = LINGER,
        ties: Ties | None = None,
    ) -> None:
        """`ties`: where keys tie; it is kept by this cache, and read by `load`."""
        self.rules = rules
        self.flows: dict[str, OpenFlow] = {}
        self.judged = 0
        self._load = load
        self._ties = ties
        self._grace = default_grace
        self._hot_flows = hot_flows
        self._linger = linger
        self._plan = make_plan(rules, default_grace)
        self._file_masks = [(file, self._plan.mask(file)) for file in rules.files]
        self._cold: set[int] = set()
        """Hashes of flows that were let go of: one that comes back is loaded from the store."""
        self._cold_pending: set[int] = set()
        """Those of them in which something was pending."""
        self._deadlines: dict[frozenset[str], Deadlines] = {}
        """By the names awaited: completeness differs between them."""
        self._marks = {name: self._mark(plan) for name, plan in self._plan.names.items()}
        self._other = None if self._plan.other is None else self._mark(self._plan.other)
        other = self._plan.other
        self._interest = Interest(
            self._plan.parts(), ties is not None, Part() if other is None else other.part
        )
        self._leaving: deque[tuple[int, str]] = deque()
        """Flows that are done, with the moment from which on they are let go of."""
        self._dirty: set[str] = set()
        self._unnamed = array("Q", bytes(8 * (MASK + 1)))
        """At least so many events that no rule names are in the flows of each bucket."""
        self._fresh: list[Sequence[Glimpse]] = []
        """What was absorbed since the last judgement and is not stored yet."""
        self._until_sweep = SWEEP
        self._runaways: set[str] = set()
        self._adrift: dict[str, Finding] = {}
        """Findings that were announced, of flows that may be others now: the next judgement tells
        whose they are, or takes them back."""

    def _mark(self, plan: NamePlan) -> Mark:
        dues = tuple((self._deadlines_of(awaits).put, wait) for awaits, wait in plan.dues)
        return plan.bit, plan.twice, plan.wakes, dues

    def interest(self) -> Interest:
        """What of an event is looked at here."""
        return self._interest

    # Events in

    @property
    def ties(self) -> bool:
        """Whether keys tie; then the history is to be given to `prime` first."""
        return self._ties is not None

    def prime(self, events: Iterable[Event]) -> None:
        """What keys tie in the stored history, before that is absorbed."""
        if self._ties is not None:
            self._ties.add(events)

    def absorb(self, events: Sequence[Event], *, stored: bool = False) -> None:
        """Takes events in, in any order; `stored` ones, when `load` gives them too. Judging waits
        for `advance`."""
        self.take(self._interest.glimpses(events), stored=stored)

    def take(self, glimpses: Sequence[Glimpse], *, stored: bool = False) -> None:
        """As `absorb`, of events of which no more has come than this cache asks for."""
        if not stored:
            self._fresh.append(glimpses)
        self._until_sweep -= len(glimpses)
        if self._until_sweep < 0:
            self._sweep()
        if self._ties is not None:
            self._retie(self._ties, glimpses)
        self._recall(glimpses)
        marks, other = self._marks, self._other
        flows, unnamed, dirty = self.flows, self._unnamed, self._dirty
        flows_of = None if self._ties is None else self._ties.flows
        for glimpse in glimpses:
            mark = marks.get(glimpse.name, other)
            if mark is None:
                for flow_id in glimpse.correlation_ids if flows_of is None else flows_of(glimpse):
                    unnamed[hash(flow_id) & MASK] += 1
                    flow = flows.get(flow_id)
                    if flow is not None and flow.found:
                        most = flow.count + unnamed[hash(flow_id) & MASK]
                        if most > RUNAWAY or flows_of is not None:
                            dirty.add(flow_id)  # maybe a runaway now: they are taken back
                continue
            bit, twice, wakes, dues = mark
            time, packed = glimpse.time, glimpse.packed
            for flow_id in glimpse.correlation_ids if flows_of is None else flows_of(glimpse):
                flow = flows.get(flow_id)
                if flow is None:
                    flow = flows[flow_id] = OpenFlow()
                flow.packed += packed
                flow.count += 1
                if time > flow.last:
                    flow.last = time
                mask = flow.mask
                if mask & wakes or flow.found:
                    dirty.add(flow_id)
                flow.mask = mask | (twice if mask & bit else bit)
                flow.settled = flow.done = False
                for put, wait in dues:
                    put(time + wait, flow_id)

    def remember(self, found: Iterable[Finding]) -> None:
        """What had been announced before a restart; each of these flows is judged again."""
        for finding in found:
            self._adrift[finding.id] = finding
            flow_id = self._name(finding.correlation_id or "")
            if flow_id not in self.flows and hash(flow_id) in self._cold:
                self._revive([flow_id])
            self._dirty.add(flow_id)

    def _name(self, correlation_id: str) -> str:
        return correlation_id if self._ties is None else self._ties.flow(correlation_id)

    def _recall(self, glimpses: Sequence[Glimpse]) -> None:
        """Flows that were let go of come back with all their stored events, before the new ones."""
        if not self._cold:
            return
        cold, ties = self._cold, self._ties
        self._revive(
            {
                f
                for e in glimpses
                for f in (e.correlation_ids if ties is None else ties.flows(e))
                if f not in self.flows and hash(f) in cold
            }
        )

    def _revive(self, wanted: Iterable[str]) -> dict[str, int]:
        """Reads flows back; how many events each has that no rule names."""
        wanted = list(wanted)
        if not wanted:
            return {}
        unnamed: dict[str, int] = {}
        self._cold.difference_update(hash(flow) for flow in wanted)
        self._cold_pending.difference_update(hash(flow) for flow in wanted)
        for flow_id, stored in self._load(wanted).items():
            flow = self.flows[flow_id] = OpenFlow()
            for glimpse in self._interest.glimpses(stored):
                plan = self._plan.of(glimpse.name)
                if plan is not None:
                    flow.add(glimpse)
                    flow.mask = plan.seen(flow.mask)
            self._dirty.add(flow_id)
            unnamed[flow_id] = len(stored) - flow.count
            if len(stored) > RUNAWAY:
                self._give_up(flow_id, flow)
        return unnamed

    def _retie(self, ties: Ties, glimpses: Sequence[Glimpse]) -> None:
        """Flows that these events join are put together; what they part is read anew."""
        retied = ties.add(glimpses)
        anew = set(retied.anew)
        parts: dict[str, dict[str, OpenFlow]] = {}
        for before in retied.before:
            name, flow = ties.flow(before), self.flows.get(before)
            if flow is not None:
                parts.setdefault(name, {})[before] = flow
            elif hash(before) in self._cold:
                self._cold.discard(hash(before))
                anew.add(name)
        for name, olds in parts.items():
            if name not in anew and list(olds) == [name]:
                continue  # what joins it was not there before
            for before, old in olds.items():
                del self.flows[before]
                self._runaways.discard(before)
                self._adrift.update(old.found)
            if name not in anew:
                self.flows[name] = whole = self._together(list(olds.values()))
                self._expect(name)
                if whole.runaway or whole.count > RUNAWAY:
                    self._give_up(name, whole)
        for name, unnamed in self._revive(anew).items():
            # So far these were counted for a flow that may have had another name.
            self._unnamed[hash(name) & MASK] += unnamed
            self._expect(name)

    def _expect(self, flow_id: str) -> None:
        """Under its new name a flow is judged now, and when its events say."""
        flow = self.flows[flow_id]
        self._dirty.add(flow_id)
        for event in flow.events():
            mark = self._marks.get(event.name, self._other)
            for put, wait in () if mark is None else mark[-1]:
                put(event.time + wait, flow_id)

    def _together(self, flows: Sequence[OpenFlow]) -> OpenFlow:
        whole = together(flows, self._interest.glimpses(distinct(flows)))
        for event in whole.events():
            plan = self._plan.of(event.name)
            if plan is not None:
                whole.mask = plan.seen(whole.mask)
        return whole

    def _deadlines_of(self, awaits: frozenset[str]) -> Deadlines:
        deadlines = self._deadlines.get(awaits)
        if deadlines is None:
            deadlines = self._deadlines[awaits] = Deadlines()
        return deadlines

    # Flows of too many events

    def runaway(self) -> int:
        """How many flows are no longer judged, because they have too many events."""
        return len(self._runaways)

    def _sweep(self) -> None:
        self._until_sweep = SWEEP
        for flow_id, flow in self.flows.items():
            if flow.count > RUNAWAY:
                self._give_up(flow_id, flow)

    def _give_up(self, flow_id: str, flow: OpenFlow) -> None:
        flow.runaway = True
        flow.settled = flow.done = False  # let go of, it would be read back whole again and again
        flow.clear()
        self._runaways.add(flow_id)
        self._dirty.add(flow_id)

    def _ran_away(self, flow_id: str, flow: OpenFlow) -> bool:
        """Whether the flow has too many events, those that no rule names included."""
        if flow.runaway:
            flow.clear()
            return True
        ids = [flow_id] if self._ties is None else self._ties.ids(flow_id)
        if flow.count + sum(map(self._bucket, ids)) <= RUNAWAY:
            return False
        # Maybe: other flows share its bucket. The store knows, but for what came just now.
        fresh = (one for taken in self._fresh for one in taken if flow_id in self._flows_of(one))
        events = itertools.chain(
            self._load([flow_id]).get(flow_id, ()), (one.event() for one in fresh)
        )
        if len({(e.source, e.topic_id, e.partition, e.offset) for e in events}) <= RUNAWAY:
            return False
        self._give_up(flow_id, flow)
        return True

    def _bucket(self, flow_id: str) -> int:
        return self._unnamed[hash(flow_id) & MASK]

    def _flows_of(self, glimpse: Glimpse) -> Sequence[str]:
        return glimpse.correlation_ids if self._ties is None else self._ties.flows(glimpse)

    # Judgements out

    def advance(self, sight: Sight) -> list[Transition]:
        """Judges every flow whose findings may have changed, and says how they did."""
        due = self._dirty
        self._dirty = set()
        for awaits, deadlines in self._deadlines.items():
            for flow_id in deadlines.take(sight.complete_to(awaits)):
                flow = self.flows.get(flow_id)
                if flow is not None and not flow.settled:
                    due.add(flow_id)
        found: list[Transition] = []
        for flow_id in sorted(due):
            found.extend(self._judge(flow_id, sight))
        if self._adrift:
            found.extend(self._take_back())
        self._fresh.clear()
        self._let_go(sight.settled_to())
        return found

    def _judge(self, flow_id: str, sight: Sight) -> Iterable[Transition]:
        flow = self.flows.get(flow_id)
        if flow is None:
            return ()
        sure = self._ties is None and not flow.runaway
        few = sure and flow.count + self._unnamed[hash(flow_id) & MASK] <= RUNAWAY
        if not few and self._ran_away(flow_id, flow):
            found, flow.found = flow.found, NOTHING_FOUND
            return [taken_back(old, flow, self.rules) for old in found.values()]
        self.judged += 1
        events = flow.events()
        now: dict[str, Finding] = {}
        over = True
        flow.settled, flow.pending = True, False
        for file, mask in self._file_masks:
            if not flow.mask & mask:
                continue
            if plainly_fine(flow_id, events, file, sight):
                continue
            for one in judge(flow_id, events, file, sight):
                over = over and is_over(one.episode, sight)
                flow.pending = flow.pending or one.pending
                for instance in one.instances:
                    if instance.state == "pending" and instance.due is not None:
                        id = finding_id(one.episode, instance)
                        stood = flow.found.get(id) or self._adrift.get(id)
                        if stood is not None and self._unchanged(stood):
                            # Sight went back: what was seen to be missing is so still.
                            now[stood.id] = stood
                        self._await(flow_id, flow, file, instance)
                for finding in findings(one, self.rules.by_name):
                    now[finding.id] = finding
        before, flow.found = flow.found, now or NOTHING_FOUND
        if self._adrift:
            drifting = {id: self._adrift.pop(id) for id in now if id in self._adrift}
            before = {**before, **drifting}
        if not events:
            del self.flows[flow_id]  # nothing in it is any rule's business
            return changes(before, now, lambda old: why_gone(old, flow, self.rules), over=over)
        flow.done = flow.settled and over and not now
        if flow.done:
            self._leaving.append((flow.last + self._linger, flow_id))
        if not before and not now:
            return ()
        return changes(before, now, lambda old: why_gone(old, flow, self.rules), over=over)

    def _unchanged(self, finding: Finding) -> bool:
        """Whether its rule is the one that found it."""
        rule = self.rules.by_name.get((finding.type, finding.expectation))
        return rule is not None and rule.options.version == finding.rule_version

    def _take_back(self) -> Iterable[Transition]:
        """Findings of flows that were judged again, and that none of them has any more."""
        adrift, self._adrift = self._adrift, {}
        for old in adrift.values():
            flow = self.flows.get(self._name(old.correlation_id or ""))
            yield taken_back(old, flow, self.rules)

    def _await(self, flow_id: str, flow: OpenFlow, file: RuleFile, instance: Instance) -> None:
        """Sees to it that the flow is judged when this instance can be."""
        flow.settled = False
        due, deadline = instance.due, instance.deadline
        assert due is not None
        rule = self.rules.by_name[(file.flow, instance.expectation)]
        awaits = rule.awaits()
        deadlines = self._deadlines_of(awaits)
        if due >= deadlines.passed:
            grace = self._grace if rule.options.grace is None else rule.options.grace
            if deadline is not None and due == deadline + grace and rule.dues():
                return  # pushed when the activating event was absorbed
            if flow.pushed is None:
                flow.pushed = set()
            if (awaits, due) in flow.pushed:
                return
            flow.pushed.add((awaits, due))
        deadlines.put(due, flow_id)

    def _let_go(self, settled_to: int) -> None:
        """Lets flows go that nothing is expected of: those that are done, in time; of the others,
        when there are too many, those that were touched longest ago."""
        leaving = self._leaving
        while leaving and leaving[0][0] < settled_to:
            flow_id = leaving.popleft()[1]
            flow = self.flows.get(flow_id)
            if flow is not None and flow.done:
                self._forget(flow_id)
        excess = len(self.flows) - self._hot_flows
        if excess > 0:
            # A quarter more than need be, so that this is not done for every flow that comes.
            quiet = (f for f, flow in self.flows.items() if flow.settled and not flow.found)
            for flow_id in list(itertools.islice(quiet, excess + self._hot_flows // 4)):
                self._forget(flow_id)

    def _forget(self, flow_id: str) -> None:
        if self.flows.pop(flow_id).pending:
            self._cold_pending.add(hash(flow_id))
        self._cold.add(hash(flow_id))

    # What retention asks

    def is_open(self, flow_id: str) -> bool:
        """Something is pending in it, or found and not closed: its events are still needed."""
        flow = self.flows.get(flow_id)
        if flow is None:
            return hash(flow_id) in self._cold_pending
        standing = any(finding.state == "open" for finding in flow.found.values())
        return flow.pending or standing or flow_id in self._dirty

    def reads(self, name: str) -> bool:
        """Whether a rule reads the payload, the headers or the key of events of this name."""
        plan = self._plan.of(name)
        return plan is not None and (plan.part.payload != () or plan.part.rest)

    def release(self, flows: Iterable[str]) -> set[str]:
        """Forgets flows whose events are deleted; gives the ids of what had been found in them."""
        found: set[str] = set()
        for flow_id in flows:
            flow = self.flows.pop(flow_id, None)
            if flow is not None:
                found.update(flow.found)
            self._dirty.discard(flow_id)
            self._cold.discard(hash(flow_id))
            self._cold_pending.discard(hash(flow_id))
        return found

    def held(self, sight: Sight) -> int:
        """Judgements that are due where sight is furthest, and wait for a partition behind it."""
        newest = sight.newest()
        every = list(self._deadlines.values())  # a copy: others ask this while the tap goes on
        return sum(self._waits(flow) for deadlines in every for flow in deadlines.before(newest))

    def _waits(self, flow_id: str) -> bool:
        flow = self.flows.get(flow_id)
        return flow is not None and not flow.settled
