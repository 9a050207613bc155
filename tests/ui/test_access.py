"""Who is let in, and what every answer tells the browser."""

import base64
from collections.abc import Callable, Iterator

import httpx
import pytest

from tests.ui.conftest import FakeQueries
from ui.access import allowed_hosts, check_listen, host_name, is_loopback, presented_token
from ui.errors import UnsafeListenError

TOKEN = "s3crét:with colon"
Make = Callable[..., httpx.Client]


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.9", "::1", "[::1]", "localhost"])
def test_loopback_needs_no_token(host: str) -> None:
    assert is_loopback(host)
    check_listen(host, None)


@pytest.mark.parametrize("host", ["", "0.0.0.0", "::", "10.0.0.5", "nonevent.internal", "127.1"])
def test_any_other_address_is_refused_without_a_token(host: str) -> None:
    with pytest.raises(UnsafeListenError, match=r"http\.token") as refused:
        check_listen(host, None)
    assert "127.0.0.1" in str(refused.value)
    check_listen(host, "token")


@pytest.mark.parametrize("token", ["", "  "])
def test_an_empty_token_is_refused_everywhere(token: str) -> None:
    with pytest.raises(UnsafeListenError, match="empty"):
        check_listen("127.0.0.1", token)


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("localhost:8321", "localhost"),
        ("LOCALHOST.", "localhost"),
        ("[::1]:8321", "::1"),
        ("127.0.0.1", "127.0.0.1"),
        ("", ""),
    ],
)
def test_the_name_in_a_host_header(header: str, name: str) -> None:
    assert host_name(header) == name


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:1", "[::1]:8321"])
def test_local_names_are_answered(client: httpx.Client, host: str) -> None:
    assert client.get("/api/status", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example:8321", "127.0.0.1.nip"])
@pytest.mark.parametrize("path", ["/", "/api/status", "/metrics", "/healthz"])
def test_other_names_are_refused_on_loopback(client: httpx.Client, host: str, path: str) -> None:
    answer = client.get(path, headers={"Host": host})
    assert answer.status_code == 403
    assert "ord-8812" not in answer.text
    assert "localhost" in answer.text


def test_any_name_is_answered_where_the_token_guards(
    make_client: Make, queries: FakeQueries
) -> None:
    client = make_client(queries, token=TOKEN, allowed_hosts=allowed_hosts("0.0.0.0"))
    headers = {"Host": "nonevent.example", "Authorization": basic("anyone", TOKEN)}
    assert client.get("/", headers=headers).status_code == 200


@pytest.mark.parametrize(
    "authorization",
    [
        b"Bearer " + TOKEN.encode(),
        b"bearer  " + TOKEN.encode(),
        basic("", TOKEN).encode(),
        basic("any one", TOKEN).encode(),
    ],
)
def test_the_token_opens_everything(
    make_client: Make, queries: FakeQueries, authorization: bytes
) -> None:
    client = make_client(queries, token=TOKEN)
    for path in ("/", "/api/flows", "/metrics", "/openapi.json", "/static/style.css"):
        answer = client.get(path, headers={b"Authorization": authorization})
        assert answer.status_code == 200, path


@pytest.mark.parametrize(
    "authorization",
    [None, "Bearer wrong", "Basic !!!", "Basic", basic(TOKEN, ""), "Digest x", "Bearer"],
)
def test_without_the_token_only_the_probes_answer(
    make_client: Make, queries: FakeQueries, authorization: str | None
) -> None:
    client = make_client(queries, token=TOKEN)
    headers = {"Authorization": authorization} if authorization is not None else {}
    for path in ("/", "/api/flows", "/flows/ord-8812", "/metrics", "/openapi.json", "/nowhere"):
        answer = client.get(path, headers=headers)
        assert answer.status_code == 401, path
        assert answer.headers["www-authenticate"].startswith("Basic realm=")
        assert "ord-8812" not in answer.text
    assert "Bearer TOKEN" in client.get("/api/flows", headers=headers).json()["error"]
    assert client.get("/healthz", headers=headers).status_code == 200
    assert client.get("/readyz", headers=headers).status_code == 200


def test_a_basic_password_may_hold_colons() -> None:
    assert presented_token(basic("user", "a:b")) == b"a:b"


@pytest.mark.parametrize(
    "path", ["/", "/flows/ord-8812", "/flows/none", "/findings", "/api/flows", "/metrics", "/nope"]
)
def test_every_answer_carries_the_security_headers(client: httpx.Client, path: str) -> None:
    headers = client.get(path).headers
    policy = headers["content-security-policy"].split("; ")
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert not any(part.startswith("script-src") or "unsafe" in part for part in policy)
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cache-control"] == "no-store"
    assert "server" not in headers


def test_what_is_sent_is_short_and_says_so(client: httpx.Client) -> None:
    def chunks() -> Iterator[bytes]:
        yield b"{}"

    headers = {"Content-Type": "application/json"}
    long = client.post("/api/silences", content=b"x" * 300_000, headers=headers)
    assert (long.status_code, "shorten" in long.json()["error"]) == (413, True)
    endless = client.post("/api/silences", content=chunks(), headers=headers)
    assert (endless.status_code, "Content-Length" in endless.json()["error"]) == (411, True)
