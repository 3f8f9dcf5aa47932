"""Uploads items of lists and maps in batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any
from uuid import uuid4

import orjson

from syncline import Conflict, InvalidRequest, NotFound, TooLarge
from syncline_protocol.item_types import item_type

from .batches import ItemGroup
from .collection_states import OPEN, CollectionState
from .object_records import ItemRecord
from .object_rest import ITEM_PAGE_SIZE, ItemRequest, Items, ServiceApi
from .uploads import OnConflict, Outcome, Upload, UploadedUnit

__all__ = ["ItemUploader"]

BODY_BYTES = 256 * 1024
"""Maximum bytes of data in one batch, so that its body is below the server's `--batch-limit`."""

_REFUSED = (Conflict, InvalidRequest, NotFound, TooLarge)
"""Refusals of a batch after which its items are written one by one.

One item may be at fault, or the server may have no batches, as the vendor's.
"""


class ItemUploader:
    """Uploads the items of a group in order, up to 100 in one request.

    A batch is applied completely or not at all. Its operation id makes the repetition of a request
    safe. After a run that was killed, the keys of a map show which items have arrived; a list is
    compared with the items that would be appended next.
    """

    def __init__(self, target: ServiceApi, on_conflict: OnConflict) -> None:
        self._target = target
        self._on_conflict = on_conflict
        # Lists of the target that this process has made or written to. In another list, a killed
        # run may have appended items without recording it.
        self._known_ends = set[str]()

    def record_empty(self, target_sid: str) -> None:
        """Record that a list of the target is empty."""
        self._known_ends.add(target_sid)

    def upload(self, group: ItemGroup, state: CollectionState | None) -> UploadedUnit:
        """Upload a group; may be called in any thread, but not for one list in two."""
        if state is None:
            reason = f"The {group.type.name} {group.sid} does not come before it."
            failed = [Upload(item, Outcome.FAILED, reason=reason) for item in group.items]
            return UploadedUnit(failed)
        if state.items != OPEN or state.target is None:
            return UploadedUnit([Upload(item, Outcome(state.items)) for item in group.items])
        items = self._target.objects(group.type).items(state.target)
        if item_type(group.type).has_chosen_keys:
            results = _Results(group, state.target)
            for part in _parts(results.pending()):
                self._write(items, part, results)
            return UploadedUnit(results.uploads())
        return self._append(items, group, state)

    def _append(self, items: Items, group: ItemGroup, state: CollectionState) -> UploadedUnit:
        """Append the items of a list that were not appended before."""
        assert state.target is not None
        results = _Results(group, state.target)
        last = state.last_source
        for item in group.items:
            if last is not None and int(item.id) <= last:
                results.record(item, Outcome.SKIPPED)
        pending = results.pending()
        if state.target not in self._known_ends:
            self._known_ends.add(state.target)
            arrived = _arrived(items, pending, state.last_target)
            for item, index in arrived:
                results.record(item, Outcome.CREATED, index)
        for part in _parts(results.pending()):
            self._write(items, part, results)
        copied = [int(item.id) for item in group.items]
        state = replace(state, last_source=max([*copied, -1 if last is None else last]))
        if results.last_index is not None:
            state = replace(state, last_target=results.last_index)
        return UploadedUnit(results.uploads(), state)

    def _write(self, items: Items, part: Sequence[ItemRecord], results: _Results) -> None:
        verb = "add"
        if self._on_conflict is OnConflict.REPLACE and _has_keys(part[0]):
            verb = "put"
        operations = [_operation(verb, item) for item in part]
        try:
            changes = items.batch(operations, str(uuid4()))["items"]
        except _REFUSED:
            for item in part:
                self._write_one(items, item, results)
            return
        for item, change in zip(part, changes, strict=True):
            is_new = change["change"] == "added"
            outcome = Outcome.CREATED if is_new else Outcome.REPLACED
            results.record(item, outcome, change.get("index"))

    def _write_one(self, items: Items, item: ItemRecord, results: _Results) -> None:
        request = ItemRequest(data=item.data, ttl=item.remaining())
        try:
            if not _has_keys(item):
                added = items.add(request, str(uuid4()))
                results.record(item, Outcome.CREATED, added["index"])
                return
            key = str(item.id)
            if self._on_conflict is OnConflict.REPLACE:
                # The expiry of the item before must not stay.
                request = replace(request, ttl=request.ttl or 0)
                _, is_new = items.set_or_add(key, request)
                results.record(item, Outcome.CREATED if is_new else Outcome.REPLACED)
                return
            items.add(replace(request, key=key), str(uuid4()))
            results.record(item, Outcome.CREATED)
        except Conflict:
            is_skipped = self._on_conflict is OnConflict.SKIP
            if is_skipped:
                results.record(item, Outcome.SKIPPED)
            else:
                results.fail(item, "The target already has it.")
        except (InvalidRequest, NotFound, TooLarge) as error:
            results.fail(item, str(error))


