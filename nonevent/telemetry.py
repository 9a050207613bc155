"""nonevent's own stages as OpenTelemetry metrics and traces, sent by OTLP/HTTP where configured.

The libraries are loaded only where they are: without `telemetry:` nothing of this runs.
"""

import logging
import threading
from collections.abc import Mapping
from importlib.metadata import version

from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import TraceIdRatioBased
from opentelemetry.trace import SpanKind, set_span_in_context

from analyzer.tables import FINDING_LOG
from nonevent.instruments import Passing
from nonevent.telemetry_settings import TelemetrySettings

# Each try that failed is a line; that a whole export did is enough.
logging.getLogger("opentelemetry").setLevel(logging.ERROR)

TIMEOUT_S = 5
SECONDS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)


class Telemetry:
    """Sends in the background, and drops what a collector that is away does not take."""

    def __init__(
        self, settings: TelemetrySettings, *, labels: Mapping[str, str], kinds: Mapping[str, str]
    ) -> None:
        """`kinds`: what kind of bus each source is."""
        assert settings.otlp is not None
        self._kinds = kinds
        base = settings.otlp.rstrip("/")
        headers = {name: value.get_secret_value() for name, value in settings.headers.items()}
        of_us = {"service.name": "nonevent", "service.version": version("nonevent")}
        resource = Resource.create(of_us | {f"nonevent.{k}": v for k, v in labels.items()})
        self._traces = TracerProvider(
            resource=resource, sampler=TraceIdRatioBased(settings.sample), shutdown_on_exit=False
        )
        self._traces.add_span_processor(
            BatchSpanProcessor(
                OTLPSpanExporter(f"{base}/v1/traces", headers=headers, timeout=TIMEOUT_S)
            )
        )
        self._meters = MeterProvider(
            resource=resource,
            metric_readers=[
                PeriodicExportingMetricReader(
                    OTLPMetricExporter(f"{base}/v1/metrics", headers=headers, timeout=TIMEOUT_S),
                    export_interval_millis=settings.every_ms(),
                )
            ],
            shutdown_on_exit=False,
        )
        self._tracer = self._traces.get_tracer("nonevent")
        meter = self._meters.get_meter("nonevent")
        self._durations = meter.create_histogram(
            "nonevent.stage.duration", "s", "How long a batch was in a stage, its commit included.",
            explicit_bucket_boundaries_advisory=SECONDS,
        )  # fmt: skip
        self._events = meter.create_counter("nonevent.events", "{event}", "Events stored.")
        self._judgements = meter.create_counter(
            "nonevent.judgements", "{judgement}", "Judgements that changed a finding, by its state."
        )

    def passed(self, passing: Passing) -> None:
        """A batch was committed: its stages as a trace, where it is one of the sample."""
        batch = passing.batch
        for name, began, ended in passing.steps:
            self._durations.record((ended - began) / 1e9, {"nonevent.stage": name})
        if batch.count:
            self._events.add(batch.count)
            self._trace(passing)
        for row in batch.rows.get(FINDING_LOG.name, ()):
            self._judgements.add(1, {"nonevent.finding.state": row.state})

    def _trace(self, passing: Passing) -> None:
        batch, steps = passing.batch, passing.steps
        whole = self._tracer.start_span("process", kind=SpanKind.CONSUMER, start_time=steps[0][1])
        if not whole.is_recording():
            return
        sources = {partition.source for partition in batch.partitions}
        topics = batch.topics()
        kinds = {self._kinds.get(source, "") for source in sources}
        whole.set_attributes({
            "messaging.operation.type": "process",
            "messaging.operation.name": "process",
            "messaging.batch.message_count": batch.count,
            "nonevent.source": sorted(sources),
        })  # fmt: skip
        if kinds == {"kafka"}:
            whole.set_attribute("messaging.system", "kafka")
        if len(topics) == 1:
            (topic,) = topics
            whole.update_name(f"process {topic}")
            whole.set_attribute("messaging.destination.name", topic)
        within = set_span_in_context(whole)
        for name, began, ended in steps:
            self._tracer.start_span(name, within, start_time=began).end(ended)
        whole.end(steps[-1][2])

    def close(self) -> None:
        """Sends what is left, and waits for a collector that is away no longer than that."""
        endings = [
            threading.Thread(target=provider.shutdown, daemon=True)
            for provider in (self._traces, self._meters)
        ]
        for ending in endings:
            ending.start()
        for ending in endings:
            ending.join(TIMEOUT_S)
