"""What nonevent has to say of itself: it cannot see, it is late, it cannot tell, it has no room."""

import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from analyzer.alerts.condition import Condition
from analyzer.outbox.errand import Trouble
from analyzer.settings import SelfSettings
from analyzer.undecided import Expectation, Unknown
from collector.batch import PartitionState
from collector.settings import parse_size
from collector.sources.condition import Condition as TapCondition
from collector.times import NEVER, US_PER_S, format_duration, format_time, parse_duration

BLIND, AWAY, HIDDEN, BEHIND = "tap blind", "bus away", "records hidden", "tap behind"
OUTBOX, DISK, RULES, SILENT = "outbox stuck", "disk nearly full", "rules refused", "silent"
FAILED = "judging failed"
CRIPPLING = frozenset((BLIND, AWAY, HIDDEN, BEHIND, OUTBOX, DISK))
"""While one of these holds, nobody can rely on being told: the heartbeat stops."""
FAILED_FOR = 3_600 * US_PER_S
"""So long it is told that judging failed: the flow itself may be over at once."""


@dataclass(frozen=True)
class Seen:
    """How nonevent stands at one moment."""

    partitions: Sequence[PartitionState] = ()
    taps: Mapping[str, TapCondition] = field(default_factory=dict)
    held: int = 0
    troubles: Mapping[str, Trouble] = field(default_factory=dict)
    rule_errors: Sequence[str] = ()
    silent: Sequence[tuple[str, str, str]] = ()
    """(flow type, expectation, why that is unusual)"""
    unknown: Mapping[Expectation, Unknown] = field(default_factory=dict)
    room: int | None = None
    """Bytes that are left where the store lies."""


