"""An OpenID provider for tests: serves its configuration and keys over HTTP, and signs tokens."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from ssl import SSLContext
from threading import Condition, Event
from types import TracebackType
from typing import Any, Self

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from support.http import Ask, HttpServer, Reply
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
"""The paths that the provider serves."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key pair; `algorithm` is `RS256` or `ES256`."""

    kid: str
    algorithm: str
    private: Any = field(repr=False)

    @classmethod
    def make(cls, kid: str, algorithm: str = "ES256") -> Self:
        """Make a key; RSA keys are slow to make, so `rsa_key` caches them by `kid`."""
        if algorithm == "ES256":
            return cls(kid, algorithm, ec.generate_private_key(ec.SECP256R1()))
        return cls(kid, algorithm, rsa_key(2048, kid))

    @property
    def jwk(self) -> dict[str, Any]:
        """The public key as a JSON Web Key."""
        public = self.private.public_key()
        shape = jwt.get_algorithm_by_name(self.algorithm).to_jwk(public, as_dict=True)
        shape.pop("key_ops", None)
        return {**shape, "kid": self.kid, "alg": self.algorithm, "use": "sig"}

    @property
    def pem(self) -> bytes:
        """The public key in PEM form."""
        made: bytes = self.private.public_key().public_bytes(
            Encoding.PEM, PublicFormat.SubjectPublicKeyInfo
        )
        return made

    def sign(self, claims: Mapping[str, Any], **header: Any) -> str:
        """Sign a token; a header that is None is omitted."""
        given = {"kid": self.kid, **header}
        return jwt.encode(dict(claims), self.private, self.algorithm, headers=given)


@cache
def rsa_key(bits: int, purpose: str) -> rsa.RSAPrivateKey:
    """A private key, made once for each purpose."""
    return rsa.generate_private_key(65537, bits)


@dataclass(frozen=True, slots=True)
class Answer:
    """A reply that replaces the normal one of a path.

    Attributes:
        body: body of the reply.
        gate: the reply waits until this event is set; None replies at once.
    """

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    gate: Event | None = None


class OpenIdProvider:
    """A provider on a free port of this machine; a context manager.

    Attributes:
        issuer: URL of the provider.
        key: the key that signs tokens; one of `keys`.
        keys: the published keys; a test may change the list.
        answers: replies that replace the normal ones, by path.
        configuration: the published configuration; a test may change it.
        requests: number of requests for each path.
    """

    def __init__(self, *keys: SigningKey, tls: SSLContext | None = None) -> None:
        """
        Args:
            keys: the first key signs tokens; without keys, one is made.
            tls: context for HTTPS; None serves HTTP.
        """
        self.keys = list(keys) or [SigningKey.make("first")]
        self.key = self.keys[0]
        self.answers: dict[str, Answer] = {}
        self.requests: Counter[str] = Counter()
        self._asked = Condition()
        self._server = HttpServer(self._reply, tls)
        self.issuer = self._server.url
        self.configuration = {"issuer": self.issuer, "jwks_uri": f"{self.issuer}{JWKS}"}

    @property
    def options(self) -> list[str]:
        """Options of `syncline serve` with which a server accepts tokens of this provider."""
        return [f"--oidc-issuer={self.issuer}", f"--oidc-audience={AUDIENCE}"]

    def claims(self, **changed: Any) -> dict[str, Any]:
        """The claims of a valid token with changes; a claim that is None is omitted."""
        now = int(time.time())
        good = {"iss": self.issuer, "aud": AUDIENCE, "sub": "alice", "iat": now, "exp": now + 3600}
        return {name: value for name, value in (good | changed).items() if value is not None}

    def token(self, **changed: Any) -> str:
        """A signed token with the claims of a valid one, except for `changed`."""
        return self.key.sign(self.claims(**changed))

    def rotate(self, kid: str) -> SigningKey:
        """Sign with a new key from now on, and publish it instead of all others."""
        self.key = SigningKey.make(kid)
        self.keys = [self.key]
        return self.key

    def fail(self, status: int = 503) -> None:
        """Answer every request with an error."""
        self.answers = {path: Answer(status) for path in (CONFIGURATION, JWKS)}

    def recover(self) -> None:
        """Answer normally again."""
        self.answers = {}

    async def asked(self, path: str, times: int) -> None:
        """Return when a path was requested at least `times` times."""
        assert await asyncio.to_thread(self._wait, path, times), self.requests

    def _wait(self, path: str, times: int) -> bool:
        with self._asked:
            return self._asked.wait_for(lambda: self.requests[path] >= times, WAIT)

    def _reply(self, ask: Ask) -> Reply:
        # The answer is chosen first: a test that was notified of the request may change it.
        answer = self._answer(ask.target)
        with self._asked:
            self.requests[ask.target] += 1
            self._asked.notify_all()
        if answer.gate is not None:
            answer.gate.wait(WAIT)
        return Reply(answer.status, answer.body, answer.headers)

    def _answer(self, path: str) -> Answer:
        if path in self.answers:
            return self.answers[path]
        if path == CONFIGURATION:
            return Answer(body=json.dumps(self.configuration).encode())
        if path == JWKS:
            return Answer(body=json.dumps({"keys": [key.jwk for key in self.keys]}).encode())
        return Answer(404)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.stop()


def encoded(value: Any) -> str:
    """Base64url of a part of a token: of bytes as they are, of other values as JSON."""
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