class _Results:
    """The results of one group, by item.

    Attributes:
        last_index: index of the last item that was appended to a list; None if none was.
    """

    def __init__(self, group: ItemGroup, target_sid: str) -> None:
        self.last_index: int | None = None
        self._items = group.items
        self._target_sid = target_sid
        self._uploads: dict[int, Upload] = {}
        for item in group.items:
            left = item.remaining()
            if left is not None and left <= 0:
                self.record(item, Outcome.EXPIRED)

    def record(self, item: ItemRecord, outcome: Outcome, index: int | None = None) -> None:
        self._uploads[id(item)] = Upload(item, outcome, self._target_sid)
        if index is not None:
            self.last_index = index

    def fail(self, item: ItemRecord, reason: str) -> None:
        self._uploads[id(item)] = Upload(item, Outcome.FAILED, self._target_sid, reason)

    def pending(self) -> list[ItemRecord]:
        """The items without a result, in order."""
        return [item for item in self._items if id(item) not in self._uploads]

    def uploads(self) -> list[Upload]:
        """The results in the order of the items."""
        return [self._uploads[id(item)] for item in self._items]


def _arrived(
    items: Items, pending: Sequence[ItemRecord], last: int | None
) -> list[tuple[ItemRecord, int]]:
    """The items that a killed run appended after index `last` without recording it.

    They are the first of `pending`, because the target's list continues with their data.
    """
    query = {"PageSize": str(ITEM_PAGE_SIZE), "Order": "asc"}
    if last is not None:
        query |= {"From": str(last), "Bounds": "exclusive"}
    arrived = []
    for item, resource in zip(pending, _all(items, query), strict=False):
        if resource.get("data") != orjson.loads(item.data):
            break
        arrived.append((item, int(resource["index"])))
    return arrived


def _all(items: Items, query: dict[str, str]) -> Iterator[dict[str, Any]]:
    following: dict[str, str] | None = query
    while following is not None:
        page = items.page(following)
        yield from page.items
        following = page.next


def _parts(pending: Sequence[ItemRecord]) -> Iterator[list[ItemRecord]]:
    """Divide items into batches."""
    part: list[ItemRecord] = []
    size = 0
    for item in pending:
        if part and (len(part) == ITEM_PAGE_SIZE or size + len(item.data) > BODY_BYTES):
            yield part
            part, size = [], 0
        part.append(item)
        size += len(item.data)
    if part:
        yield part


def _operation(verb: str, item: ItemRecord) -> dict[str, Any]:
    operation: dict[str, Any] = {"op": verb, "data": orjson.Fragment(item.data)}
    if _has_keys(item):
        operation["key"] = item.id
    left = item.remaining()
    if left is not None:
        operation["ttl"] = max(left, 1)
    elif verb == "put":
        operation["ttl"] = 0  # the expiry of the item before must not stay
    return operation


def _has_keys(item: ItemRecord) -> bool:
    return item_type(item.type).has_chosen_keys
