"""The configuration: what it means, and that its mistakes are told with their place."""

from pathlib import Path

import pytest

from collector.errors import ConfigurationError
from nonevent.config import Configuration, load_configuration

EXAMPLE = """
labels: {environment: prod}
sources:
  - name: eu-prod
    kafka: {bootstrap: "kafka:9092", topics: ["orders", "payments.*"], start: 1h}
    name_from: [header:type, payload:type, topic]
    id_from: [header:event_id, payload:id]
    time_from: [payload:occurred_at, record]
    skew: 1s
    correlation: [header:correlation_id, payload:correlation_id]
    keys: {order_id: {from: [payload:order_id]}}
    topics: {"payments.*": {redact: [payload.card]}}
  - name: export
    file: {path: data/events.jsonl}
expectations: [expectations/]
store: {path: nonevent.duckdb, memory: 2GB}
http: {listen: "127.0.0.1:8321", token: "${NONEVENT_TOKEN}"}
alerts:
  routes: [{match: {severity: critical}, to: pager}]
  sinks: {pager: {webhook: {url: "https://${USER_NAME}:${SECRET}@pager.example/x"}}}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "conf" / "nonevent.yaml"


def loaded(file: Path, text: str) -> Configuration:
    file.parent.mkdir(exist_ok=True)
    file.write_text(text)
    return load_configuration(file)


def refused(file: Path, text: str) -> list[str]:
    with pytest.raises(ConfigurationError) as error:
        loaded(file, text)
    assert error.value.exit_code == 2
    lines = str(error.value).splitlines()
    assert all(line.startswith(f"{file}") for line in lines)
    return [line.removeprefix(str(file)) for line in lines]


def test_a_whole_configuration(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NONEVENT_TOKEN", "t0ken")
    monkeypatch.setenv("USER_NAME", "me")
    monkeypatch.setenv("SECRET", "s3cret")
    read = loaded(file, EXAMPLE)
    kafka, export = read.sources
    assert kafka.kafka is not None
    assert export.file is not None
    assert (kafka.kind, kafka.kafka.topics, kafka.skew_us()) == (
        "kafka", ["orders", "payments.*"], 1_000_000,
    )  # fmt: skip
    ((redacted,),) = [one.redact for one in kafka.special("payments.eu")]
    assert (redacted.path, redacted.how) == ("payload.card", "mask")
    assert kafka.special("orders") == []
    assert (export.kind, export.skew_us()) == ("file", 0)
    assert read.http.token is not None
    assert read.http.token.get_secret_value() == "t0ken"
    assert read.labels == {"environment": "prod"}


def test_paths_are_taken_from_the_files_folder(file: Path) -> None:
    read = loaded(file, EXAMPLE.replace("${", "{"))
    assert read.sources[1].file is not None
    assert read.sources[1].file.path == file.parent / "data" / "events.jsonl"
    assert read.store.path == file.parent / "nonevent.duckdb"
    assert read.expectations == [file.parent / "expectations"]
    absolute = loaded(file, "store: {path: /var/lib/x.duckdb}")
    assert absolute.store.path == Path("/var/lib/x.duckdb")


def test_secrets_are_never_printed(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NONEVENT_TOKEN", "USER_NAME", "SECRET"):
        monkeypatch.setenv(name, "s3cret")
    read = loaded(file, EXAMPLE)
    assert "s3cret" not in repr(read)
    assert "s3cret" not in str(read)
    assert "s3cret" not in read.model_dump_json()


@pytest.mark.parametrize(
    "wrong",
    ["http: {token: {s3cret: x}}", "http: {tokn: s3cret}",
     "alerts: {sinks: {pager: {webhook: {url: [s3cret]}}}}",
     "alerts: {sinks: {pager: {webhook: {urll: s3cret, url: x}}}}",
     "sources: [{name: x, kafka: {bootstrap: [s3cret], topics: [x]}}]"],
)  # fmt: skip
def test_what_may_be_a_secret_is_not_repeated_in_an_error(
    file: Path, wrong: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HIDDEN", "s3cret")
    assert "s3cret" not in "\n".join(refused(file, wrong.replace("s3cret", "${HIDDEN}")))


def test_of_a_key_that_stands_twice_no_value_is_told(file: Path) -> None:
    (said,) = refused(file, "http:\n  token: s3cret\n  token: s3cret too")
    assert said == ':3:3: this is not YAML: found duplicate key "token"'


def test_a_variable_that_is_not_set_is_named(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOT_THERE", raising=False)
    assert refused(file, "labels: {a: 'x-${NOT_THERE}-y'}") == [
        ": ${NOT_THERE} is used, and not set"
    ]


def test_a_variable_may_be_part_of_a_value_and_its_value_is_not_read_again(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("A", "${B}: [x")
    assert loaded(file, "labels: {a: 'x-${A}-${A}', b: '$A $ {A} $${'}").labels == {
        "a": "x-${B}: [x-${B}: [x", "b": "$A $ {A} $${",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("sorces: []", [": sorces: this key is not known here"]),
        (
            "sources: [{name: a, kafka: {bootstrap: x, topics: [y], strt: 1h}}]",
            [": sources.0.kafka.strt: this key is not known here"],
        ),
        (
            "sources: [{name: a}]",
            [": sources.0: a source needs exactly one of `kafka:` and `file:`"],
        ),
        (
            "sources: [{name: a, file: {path: x}, kafka: {bootstrap: x, topics: [y]}}]",
            [": sources.0: a source needs exactly one of `kafka:` and `file:`"],
        ),
        (
            "sources: [{name: a, file: {path: x}, skew: 5, keys: {k: {from: [id]}}}]",
            [
                ": sources.0.keys.k.from.0: 'id' is not a place; write header:NAME, payload:PATH "
                "(payload:order.id, payload:items[*].sku), attribute:NAME (of a CloudEvent), "
                "traceparent, key, topic or record",
                ": sources.0.skew: Input should be a valid string",
            ],
        ),
        (
            "sources: [{name: a, file: {path: x}}, {name: a, file: {path: y}}]",
            [": sources: two are called `a`"],
        ),
        (
            "sources: [{name: 'a b', file: {path: x}}]",
            [": sources.0.name: String should match pattern '^[A-Za-z0-9_.-]+$'"],
        ),
        (
            "sources: [{name: a, kafka: {bootstrap: x, topics: [], start: soon}}]",
            [
                ": sources.0.kafka.start: 'soon' is not a start; write latest, earliest, a "
                "duration back (24h) or a time (2026-11-20T08:00:00Z)",
                ": sources.0.kafka.topics: List should have at least 1 item after validation, "
                "not 0",
            ],
        ),
        (
            "sources: [{name: a, file: {path: x}, topics: {t: {redact: [topic]}}}]",
            [
                ": sources.0.topics.t.redact.0.path: 'topic' cannot be redacted; write "
                "header:NAME, payload:PATH (payload:card.number), attribute:NAME or key"
            ],
        ),
        (
            "store: {memory: lots}",
            [": store.memory: 'lots' is not a size; write e.g. 512MB or 2GB"],
        ),
        (
            "http: {listen: '8321'}",
            [": http.listen: '8321' is not HOST:PORT; write e.g. 127.0.0.1:8321"],
        ),
        (
            "labels: [",
            [":1:10: this is not YAML: expected the node content, but found '<stream end>'"],
        ),
        ("a: 1\na: 2", [':2:1: this is not YAML: found duplicate key "a"']),
        ("- 1", [": the file: Input should be a valid dictionary or instance of Configuration"]),
        ("5", [": the file: Input should be a valid dictionary or instance of Configuration"]),
    ],
)  # fmt: skip
def test_every_mistake_is_told_with_its_place(file: Path, text: str, said: list[str]) -> None:
    assert sorted(refused(file, text)) == sorted(said)


def test_what_is_no_text_is_said_to_be_none(file: Path) -> None:
    file.parent.mkdir()
    for raw in (b"\xff\xfe", b"a: \x00", b"a: \x01"):
        file.write_bytes(raw)
        with pytest.raises(ConfigurationError, match="this is not YAML") as error:
            load_configuration(file)
        assert len(str(error.value).splitlines()) == 1


def test_a_file_that_is_not_there_is_named(file: Path) -> None:
    with pytest.raises(ConfigurationError, match=f"{file} cannot be read: No such file"):
        load_configuration(file)


def test_an_empty_file_and_none_at_all_are_the_defaults(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert loaded(file, "").sources == []
    monkeypatch.chdir(tmp_path)
    assert load_configuration(None) == Configuration()
    (tmp_path / "nonevent.yaml").write_text("labels: {found: here}")
    assert load_configuration(None).labels == {"found": "here"}


def test_options_are_enough_without_a_file(tmp_path: Path) -> None:
    rules, store = tmp_path / "r", tmp_path / "s.duckdb"
    told = Configuration().overlaid("h:9092", " orders, pay.* ,", [rules], store)
    (source,) = told.sources
    assert source.kafka is not None
    assert (source.kafka.bootstrap, source.kafka.topics) == ("h:9092", ["orders", "pay.*"])
    assert told.expectations == [rules]
    assert told.store.path == store
    (source,) = Configuration().overlaid("h:9092").sources
    assert source.kafka is not None
    assert source.kafka.topics == ["*"]
    assert Configuration().overlaid() == Configuration()


def test_an_option_sets_no_more_than_it_names(file: Path, tmp_path: Path) -> None:
    before = loaded(file, "store: {path: a.duckdb, retention: 3h, max_size: 5GB, memory: 300MB}")
    after = before.overlaid(store=tmp_path / "b.duckdb")
    assert after.store.path == tmp_path / "b.duckdb"
    assert after.store.model_copy(update={"path": before.store.path}) == before.store
    with pytest.raises(ConfigurationError, match="--topics goes with --bootstrap"):
        before.overlaid(topics="orders")


TLS = """
sources:
  - name: a
    kafka:
      bootstrap: x
      topics: [y]
      tls: {ca: ca.pem, cert: /etc/own.pem, key: own.key, key_password: s3cret}