class SelfWatch:
    """Turns what is seen into conditions; remembers since when each holds."""

    def __init__(self, settings: SelfSettings) -> None:
        self._settings = settings
        self._room = parse_size(settings.disk) or 0
        self._since: dict[str, int] = {}
        self._failures: dict[Expectation, tuple[int, int]] = {}
        """How often judging had failed, and when that became so many."""

    def conditions(self, seen: Seen, now: int) -> list[Condition]:
        found = [
            *self._blind(seen),
            *self._away(seen),
            *self._hidden(seen),
            *self._behind(seen, now),
            *self._stuck(seen),
            *self._noted(seen),
            *self._failed(seen, now),
        ]
        since = {one.id: self._since.get(one.id, min(one.since, now)) for one in found}
        self._since = since
        return [_since(one, since[one.id]) for one in found]

    def healthy(self, conditions: Iterable[Condition], now: int) -> bool:
        """Whether people would be told if something were missing."""
        return not any(one.name in CRIPPLING and now - one.since >= one.wait for one in conditions)

    def _blind(self, seen: Seen) -> Iterator[Condition]:
        for p in _read(seen.partitions):
            if p.blocked_since is not None:
                where = f"{p.topic}-{p.partition}"
                text = (
                    f"blind on {where} of {p.source} since {format_time(p.blocked_since)}; "
                    f"{seen.held} judgements are held"
                )
                yield self._of(p.source, BLIND, where, text, p.blocked_since, self._settings.blind)

    def _away(self, seen: Seen) -> Iterator[Condition]:
        for name, tap in seen.taps.items():
            if tap.state == "connecting" and tap.why is not None:
                text = f"{name} does not answer since {format_time(tap.since)}: {tap.why}"
                yield self._of(name, AWAY, name, text, tap.since, self._settings.blind)

    def _hidden(self, seen: Seen) -> Iterator[Condition]:
        for p in _read(seen.partitions):
            if p.hidden_since is not None:
                where = f"{p.topic}-{p.partition}"
                text = (
                    f"an open transaction hides what is behind offset {p.last_stable_offset} of "
                    f"{where} of {p.source} since {format_time(p.hidden_since)}; "
                    f"{seen.held} judgements are held"
                )
                wait = self._settings.hidden
                yield self._of(p.source, HIDDEN, where, text, p.hidden_since, wait)

    def _behind(self, seen: Seen, now: int) -> Iterator[Condition]:
        limit = parse_duration(self._settings.behind) or 0
        least: dict[str, PartitionState] = {}
        for p in _read(seen.partitions):
            # Of what cannot be read, or is hidden, is told above.
            if p.complete_to == NEVER or p.blocked_since or p.hidden_since:
                continue
            if p.source in seen.taps and seen.taps[p.source].kind == "file":
                continue  # its time stands still at its end
            if p.source not in least or p.complete_to < least[p.source].complete_to:
                least[p.source] = p
        for name, p in least.items():
            if now - p.complete_to > limit and name not in _connecting(seen):
                text = (
                    f"{name} is seen up to {format_time(p.complete_to)} only, "
                    f"{format_duration((now - p.complete_to) // 1_000_000 * 1_000_000)} late"
                )
                yield self._of(name, BEHIND, name, text, now, self._settings.behind, "warning")

    def _stuck(self, seen: Seen) -> Iterator[Condition]:
        for name, trouble in seen.troubles.items():
            text = (
                f"the sink {name} takes nothing since {format_time(trouble.since)}: {trouble.why}"
            )
            yield Condition(
                OUTBOX, name, text, trouble.since, labels=(("sink", name),),
                wait=parse_duration(self._settings.outbox) or 0,
            )  # fmt: skip

    def _noted(self, seen: Seen) -> Iterator[Condition]:
        if seen.room is not None and seen.room < self._room:
            text = f"{seen.room // 1_000_000:,} MB are left where the store lies"
            yield Condition(DISK, "disk", text, _NOW)
        if seen.rule_errors:
            more = f" (and {len(seen.rule_errors) - 1} more)" if len(seen.rule_errors) > 1 else ""
            text = f"the changed rules are refused, the old ones go on: {seen.rule_errors[0]}{more}"
            wait = parse_duration(self._settings.blind) or 0
            yield Condition(RULES, "rules", text, _NOW, severity="warning", wait=wait)
        for type, expectation, why in seen.silent:
            yield Condition(
                SILENT, f"{type}/{expectation}", f"{type}: {expectation}: {why}", _NOW,
                severity="warning", labels=(("flow_type", type),),
            )  # fmt: skip

    def _failed(self, seen: Seen, now: int) -> Iterator[Condition]:
        for (type, expectation), one in seen.unknown.items():
            known, since = self._failures.get((type, expectation), (0, now))
            if one.failed != known:
                _, since = self._failures[type, expectation] = one.failed, now
            if one.failed and now - since < FAILED_FOR:
                text = (
                    f"{type}: {expectation}: {one.failure()}; nobody is told what is missing "
                    "there. Please report this mistake"
                )
                yield Condition(
                    FAILED, f"{type}/{expectation}", text, _NOW,
                    severity="warning", labels=(("flow_type", type),),
                )  # fmt: skip

    def _of(
        self, source: str, name: str, what: str, text: str, since: int, wait: str,
        severity: str = "critical",
    ) -> Condition:  # fmt: skip
        return Condition(
            name, f"{source}/{what}", text, since, severity, (("source", source),),
            parse_duration(wait) or 0,
        )  # fmt: skip


_NOW = 2**62
"""Since it was seen first."""


def room_at(path: Path) -> int | None:
    """Bytes that are left there; None where nobody can say."""
    try:
        return shutil.disk_usage(path.parent).free
    except OSError:
        return None


def _since(condition: Condition, since: int) -> Condition:
    return condition if condition.since == since else replace(condition, since=since)


def _read(partitions: Iterable[PartitionState]) -> Iterator[PartitionState]:
    return (one for one in partitions if not one.retired)


def _connecting(seen: Seen) -> set[str]:
    return {name for name, tap in seen.taps.items() if tap.state == "connecting"}
