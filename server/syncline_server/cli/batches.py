"""Batches of an import: records that may be uploaded in parallel."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from syncline_protocol.objects import ObjectType

from .export_lines import AnyRecord
from .object_records import HeaderRecord, ItemRecord, PermissionRecord
from .object_rest import ITEM_PAGE_SIZE
from .records import Record, Unusable

__all__ = ["Batch", "Batcher", "ItemGroup", "Unit"]

BATCH_UNITS = 100
"""Maximum number of units in a batch."""

BATCH_BYTES = 4 * 1024 * 1024
"""A batch ends when its records reach this many bytes, even with few units."""


@dataclass(frozen=True, slots=True)
class ItemGroup:
    """Up to 100 consecutive items of one list or map, which are uploaded together.

    Attributes:
        sid: SID of the list or map in the source.
    """

    type: ObjectType
    sid: str
    items: list[ItemRecord] = field(default_factory=list)


Unit = Record | Unusable | HeaderRecord | PermissionRecord | ItemGroup


@dataclass(slots=True)
class Batch:
    """Consecutive units of a source that may be uploaded in parallel.

    No two units of a batch have the same SID or unique name. Items and permissions are in a later
    batch than their object, and two groups of items of one list in two batches, to keep the order.

    Attributes:
        position: where the next batch begins, in the format of the source; None after the last
            page, and if the source has no positions.
        size: part of the source's `total` that this batch covers.
    """

    units: list[Unit] = field(default_factory=list)
    position: str | None = None
    size: int = 0


class Batcher:
    """Collects records into a batch."""

    def __init__(self) -> None:
        self._start()

    def fits(self, *records: AnyRecord | Unusable) -> bool:
        """True if the records may be added together; otherwise take the batch first."""
        if self._bytes >= BATCH_BYTES:
            return False
        items = Counter(record.sid for record in records if isinstance(record, ItemRecord))
        names = set[str]()
        for record in records:
            names |= _names(record)
            if isinstance(record, PermissionRecord):
                names.add(record.sid)  # its object must be there
        for sid, count in items.items():
            group = self._groups.get(sid)
            if group is None:
                names.add(sid)
            elif len(group.items) + count > ITEM_PAGE_SIZE:
                return False
        is_full = len(self.batch.units) >= BATCH_UNITS
        return not (is_full or self._names & names)

    def add(self, *records: AnyRecord | Unusable) -> None:
        """Add records that fit."""
        for record in records:
            self._bytes += _bytes(record)
            self._names |= _names(record)
            if isinstance(record, ItemRecord):
                self._group_of(record).items.append(record)
            else:
                self.batch.units.append(record)

    def _group_of(self, record: ItemRecord) -> ItemGroup:
        group = self._groups.get(record.sid)
        if group is None:
            group = self._groups[record.sid] = ItemGroup(record.type, record.sid)
            self.batch.units.append(group)
        return group

    def take(self) -> Batch:
        """Return the batch, and start the next one."""
        batch = self.batch
        self._start()
        return batch

    def _start(self) -> None:
        self.batch = Batch()
        self._bytes = 0
        self._names = set[str]()
        self._groups: dict[str, ItemGroup] = {}


def _names(record: AnyRecord | Unusable) -> set[str]:
    """The names by which the target finds a record, which no other record of a batch may have."""
    match record:
        case Record():
            names = (record.sid, record.unique_name)
        case HeaderRecord():
            name = record.unique_name
            names = (record.sid, None if name is None else f"{record.kind}\n{name}")
        case PermissionRecord():
            names = (f"{record.sid}\n{record.identity}", None)
        case _:
            names = (None, None)
    return {name for name in names if name is not None}


def _bytes(record: AnyRecord | Unusable) -> int:
    return len(record.data) if isinstance(record, Record | ItemRecord) else 0