"""


def test_the_paths_of_certificates_are_relative_to_the_file(file: Path) -> None:
    (source,) = loaded(file, TLS).sources
    assert source.kafka is not None
    assert source.kafka.tls is not None
    assert source.kafka.tls.ca == file.parent.absolute() / "ca.pem"
    assert source.kafka.tls.cert == Path("/etc/own.pem")
    assert source.kafka.tls.key == file.parent.absolute() / "own.key"
    assert "s3cret" not in repr(source)


@pytest.mark.parametrize(
    ("kafka", "said"),
    [
        (
            "sasl: {mechanism: PLAIN, username: a}",
            "kafka.sasl: PLAIN takes password, username",
        ),
        (
            "sasl: {mechanism: SCRAM-SHA-256, username: a, password: s3cret, token: s3cret}",
            "kafka.sasl: SCRAM-SHA-256 takes password, username",
        ),
        (
            "sasl: {mechanism: OAUTHBEARER, client_id: a}",
            "kafka.sasl: OAUTHBEARER takes token or client_id, client_secret, token_url",
        ),
        (
            "sasl: {mechanism: GSSAPI}",
            "kafka.sasl.mechanism: Input should be 'PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512' or "
            "'OAUTHBEARER'",
        ),
        (
            "tls: {key: own.key}",
            "kafka.tls: `key` and `key_password` need `cert`, the certificate they belong to",
        ),
        (
            "ahead: soon",
            "kafka.ahead: 'soon' is not a duration; write e.g. 500ms, 30s, 5m, 2h or 1d",
        ),
    ],
)
def test_mistakes_of_a_secured_bus_are_told_without_the_secret(
    file: Path, kafka: str, said: str
) -> None:
    text = f"sources: [{{name: a, kafka: {{bootstrap: x, topics: [y], {kafka}}}}}]"
    assert refused(file, text) == [f": sources.0.{said}"]


def test_topics_that_only_leave_out_are_a_mistake(file: Path) -> None:
    (said,) = refused(file, "sources: [{name: a, kafka: {bootstrap: x, topics: ['!y']}}]")
    assert said.startswith(": sources.0.kafka: `topics` only leaves out")


def test_a_key_may_not_be_called_as_the_parent_is(tmp_path: Path) -> None:
    path = tmp_path / "nonevent.yaml"
    path.write_text(
        "sources: [{name: a, file: {path: x}, parent: [key], keys: {parent: {from: [topic]}}}]\n"
    )
    with pytest.raises(ConfigurationError, match="`parent:` is kept as the key `parent`"):
        load_configuration(path)
