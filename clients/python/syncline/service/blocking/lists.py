# Made by scripts/generate-blocking. Do not edit: change the async source.
"""The lists of one service."""

from __future__ import annotations

from syncline.header import Header
from syncline_protocol import objects

from .list import List
from .objects import Objects

__all__ = ["Lists"]


class Lists(Objects[List]):
    """The lists of one service, by SID or unique name."""

    type = objects.LIST

    def create(
        self,
        unique_name: str | None = None,
        *,
        ttl: int | None = None,
        sid: str | None = None,
        operation_id: str | None = None,
    ) -> List:
        """Create a list; arguments and exceptions as in `create` of documents."""
        return self._create(unique_name, operation_id, ttl=ttl, sid=sid)

    def get_or_create(self, unique_name: str, *, ttl: int | None = None) -> List:
        """Read a list, or create it if there is none; `ttl` counts only if it is created."""
        return self._get_or_create(unique_name, ttl=ttl)

    def _handle(self, address: str, header: Header | None) -> List:
        return List(self._http, address, header)
