"""What `/metrics` tells of findings, alerts and their delivery."""

from collections.abc import Iterator, Sequence

from prometheus_client.metrics_core import GaugeMetricFamily, Metric

from analyzer.rules.expectation import SEVERITIES
from ui import moments
from ui.alert_models import Tally
from ui.models import ExpectationItem

STATES = ("open", "closed", "retracted")
STANDING = ("firing", "pending")


def alert_metrics(tally: Tally, expectations: Sequence[ExpectationItem]) -> Iterator[Metric]:
    """Zeros of what is live stand there from the start: what begins to be is a change, too."""
    found = GaugeMetricFamily(
        "nonevent_findings",
        "Findings by state.",
        labels=("type", "expectation", "severity", "state"),
    )
    counts = {(e.type, e.name, e.severity, state): 0 for e in expectations for state in STATES}
    for one in tally.findings:
        counts[one.type, one.expectation, one.severity, one.state] = one.findings
    for labels, count in counts.items():
        found.add_metric(labels, count)
    yield found
    standing = GaugeMetricFamily(
        "nonevent_alerts", "Alerts that stand.", labels=("state", "severity")
    )
    alerts = {(state, severity): 0 for state in STANDING for severity in SEVERITIES}
    alerts |= {(one.state, one.severity): one.alerts for one in tally.alerts}
    for names, count in alerts.items():
        standing.add_metric(names, count)
    yield standing
    activating = GaugeMetricFamily(
        "nonevent_expectation_activating_events",
        "Events of the last 24 hours that it could have been applied to.",
        labels=("type", "expectation", "narrowed"),
    )
    for expectation in expectations:
        narrowed = "yes" if expectation.at_most else "no"
        activating.add_metric((expectation.type, expectation.name, narrowed), expectation.last_day)
    yield activating
    yield from _sinks(tally)


def _sinks(tally: Tally) -> Iterator[Metric]:
    waiting = GaugeMetricFamily(
        "nonevent_outbox_waiting", "Notifications not yet delivered.", labels=("sink",)
    )
    oldest = GaugeMetricFamily(
        "nonevent_outbox_oldest_timestamp_seconds",
        "When the notification was written that waits longest.",
        labels=("sink",),
    )
    refused = GaugeMetricFamily(
        "nonevent_outbox_refused",
        "Notifications that a sink refused for good, as far as the store knows them.",
        labels=("sink",),
    )
    for one in tally.sinks:
        waiting.add_metric((one.sink,), one.waiting)
        refused.add_metric((one.sink,), one.refused)
        if one.oldest is not None and (since := moments.parsed(one.oldest)) is not None:
            oldest.add_metric((one.sink,), since.timestamp())
    yield from (waiting, oldest, refused)
