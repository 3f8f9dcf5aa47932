"""Authentication of HTTP requests, and protection of Basic logins against cross-site forms."""

from __future__ import annotations

from starlette.requests import Request

from syncline_protocol.errors import Code, Refusal
from syncline_server.auth.authenticator import Principal
from syncline_server.auth.origins import Origins
from syncline_server.backend import Backend

__all__ = ["caller_of"]

_SAFE = ("GET", "HEAD", "OPTIONS")
"""Methods that change nothing. CORS keeps foreign pages from reading their replies."""


async def caller_of(backend: Backend, request: Request) -> Principal:
    """The caller that the `Authorization` header authenticates.

    Raises:
        Refusal: as `Authenticator.caller`; `FORBIDDEN` for a write with Basic credentials from a
            page of another origin.
    """
    caller = await backend.authenticator.caller(request.headers.get("authorization"))
    if caller.is_account and request.method not in _SAFE:
        _check_page(backend, request)
    return caller


def _check_page(backend: Backend, request: Request) -> None:
    """Refuse foreign pages: once its user has typed a Basic login, a browser sends it with the
    forms of every page."""
    origins = request.headers.getlist("origin")
    if not origins:
        return  # not a browser
    settings = backend.settings
    trusted = Origins([each for each in settings.origins if each != "*"], settings.public_url)
    if not trusted.admit(origins, request.headers.get("host", "")):
        raise Refusal(
            Code.FORBIDDEN,
            "Pages of this origin may change nothing with Basic credentials; name it in "
            "--cors-origins if they are to, or use an access token.",
        )
