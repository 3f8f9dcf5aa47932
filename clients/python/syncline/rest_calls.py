"""What carries out one REST request; the converters of requests need no more of it."""

from __future__ import annotations

from typing import Any, Protocol

from syncline_protocol.objects import ObjectType

from .header import JsonObject

__all__ = ["AsyncRestCalls"]


class AsyncRestCalls(Protocol):
    """Sends REST requests to the objects of one service."""

    def path_to(self, address: str | None, type_: ObjectType = ...) -> str:
        """Path of an object; None: of the objects of that type."""

    async def call(self, method: str, path: str, **request: Any) -> JsonObject:
        """Send a request and return the body of the reply; {} for 204."""

    async def exchange(self, method: str, path: str, **request: Any) -> tuple[int, JsonObject]:
        """Send a request and return the status and the body of the reply; {} for 204."""
