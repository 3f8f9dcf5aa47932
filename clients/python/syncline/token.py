"""Access tokens: the application's token or token function, and the claims of a JWT."""

from __future__ import annotations

import asyncio
import base64
import inspect
import re
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import orjson

from .errors import TokenDenied, TokenUnavailable

__all__ = ["Claims", "Token", "TokenSource"]

Token = str | Callable[[], str | Awaitable[str]]
"""An access token, or a function, sync or async, that returns a fresh one at each call."""

TOKEN_TIMEOUT = 10
"""Default seconds for one call of the application's token function."""

DEFAULT_SERVICE = "default"
"""Alias of the first service in a REST path."""

_JWT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")


class TokenSource:
    """The application's token; a token function is called at each use."""

    def __init__(self, token: Token, timeout: float = TOKEN_TIMEOUT) -> None:
        """
        Args:
            timeout: seconds for one call of a token function.

        Raises:
            ValueError: `token` is neither a function nor a str that an HTTP header can carry.
        """
        if isinstance(token, str):
            token = token.strip()
            if not token.isascii() or not token.isprintable():
                raise ValueError("token has characters that no access token has")
        elif not callable(token):
            raise ValueError(
                f"token must be a str or a function that returns one, not {_kind_of(token)}"
            )
        self._token = token
        self._timeout = timeout
        self._cancels = True

    @property
    def renewable(self) -> bool:
        """True if `get` may return another token next time."""
        return not isinstance(self._token, str)

    async def get(self) -> str:
        """Return a token.

        Raises:
            TokenDenied: the token function raised it: there will be no token.
            TokenUnavailable: the function raised, did not return in time, or returned no JWT.
        """
        if isinstance(self._token, str):
            return self._token
        # In a separate task: a function that cancels itself does not cancel the client, and a
        # function that ignores its cancellation can be abandoned.
        call = asyncio.create_task(self._call(self._token))
        try:
            done, _ = await asyncio.wait({call}, timeout=self._timeout)
        except asyncio.CancelledError:
            call.add_done_callback(_ignore)
            if self._cancels:
                call.cancel()
            raise
        if not done:
            call.add_done_callback(_ignore)
            call.cancel()
            raise TokenUnavailable(f"the token function did not return within {self._timeout:g} s")
        return _token_of(call)

    @property
    def is_calling(self) -> bool:
        """True inside the token function, including the tasks that it starts."""
        return _caller.get() is self

    def let_call_finish(self) -> None:
        """Do not cancel the running token function: it has called `Client.close` itself."""
        self._cancels = False

    async def _call(self, function: Callable[[], str | Awaitable[str]]) -> Any:
        _caller.set(self)
        token = function()
        return await token if inspect.isawaitable(token) else token


_caller: ContextVar[TokenSource | None] = ContextVar("syncline_token_source", default=None)


def _ignore(call: asyncio.Task[Any]) -> None:
    """Retrieve the exception, so that asyncio does not log it."""
    if not call.cancelled():
        call.exception()


def _token_of(call: asyncio.Task[Any]) -> str:
    try:
        returned = call.result()
    except TokenDenied:
        raise
    except asyncio.CancelledError as error:
        raise TokenUnavailable("the token function was cancelled") from error
    except Exception as error:
        raise TokenUnavailable(
            f"the token function raised {type(error).__name__}: {error}"
        ) from error
    token = returned.strip() if isinstance(returned, str) else ""
    if _JWT.fullmatch(token) is None:
        # Not its content, which may be a secret.
        raise TokenUnavailable(f"the token function returned no JWT but {_kind_of(returned)}")
    return token


def _kind_of(value: object) -> str:
    if value is None:
        return "None"
    try:
        size = f" of length {len(value)}"  # type: ignore[arg-type]
    except TypeError:
        size = ""
    return f"{type(value).__name__}{size}"


@dataclass(frozen=True, slots=True)
class Claims:
    """Claims that the client reads from its token, unverified: only the server verifies it.

    Attributes:
        identity: identity of the token holder; None if the token has none.
        service_sid: the service that the token is for; `default` if it names none.
    """

    identity: str | None = None
    service_sid: str = DEFAULT_SERVICE

    @classmethod
    def of(cls, token: str) -> Claims:
        """Parse a JWT (RFC 7519) without verifying its signature."""
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
