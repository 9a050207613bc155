"""The naive judge: every rule of a file, asked of every episode of a flow."""

from collections.abc import Callable, Sequence

from collector.event import Event
from tests.analyzer.naive.counts import counts, either
from tests.analyzer.naive.flow import Life, Question, Said, Spec, View, lives
from tests.analyzer.naive.handled import handled
from tests.analyzer.naive.offences import agree, before, never, next_one, order
from tests.analyzer.naive.waiting import expect, for_each, together, undo

KINDS: dict[str, Callable[[Question], list[Said]]] = {
    "expect": expect,
    "never": never,
    "next": next_one,
    "before": before,
    "order": order,
    "count": counts,
    "together": together,
    "either": either,
    "undo": undo,
    "for_each": for_each,
    "agree": agree,
    "handled": handled,
}


def naive_judge(
    flow: str, events: Sequence[Event], file: Spec, view: View
) -> list[tuple[Life, list[Said]]]:
    """Each episode of this flow, and what each rule says of it."""
    found = []
    for life in lives(flow, file, events):
        said = [
            one for rule in file["rules"] for one in KINDS[rule["kind"]](Question(rule, life, view))
        ]
        found.append((life, said))
    return found
