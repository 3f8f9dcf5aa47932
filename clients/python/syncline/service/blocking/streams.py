# Made by scripts/generate-blocking. Do not edit: change the async source.
"""The streams of one service."""

from __future__ import annotations

from syncline.header import Header
from syncline_protocol import objects

from .objects import Objects
from .stream import Stream

__all__ = ["Streams"]


class Streams(Objects[Stream]):
    """The streams of one service, by SID or unique name."""

    type = objects.STREAM

    def create(
        self,
        unique_name: str | None = None,
        *,
        ttl: int | None = None,
        sid: str | None = None,
        operation_id: str | None = None,
    ) -> Stream:
        """Create a stream; arguments and exceptions as in `create` of documents."""
        return self._create(unique_name, operation_id, ttl=ttl, sid=sid)

    def get_or_create(self, unique_name: str, *, ttl: int | None = None) -> Stream:
        """Read a stream, or create it if there is none; `ttl` counts only if it is created."""
        return self._get_or_create(unique_name, ttl=ttl)

    def _handle(self, address: str, header: Header | None) -> Stream:
        return Stream(self._http, address, header)
