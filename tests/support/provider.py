"""An OpenID provider: its configuration and its keys over HTTP, and the tokens that it signs.

It runs in a thread of its own, so that a test may block while a server asks it.
"""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ssl import SSLContext
from threading import Condition, Event, Thread
from types import TracebackType
from typing import Any, Self

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from support.socket import WAIT

__all__ = [
    "AUDIENCE",
    "CONFIGURATION",
    "JWKS",
    "Answer",
    "OpenIdProvider",
    "SigningKey",
    "encoded",
    "rsa_key",
]

AUDIENCE = "syncline-tests"

CONFIGURATION, JWKS = "/.well-known/openid-configuration", "/keys"
"""The paths that it knows."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key pair; `algorithm` is `RS256` or `ES256`."""

    kid: str
    algorithm: str
    private: Any = field(repr=False)

    @classmethod
    def make(cls, kid: str, algorithm: str = "ES256") -> Self:
        """A new key of that name; RSA keys take long to make, so a few are used again."""
        if algorithm == "ES256":
            return cls(kid, algorithm, ec.generate_private_key(ec.SECP256R1()))
        return cls(kid, algorithm, rsa_key(2048, kid))

    @property
    def jwk(self) -> dict[str, Any]:
        """The public half, as a provider publishes it."""
        public = self.private.public_key()
        shape = jwt.get_algorithm_by_name(self.algorithm).to_jwk(public, as_dict=True)
        shape.pop("key_ops", None)
        return {**shape, "kid": self.kid, "alg": self.algorithm, "use": "sig"}

    @property
    def pem(self) -> bytes:
        """The public half as text."""
        made: bytes = self.private.public_key().public_bytes(
            Encoding.PEM, PublicFormat.SubjectPublicKeyInfo
        )
        return made

    def sign(self, claims: Mapping[str, Any], **header: Any) -> str:
        """A token; a header that is None is left out."""
        given = {"kid": self.kid, **header}
        return jwt.encode(dict(claims), self.private, self.algorithm, headers=given)


@cache
def rsa_key(bits: int, purpose: str) -> rsa.RSAPrivateKey:
    """One for each purpose."""
    return rsa.generate_private_key(65537, bits)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a path is answered instead of what belongs there.

    Attributes:
        body: sent as it is.
        gate: the answer waits until it is set; None for at once.
    """

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    gate: Event | None = None


class OpenIdProvider:
    """A provider on a free port of this machine; a context manager.

    Attributes:
        issuer: its URL.
        key: signs its tokens; among `keys`.
        keys: what it publishes; to be changed at will.
        answers: instead of what belongs there, by path.
        configuration: what it says of itself, but for what a test changes.
        requests: how often each path was asked for.
    """

    def __init__(self, *keys: SigningKey, tls: SSLContext | None = None) -> None:
        """
        Args:
            keys: the first one signs; without any, one is made.
            tls: to speak HTTPS.
        """
        self.keys = list(keys) or [SigningKey.make("first")]
        self.key = self.keys[0]
        self.answers: dict[str, Answer] = {}
        self.requests: Counter[str] = Counter()
        self._asked = Condition()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        if tls is not None:
            self._server.socket = tls.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        scheme = "http" if tls is None else "https"
        self.issuer = f"{scheme}://127.0.0.1:{self._server.server_port}"
        self.configuration = {"issuer": self.issuer, "jwks_uri": f"{self.issuer}{JWKS}"}
        self._thread = Thread(target=self._server.serve_forever, args=(0.01,))

    @property
    def options(self) -> list[str]:
        """Of `syncline serve`, to take its tokens."""
        return [f"--oidc-issuer={self.issuer}", f"--oidc-audience={AUDIENCE}"]

    def claims(self, **changed: Any) -> dict[str, Any]:
        """What a good token says, but for the changes; one that is None is left out."""
        now = int(time.time())
        good = {"iss": self.issuer, "aud": AUDIENCE, "sub": "alice", "iat": now, "exp": now + 3600}
        return {name: value for name, value in (good | changed).items() if value is not None}

    def token(self, **changed: Any) -> str:
        """A good token, but for the changes to its claims."""
        return self.key.sign(self.claims(**changed))

    def rotate(self, kid: str) -> SigningKey:
        """Sign with a new key from now on, and publish it in place of all others."""
        self.key = SigningKey.make(kid)
        self.keys = [self.key]
        return self.key

    def fail(self, status: int = 503) -> None:
        """Answer everything with an error."""
        self.answers = {path: Answer(status) for path in (CONFIGURATION, JWKS)}

    def recover(self) -> None:
        """Answer as before."""
        self.answers = {}

    async def asked(self, path: str, times: int) -> None:
        """Return when a path was asked for so often since the beginning."""
        assert await asyncio.to_thread(self._wait, path, times), self.requests

    def _wait(self, path: str, times: int) -> bool:
        with self._asked:
            return self._asked.wait_for(lambda: self.requests[path] >= times, WAIT)

    def _note(self, path: str) -> None:
        with self._asked:
            self.requests[path] += 1
            self._asked.notify_all()

    def _answer(self, path: str) -> Answer:
        if path in self.answers:
            return self.answers[path]
        if path == CONFIGURATION:
            return Answer(body=json.dumps(self.configuration).encode())
        if path == JWKS:
            return Answer(body=json.dumps({"keys": [key.jwk for key in self.keys]}).encode())
        return Answer(404)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        provider = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                answer = provider._answer(self.path)
                provider._note(self.path)
                if answer.gate is not None:
                    answer.gate.wait(WAIT)
                try:
                    self.send_response(answer.status)
                    for name, value in answer.headers.items():
                        self.send_header(name, value)
                    self.send_header("Content-Length", str(len(answer.body)))
                    self.end_headers()
                    self.wfile.write(answer.body)
                except OSError:
                    self.close_connection = True  # nobody waits for it any more

            def log_message(self, *_: Any) -> None:
                pass

        return Handler

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def encoded(value: Any) -> str:
    """A part of a token: bytes as they are, all else as JSON."""
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
