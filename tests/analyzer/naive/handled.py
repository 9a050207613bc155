"""`handled`: what each group had committed, look by look."""

from dataclasses import dataclass

from collector.event import Event
from tests.analyzer.naive.flow import Question, Said

Place = tuple[str, int]


@dataclass(frozen=True)
class Looked:
    """At this moment: what each group had committed, by topic and partition. None: denied."""

    moment: int
    groups: dict[str, dict[Place, int] | None]


def handled(q: Question) -> list[Said]:
    return [_cause(q, cause) for cause in q.triggers(q.rule["handled"])]


def _cause(q: Question, cause: Event) -> Said:
    deadline = cause.time + q.rule["within"]
    answers = {group: _answer(q, cause, group, deadline) for group in q.rule["watched"]}
    states = list(answers.values())
    if all(state == "met" for state in states):
        return q.say(cause, "met")
    if q.excuses(cause, deadline):
        return q.say(cause, "void")
    state = next(s for s in ("pending", "missing", "late", "unknown") if s in states)
    excuses = q.excuse_names
    if state == "missing" and excuses and q.view.hidden(excuses, cause.time, deadline):
        state = "unknown"
    if state in ("pending", "unknown"):
        return q.say(cause, state)
    finding = "late" if state == "late" else "unhandled"
    lacks = tuple(sorted(g for g, s in answers.items() if s in ("missing", "late")))
    return q.say(cause, state, finding=finding, at=deadline, deadline=deadline, lacks=lacks)


def _answer(q: Question, cause: Event, group: str, deadline: int) -> str:
    looks: tuple[Looked, ...] = q.view.looks
    place, due = (cause.topic, cause.partition), deadline + q.grace
    if group != "nobody":
        seen = [(one.moment, told) for one in looks
                if (told := one.groups[group]) is not None]  # fmt: skip
        passed = [m for m, told in seen if told.get(place, 0) > cause.offset]
        if passed and passed[0] <= due:
            return "met"
    if not _known(q, due):
        return "pending"
    if group == "nobody":
        return "unknown"
    before = [one for one in looks if one.moment <= deadline]
    if before and before[-1].groups[group] is None:
        return "unknown"
    if not passed:
        return "missing"
    not_yet = [m for m, _ in seen if m < passed[0]]
    return "late" if not_yet and not_yet[-1] >= deadline else "unknown"


def _known(q: Question, due: int) -> bool:
    """Whether all that counts was seen beyond this: commits, and what excuses."""
    moments = []
    if any(group != "nobody" for group in q.rule["watched"]):
        moments.append(q.view.looks[-1].moment if q.view.looks else 0)
    if "nobody" in q.rule["watched"]:
        moments.append(q.view.complete(None))
    if q.excuse_names:
        moments.append(q.view.complete(q.excuse_names))
    return all(moment is not None and moment > due for moment in moments)
