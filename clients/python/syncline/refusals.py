"""Replies of the REST API, as the errors that they tell."""

from __future__ import annotations

from http import HTTPStatus

import httpx2
import orjson

from .exceptions import ConnectionLost, RequestError

__all__ = ["refusal"]

_GATEWAY_FAILURES = (
    HTTPStatus.BAD_GATEWAY,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT,
)


def refusal(response: httpx2.Response) -> RequestError | ConnectionLost:
    """The error in a reply that is no success.

    A reply without Syncline's error body comes from something in between: it is a lost connection,
    which is worth another attempt where a gateway says that the server is away.
    """
    status = response.status_code
    try:
        body = orjson.loads(response.content)
        details = body.get("details") or {}
        retry = status in (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)
        return RequestError.parse({**body, "retry": retry, "document": details.get("document")})
    except (ValueError, KeyError, TypeError, AttributeError):
        return ConnectionLost(
            f"HTTP {status} {response.reason_phrase} from something that is no Syncline server",
            retry=status in _GATEWAY_FAILURES,
        )
