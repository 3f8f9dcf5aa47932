"""Requests of the native protocol as the REST API has them, and its replies."""

from __future__ import annotations

from http import HTTPStatus

import httpx2
import orjson

from syncline_protocol.errors import Code

from .exceptions import InvalidRequest
from .snapshot import JsonObject

__all__ = ["PATCH_TYPES", "body_of", "form_of", "headers_of"]

PATCH_TYPES = {
    "merge": "application/merge-patch+json",
    "operations": "application/json-patch+json",
    "increment": "application/vnd.syncline.increment+json",
}


def body_of(method: str, reply: httpx2.Response) -> JsonObject | None:
    """The JSON object of a success; None if it is no reply of Syncline."""
    if reply.status_code == HTTPStatus.NO_CONTENT:
        return {}
    if method == "DELETE":
        return None
    try:
        body = orjson.loads(reply.content)
    except ValueError:
        return None
    return body if isinstance(body, dict) else None


def form_of(request: JsonObject) -> dict[str, str]:
    """The parameters of a create or an update, as the REST API names them."""
    form: dict[str, str] = {}
    if request["do"] == "open" and "document" in request:
        form["UniqueName"] = request["document"]
    if "data" in request:
        form["Data"] = orjson.dumps(request["data"]).decode()
    if "ttl" in request:
        form["Ttl"] = str(request["ttl"])
    return form


def headers_of(request: JsonObject) -> dict[str, str]:
    headers: dict[str, str] = {}
    if "if_match" in request:
        revision = request["if_match"]
        if not isinstance(revision, str) or not (revision.isascii() and revision.isalnum()):
            # What no header can carry; the server says the same of the rest.
            raise InvalidRequest.local(Code.INVALID_IF_MATCH, "if_match is no revision.")
        headers["If-Match"] = revision
    if "op" in request:
        headers["Idempotency-Key"] = request["op"]
    return headers
