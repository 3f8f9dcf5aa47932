"""Access tokens: where they come from, and what they say."""

from __future__ import annotations

import base64
import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import orjson

__all__ = ["Claims", "Token", "TokenSource"]

Token = str | Callable[[], str | Awaitable[str]]
"""An access token, or a function, sync or async, that returns a fresh one at each call."""

DEFAULT_SERVICE = "default"
"""Names the first service in a REST path."""


class TokenSource:
    """The application's token, asked for at each use."""

    def __init__(self, token: Token) -> None:
        self._token = token

    @property
    def renewable(self) -> bool:
        """True if asking again may give another token."""
        return not isinstance(self._token, str)

    async def get(self) -> str:
        """A token. Raises whatever the application's function raises."""
        if isinstance(self._token, str):
            return self._token
        token = self._token()
        return await token if inspect.isawaitable(token) else token


@dataclass(frozen=True, slots=True)
class Claims:
    """What the client reads from its own token; only the server checks it.

    Attributes:
        identity: None if the token does not say.
        service_sid: the service it is for; `default` if the token does not say.
    """

    identity: str | None = None
    service_sid: str = DEFAULT_SERVICE

    @classmethod
    def of(cls, token: str) -> Claims:
        """The claims of a JWT (RFC 7519), without a look at its signature."""
        try:
            _, payload, _ = token.split(".")
            padding = "=" * (-len(payload) % 4)
            claims = orjson.loads(base64.urlsafe_b64decode(payload + padding))
        except ValueError:
            return cls()
        grants = _member(claims, "grants")
        identity = _member(grants, "identity")
        service_sid = _member(_member(grants, "data_sync"), "service_sid")
        return cls(
            identity if isinstance(identity, str) else None,
            service_sid if isinstance(service_sid, str) else DEFAULT_SERVICE,
        )


def _member(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, dict) else None
