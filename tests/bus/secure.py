"""A real broker with listeners that want TLS, passwords or tokens, and with access control."""

from __future__ import annotations

import base64
import http.server
import json
import threading
import time
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import trustme
from aiokafka.client import AIOKafkaClient
from aiokafka.protocol.admin import CreateAclsRequest, DeleteAclsRequest
from cryptography.hazmat.primitives import serialization

from demo.broker import Broker

PLAIN = "org.apache.kafka.common.security.plain.PlainLoginModule required"
SCRAM = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
OAUTH = "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required"
OPERATIONS = {"READ": 3, "WRITE": 4, "DESCRIBE": 8}
"""Kafka's numbers for what may be done with a topic."""

PASSWORD = "scram-wörd"

LISTENERS = {
    "TLS": "SSL",
    "MUTUAL": "SSL",
    "PASSWORDS": "SASL_PLAINTEXT",
    "ALL": "SASL_SSL",
    "TOKENS": "SASL_PLAINTEXT",
}


class Certificates:
    """An authority of the test's own, the broker's certificate, and a client's."""

    def __init__(self, folder: Path) -> None:
        self.authority = trustme.CA()
        self.ca = folder / "ca.pem"
        self.authority.cert_pem.write_to_path(self.ca)
        self.stranger = folder / "stranger.pem"
        trustme.CA().cert_pem.write_to_path(self.stranger)
        self.broker = folder / "broker.pem"
        issued = self.authority.issue_cert("localhost")
        self.broker.write_bytes(
            _as_pkcs8(issued.private_key_pem.bytes())
            + b"".join(pem.bytes() for pem in issued.cert_chain_pems)
        )
        client = self.authority.issue_cert("tap@example.org", common_name="tap")
        self.cert, self.key = folder / "client.pem", folder / "client.key"
        client.cert_chain_pems[0].write_to_path(self.cert)
        client.private_key_pem.write_to_path(self.key)


def _as_pkcs8(key: bytes) -> bytes:
    """The only form that Kafka reads."""
    private = serialization.load_pem_private_key(key, password=None)
    return private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def secure_broker(certificates: Certificates) -> Broker:
    """Nobody is asked on its first listener, which may do everything; others are asked."""
    name = "listener.name"
    return Broker(
        listeners=LISTENERS,
        format_options=(
            "--add-scram",
            f"SCRAM-SHA-256=[name=tap,password={PASSWORD}]",
            "--add-scram",
            f"SCRAM-SHA-512=[name=tap,password={PASSWORD}]",
        ),
        properties={
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": "User:ANONYMOUS",
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(certificates.broker),
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": str(certificates.ca),
            f"{name}.mutual.ssl.client.auth": "required",
            "ssl.principal.mapping.rules": "RULE:^CN=([^,]+),.*$/$1/,DEFAULT",
            f"{name}.passwords.sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512",
            f"{name}.passwords.plain.sasl.jaas.config": f'{PLAIN} user_tap="plain-secret";',
            f"{name}.passwords.scram-sha-256.sasl.jaas.config": SCRAM,
            f"{name}.passwords.scram-sha-512.sasl.jaas.config": SCRAM,
            f"{name}.all.sasl.enabled.mechanisms": "SCRAM-SHA-512",
            f"{name}.all.scram-sha-512.sasl.jaas.config": SCRAM,
            f"{name}.tokens.sasl.enabled.mechanisms": "OAUTHBEARER",
            # Without a validator of its own Kafka takes tokens that nobody signed.
            f"{name}.tokens.oauthbearer.sasl.jaas.config": (
                f'{OAUTH} unsecuredLoginStringClaim_sub="broker";'
            ),
        },
    )


TOPIC, GROUP = 2, 3
"""Kinds of what may be granted."""


class Access:
    """What the user `tap` may do; nothing else is granted than what a test grants."""

    def __init__(self, client: AIOKafkaClient) -> None:
        self._client = client

    async def grant(self, name: str, *operations: str, of: int = TOPIC) -> None:
        for operation in operations:
            request = CreateAclsRequest(*self._acl(name, operation, of))
            answer: Any = await self._client.send(self._client.get_random_node(), request)
            assert [error for error, _ in answer.creation_responses] == [0], answer

    async def take_back(self, name: str, *operations: str, of: int = TOPIC) -> None:
        for operation in operations:
            request = DeleteAclsRequest(*self._acl(name, operation, of))
            answer: Any = await self._client.send(self._client.get_random_node(), request)
            ((error, _, matching),) = answer.filter_responses
            assert (error, len(matching)) == (0, 1), answer

    @staticmethod
    def _acl(name: str, operation: str, of: int) -> tuple[int, str, int, str, str, int, int]:
        literal, allowed = 3, 3
        return of, name, literal, "User:tap", "*", OPERATIONS[operation], allowed


class TokenEndpoint:
    """Gives tokens for client credentials, as RFC 6749 says; counts them."""

    def __init__(self, lasts_s: int = 3600) -> None:
        self.given = 0
        self.lasts_s = lasts_s
        self.asked: list[dict[str, list[str]]] = []
        endpoint = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                form = parse_qs(self.rfile.read(int(self.headers["content-length"])).decode())
                endpoint.asked.append(form)
                given = base64.b64decode(self.headers["authorization"].split()[1]).decode()
                if given != "tap:client-secret":
                    self._answer(401, {"error": "invalid_client"})
                    return
                endpoint.given += 1
                self._answer(200, endpoint.token(endpoint.lasts_s))

            def _answer(self, code: int, body: object) -> None:
                self.send_response(code)
                self.send_header("content-type", "application/json")
                self.end_headers()
                self.wfile.write(json.dumps(body).encode())

            def log_message(self, *args: object) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/token"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @staticmethod
    def token(lasts_s: int) -> dict[str, object]:
        now = int(time.time())
        claims = {"sub": "tap", "iat": now, "exp": now + lasts_s, "scope": "kafka"}
        parts = [{"alg": "none"}, claims]
        texts = [
            base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")
            for part in parts
        ]
        return {"access_token": ".".join([*texts, ""]), "expires_in": lasts_s}

    def __enter__(self) -> TokenEndpoint:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._server.server_close()
