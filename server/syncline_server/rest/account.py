"""What only the account may ask for, not the bearers of its tokens."""

from __future__ import annotations

from starlette.requests import Request

from syncline_protocol.errors import Code, Refusal
from syncline_server.auth import Principal
from syncline_server.backend import Backend

__all__ = ["require_account"]


def require_account(backend: Backend, request: Request) -> Principal:
    """The caller, who holds the account or one of its keys.

    Raises:
        Refusal: 401 as `Authenticator.header`; `FORBIDDEN` for a token.
    """
    caller = backend.authenticator.header(request.headers.get("authorization"))
    if not caller.is_account:
        raise Refusal(
            Code.FORBIDDEN,
            "This needs Basic credentials (account SID and auth token, or API key and secret); "
            "an access token does not do.",
        )
    return caller
