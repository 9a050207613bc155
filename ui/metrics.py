"""`/metrics`: the state of the tap and the store as Prometheus gauges."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from collector.sources.counting import Counted
from ui import moments
from ui.alert_metrics import alert_metrics
from ui.alert_models import Tally
from ui.models import ConsumerItem, ExpectationItem, PartitionStatus, Status

PARTITION = ("source", "topic", "partition")
EXPECTATION = ("type", "expectation")
CONSUMER = ("source", "group", "topic", "partition")


class _Told(Collector):
    """Lends metrics that were made already to a registry."""

    def __init__(self, metrics: Sequence[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        return self._metrics


def exposition(
    status: Status,
    tally: Tally,
    expectations: Sequence[ExpectationItem],
    consumers: Sequence[ConsumerItem],
    collectors: Sequence[Collector],
    accept: str | None,
) -> tuple[bytes, str]:
    """The text and its content type, in the format that the scraper asked for."""
    registry = CollectorRegistry(auto_describe=False)
    told = [
        *status_metrics(status),
        *alert_metrics(tally, expectations),
        *expectation_metrics(expectations),
        *consumer_metrics(consumers),
    ]
    registry.register(_Told(told))
    for collector in collectors:
        registry.register(collector)
    encode, content_type = choose_encoder(accept or "")
    return encode(registry), content_type


def expectation_metrics(expectations: Sequence[ExpectationItem]) -> Iterator[Metric]:
    """Of each of them, also while nothing is to be told: what begins to be is a change, too."""
    of = [((one.type, one.name), one) for one in expectations]
    yield _labelled(
        "nonevent_expectation_silent",
        "1 while nothing is stored that this expectation could have judged.",
        EXPECTATION,
        {labels: float(one.silent) for labels, one in of},
    )
    lacking = CounterMetricFamily(
        "nonevent_expectation_fields_missing",
        "How often a field that a condition reads was not there, since the rules were read.",
        labels=EXPECTATION,
    )
    unknown = CounterMetricFamily(
        "nonevent_expectation_unknown_flows",
        "Flows in which it could not be told, since the rules were read.",
        labels=EXPECTATION,
    )
    failed = CounterMetricFamily(
        "nonevent_expectation_failures",
        "Flows and windows in which judging failed, by a mistake of nonevent's.",
        labels=EXPECTATION,
    )
    for labels, one in of:
        lacking.add_metric(labels, sum(lacks.missing for lacks in one.fields_missing))
        if one.unknown is not None:  # where no daemon runs nothing is known
            unknown.add_metric(labels, one.unknown)
        if one.failed is not None:
            failed.add_metric(labels, one.failed)
    yield from (lacking, unknown, failed)


def consumer_metrics(consumers: Sequence[ConsumerItem]) -> Iterator[Metric]:
    """What is not known is left out."""
    at = [
        ((one.source, one.group, one.topic or "", str(one.partition)), one)
        for one in consumers
        if one.partition is not None
    ]
    yield _labelled(
        "nonevent_consumer_lag",
        "Events that a group has not committed yet.",
        CONSUMER,
        {labels: one.lag for labels, one in at if one.lag is not None},
    )
    yield _labelled(
        "nonevent_consumer_lag_seconds",
        "How long ago the oldest event was appended that a group has not committed yet.",
        CONSUMER,
        {labels: one.lag_seconds for labels, one in at if one.lag_seconds is not None},
    )
    yield _labelled(
        "nonevent_consumer_verdict",
        "1 for the verdict on a group at a partition.",
        (*CONSUMER, "verdict"),
        {(*labels, one.verdict): 1 for labels, one in at},
    )


def status_metrics(status: Status) -> Iterator[Metric]:
    """Every gauge that the status gives; what is not known is left out, never zero."""
    yield _labelled("nonevent_build_info", "Always 1.", ("version",), {(status.version,): 1})
    yield _single("nonevent_events", "Events in the store.", status.events)
    yield _single("nonevent_untied_events", "Stored events that are in no flow.", status.untied)
    yield _single("nonevent_unnamed_events", "Stored events without a name.", status.unnamed)
    yield _single(
        "nonevent_runaway_flows",
        "Flows of too many events, which are no longer judged.",
        status.runaway,
    )
    yield _labelled(
        "nonevent_common_key_values",
        "Values of tying keys that too many correlation IDs carry, and that so tie none.",
        ("key",),
        {(common.key,): common.values for common in status.common_keys},
    )
    yield _labelled(
        "nonevent_problem_events",
        "Stored events with a problem.",
        ("problem",),
        {(problem,): count for problem, count in status.problems.items()},
    )
    yield _single(
        "nonevent_judgements_held",
        "Deadlines that passed but cannot be judged until a partition is readable again.",
        status.held,
    )
    yield _single("nonevent_store_bytes", "Size of the store's file.", status.store_bytes)
    yield _single("nonevent_expectations", "Expectations in force.", len(status.expectations))
    yield _single("nonevent_rule_errors", "Mistakes in the rule files.", len(status.rule_errors))
    if status.settled_to is not None and (seconds := _seconds(status.settled_to)) is not None:
        yield _single(
            "nonevent_settled_to_timestamp_seconds",
            "Everything up to this moment is judged for good.",
            seconds,
        )
    yield _single("nonevent_queued_batches", "Batches that wait for the judge.", status.queued)
    yield from _source_metrics(status)
    yield from _partition_metrics(status)


def _source_metrics(status: Status) -> Iterator[Metric]:
    """What the taps tell; where no daemon runs they tell nothing."""
    tapped = [source for source in status.sources if source.state is not None]
    yield _labelled(
        "nonevent_source_connected",
        "1 while the bus answers, 0 while it is away.",
        ("source",),
        {(source.name,): float(source.state == "reading") for source in tapped},
    )
    yield _labelled(
        "nonevent_source_behind_events",
        "Records on the bus that were not read yet.",
        ("source",),
        _behind(status, "records"),
    )
    yield _labelled(
        "nonevent_source_behind_bytes",
        "Bytes of a file of event lines that were not read yet.",
        ("source",),
        _behind(status, "bytes"),
    )
    yield _labelled(
        "nonevent_source_behind_seconds",
        "How long ago the least complete partition was complete.",
        ("source",),
        {(s.name,): s.behind_seconds for s in status.sources if s.behind_seconds is not None},
    )
    yield _labelled(
        "nonevent_source_denied_topics",
        "Topics that may not be read.",
        ("source",),
        {(source.name,): len(source.denied) for source in tapped},
    )
    yield _labelled(
        "nonevent_source_published_after_seconds",
        "How long after they happened events were published at most, of late.",
        ("source", "topic"),
        {
            (source.name, one.topic): one.seconds
            for source in tapped
            for one in source.published_after or ()
        },
    )
    for name, text, of in (
        ("skipped_events", "Events that were not kept, since the tap started.", "skipped"),
        ("read_problems", "Problems of events, since the tap started.", "problems"),
    ):
        family = CounterMetricFamily(f"nonevent_{name}", text, labels=("source", "topic", "reason"))
        for source in tapped:
            for topic, reasons in getattr(source, of).items():
                for reason, count in reasons.items():
                    family.add_metric((source.name, topic, reason), count)
        yield family


def _behind(status: Status, counted: Counted) -> dict[tuple[str, ...], float]:
    return {
        (source.name,): source.behind
        for source in status.sources
        if source.behind is not None and source.counted_in == counted
    }


def _partition_metrics(status: Status) -> Iterator[Metric]:
    at = [
        ((source.name, partition.topic, str(partition.partition)), partition)
        for source in status.sources
        for partition in source.partitions
    ]

    def gauge(name: str, text: str, values: dict[tuple[str, ...], float | None]) -> Metric:
        known = {labels: value for labels, value in values.items() if value is not None}
        return _labelled(f"nonevent_partition_{name}", text, PARTITION, known)

    yield gauge(
        "position",
        "The next offset to read; of event lines, the next byte.",
        {k: p.position for k, p in at},
    )
    yield gauge(
        "high_watermark",
        "The offset after the last one on the bus; of a file of event lines, its size.",
        {k: p.high_watermark for k, p in at},
    )
    yield gauge(
        "complete_to_timestamp_seconds",
        "Everything up to this moment was seen.",
        {k: _complete_to(p) for k, p in at},
    )
    yield gauge("gaps", "Ranges that could not be seen.", {k: p.gaps for k, p in at})
    yield gauge(
        "blocked",
        "1 while the partition cannot be read.",
        {k: float(p.blocked_since is not None) for k, p in at},
    )
    yield gauge(
        "hidden_events",
        "Offsets that an open transaction hides.",
        {k: _hidden(p) for k, p in at},
    )


def _hidden(partition: PartitionStatus) -> float:
    if partition.hidden_from is None or partition.high_watermark is None:
        return 0
    return max(0, partition.high_watermark - partition.hidden_from)


def _complete_to(partition: PartitionStatus) -> float | None:
    return _seconds(partition.complete_to) if partition.complete_to is not None else None


def _seconds(text: str) -> float | None:
    moment = moments.parsed(text)
    return moment.astimezone(UTC).timestamp() if moment else None


def _single(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value=value)


def _labelled(
    name: str, text: str, labels: Sequence[str], values: dict[tuple[str, ...], float]
) -> Metric:
    family = GaugeMetricFamily(name, text, labels=labels)
    for label_values, value in values.items():
        family.add_metric(label_values, value)
    return family
