# Made by scripts/generate-blocking. Do not edit: change the async source.
"""The maps of one service."""

from __future__ import annotations

from syncline.header import Header
from syncline_protocol import objects

from .map import Map
from .objects import Objects

__all__ = ["Maps"]


class Maps(Objects[Map]):
    """The maps of one service, by SID or unique name."""

    type = objects.MAP

    def create(
        self,
        unique_name: str | None = None,
        *,
        ttl: int | None = None,
        sid: str | None = None,
        operation_id: str | None = None,
    ) -> Map:
        """Create a map; arguments and exceptions as in `create` of documents."""
        return self._create(unique_name, operation_id, ttl=ttl, sid=sid)

    def get_or_create(self, unique_name: str, *, ttl: int | None = None) -> Map:
        """Read a map, or create it if there is none; `ttl` counts only if it is created."""
        return self._get_or_create(unique_name, ttl=ttl)

    def _handle(self, address: str, header: Header | None) -> Map:
        return Map(self._http, address, header)
