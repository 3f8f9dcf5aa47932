# Made by scripts/generate-blocking. Do not edit: change the async source.
"""What carries out one REST request; the converters of requests need no more of it."""

from __future__ import annotations

from typing import Any, Protocol

from syncline.header import JsonObject
from syncline_protocol.objects import ObjectType

__all__ = ["RestCalls"]


class RestCalls(Protocol):
    """Sends REST requests to the objects of one service."""

    def path_to(self, address: str | None, type_: ObjectType = ...) -> str:
        """Path of an object; None: of the objects of that type."""

    def call(self, method: str, path: str, **request: Any) -> JsonObject:
        """Send a request and return the body of the reply; {} for 204."""

    def exchange(self, method: str, path: str, **request: Any) -> tuple[int, JsonObject]:
        """Send a request and return the status and the body of the reply; {} for 204."""
