"""Error replies in the vendor's form: code, message, more_info, status and details."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ExceptionHandler

from syncline_protocol import native
from syncline_protocol.errors import Code, Refusal, codes_of
from syncline_protocol.objects import TYPES

from .body import PATCH_TYPES
from .pages import prefers_page, problem_page
from .responses import json_reply
from .routing import raw_path

__all__ = [
    "REALM",
    "REFUSED",
    "RETRY_AFTER",
    "DetailedRefusal",
    "error_body",
    "exception_handlers",
    "refusal_reply",
]

REALM = "Syncline"

RETRY_AFTER = 1
"""Seconds after which a client may retry a request that was refused with 429 or 503."""

REFUSED = "refused"
"""Key in a request's `state` under which the code of its refusal is kept."""

_NOT_FOUND = {Code.NAME_NOT_FOUND}.union(
    *((each.absent, each.item_absent) for each in map(codes_of, TYPES))
) - {Code.NOT_FOUND}
"""Codes for which REST v1 has 20404 and one sentence, which names the path."""


_WITH_PAGE = (HTTPStatus.NOT_FOUND, HTTPStatus.INTERNAL_SERVER_ERROR)


class DetailedRefusal(Refusal):
    """A refusal whose reply has `details`.

    Attributes:
        details: JSON values by name.
    """

    def __init__(self, refusal: Refusal, details: Mapping[str, Any]) -> None:
        super().__init__(refusal.code, refusal.message)
        self.details = details


def error_body(code: int, status: int, message: str) -> dict[str, Any]:
    """The body of every error reply."""
    return {
        "code": code,
        "message": message,
        "more_info": f"https://www.twilio.com/docs/errors/{code}",
        "status": status,
    }


def refusal_reply(
    request: Request, refusal: Refusal, details: Mapping[str, Any] | None = None
) -> Response:
    """The reply to a refused request.

    REST v1 has one code for everything that does not exist, 20404. v3 and the native protocol have
    separate codes that say which address failed.
    """
    if refusal.code in _NOT_FOUND and not raw_path(request.scope).startswith(b"/v3/"):
        return _not_found(request)
    _set_outcome(request, refusal.code)
    body = error_body(int(refusal.code), refusal.code.status, refusal.message)
    if isinstance(refusal, DetailedRefusal):
        details = refusal.details
    else:
        details = native.newest_body(refusal) or details
    if details is not None:
        body["details"] = details
    return _error_reply(request, body, _headers(request, refusal.code))


async def _on_refusal(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refusal)
    return refusal_reply(request, error)


async def _on_http_exception(request: Request, error: Exception) -> Response:
    """Answer a refusal of the router: unknown path, or a method that the path does not have."""
    assert isinstance(error, HTTPException)
    if error.status_code == HTTPStatus.NOT_FOUND:
        return _not_found(request)
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        allowed = (error.headers or {}).get("Allow", "")
        body = error_body(
            Code.METHOD_NOT_ALLOWED,
            Code.METHOD_NOT_ALLOWED.status,
            f"{request.method} is not allowed on this resource; allowed are {allowed}.",
        )
    else:
        body = error_body(20_000 + error.status_code, error.status_code, error.detail)
    _set_outcome(request, body["code"])
    return _error_reply(request, body, error.headers)


async def _on_disconnect(_: Request, __: Exception) -> Response:
    """A placeholder: the client has disconnected, so no reply reaches it."""
    return Response(status_code=HTTPStatus.BAD_REQUEST)


exception_handlers: dict[Any, ExceptionHandler] = {
    Refusal: _on_refusal,
    HTTPException: _on_http_exception,
    ClientDisconnect: _on_disconnect,
}
"""For Starlette: handlers that turn an exception of any endpoint into a reply."""


def _set_outcome(request: Request, code: int) -> None:
    request.scope.setdefault("state", {})[REFUSED] = int(code)


def _not_found(request: Request) -> Response:
    _set_outcome(request, Code.NOT_FOUND)
    path = raw_path(request.scope).decode("latin-1").removeprefix("/v1")
    return _error_reply(
        request,
        error_body(
            Code.NOT_FOUND,
            Code.NOT_FOUND.status,
            f"The requested resource {path} was not found",
        ),
    )


def _error_reply(
    request: Request, body: dict[str, Any], headers: Mapping[str, str] | None = None
) -> Response:
    """The body as JSON; as a page where somebody opened the address in a browser."""
    status = body["status"]
    if status in _WITH_PAGE and request.method in ("GET", "HEAD") and prefers_page(request):
        return problem_page(body, raw_path(request.scope), headers)
    return json_reply(body, status, headers)


def _headers(request: Request, code: Code) -> dict[str, str]:
    if code.status == HTTPStatus.UNAUTHORIZED:
        return {"WWW-Authenticate": _challenge(request)}
    if code.retry:
        return {"Retry-After": str(RETRY_AFTER)}
    if code is Code.UNSUPPORTED_MEDIA_TYPE and request.method == "PATCH":
        return {"Accept-Patch": ", ".join(PATCH_TYPES)}
    return {}


def _challenge(request: Request) -> str:
    """A challenge in the scheme that the client tried. A Basic challenge makes a browser ask its
    user for a password, which must not happen to a page that sent a token."""
    scheme = request.headers.get("authorization", "").partition(" ")[0]
    if scheme.lower() == "bearer":
        return f'Bearer realm="{REALM}", error="invalid_token"'
    return f'Basic realm="{REALM}", charset="UTF-8"'
