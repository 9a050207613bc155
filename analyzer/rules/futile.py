"""Conditions that are never true, whatever comes."""

from analyzer.rules.checker import Checker
from analyzer.rules.conditions import conditions
from analyzer.rules.located import Value
from collector.cel_truth import never_true

FOLLOWS = {
    "where": "nothing ever activates this, and it is never judged",
    "such_that": "no event ever counts",
    "unless": "nothing is ever excused",
    "events": "no event is ever called so",
}
"""By where the condition stands, what follows."""


def warn_of_futile(document: Value, checker: Checker) -> None:
    """At each condition, with what follows from it."""
    for condition in conditions(document):
        if never_true(condition.text):
            what = f"the condition `{condition.text}` is never true: {FOLLOWS[condition.key]}"
            checker.warn(condition.place, what)
