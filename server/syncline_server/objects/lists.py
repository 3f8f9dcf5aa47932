"""Operations on lists and their items."""

from __future__ import annotations

from typing import TYPE_CHECKING

from syncline_protocol.objects import LIST

from .items import Items

if TYPE_CHECKING:
    from syncline_server.backend import Backend

__all__ = ["Lists"]


class Lists(Items):
    """As `Items`, for lists."""

    def __init__(self, backend: Backend) -> None:
        super().__init__(backend, LIST)
