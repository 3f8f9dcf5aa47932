"""Conversion of native requests to REST requests."""

from __future__ import annotations

from urllib.parse import quote

import orjson

from syncline_protocol.errors import Code
from syncline_protocol.objects import TYPES

from .errors import InvalidRequest
from .header import JsonObject

__all__ = ["JSON_TYPE", "PATCH_TYPES", "form_of", "headers_of", "segment"]

JSON_TYPE = {"Content-Type": "application/json"}

PATCH_TYPES = {
    "merge": "application/merge-patch+json",
    "operations": "application/json-patch+json",
    "increment": "application/vnd.syncline.increment+json",
}


def form_of(request: JsonObject) -> dict[str, str]:
    """Form parameters for a create or an update."""
    form: dict[str, str] = {}
    named = next((request[each.name] for each in TYPES if each.name in request), None)
    if request["do"] == "open" and named is not None:
        form["UniqueName"] = named
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
            # A header may not be able to carry it. The server checks all other values.
            raise InvalidRequest.local(Code.INVALID_IF_MATCH, "if_match is no revision.")
        headers["If-Match"] = revision
    if "op" in request:
        headers["Idempotency-Key"] = request["op"]
    return headers


def segment(text: str) -> str:
    """A name, key or SID as one segment of a path."""
    quoted = quote(text, safe="")
    # Unencoded dot segments would change the path (RFC 3986, section 5.2.4).
    return quoted.replace(".", "%2E") if text in (".", "..") else quoted
