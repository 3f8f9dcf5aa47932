"""What an import remembers of each list, map and stream that it copied."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["OPEN", "CollectionState"]

OPEN = "open"
"""`items` of a collection whose items are copied."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectionState:
    """A list, map or stream of the source, and its copy.

    Attributes:
        source: SID in the source.
        target: SID of the copy; None if this import made none.
        items: `OPEN`, or the outcome that its items share.
        last_source: index in the source of the last item of a list that was copied.
        last_target: index of its copy.
    """

    source: str
    target: str | None
    items: str
    last_source: int | None = None
    last_target: int | None = None
