"""Operations on maps and their items."""

from __future__ import annotations

from typing import TYPE_CHECKING

from syncline_protocol.objects import MAP

from .items import Items

if TYPE_CHECKING:
    from syncline_server.backend import Backend

__all__ = ["Maps"]


class Maps(Items):
    """As `Items`, for maps."""

    def __init__(self, backend: Backend) -> None:
        super().__init__(backend, MAP)
