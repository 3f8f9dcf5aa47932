"""Checks for requests that only the account may make, not token holders."""

from __future__ import annotations

from starlette.requests import Request

from syncline_protocol.errors import Code, Refusal
from syncline_server.auth.authenticator import Principal
from syncline_server.backend import Backend
from syncline_server.observability.logs import about

from .authentication import caller_of

__all__ = ["require_account", "require_owner"]


async def require_account(backend: Backend, request: Request) -> Principal:
    """The caller, authenticated as the account or by one of its API keys.

    Raises:
        Refusal: as `caller_of`; `FORBIDDEN` for a token.
    """
    caller = await caller_of(backend, request)
    about(identity=caller.identity, key=caller.key)
    if not caller.is_account:
        raise Refusal(
            Code.FORBIDDEN,
            "This needs Basic credentials (account SID and auth token, or API key and secret); "
            "an access token does not do.",
        )
    return caller


async def require_owner(backend: Backend, request: Request) -> Principal:
    """The caller, authenticated as the account itself.

    API keys must not make API keys: a thief of one key could keep access after it is revoked.

    Raises:
        Refusal: as `require_account`; `FORBIDDEN` for an API key.
    """
    caller = await require_account(backend, request)
    if not caller.is_owner:
        raise Refusal(
            Code.FORBIDDEN,
            "API keys are for the account itself: this needs its SID and auth token; an API key "
            "does not do.",
        )
    return caller
