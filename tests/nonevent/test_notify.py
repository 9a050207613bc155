"""`nonevent notify --test`, against a real server."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from nonevent.sink_trial import SAYS
from tests.analyzer.sinks.receiver import Receiver, receiver
from tests.nonevent.conftest import Nonevent


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Receiver]:
    with receiver() as found, receiver() as other:
        other.always = 404
        (tmp_path / "nonevent.yaml").write_text(
            "labels: {environment: prod}\n"
            "http: {link_base: 'https://nonevent.example'}\n"
            "alerts:\n"
            "  sinks:\n"
            f"    pager: {{webhook: {{url: '{found.url}'}}}}\n"
            f"    chat: {{webhook: {{url: '{other.url}'}}}}\n"
            "    notebook: {log: {}}\n"
        )
        yield found


def test_one_sink_takes_a_notification_that_says_that_it_is_a_test(
    server: Receiver, nonevent: Nonevent
) -> None:
    answer = nonevent("notify", "--test", "pager")
    assert (answer.code, answer.out) == (0, "pager: taken: 200 OK\n")
    (request,) = server.taken
    assert request.json["text"] == SAYS
    assert request.json["labels"] == {"environment": "prod", "test": "true"}
    assert request.json["link"].startswith("https://nonevent.example")


def test_without_a_name_all_are_tried_and_one_that_fails_is_told(
    server: Receiver, nonevent: Nonevent
) -> None:
    answer = nonevent("notify", "--test")
    assert answer.code == 3
    assert answer.out.splitlines() == [
        "pager: taken: 200 OK",
        "chat: NOT taken: the answer was 404 Not Found",
        "notebook: taken: written to the log",
    ]
    assert "secret-path" not in answer.out + answer.err


def test_two_tests_are_two_alerts(server: Receiver, nonevent: Nonevent) -> None:
    for _ in range(2):
        assert nonevent("notify", "--test", "pager").code == 0
    assert len({one.json["fingerprint"] for one in server.taken}) == 2


def test_json_is_one_object(server: Receiver, nonevent: Nonevent) -> None:
    answer = nonevent("notify", "--test", "chat", "pager", "--json")
    assert answer.code == 3
    assert answer.json == {
        "items": [
            {"sink": "chat", "taken": False, "answer": "the answer was 404 Not Found"},
            {"sink": "pager", "taken": True, "answer": "200 OK"},
        ]
    }


def test_a_sink_that_is_not_there_is_a_mistake_that_names_those_that_are(
    server: Receiver, nonevent: Nonevent
) -> None:
    answer = nonevent("notify", "--test", "pagr")
    assert answer.code == 2
    assert "no sink is called `pagr`; there are: pager, chat, notebook" in answer.err
    assert not server.requests


def test_without_a_configuration_there_is_the_log(nonevent: Nonevent) -> None:
    assert nonevent("notify", "--test").out == "log: taken: written to the log\n"


def test_nothing_is_sent_without_being_asked_to(server: Receiver, nonevent: Nonevent) -> None:
    answer = nonevent("notify", "pager")
    assert answer.code == 2
    assert "--test" in answer.err
    assert not server.requests


@pytest.mark.parametrize(
    ("sink", "said"),
    [
        ("{webhook: {url: 'nowhere/hidden-word'}}", "pager.webhook.url: this is no address"),
        ("{webhook: {url: 'http://h', template: \"a\\n{{ tex }}\"}}",
         "pager.webhook.template: line 2: there is no `tex`"),
        ("{apprise: {urls: ['hidden-word://x']}}", "pager.apprise.urls.0: this is no address"),
        ("{log: {}, webhook: {url: 'http://h'}}", "pager: a sink needs exactly one of"),
        ("{alertmanager: {urls: []}}", "pager.alertmanager.urls: "),
        ("{kafka: {bootstrap: 'h:1', topic: 'a b'}}", "pager.kafka.topic: "),
        ("{kafka: {bootstrap: 'h:1', topic: t, tls: {ca: no.pem}}}", "pager.kafka.tls.ca: "),
        ("{webhook: {url: 'http://h', headers: {'a b': x}}}", "pager.webhook.headers: 'a b'"),
    ],
)  # fmt: skip
def test_a_sink_that_cannot_be_is_a_mistake_with_its_place_and_without_its_secrets(
    nonevent: Nonevent, tmp_path: Path, sink: str, said: str
) -> None:
    (tmp_path / "nonevent.yaml").write_text(f"alerts: {{sinks: {{pager: {sink}}}}}\n")
    answer = nonevent("notify", "--test", "pager")
    assert answer.code == 2
    assert f"alerts.sinks.{said}" in answer.err
    assert "hidden-word" not in answer.err
