"""HTTP errors: refusals by Syncline, and replies by anything else between client and server
(docs/protocol.md, rules C5 and C6)."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any

import httpx2
import orjson

from syncline_protocol.errors import Code

from .errors import ConnectionLost, RequestError
from .header import JsonObject

__all__ = ["not_syncline", "refusal", "retry_after", "retry_pause"]

RETRY_AFTER_LIMIT = 30
"""Maximum seconds that the client waits because of `Retry-After` (rule C8)."""

_OTHER_CODES = 20_000
"""An error without a code of its own has this plus the HTTP status as its code."""

_CODES = {int(code): code for code in Code}


def refusal(response: httpx2.Response) -> RequestError | ConnectionLost:
    """Make the exception for a reply that is not a success."""
    body = _error_body(response)
    if body is not None:
        details = body.get("details")
        newest = details if isinstance(details, dict) else {}
        named = {name: newest[name] for name in ("document", "item") if name in newest}
        retry = response.status_code in (
            HTTPStatus.TOO_MANY_REQUESTS,
            HTTPStatus.SERVICE_UNAVAILABLE,
        )
        try:
            error = RequestError.parse({**body, "retry": retry, **named})
            error.retry_after = retry_after(response.headers)
            return error
        except (ValueError, KeyError, TypeError, AttributeError):
            pass  # `document` or `item` is malformed: something in between has changed the body
    return not_syncline(response)


def not_syncline(response: httpx2.Response) -> ConnectionLost:
    """Make the exception for a reply that is not from Syncline."""
    kind = response.headers.get("Content-Type", "no content type").partition(";")[0]
    return ConnectionLost(
        f"HTTP {response.status_code} {response.reason_phrase} ({kind}) from {response.url.host}, "
        "not Syncline: no Syncline server made this reply",
        retry_after=retry_after(response.headers),
    )


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Parse `Retry-After` (RFC 9110, section 10.2.3): seconds, limited; None if absent."""
    value = headers.get("Retry-After")
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(value).timestamp() - time.time()
        except (ValueError, OverflowError):
            return None
    return None if math.isnan(seconds) else min(max(seconds, 0.0), RETRY_AFTER_LIMIT)


def retry_pause(seconds: float | None) -> float:
    """Pause for `Retry-After`, with random extra time so that clients do not return together."""
    return 0 if seconds is None else seconds + random.uniform(0, max(seconds, 1.0))


def _error_body(response: httpx2.Response) -> JsonObject | None:
    """The body if it is Syncline's own (rule C5), else None."""
    try:
        body: Any = orjson.loads(response.content)
    except ValueError:
        return None
    if not isinstance(body, dict) or not isinstance(body.get("message"), str):
        return None
    code, status = body.get("code"), body.get("status")
    # `type`, not `isinstance`: a bool is an int too.
    if type(code) is not int or type(status) is not int or status != response.status_code:
        return None
    # A server newer than this client may have codes that this client does not know.
    is_own = _is_documented(code, status) or str(body.get("more_info")).endswith(f"/errors/{code}")
    return body if is_own else None


def _is_documented(code: int, status: int) -> bool:
    known = _CODES.get(code)
    return code == _OTHER_CODES + status or (known is not None and known.status == status)
