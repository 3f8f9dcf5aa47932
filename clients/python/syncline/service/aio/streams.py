"""The streams of one service."""

from __future__ import annotations

from syncline.header import Header
from syncline_protocol import objects

from .objects import AsyncObjects
from .stream import AsyncStream

__all__ = ["AsyncStreams"]


class AsyncStreams(AsyncObjects[AsyncStream]):
    """The streams of one service, by SID or unique name."""

    type = objects.STREAM

    async def create(
        self,
        unique_name: str | None = None,
        *,
        ttl: int | None = None,
        sid: str | None = None,
        operation_id: str | None = None,
    ) -> AsyncStream:
        """Create a stream; arguments and exceptions as in `create` of documents."""
        return await self._create(unique_name, operation_id, ttl=ttl, sid=sid)

    async def get_or_create(self, unique_name: str, *, ttl: int | None = None) -> AsyncStream:
        """Read a stream, or create it if there is none; `ttl` counts only if it is created."""
        return await self._get_or_create(unique_name, ttl=ttl)

    def _handle(self, address: str, header: Header | None) -> AsyncStream:
        return AsyncStream(self._http, address, header)
