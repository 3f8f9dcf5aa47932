"""An OpenID provider where people log in: authorization codes with PKCE, and ID tokens."""

from __future__ import annotations

import base64
import hashlib
import secrets
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote_plus, urlencode, urlsplit

from support.http import Ask, Reply, json_reply
from support.provider import OpenIdProvider

__all__ = ["CLIENT", "LoginProvider"]

CLIENT = "syncline-console"

AUTHORIZE, TOKEN = "/authorize", "/token"


@dataclass(frozen=True, slots=True)
class _Grant:
    """What a code stands for."""

    redirect_uri: str
    challenge: str
    claims: dict[str, Any] = field(default_factory=dict)


class LoginProvider(OpenIdProvider):
    """Everybody who comes is `person` at once; codes are for `CLIENT`, and serve once.

    Attributes:
        person: claims of the ID tokens, above those of a valid one.
        redirect_uris: where codes are sent; another one is refused. None accepts any.
        refuses: the error that people bring back instead of a code.
        secret: the client must prove that it knows this; "" for a public client.
        id_token: replaces the ID token.
    """

    def __init__(self) -> None:
        super().__init__()
        self.configuration |= {
            "authorization_endpoint": f"{self.issuer}{AUTHORIZE}",
            "token_endpoint": f"{self.issuer}{TOKEN}",
        }
        self.person: dict[str, Any] = {"sub": "u-1", "groups": ["operators"]}
        self.redirect_uris: list[str] | None = None
        self.refuses: str | None = None
        self.secret = ""
        self.id_token: str | None = None
        self._grants: dict[str, _Grant] = {}

    @property
    def console_options(self) -> list[str]:
        """Options of `syncline serve` with which its operators log in to the console."""
        return [
            f"--oidc-issuer={self.issuer}",
            f"--console-oidc-client={CLIENT}",
            "--console-oidc-admins=groups=operators,email=ada@example.com",
        ]

    def code(self, query: dict[str, str]) -> str:
        """The code for an authorization request."""
        code = secrets.token_urlsafe(16)
        claims = {"aud": CLIENT, "nonce": query["nonce"], **self.person}
        self._grants[code] = _Grant(query["redirect_uri"], query["code_challenge"], claims)
        return code

    def _reply(self, ask: Ask) -> Reply:
        parts = urlsplit(ask.target)
        if parts.path == AUTHORIZE:
            return self._authorize({n: v[0] for n, v in parse_qs(parts.query).items()})
        if parts.path == TOKEN:
            return self._exchange(ask)
        return super()._reply(ask)

    def _authorize(self, query: dict[str, str]) -> Reply:
        is_known = self.redirect_uris is None or query["redirect_uri"] in self.redirect_uris
        is_right = query["client_id"] == CLIENT and query["code_challenge_method"] == "S256"
        if not (is_known and is_right and query["response_type"] == "code"):
            return Reply(400, b"not for this client")
        back = {"state": query["state"], "iss": self.issuer}
        back |= {"code": self.code(query)} if self.refuses is None else {"error": self.refuses}
        return Reply(302, b"", {"Location": f"{query['redirect_uri']}?{urlencode(back)}"})

    def _exchange(self, ask: Ask) -> Reply:
        form = {name: values[0] for name, values in parse_qs(ask.body.decode()).items()}
        given = base64.b64decode(ask.headers.get("Authorization", "Basic ")[6:]).decode()
        # RFC 6749, 2.3.1: both are encoded as in a form.
        if self.secret and unquote_plus(given) != f"{CLIENT}:{self.secret}":
            return json_reply(401, {"error": "invalid_client"})
        grant = self._grants.pop(form["code"], None)
        digest = hashlib.sha256(form["code_verifier"].encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        if grant is None or (grant.redirect_uri, grant.challenge) != (
            form["redirect_uri"],
            challenge,
        ):
            return json_reply(400, {"error": "invalid_grant"})
        token = self.id_token or self.token(**grant.claims)
        return json_reply(200, {"access_token": "x", "token_type": "Bearer", "id_token": token})
