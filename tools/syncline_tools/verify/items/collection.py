"""One list, map or stream of a run, and its addresses in REST."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

__all__ = ["LIST", "MAP", "STREAM", "Collection"]

LIST, MAP, STREAM = "list", "map", "stream"

_PLURALS = {LIST: "Lists", MAP: "Maps", STREAM: "Streams"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Collection:
    """Where it is.

    Attributes:
        service_sid: of its service.
        type: `list`, `map` or `stream`.
    """

    sid: str
    service_sid: str
    type: str

    @property
    def path(self) -> str:
        """Path of its resource, below that of the service."""
        return f"{plural_of(self.type)}/{self.sid}"

    @property
    def id_name(self) -> str:
        """How REST names the id of an item."""
        return "index" if self.type == LIST else "key"

    def show_id(self, key: str) -> str | int:
        """The id of an item as JSON has it."""
        return int(key) if self.type == LIST else key

    def item_path(self, key: str) -> str:
        """Path of the resource of an item."""
        return f"{self.path}/Items/{quote(key, safe='')}"


def plural_of(type_: str) -> str:
    """The type in a path."""
    return _PLURALS[type_]
