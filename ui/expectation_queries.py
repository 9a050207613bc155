"""What is expected, what came of it, and whether there was anything to expect it of: from counts
that are kept, never from the events."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import duckdb

from analyzer.clocks import Clocks
from analyzer.consumers.lag import Lag
from analyzer.rules.kind import Expectation
from analyzer.rules.ruleset import RuleFile, RuleSet
from analyzer.rules.sighted import activating, activations_sighted
from analyzer.sampling import SampledTopic, sampled, sampled_topics
from analyzer.undecided import NOTHING, Unknown
from collector.store import observed
from collector.store.rollups import Sighting, sightings
from collector.times import US_PER_S
from ui.models import ExpectationItem, FieldsMissing, Sampled
from ui.rows import moment

DAY = 24 * 3600 * US_PER_S

_FINDINGS = """
SELECT type, expectation, state, count(*), epoch_us(max("at") FILTER (state <> 'retracted'))
FROM (
    SELECT arg_max(type, seq) AS type, arg_max(expectation, seq) AS expectation,
        arg_max(state, seq) AS state, arg_max("at", seq) AS "at"
    FROM finding_log GROUP BY id
)
GROUP BY type, expectation, state
"""


@dataclass
class _Found:
    counts: dict[str, int] = field(default_factory=dict)
    last: int | None = None


def expectations(
    cursor: duckdb.DuckDBPyConnection,
    rules: RuleSet,
    now: int,
    unknown: Mapping[tuple[str, str], Unknown] | None,
) -> list[ExpectationItem]:
    """Every live expectation, in the order of the files; `now` in µs. `unknown`: as the running
    judge tells it, None where none runs."""
    seen = sightings(cursor, max(0, now - DAY))
    topics = _sampled_topics(cursor)
    counted = _found(cursor)
    items = []
    for file in rules.files:
        for one in file.expectations():
            which = file.flow, one.options.name
            item = _item(file, one, seen, topics, counted.get(which, _Found()))
            if unknown is not None:
                told = unknown.get(which, NOTHING)
                item.unknown, item.unknown_in = told.flows, list(told.last)
                item.failed, item.last_failed = told.failed, told.last_failed or None
            items.append(_of_consumers(cursor, one, item))
    return items


def _sampled_topics(cursor: duckdb.DuckDBPyConnection) -> list[SampledTopic]:
    samples = Clocks.stored(cursor).samples
    return sampled_topics(samples, {source: sightings(cursor, 0, source) for source in samples})


def _of_consumers(
    cursor: duckdb.DuckDBPyConnection, expectation: Expectation, item: ExpectationItem
) -> ExpectationItem:
    """What looks at no events is silent while nothing of its group was ever seen."""
    if not isinstance(expectation, Lag):
        return item
    last = observed.last_commit(cursor, expectation.group)
    return item.model_copy(update={"last_seen": moment(last), "silent": last is None})


def _item(
    file: RuleFile,
    expectation: Expectation,
    seen: list[Sighting],
    topics: list[SampledTopic],
    found: _Found,
) -> ExpectationItem:
    options = expectation.options
    sighted = activations_sighted(file, expectation, seen)
    return ExpectationItem(
        name=options.name,
        type=file.flow,
        kind=options.kind,
        sentence=options.sentence,
        about=options.about,
        severity=options.severity,
        labels=dict(options.labels),
        runbook=options.runbook,
        rule_version=options.version,
        file=str(file.path),
        findings={state: found.counts.get(state, 0) for state in ("open", "closed", "retracted")},
        last_finding=moment(found.last),
        activated_by=list(activating(file, expectation)),
        last_seen=moment(sighted.last),
        last_day=sighted.recent,
        at_most=sighted.at_most,
        silent=not sighted.events,
        unknown=None,
        unknown_in=[],
        failed=None,
        last_failed=None,
        fields_missing=[FieldsMissing(**one._asdict()) for one in file.lacking(expectation)],
        sampled=[
            Sampled(source=one.source, topic=one.topic, share=one.share)
            for one in sampled(file, expectation, topics)
        ],
    )


def _found(cursor: duckdb.DuckDBPyConnection) -> dict[tuple[str, str], _Found]:
    found: dict[tuple[str, str], _Found] = {}
    for type, expectation, state, count, last in cursor.execute(_FINDINGS).fetchall():
        one = found.setdefault((type, expectation), _Found())
        one.counts[state] = count
        if last is not None:
            one.last = max(last, one.last or last)
    return found
