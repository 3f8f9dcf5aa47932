"""Request bodies: read up to a limit, and parsed by their content type."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from starlette.requests import ClientDisconnect, Request

from syncline_protocol import fields, jsondata, native
from syncline_protocol.documents import PatchBody
from syncline_protocol.errors import Code, Refusal
from syncline_server.objects.work import work_of_form, work_of_json

from . import urlencoded
from .headers import header

__all__ = [
    "FORM",
    "JSON",
    "PATCH_TYPES",
    "members",
    "read_members",
    "read_parameters",
    "read_patch",
]

FORM = "application/x-www-form-urlencoded"
JSON = "application/json"

PATCH_TYPES = {
    "application/merge-patch+json": "merge",
    "application/json-patch+json": "operations",
    "application/vnd.syncline.increment+json": "increment",
}
"""The kind of a patch (docs/protocol.md, section 3) by content type."""

_FORM_FIELD = re.compile(rb"\s*[A-Za-z_]+=")


class Limits(Protocol):
    """Limits of bodies, as `Settings` has them."""

    @property
    def body_limit(self) -> int:
        """Maximum bytes of a body."""

    @property
    def values_limit(self) -> int:
        """Maximum commas and opening brackets in JSON."""


Work = Callable[[int], Awaitable[None]]
"""Waits until that many units of work (`objects.work`) may be done."""

_CHARSETS = ("utf-8", "utf8", "us-ascii")

# More digits than any body's length has; `int` raises for a number of thousands of digits.
_LENGTH_DIGITS = 18


async def read_parameters(request: Request, limits: Limits, work: Work) -> list[tuple[str, Any]]:
    """The names and values in a form or a JSON object; none for a missing or empty body.

    Args:
        work: waits until the parsing may be done; may raise `RATE_LIMITED`.

    Raises:
        Refusal: `TOO_LARGE`, `UNSUPPORTED_MEDIA_TYPE`, `BAD_REQUEST` for a malformed form,
            `INVALID_JSON` for malformed JSON, `UNKNOWN_PARAMETER` for JSON labelled as a form.
    """
    body = await _read(request, limits.body_limit)
    if not body:
        return []
    media_type = _media_type(request)
    if media_type == FORM:
        if body.lstrip()[:1] in (b"{", b"["):
            # `curl -d` labels any body as a form. No parameter's name begins with a bracket.
            raise Refusal(
                Code.UNKNOWN_PARAMETER,
                f"The body looks like JSON, but Content-Type says {FORM}; JSON is sent with "
                f"Content-Type: {JSON}.",
            )
        await work(work_of_form(body))
        return list(urlencoded.pairs(body, "the form"))
    if media_type != JSON:
        raise _unsupported(media_type, (FORM, JSON))
    if _FORM_FIELD.match(body):
        raise Refusal(
            Code.INVALID_JSON,
            f"The request body is not valid JSON: it looks like a form, which is sent with "
            f"Content-Type: {FORM}.",
        )
    await work(work_of_json(body))
    return members(body, limits.values_limit)


def members(body: bytes, values_limit: int) -> list[tuple[str, Any]]:
    """The members of the JSON object in `body`. Raises `INVALID_JSON`, `TOO_LARGE`."""
    value = jsondata.parse(body, "The request body", values_limit)
    if not isinstance(value, dict):
        raise Refusal(
            Code.INVALID_JSON,
            f"Invalid request body: it must be a JSON object; {fields.show(value)} was given.",
        )
    return list(value.items())


async def read_members(request: Request, limits: Limits, work: Work) -> list[tuple[str, Any]]:
    """The members of a body that must be a JSON object. Arguments and errors as `read_parameters`
    has them."""
    media_type = _media_type(request)
    if media_type != JSON:
        raise _unsupported(media_type, (JSON,))
    body = await _read(request, limits.body_limit)
    await work(work_of_json(body))
    return members(body, limits.values_limit)


async def read_patch(request: Request, limits: Limits, work: Work) -> PatchBody:
    """The patch in a body; the content type decides its kind.

    Args:
        work: as in `read_parameters`.

    Raises:
        Refusal: `TOO_LARGE`, `UNSUPPORTED_MEDIA_TYPE`, `INVALID_JSON`, `INVALID_PARAMETER`.
    """
    media_type = _media_type(request)
    kind = PATCH_TYPES.get(media_type)
    if kind is None:
        raise _unsupported(media_type, tuple(PATCH_TYPES), "The Content-Type of a PATCH")
    body = await _read(request, limits.body_limit)
    await work(work_of_json(body))
    value = jsondata.parse(body, "The request body", limits.values_limit)
    return native.patch_body(kind, value)


async def _read(request: Request, limit: int) -> bytes:
    """The body. A `Content-Length` above `limit` is refused before anything is read; a chunked body
    as soon as it passes `limit`."""
    # The HTTP parser accepts only digits here.
    declared = header(request.scope, b"content-length") or "0"
    if len(declared) > _LENGTH_DIGITS or int(declared) > limit:
        raise _too_large(limit)
    # Not by `Request.stream`: a generator costs more than reading the one chunk of most bodies.
    body = bytearray()
    while True:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        body += message.get("body", b"")
        if len(body) > limit:
            raise _too_large(limit)
        if not message.get("more_body", False):
            return bytes(body)


def _media_type(request: Request) -> str:
    """The content type in lower case; "" without one."""
    encoding = header(request.scope, b"content-encoding")
    if encoding is not None and encoding.lower() != "identity":
        raise Refusal(
            Code.UNSUPPORTED_MEDIA_TYPE,
            "The request body must be sent as it is; Content-Encoding "
            f"{fields.show(encoding)} was given.",
        )
    media_type, *options = (header(request.scope, b"content-type") or "").lower().split(";")
    for option in options:
        name, _, value = option.partition("=")
        if name.strip() == "charset" and value.strip(' "') not in _CHARSETS:
            raise Refusal(
                Code.UNSUPPORTED_MEDIA_TYPE,
                f"The request body must be UTF-8; charset {fields.show(value.strip())} was given.",
            )
    return media_type.strip()


def _too_large(limit: int) -> Refusal:
    return Refusal(
        Code.TOO_LARGE, f"The request body is too large; at most {limit} bytes are allowed."
    )


def _unsupported(media_type: str, allowed: tuple[str, ...], what: str = "Content-Type") -> Refusal:
    given = f"{fields.show(media_type)} was given" if media_type else "none was given"
    return Refusal(Code.UNSUPPORTED_MEDIA_TYPE, f"{what} must be {' or '.join(allowed)}; {given}.")
