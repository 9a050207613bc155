"""What happened in a test of a rule file, and what did not: by the test's own clock."""

from analyzer.rules.tests import RuleTest
from analyzer.trial import Verdict
from collector.event import ORDER, Event
from collector.times import format_duration
from ui.timeline import GHOST_MARKS
from ui.visible import visible


def timeline(verdict: Verdict) -> list[str]:
    """A line for each event and for each that is lacking, in order of time; the flow is told where
    there are several."""
    test = verdict.test
    several = len({event.correlation_ids for event in test.events}) > 1
    rows: list[tuple[int, int, str]] = [
        (event.time, 0, _event(event, several, test)) for event in sorted(test.events, key=ORDER)
    ]
    for judged in verdict.trial.judged:
        for one in judged.instances:
            if one.lacks and one.state in GHOST_MARKS:
                # One without a deadline waits for the flow's end.
                at = test.until if one.deadline is None else one.deadline
                names = visible(", ".join(one.lacks))
                which = f" in {visible(judged.episode.flow)}" if several else ""
                said = f"{GHOST_MARKS[one.state]} {names}{which}  {one.state}: {one.expectation}"
                rows.append((at, 1, said))
    for window in verdict.trial.windows:
        for one in window.instances:
            if one.finding is not None and one.at is not None:
                rows.append((one.at, 1, f"{GHOST_MARKS['missing']} {one.expectation}: {one.text}"))
    rows.append((test.until, 2, "(until)"))
    rows.sort(key=lambda row: row[:2])
    return [f"{format_duration(at - test.start):>10}  {said}" for at, _, said in rows]


def _event(event: Event, several: bool, test: RuleTest) -> str:
    said = f"● {visible(event.name)}"
    if several:
        said += f" in {visible(', '.join(event.correlation_ids)) or 'no flow'}"
    if event.arrival > test.until:
        return f"{said}  not seen: arrives at {format_duration(event.arrival - test.start)}"
    if event.arrival != event.time:
        said += f"  arrives at {format_duration(event.arrival - test.start)}"
    return said
