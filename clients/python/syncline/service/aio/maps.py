"""The maps of one service."""

from __future__ import annotations

from syncline.header import Header
from syncline_protocol import objects

from .map import AsyncMap
from .objects import AsyncObjects

__all__ = ["AsyncMaps"]


class AsyncMaps(AsyncObjects[AsyncMap]):
    """The maps of one service, by SID or unique name."""

    type = objects.MAP

    async def create(
        self,
        unique_name: str | None = None,
        *,
        ttl: int | None = None,
        sid: str | None = None,
        operation_id: str | None = None,
    ) -> AsyncMap:
        """Create a map; arguments and exceptions as in `create` of documents."""
        return await self._create(unique_name, operation_id, ttl=ttl, sid=sid)

    async def get_or_create(self, unique_name: str, *, ttl: int | None = None) -> AsyncMap:
        """Read a map, or create it if there is none; `ttl` counts only if it is created."""
        return await self._get_or_create(unique_name, ttl=ttl)

    def _handle(self, address: str, header: Header | None) -> AsyncMap:
        return AsyncMap(self._http, address, header)
