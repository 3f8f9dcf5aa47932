"""The lists of one service."""

from __future__ import annotations

from syncline.header import Header
from syncline_protocol import objects

from .list import AsyncList
from .objects import AsyncObjects

__all__ = ["AsyncLists"]


class AsyncLists(AsyncObjects[AsyncList]):
    """The lists of one service, by SID or unique name."""

    type = objects.LIST

    async def create(
        self,
        unique_name: str | None = None,
        *,
        ttl: int | None = None,
        sid: str | None = None,
        operation_id: str | None = None,
    ) -> AsyncList:
        """Create a list; arguments and exceptions as in `create` of documents."""
        return await self._create(unique_name, operation_id, ttl=ttl, sid=sid)

    async def get_or_create(self, unique_name: str, *, ttl: int | None = None) -> AsyncList:
        """Read a list, or create it if there is none; `ttl` counts only if it is created."""
        return await self._get_or_create(unique_name, ttl=ttl)

    def _handle(self, address: str, header: Header | None) -> AsyncList:
        return AsyncList(self._http, address, header)
