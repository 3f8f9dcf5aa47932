"""Operations of streams."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from syncline_protocol.objects import STREAM

from .access import Access
from .objects import Collections

if TYPE_CHECKING:
    from syncline_server.backend import Backend

__all__ = ["Streams"]


class Streams(Collections):
    def __init__(self, backend: Backend) -> None:
        super().__init__(backend, STREAM)

    async def publish(self, access: Access, address: str, data: bytes, op: str | None) -> str:
        await self.get(access, address)
        return f"TZ{secrets.token_hex(16)}"
