"""What a daemon sends of itself to an OpenTelemetry collector: a real one, over HTTP."""

import gzip
import http.server
import subprocess
import sys
import threading
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from nonevent.config import load_configuration
from tests.nonevent.conftest import Running, free_port
from tests.watching import happened, write_events

COUNT = 7


class Collector:
    """Takes what is posted, and decodes it."""

    def __init__(self) -> None:
        self.traces: list[ExportTraceServiceRequest] = []
        self.metrics: list[ExportMetricsServiceRequest] = []
        self.authorizations: set[str | None] = set()
        collector = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                if self.headers["content-encoding"] == "gzip":
                    body = gzip.decompress(body)
                elif self.headers["content-encoding"] == "deflate":
                    body = zlib.decompress(body)
                collector.authorizations.add(self.headers["authorization"])
                if self.path == "/v1/traces":
                    collector.traces.append(ExportTraceServiceRequest.FromString(body))
                elif self.path == "/v1/metrics":
                    collector.metrics.append(ExportMetricsServiceRequest.FromString(body))
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *args: object) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def collector() -> Iterator[Collector]:
    started = Collector()
    yield started
    started.close()


def run(folder: Path, start: Callable[..., Running], telemetry: str) -> Running:
    """A daemon that has stored everything."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    write_events(
        folder / "events.jsonl",
        [happened(n, "order.created", f"ord-{n}") for n in range(COUNT)],
    )
    (folder / "nonevent.yaml").write_text(
        "labels: {environment: test}\n"
        "sources: [{name: export, file: {path: events.jsonl}}]\n"
        f"http: {{listen: '127.0.0.1:{port}'}}\n{telemetry}\n"
    )
    daemon = start(folder / "nonevent.yaml", OTLP_TOKEN="Bearer a-secret")
    daemon.wait_ready(url)
    daemon.wait_until(lambda: httpx.get(f"{url}/api/status").json()["events"] == COUNT)
    return daemon


def test_batches_are_traced_by_their_stages_and_measured(
    collector: Collector, start_daemon: Callable[..., Running], tmp_path: Path
) -> None:
    daemon = run(
        tmp_path, start_daemon,
        f"telemetry: {{otlp: '{collector.url}', headers: {{authorization: '${{OTLP_TOKEN}}'}}, "
        "sample: 1, every: 1s}",
    )  # fmt: skip
    daemon.wait_until(lambda: bool(collector.metrics))
    assert daemon.stop() == 0
    assert collector.authorizations == {"Bearer a-secret"}
    assert "a-secret" not in daemon.log()

    spans = [
        s
        for t in collector.traces
        for r in t.resource_spans
        for c in r.scope_spans
        for s in c.spans
    ]
    (whole,) = [span for span in spans if not span.parent_span_id]
    assert whole.name == f"process {tmp_path / 'events.jsonl'}"
    said = {a.key: a.value for a in whole.attributes}
    assert said["messaging.batch.message_count"].int_value == COUNT
    assert "messaging.system" not in said, "a file is no Kafka"
    inner = [span for span in spans if span.parent_span_id]
    assert [span.name for span in inner] == ["judge", "alert", "retention", "commit"]
    for span in inner:
        assert span.parent_span_id == whole.span_id
        assert span.trace_id == whole.trace_id
        assert span.start_time_unix_nano <= span.end_time_unix_nano
        assert whole.start_time_unix_nano <= span.start_time_unix_nano
        assert span.end_time_unix_nano <= whole.end_time_unix_nano

    (last,) = collector.metrics[-1].resource_metrics
    resource = {a.key: a.value.string_value for a in last.resource.attributes}
    assert (resource["service.name"], resource["nonevent.environment"]) == ("nonevent", "test")
    metrics = {m.name: m for scope in last.scope_metrics for m in scope.metrics}
    (events,) = metrics["nonevent.events"].sum.data_points
    assert events.as_int == COUNT
    stages = {
        point.attributes[0].value.string_value: point.count
        for point in metrics["nonevent.stage.duration"].histogram.data_points
    }
    assert stages.keys() == {"judge", "alert", "retention", "commit"}
    assert all(stages.values())


def test_a_collector_that_is_away_keeps_nothing_waiting(
    start_daemon: Callable[..., Running], tmp_path: Path
) -> None:
    daemon = run(
        tmp_path, start_daemon,
        f"telemetry: {{otlp: 'http://127.0.0.1:{free_port()}', sample: 1, every: 1s}}",
    )  # fmt: skip
    assert daemon.stop() == 0


def test_without_telemetry_its_libraries_are_not_even_loaded(tmp_path: Path) -> None:
    # FastAPI loads the bare API where it is installed; what measures and sends is ours to load.
    code = (
        "import sys; import nonevent.daemon, nonevent.cli; "
        "ours = ('opentelemetry.sdk', 'opentelemetry.exporter'); "
        "print([name for name in sys.modules if name.startswith(ours)])"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert answer.stdout.strip() == "[]"
    (tmp_path / "nonevent.yaml").write_text("telemetry: {}\n")
    assert load_configuration(tmp_path / "nonevent.yaml").telemetry.otlp is None
