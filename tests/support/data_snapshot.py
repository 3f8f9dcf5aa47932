"""The stored data of one service at one moment, to play a failover that loses later writes."""

from __future__ import annotations

from syncline_server.storage.redis.connection import Connection

__all__ = ["DataSnapshot"]


class DataSnapshot:
    """The keys of a service at one moment."""

    def __init__(self, admin: Connection, service_sid: str) -> None:
        self._admin, self._pattern = admin, f"{{{service_sid}*"
        self._dumps: dict[bytes, bytes] = {}

    async def take(self) -> None:
        for key in await self._admin.execute("KEYS", self._pattern):
            self._dumps[key] = await self._admin.execute("DUMP", key)

    async def put_back(self) -> None:
        for key in await self._admin.execute("KEYS", self._pattern):
            await self._admin.execute("DEL", key)
        for key, dump in self._dumps.items():
            await self._admin.execute("RESTORE", key, 0, dump)
