"""Lists, maps and streams past all faults: what prepares a run, and what it is judged by."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from syncline import NotFound
from syncline_tools.verify.direct import Direct

from .collection import Collection, plural_of
from .reading import Reading, read_items

__all__ = ["ItemDirect"]


class ItemDirect:
    """Those of one service. Methods wait for a server that is away, as those of `Direct`."""

    def __init__(self, direct: Direct) -> None:
        self._direct = direct

    async def create(self, type_: str, name: str, ttl: int) -> tuple[Collection, int]:
        """A new collection, and its revision."""
        created = await self._direct.request(
            "POST",
            plural_of(type_),
            data={"UniqueName": name, "Ttl": str(ttl)},
            headers={"Idempotency-Key": uuid4().hex},
        )
        collection = Collection(sid=created["sid"], service_sid=created["service_sid"], type=type_)
        return collection, int(created.get("revision", 0))

    async def read(self, collection: Collection) -> Reading:
        """All items, at one revision."""
        while True:
            reading = await read_items(self._get, collection)
            if reading.revision is not None:
                return reading

    async def remove(self, collection: Collection) -> None:
        """Remove a collection, if it is there."""
        try:
            await self._direct.request("DELETE", collection.path)
        except NotFound:
            pass

    async def _get(self, path: str, query: dict[str, str]) -> Any:
        return await self._direct.request("GET", path, params=query)
