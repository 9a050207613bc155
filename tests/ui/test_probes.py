"""Alive, ready, and measured."""

from collections.abc import Callable

import httpx
from prometheus_client import Counter
from prometheus_client.parser import text_string_to_metric_families

from tests.ui import samples
from tests.ui.conftest import FakeQueries

Make = Callable[..., httpx.Client]
HERE = {"source": "eu-prod", "topic": "orders", "partition": "3"}


def metrics(client: httpx.Client) -> dict[str, list[tuple[dict[str, str], float]]]:
    text = client.get("/metrics").text
    return {
        family.name: [(sample.labels, sample.value) for sample in family.samples]
        for family in text_string_to_metric_families(text)
    }


def test_healthz_lives_while_readyz_waits_for_the_taps(
    make_client: Make, queries: FakeQueries
) -> None:
    started: list[bool] = []
    client = make_client(queries, ready=lambda: bool(started))
    assert client.get("/healthz").status_code == 200
    not_yet = client.get("/readyz")
    assert not_yet.status_code == 503
    assert "the taps have not started" in not_yet.text
    started.append(True)
    assert client.get("/readyz").status_code == 200
    assert client.head("/readyz").status_code == 200


def test_metrics_tell_what_the_status_tells(make_client: Make, queries: FakeQueries) -> None:
    queries.now_status = samples.blocked_status()
    told = metrics(make_client(queries))
    assert all(name.startswith("nonevent_") for name in told)
    assert told["nonevent_events"] == [({}, 12_410)]
    assert told["nonevent_untied_events"] == [({}, 3)]
    assert told["nonevent_judgements_held"] == [({}, 214)]
    assert told["nonevent_store_bytes"] == [({}, 5_505_024)]
    assert told["nonevent_problem_events"] == [({"problem": "bad time"}, 2)]
    assert told["nonevent_settled_to_timestamp_seconds"] == [({}, 1_772_359_494)]
    assert (HERE, 4712) in told["nonevent_partition_position"]
    assert (HERE, 1) in told["nonevent_partition_blocked"]
    assert (HERE, 1_772_359_499) in told["nonevent_partition_complete_to_timestamp_seconds"]


def test_what_is_not_known_is_left_out(make_client: Make, queries: FakeQueries) -> None:
    queries.now_status = samples.blocked_status()
    assert HERE not in [
        labels for labels, _ in metrics(make_client(queries))["nonevent_partition_high_watermark"]
    ]
    queries.now_status = samples.unread_status()
    assert "nonevent_settled_to_timestamp_seconds" not in metrics(make_client(queries))


def test_the_daemons_own_metrics_are_told_too(make_client: Make, queries: FakeQueries) -> None:
    batches = Counter("nonevent_batches", "Batches committed.", registry=None)
    batches.inc(3)
    client = make_client(queries, collectors=[batches])
    assert ({}, 3) in metrics(client)["nonevent_batches"]


def test_metrics_tell_how_the_taps_stand(make_client: Make, queries: FakeQueries) -> None:
    status = samples.troubled_status()
    here = next(source for source in status.sources if source.name == "eu-prod")
    here.behind, here.behind_seconds = 41, 6.5
    here.skipped = {"orders": {"ignored": 5, "sampled": 2}}
    here.problems = {"orders": {"truncated": 3}}
    here.published_after = [samples.published_after("orders", 2.5)]
    status.queued = 2
    queries.now_status = status
    told = metrics(make_client(queries))
    assert told["nonevent_queued_batches"] == [({}, 2)]
    assert told["nonevent_source_behind_events"] == [({"source": "eu-prod"}, 41)]
    assert not told["nonevent_source_behind_bytes"]
    assert told["nonevent_source_behind_seconds"] == [({"source": "eu-prod"}, 6.5)]
    assert ({"source": "us-prod"}, 0) in told["nonevent_source_connected"]
    assert ({"source": "eu-prod"}, 1) in told["nonevent_source_denied_topics"]
    at = {"source": "eu-prod", "topic": "orders"}
    assert told["nonevent_skipped_events"] == [
        ({**at, "reason": "ignored"}, 5), ({**at, "reason": "sampled"}, 2),
    ]  # fmt: skip
    assert told["nonevent_read_problems"] == [({**at, "reason": "truncated"}, 3)]
    assert told["nonevent_source_published_after_seconds"] == [(at, 2.5)]
    hidden = {"source": "eu-prod", "topic": "orders", "partition": "1"}
    (end,) = [v for k, v in told["nonevent_partition_high_watermark"] if k == hidden]
    assert (hidden, end - 4700) in told["nonevent_partition_hidden_events"]


def test_bytes_of_a_file_are_no_metric_of_events(make_client: Make, queries: FakeQueries) -> None:
    status = samples.troubled_status()
    here = next(source for source in status.sources if source.name == "eu-prod")
    here.behind, here.counted_in = 4_280_000, "bytes"
    queries.now_status = status
    told = metrics(make_client(queries))
    assert told["nonevent_source_behind_bytes"] == [({"source": "eu-prod"}, 4_280_000)]
    assert not told["nonevent_source_behind_events"]


def test_metric_labels_from_the_bus_are_escaped(make_client: Make, queries: FakeQueries) -> None:
    queries.now_status = samples.status(problems={samples.NASTY: 1})
    assert metrics(make_client(queries))["nonevent_problem_events"] == [
        ({"problem": samples.NASTY}, 1)
    ]


def test_metrics_tell_findings_alerts_and_their_delivery(
    make_client: Make, queries: FakeQueries
) -> None:
    told = metrics(make_client(queries))
    paid = {"type": "order", "expectation": "payment follows order", "severity": "critical"}
    assert ({**paid, "state": "open"}, 1) in told["nonevent_findings"]
    assert ({**paid, "state": "closed"}, 0) in told["nonevent_findings"]
    assert ({**paid, "state": "retracted"}, 1) in told["nonevent_findings"]
    assert ({"state": "firing", "severity": "critical"}, 1) in told["nonevent_alerts"]
    assert ({"state": "pending", "severity": "info"}, 0) in told["nonevent_alerts"]
    pager = {"sink": "pager"}
    assert told["nonevent_outbox_waiting"] == [(pager, 2)]
    assert told["nonevent_outbox_refused"] == [(pager, 1)]
    assert told["nonevent_outbox_oldest_timestamp_seconds"] == [(pager, 1_772_359_356)]
    events = {
        labels["expectation"]: n for labels, n in told["nonevent_expectation_activating_events"]
    }
    assert events == {one.name: one.last_day for one in queries.expectation_page.items}
