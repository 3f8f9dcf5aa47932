"""Records of items, as `scripts/lib/items.lua` packs them."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from syncline_protocol.items import Item

__all__ = ["Tombstone", "unpack_record"]

_LIVE = struct.Struct(">5d")
_DEAD = struct.Struct(">3d")
_LENGTH = struct.Struct(">H")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tombstone:
    """What is kept of a removed item, for readers that were away.

    Attributes:
        revision: of the removal.
        born: the revision that had created the item; 0 if another item had the key before.
        removed_ms: milliseconds since the epoch.
        removed_by: an identity, or `system`.
    """

    key: str
    revision: int
    born: int
    removed_ms: int
    removed_by: str

    def as_item(self, data: bytes = b"") -> Item:
        """The item as its removal reports it; `data` is its last data."""
        return Item(
            key=self.key,
            revision=self.revision,
            born=self.born,
            data=data,
            created_ms=self.removed_ms,
            updated_ms=self.removed_ms,
            expires_ms=None,
            created_by=self.removed_by,
            updated_by=self.removed_by,
        )


def unpack_record(key: bytes, record: bytes) -> Item | Tombstone:
    """The item of a record, live or removed."""
    if record.startswith(b"D"):
        revision, born, at = _DEAD.unpack_from(record, 1)
        writer, _ = _text(record, 1 + _DEAD.size)
        return Tombstone(
            key=key.decode(),
            revision=int(revision),
            born=int(born),
            removed_ms=int(at),
            removed_by=writer,
        )
    revision, born, created, updated, expires = _LIVE.unpack_from(record, 1)
    creator, end = _text(record, 1 + _LIVE.size)
    writer, end = _text(record, end)
    _, end = _text(record, end)  # the mark of the write: settlement reads it apart
    return Item(
        key=key.decode(),
        revision=int(revision),
        born=int(born),
        data=record[end:],
        created_ms=abs(int(created)),  # negative: it took the place of a removed item
        updated_ms=int(updated),
        expires_ms=int(expires) or None,
        created_by=creator,
        updated_by=writer,
    )


def _text(record: bytes, offset: int) -> tuple[str, int]:
    """The text with its length at `offset`, and the offset behind it."""
    (length,) = _LENGTH.unpack_from(record, offset)
    start = offset + _LENGTH.size
    return record[start : start + length].decode(), start + length
