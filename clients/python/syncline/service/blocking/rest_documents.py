# Made by scripts/generate-blocking. Do not edit: change the async source.
"""Requests for documents over REST, with replies in the form of the native protocol.

docs/protocol.md, sections 3 and 9.
"""

from __future__ import annotations

from typing import Any

import orjson

from syncline.header import JsonObject
from syncline.rest_requests import JSON_TYPE, PATCH_TYPES, headers_of
from syncline_protocol.objects import DOCUMENT

from .rest_calls import RestCalls

__all__ = ["RestDocuments"]


class RestDocuments:
    """Carries out requests for one document, other than `open`."""

    def __init__(self, calls: RestCalls, address: str) -> None:
        self._calls = calls
        self._path = calls.path_to(address, DOCUMENT)

    def carry_out(self, request: JsonObject) -> JsonObject:
        """Send a request and return the `ok` of its reply; its `document` is a REST resource."""
        headers = headers_of(request)
        match request["do"]:
            case "get":
                return {"document": self._calls.call("GET", self._path)}
            case "set" | "ttl":
                return {"document": self._write(request, headers)}
            case "patch":
                return {"document": self._patch(request, headers)}
            case "remove":
                self._calls.call("DELETE", self._path, headers=headers)
                return {}
            case verb:
                raise ValueError(f"REST does not support {verb!r}")

    def _write(self, request: JsonObject, headers: dict[str, str]) -> JsonObject:
        # As JSON, not as a form: it costs both sides less, because nothing is percent-encoded.
        given = {name: request[name] for name in ("data", "ttl") if name in request}
        return self._calls.call(
            "POST", self._path, content=orjson.dumps(given), headers=headers | JSON_TYPE
        )

    def _patch(self, request: JsonObject, headers: dict[str, str]) -> JsonObject:
        kind = next(kind for kind in PATCH_TYPES if kind in request)
        options: dict[str, Any] = {"params": {"Ttl": request["ttl"]}} if "ttl" in request else {}
        return self._calls.call(
            "PATCH",
            self._path,
            content=orjson.dumps(request[kind]),
            headers=headers | {"Content-Type": PATCH_TYPES[kind]},
            **options,
        )
