"""The live cache: which flows are open, when each must be judged next, and what was found.

It is a cache of `judge`: drop it, read the events back, judge again, and the same findings stand.
It decides only *when* a flow is judged, never *what* the judgement is.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain

from analyzer.agenda import Agenda
from analyzer.consumers.overdue import Overdue
from analyzer.episode import Episode, is_over
from analyzer.finding import Finding, findings
from analyzer.instance import Instance, finding_id
from analyzer.judge import RUNAWAY, judge
from analyzer.kept_flows import KeptFlows
from analyzer.open_flow import (
    DONE,
    FOUND,
    JUDGED,
    NOTHING_FOUND,
    PENDING,
    SETTLED,
    UNSURE,
    WATCHED,
    OpenFlow,
    distinct,
)
from analyzer.origins import ByName, Origins
from analyzer.passing import Deadline, following
from analyzer.plain import Plain
from analyzer.plan import awaited, make_plan
from analyzer.remembered import Remembered, read, written
from analyzer.rules.ruleset import RuleFile, RuleSet
from analyzer.runaways import Load, Runaways
from analyzer.shape import Shapes
from analyzer.sight import Sight
from analyzer.transition import Transition, changes, taken_back
from analyzer.undecided import Expectation, Undecided
from collector.event import Event
from collector.glimpse import Glimpses, Ids, kept_in
from collector.interest import Interest, Part
from collector.ties import Ties
from collector.times import FOREVER, NEVER, US_PER_S

HOT_FLOWS = 200_000
LINGER = 10 * US_PER_S
"""Event time after which a flow that is done is let go of: what comes for it later is rare, and
costs reading it back."""


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
        """`ties`: where keys tie; it is kept by this cache, and read by `load`. What is absorbed as
        stored is in it before, but for what comes after `recover`."""
        self.rules = rules
        self.ties = ties
        self.judged = 0
        self._kept = KeptFlows(hot_flows, linger)
        self.flows = self._kept.hot
        self._load = load
        self._grace = default_grace
        self._plan = make_plan(rules, default_grace)
        self._shapes = Shapes(rules, self._plan, default_grace)
        self._origins = Origins()
        self._agenda = Agenda(awaited(file, rule) for file in rules.files for rule in file.rules)
        self._load_to: int | None = None
        """While a restart that goes on with what was remembered takes events in: the newest one
        that is in."""
        other = self._plan.other
        self._interest = Interest(
            self._plan.parts(), ties is not None, Part() if other is None else other.part
        )
        self._overdue = Overdue()
        self.undecided = Undecided()
        self._dirty: set[str] = set()
        self._runaways = Runaways(load, ties)
        self._unnamed = self._runaways.unnamed
        self._fresh: list[Glimpses] = []
        """What was absorbed since the last judgement and is not stored yet."""
        self._adrift: dict[str, Finding] = {}
        """Findings that were announced, of flows that may be others now: the next judgement tells
        whose they are, or takes them back."""

    @contextmanager
    def reading_back(self, load: Load) -> Iterator[None]:
        """Meanwhile flows are read back by this: by whoever reads the store for a restart, and so
        must not wait for the writer, who may wait for its readers to be gone."""
        before, self._load = self._load, load
        try:
            yield
        finally:
            self._load = before

    def interest(self) -> Interest:
        """What of an event is looked at here."""
        return self._interest

    # Events in

    def absorb(self, events: Sequence[Event], *, stored: bool = False) -> None:
        """Takes events in, in any order; `stored` ones, when `load` gives them too, in the order of
        storing. Judging waits for `advance`."""
        self.take(self._interest.glimpses(events), stored=stored)
        if events and self._load_to is not None:
            self._load_to = events[-1].seq

    def take(self, glimpses: Glimpses, *, stored: bool = False) -> None:
        """As `absorb`, of events of which no more has come than this cache asks for."""
        if not stored:
            self._fresh.append(glimpses)
        self._dirty.update(self._runaways.sweep_after(len(glimpses), self.flows))
        belongs: Sequence[Ids] = glimpses.ids
        if self.ties is not None:
            if not stored or self._load_to is not None:
                self._retie(self.ties, glimpses)
            belongs = [_one_or_several(self.ties.flows(one)) for one in glimpses]
        heads = [
            (one.name, None if self._plan.of(one.name) is None else self._origins.packed(one))
            for one in glimpses.origins
        ]
        flows, cold, none = self.flows, self._kept.cold, self._shapes.none
        enter = self._agenda.enter
        unnamed, mask = self._unnamed.buckets, self._unnamed.mask
        later: dict[str, list[tuple[str, int, bytes]]] = {}
        # The loop that every event passes: what `_add` does, without a call, of what is usual.
        for number, ids, time, body in zip(
            glimpses.numbers, belongs, glimpses.times, glimpses.bodies, strict=True
        ):
            name, head = heads[number]
            flow = flows.get(ids)  # type: ignore[arg-type]  # no flow is called by several
            if head is None:
                if type(ids) is str and (flow is None or not flow.state & FOUND):
                    unnamed[hash(ids) & mask] += 1
                else:
                    self._count_unnamed(ids)
                continue
            if flow is None:
                if type(ids) is not str or hash(ids) in cold:
                    for one in (ids,) if isinstance(ids, str) else ids:
                        if one in flows or hash(one) not in cold:
                            self._add(one, name, time, head + body)
                        else:
                            later.setdefault(one, []).append((name, time, head + body))
                    continue
                flow = flows[ids] = OpenFlow(none)
            flow_id: str = ids  # type: ignore[assignment]  # several are no key
            quiet = flow.shape.quiet.get(name)
            if quiet is None or flow.state & WATCHED:
                self._add(flow_id, name, time, head + body)
                continue
            flow.packed += head + body
            flow.count += 1
            flow.shape, wait = quiet
            if time + wait < flow.due:
                flow.due = due = time + wait
                enter(due, flow_id)
        if later:
            # They were let go of: they come back with all their stored events, before the new ones.
            self._revive(later)
            for flow_id, added in later.items():
                for name, time, packed in added:
                    self._add(flow_id, name, time, packed)

    def _add(self, flow_id: str, name: str, time: int, packed: bytes) -> None:
        """One more event of a flow that is not cold."""
        flow = self.flows.get(flow_id)
        if flow is None:
            flow = self.flows[flow_id] = OpenFlow(self._shapes.none)
        step = self._shapes.step(flow.shape, name)
        if step is None:
            return
        flow.append(packed)
        flow.shape = step.shape
        if step.wakes or flow.state & (FOUND | UNSURE):
            self._dirty.add(flow_id)
        due = time + step.wait
        if flow.state & JUDGED:
            # What had been judged may now come out otherwise, at the moments that it was due: those
            # after this event, though they have passed.
            due = min(due, self._next_due(flow, time))
        flow.state &= ~(SETTLED | DONE | JUDGED)
        self._agenda.put(flow_id, flow, due)

    def _next_due(self, flow: OpenFlow, since: int = FOREVER) -> int:
        """The next moment at which some event of this flow may have been judged, or the first one
        from `since` on."""
        names, since = self._origins.names, min(since, self._agenda.seen_to)
        due = FOREVER
        for number, kept in kept_in(flow.packed, flow.count):
            plan = self._plan.of(names[number])
            for _, wait in () if plan is None else plan.dues:
                one = kept.time + wait
                if since <= one < due:
                    due = one
        return due

    def _count_unnamed(self, ids: Ids) -> None:
        for flow_id in (ids,) if isinstance(ids, str) else ids:
            self._unnamed.add(flow_id)
            flow = self.flows.get(flow_id)
            if flow is not None and flow.state & FOUND:
                most = flow.count + self._unnamed.of(flow_id)
                if most > RUNAWAY or self.ties is not None:
                    self._dirty.add(flow_id)  # maybe a runaway now: they are taken back

    def remember(self, found: Iterable[Finding]) -> None:
        """What had been announced before a restart; each of these flows is judged again."""
        for finding in found:
            self._adrift[finding.id] = finding
            flow_id = self._flow_of(finding)
            if flow_id not in self.flows and self._kept.is_cold(flow_id):
                self._revive([flow_id])
            self._dirty.add(flow_id)

    def _flow_of(self, finding: Finding) -> str:
        """As the flow is called now."""
        correlation_id = finding.correlation_id or ""
        return correlation_id if self.ties is None else self.ties.flow(correlation_id)

    def _revive(self, wanted: Iterable[str]) -> dict[str, int]:
        """Reads flows back; how many events each has that no rule names."""
        wanted = list(wanted)
        if not wanted:
            return {}
        unnamed: dict[str, int] = {}
        self._kept.thaw(wanted)
        for flow_id, stored in self._read_back(wanted).items():
            flow = self.flows[flow_id] = self._whole(stored)
            self._dirty.add(flow_id)
            unnamed[flow_id] = len(stored) - flow.count
            if len(stored) > RUNAWAY:
                self._give_up(flow_id, flow)
        return unnamed

    def _read_back(self, flows: Sequence[str]) -> dict[str, list[Event]]:
        found, last = self._load(flows), self._load_to
        if last is None:
            return found
        return {flow: [e for e in events if e.seq <= last] for flow, events in found.items()}

    def _whole(self, events: Sequence[Event]) -> OpenFlow:
        """A flow of these events; it is to be judged, or to be expected."""
        flow = OpenFlow(self._shapes.none)
        glimpses = self._interest.glimpses(events)
        packed = []
        for number, body in zip(glimpses.numbers, glimpses.bodies, strict=True):
            origin = glimpses.origins[number]
            step = self._shapes.step(flow.shape, origin.name)
            if step is not None:
                flow.shape = step.shape
                packed += [self._origins.packed(origin), body]
        flow.packed, flow.count = b"".join(packed), len(packed) // 2
        return flow

    def _retie(self, ties: Ties, glimpses: Glimpses) -> None:
        """Flows that these events join are put together; what they part is read anew."""
        retied = ties.add(glimpses)
        anew = set(retied.anew)
        parts: dict[str, dict[str, OpenFlow]] = {}
        for before in retied.before:
            name, flow = ties.flow(before), self.flows.get(before)
            if flow is not None:
                parts.setdefault(name, {})[before] = flow
            elif self._kept.is_cold(before):
                self._kept.thaw([before])
                anew.add(name)
        for name, olds in parts.items():
            if name not in anew and list(olds) == [name]:
                continue  # what joins it was not there before
            for before, old in olds.items():
                del self.flows[before]
                self._runaways.flows.discard(before)
                self._adrift.update(old.found)
            if name not in anew:
                events = [
                    e
                    for id, old in olds.items()
                    for e in self._origins.events(id, old.packed, old.count)
                ]
                self.flows[name] = whole = self._whole(distinct(events))
                self._expect(name)
                if any(old.runaway for old in olds.values()) or whole.count > RUNAWAY:
                    self._give_up(name, whole)
        for name, unnamed in self._revive(anew).items():
            # So far these were counted for a flow that may have had another name.
            self._unnamed.add(name, unnamed)
            self._expect(name)

    def _expect(self, flow_id: str) -> None:
        """Under its new name a flow is judged now, and when its events say."""
        flow = self.flows[flow_id]
        self._dirty.add(flow_id)
        self._agenda.put(flow_id, flow, self._next_due(flow))

    # A restart

    def written(self, key: str, seq: int) -> list[bytes]:
        """All that is remembered, between two batches; `seq` is the newest event's."""
        return written(key, seq, self.flows, self._origins, self._kept.cold_pending)

    def remembered(self, parts: Sequence[bytes], key: str) -> Remembered | None:
        """What was written once, if it was by these rules."""
        return read(parts, key, self._shapes)

    def names(self) -> list[str] | None:
        """Those that some rule names; None: events of all names are looked at."""
        return None if self._plan.other is not None else list(self._plan.names)

    def recover(self, found: Remembered, stored: Iterable[tuple[str, int, int]]) -> None:
        """Takes up what was remembered; `stored`: by flow, as these were then, how many events up
        to then there are of names that rules name, and of others. Since then a flow can only have
        lost some: with as many it is what it was, else it is read back."""
        self._origins = Origins(found.origins)
        self._load_to = found.seq
        differs = []
        for flow_id, named, unnamed in stored:
            self._unnamed.add(flow_id, unnamed)
            flow = found.flows.get(flow_id)
            if flow is not None and flow.runaway and named + unnamed > RUNAWAY:
                self._runaways.flows.add(flow_id)
            elif flow is None or flow.runaway or flow.count != named:
                if named:
                    self._kept.cool(flow_id, pending=flow_id in found.pending)
                    if flow is not None:
                        differs.append(flow_id)
                continue
            self.flows[flow_id] = flow
            if flow.due < FOREVER:
                self._agenda.enter(flow.due, flow_id)
            elif not flow.state & SETTLED:
                self._dirty.add(flow_id)  # it waits for a partition that was behind
        self._revive(differs)

    def recovered(self) -> None:
        """All later events were absorbed."""
        self._load_to = None

    # Flows of too many events

    def runaway(self) -> int:
        """How many flows are no longer judged, because they have too many events."""
        return len(self._runaways.flows)

    def _give_up(self, flow_id: str, flow: OpenFlow) -> None:
        self._runaways.give_up(flow_id, flow)
        self._dirty.add(flow_id)

    # Judgements out

    def advance(self, sight: Sight) -> list[Transition]:
        """Judges every flow whose findings may have changed, and says how they did."""
        passed = self._agenda.take(sight, self.flows)
        due = self._dirty | self._agenda.take_held(sight, self.flows)
        due |= self._overdue.take(sight.consumed)
        self._dirty = set()
        due.update([one for one in passed if one not in due and not self._is_plain(one, sight)])
        found: list[Transition] = []
        for flow_id in sorted(due):
            found.extend(self._judge(flow_id, sight))
        if self._adrift:
            found.extend(self._take_back())
        self._fresh.clear()
        self._kept.let_go(sight.settled_to())
        return found

    def _judge(self, flow_id: str, sight: Sight) -> Iterable[Transition]:
        flow = self.flows.get(flow_id)
        if flow is None:
            return ()
        few, skew = self._has_few(flow_id, flow), sight.one_skew
        if not few and self._runaways.ran_away(flow_id, flow, self._fresh):
            found, flow.found = flow.found, NOTHING_FOUND
            flow.state &= ~FOUND
            return [self._taken_back(old, flow_id, flow) for old in found.values()]
        plains = None if skew is None else self._shapes.looked(flow.shape, skew).plains
        if not flow.found and self._plainly_fine(flow_id, flow, plains, sight):
            return ()
        self.judged += 1
        events = self._origins.events(flow_id, flow.packed, flow.count)
        now, state, over = self._outcome(flow_id, flow, events, sight)
        before, flow.found = flow.found, now or NOTHING_FOUND
        if self._adrift:
            drifting = {id: self._adrift.pop(id) for id in now if id in self._adrift}
            before = {**before, **drifting}
        if not events:
            del self.flows[flow_id]  # nothing in it is any rule's business
        elif now:
            state |= FOUND
        elif state & SETTLED and over:
            state |= DONE
            self._kept.done(flow_id, max(e.time for e in events))
        flow.state = state
        if not before and not now:
            return ()
        return changes(before, now, lambda old: self._taken_back(old, flow_id, flow), over)

    def _outcome(
        self, flow_id: str, flow: OpenFlow, events: Sequence[Event], sight: Sight
    ) -> tuple[dict[str, Finding], int, bool]:
        """What stands in a flow, by the judgement itself; its state, but for what follows from
        that; and whether all its episodes are over. What has to wait is put on the agenda."""
        now: dict[str, Finding] = {}
        over, state = True, SETTLED | JUDGED
        unknown: dict[Expectation, str] = {}
        for file in flow.shape.files:
            for one in judge(flow_id, events, file, sight, unless_fine=True):
                over = over and is_over(one.episode, sight)
                for instance in one.instances:
                    if instance.finding == "unhandled":
                        self._overdue.put(flow_id, instance)
                    if instance.state == "unknown":
                        state |= UNSURE
                        of = (file.flow, instance.expectation)
                        if instance.failed:
                            now.update(self._standing(flow, one.episode, of))
                        unknown[of] = unknown.get(of) or (instance.text if instance.failed else "")
                    elif instance.state == "pending":
                        state |= PENDING
                        if instance.due is not None:
                            state &= ~SETTLED
                            now.update(self._seen_missing(flow, one.episode, instance))
                            self._await(flow_id, flow, file, instance)
                for finding in findings(one, self.rules.by_name):
                    now[finding.id] = finding
        if unknown:
            self.undecided.note(flow_id, unknown, self.flows)
        return now, state, over

    def _seen_missing(
        self, flow: OpenFlow, episode: Episode, instance: Instance
    ) -> dict[str, Finding]:
        """Where sight went back: what was seen to be missing is so still."""
        if not flow.found and not self._adrift:
            return {}
        id = finding_id(episode, instance)
        stood = flow.found.get(id) or self._adrift.get(id)
        return {} if stood is None or not self._unchanged(stood) else {id: stood}

    def _has_few(self, flow_id: str, flow: OpenFlow) -> bool:
        """Surely it has not too many events."""
        few = flow.count + self._unnamed.of(flow_id) <= RUNAWAY
        return few and self.ties is None and not flow.runaway

    def _is_plain(self, flow_id: str, sight: Sight) -> bool:
        """Whether it is told without a judgement what comes of this flow, of which deadlines have
        passed: nothing is found in it, and it goes on, or is done."""
        flow, skew = self.flows[flow_id], sight.one_skew
        if skew is None or flow.found or self._adrift or not self._has_few(flow_id, flow):
            return False
        shape = self._shapes.looked(flow.shape, skew)
        if not shape.deadlines:
            return self._plainly_fine(flow_id, flow, shape.plains, sight)
        # What was pending in a judgement may wait for moments of its own.
        return not flow.state and self._goes_on(flow_id, flow, shape.deadlines)

    def _goes_on(self, flow_id: str, flow: OpenFlow, asked: Iterable[Deadline]) -> bool:
        """Whether nothing has changed in it: the deadlines that have passed were met."""
        at = ByName(flow_id, flow.packed, flow.count, self._origins)
        due = following(asked, at, self._agenda.furthest)
        if due is None:
            return False
        self._agenda.put(flow_id, flow, due)
        return True

    def _plainly_fine(
        self, flow_id: str, flow: OpenFlow, plains: Iterable[Plain] | None, sight: Sight
    ) -> bool:
        """Whether this flow is one of those of which nearly all are: then it is done."""
        if not plains:
            return False
        at, last = ByName(flow_id, flow.packed, flow.count, self._origins), NEVER
        for one in plains:
            if not one.holds(at, sight):
                return False
            last = max(last, at.kept[one.end][1].time)
        self.judged += 1
        flow.state = SETTLED | JUDGED | DONE
        self._kept.done(flow_id, last)
        return True

    def _taken_back(self, old: Finding, flow_id: str, flow: OpenFlow | None) -> Transition:
        events = [] if flow is None else self._origins.events(flow_id, flow.packed, flow.count)
        return taken_back(old, events, self.rules, runaway=flow is not None and flow.runaway)

    def _unchanged(self, finding: Finding) -> bool:
        """Whether its rule is the one that found it."""
        rule = self.rules.by_name.get((finding.type, finding.expectation))
        return rule is not None and rule.options.version == finding.rule_version

    def _standing(self, flow: OpenFlow, episode: Episode, of: Expectation) -> dict[str, Finding]:
        """What this expectation found before judging it failed: nothing says otherwise."""
        return {
            one.id: one
            for one in chain(flow.found.values(), self._adrift.values())
            if (one.type, one.expectation) == of
            and self._unchanged(one)
            and (
                one.flow == episode.flow
                or (not episode.events and self._flow_of(one) == episode.correlation_id)
            )
        }

    def _take_back(self) -> Iterable[Transition]:
        """Findings of flows that were judged again, and that none of them has any more."""
        adrift, self._adrift = self._adrift, {}
        for old in adrift.values():
            flow_id = self._flow_of(old)
            yield self._taken_back(old, flow_id, self.flows.get(flow_id))

    def _await(self, flow_id: str, flow: OpenFlow, file: RuleFile, instance: Instance) -> None:
        """Sees to it that the flow is judged when this instance can be."""
        assert instance.due is not None
        awaits = awaited(file, self.rules.by_name[(file.flow, instance.expectation)])
        self._agenda.wait(flow_id, flow, instance.due, awaits)

    # What retention asks

    def is_open(self, flow_id: str, sight: Sight) -> bool:
        """Something is pending in it, or found and not closed: its events are still needed."""
        flow = self.flows.get(flow_id)
        if flow is None:
            return flow_id in self._kept.cold_pending
        standing = any(finding.state == "open" for finding in flow.found.values())
        return standing or flow_id in self._dirty or self._is_pending(flow_id, flow, sight)

    def _is_pending(self, flow_id: str, flow: OpenFlow, sight: Sight) -> bool:
        if flow.runaway or flow.state & JUDGED:
            return bool(flow.state & PENDING)
        # Never judged, or not since its last event: its first deadline may be far away.
        events = self._origins.events(flow_id, flow.packed, flow.count)
        return any(
            one.pending for file in flow.shape.files for one in judge(flow_id, events, file, sight)
        )

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
            self._runaways.flows.discard(flow_id)
            self._kept.thaw([flow_id])
        return found

    def held(self, sight: Sight) -> int:
        """Flows that are due where sight is furthest, and wait for a partition behind it."""
        return self._agenda.held(sight, self.flows)


def _one_or_several(ids: tuple[str, ...]) -> Ids:
    return ids[0] if len(ids) == 1 else ids
