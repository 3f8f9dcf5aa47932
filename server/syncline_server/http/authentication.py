"""Authentication of HTTP requests, requests that only the account may make, and protection of
Basic logins against cross-site forms."""

from __future__ import annotations

from starlette.requests import Request

from syncline_protocol.errors import Code, Refusal
from syncline_server.auth.origins import Origins
from syncline_server.auth.principal import Principal
from syncline_server.backend import Backend
from syncline_server.observability.logs import about

from .headers import header

__all__ = [
    "CONSOLE",
    "address_of",
    "authenticate",
    "check_page",
    "require_account",
    "require_owner",
]

CONSOLE = "Syncline-Console"
"""Header of the console's requests, so that the audit log shows what it changes."""

_CONSOLE = CONSOLE.lower().encode()

_SAFE = ("GET", "HEAD", "OPTIONS")
"""Methods that change nothing. CORS keeps foreign pages from reading their replies."""

_FOREIGN = ("cross-site", "same-site")
"""Values of `Sec-Fetch-Site` (Fetch Metadata) for pages of other origins."""


async def authenticate(backend: Backend, request: Request) -> Principal:
    """The caller that the `Authorization` header authenticates.

    Raises:
        Refusal: as `Authenticator.authenticate`; `FORBIDDEN` for a write with Basic credentials
            from a page of another origin; `RATE_LIMITED` as `FailedLogins.check`.
    """
    authorization = header(request.scope, b"authorization") or ""
    if authorization[:6].lower() != "basic ":
        return await backend.authenticator.authenticate(authorization)
    address = address_of(request)
    backend.failed_logins.check(address, authorization)
    try:
        caller = await backend.authenticator.authenticate(authorization)
    except Refusal:
        backend.failed_logins.record_failure(address)
        raise
    backend.failed_logins.record_success(address, authorization)
    if request.method not in _SAFE:
        check_page(backend, request)
    if caller.person is not None or header(request.scope, _CONSOLE) is not None:
        about(via="console", person=caller.person)
        # What it changes gets an audit line (`middleware.console_changes`).
        request.scope["state"][CONSOLE] = True
    return caller


def address_of(request: Request) -> str:
    """The address that failed logins are counted for."""
    return "" if request.client is None else request.client.host


async def require_account(backend: Backend, request: Request) -> Principal:
    """The caller, authenticated as the account or by one of its API keys.

    Raises:
        Refusal: as `authenticate`; `FORBIDDEN` for a token.
    """
    caller = await authenticate(backend, request)
    about(identity=caller.identity, key=caller.key)
    if not caller.is_account:
        raise Refusal(
            Code.FORBIDDEN,
            "This request needs Basic credentials (account SID and auth token, or API key and "
            "secret); an access token is not accepted.",
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
            "Only the account itself manages API keys: this request needs its SID and auth token; "
            "an API key is not accepted.",
        )
    return caller


def check_page(backend: Backend, request: Request) -> None:
    """Refuse foreign pages: once its user has typed a Basic login, a browser sends it with the
    forms of every page.

    Raises:
        Refusal: `FORBIDDEN`.
    """
    if header(request.scope, b"origin") is None:
        # It is no browser, or a page whose privacy software removes `Origin`.
        is_foreign = header(request.scope, b"sec-fetch-site") in _FOREIGN
    else:
        settings = backend.settings
        trusted = Origins([each for each in settings.origins if each != "*"], settings.public_url)
        origins, host = request.headers.getlist("origin"), header(request.scope, b"host")
        is_foreign = not trusted.admit(origins, host or "")
    if is_foreign:
        raise Refusal(
            Code.FORBIDDEN,
            "Pages of this origin must not write with Basic credentials; add the origin to "
            "--cors-origins, or use an access token.",
        )
