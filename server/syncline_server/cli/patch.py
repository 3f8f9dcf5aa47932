"""The body of a PATCH request: a merge patch, a JSON patch or an increment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

from syncline import JsonObject
from syncline.encoding import encode, pointer_to

__all__ = ["Patch"]


@dataclass(frozen=True, slots=True)
class Patch:
    """A patch of the data of a document or an item.

    Attributes:
        kind: the subtype of the content type.
        body: JSON.
    """

    kind: str
    body: bytes

    @classmethod
    def of(cls, patch: JsonObject | list[Any]) -> Self:
        """A merge patch (RFC 7396) if `patch` is an object, else a JSON patch (RFC 6902)."""
        kind = "merge-patch+json" if isinstance(patch, dict) else "json-patch+json"
        return cls(kind, encode(patch))

    @classmethod
    def increment(cls, place: str, by: int | float) -> Self:
        """Add `by` to a number; `place` is a JSON pointer, or a top-level key."""
        pointer = place if place.startswith("/") else pointer_to(place)
        return cls("vnd.syncline.increment+json", encode({pointer: by}))

    @property
    def headers(self) -> dict[str, str]:
        """The header with the content type."""
        return {"Content-Type": f"application/{self.kind}"}
