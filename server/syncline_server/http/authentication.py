"""Who asks."""

from __future__ import annotations

from starlette.requests import Request

from syncline_protocol.errors import Code, Refusal
from syncline_server.auth.authenticator import Principal
from syncline_server.auth.origins import Origins
from syncline_server.backend import Backend

__all__ = ["caller_of"]

_SAFE = ("GET", "HEAD", "OPTIONS")
"""Methods that change nothing; no page of elsewhere may read what is answered."""


async def caller_of(backend: Backend, request: Request) -> Principal:
    """The caller behind the `Authorization` header.

    Raises:
        Refusal: as `Authenticator.caller`; `FORBIDDEN` for a change by the account's login, or an
            API key's, from a page of elsewhere.
    """
    caller = await backend.authenticator.caller(request.headers.get("authorization"))
    if caller.is_account and request.method not in _SAFE:
        _check_page(backend, request)
    return caller


def _check_page(backend: Backend, request: Request) -> None:
    """A browser adds a login that its user has typed to the forms of every page."""
    origins = request.headers.getlist("origin")
    if not origins:
        return  # no browser
    settings = backend.settings
    trusted = Origins([each for each in settings.origins if each != "*"], settings.public_url)
    if not trusted.admit(origins, request.headers.get("host", "")):
        raise Refusal(
            Code.FORBIDDEN,
            "Pages of this origin may change nothing with Basic credentials; name it in "
            "--cors-origins if they are to, or use an access token.",
        )
