"""Parts of a list or map that a client has open (docs/protocol.md, section 3 and rule C28)."""

from __future__ import annotations

import os.path
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from syncline_protocol.errors import Code

from .errors import InvalidRequest
from .header import JsonObject

__all__ = ["KEYS_LIMIT", "WHOLE", "Part", "containing"]

KEYS_LIMIT = 256
"""Maximum number of keys in one part."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Some items of a collection; without `keys` and `prefix` the whole.

    Attributes:
        keys: keys of the items, existing or not.
        prefix: what their keys begin with.
    """

    keys: frozenset[Any] | None = None
    prefix: str | None = None

    @classmethod
    def of(cls, keys: Iterable[Any] | None, prefix: str | None) -> Part:
        """The part that an application names.

        Raises:
            InvalidRequest: keys and a prefix, no key, or too many.
        """
        if keys is None:
            return cls(prefix=prefix or None)
        if isinstance(keys, str):
            raise InvalidRequest.local(
                Code.INVALID_PARAMETER, "The keys of a part are several: give a list of them."
            )
        found = frozenset(keys)
        if prefix is not None:
            raise InvalidRequest.local(Code.INVALID_PARAMETER, "Give keys or a prefix, not both.")
        if not 1 <= len(found) <= KEYS_LIMIT:
            raise InvalidRequest.local(
                Code.INVALID_PARAMETER,
                f"A part has 1 to {KEYS_LIMIT} keys, not {len(found)}.",
            )
        return cls(keys=found)

    def has(self, key: Any) -> bool:
        """True if an item with this key belongs to the part."""
        if self.keys is not None:
            return key in self.keys
        return self.prefix is None or key.startswith(self.prefix)

    def covers(self, other: Part) -> bool:
        """True if each item of `other` belongs to this part."""
        if other.keys is not None:
            return all(map(self.has, other.keys))
        if self.keys is not None:
            return False
        if self.prefix is None:
            return True
        return other.prefix is not None and other.prefix.startswith(self.prefix)

    def members(self, keys_name: str) -> JsonObject:
        """Members of a request; `keys_name` is that of the keys."""
        if self.keys is not None:
            return {keys_name: sorted(self.keys)}
        return {} if self.prefix is None else {"prefix": self.prefix}


WHOLE = Part()


def containing(parts: Sequence[Part]) -> Part:
    """A part that contains all of these."""
    for part in parts:
        if all(map(part.covers, parts)):
            return part
    if all(part.keys is not None for part in parts):
        keys = frozenset().union(*(part.keys or () for part in parts))
        if len(keys) <= KEYS_LIMIT:
            return Part(keys=keys)
    # Only maps have keys with a common beginning.
    begins = [begin for part in parts for begin in (part.keys or (part.prefix or "",))]
    if not all(isinstance(begin, str) for begin in begins):
        return WHOLE
    return Part(prefix=os.path.commonprefix(begins) or None)
