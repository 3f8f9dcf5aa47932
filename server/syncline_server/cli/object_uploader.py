"""Uploads the lists, maps and streams of an import, and their permissions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from uuid import UUID, uuid4, uuid5

from syncline import Conflict, Forbidden, InvalidRequest, JsonObject, NotFound, TooLarge
from syncline_protocol.item_types import item_type

from .batches import ItemGroup
from .checkpoint import Checkpoint
from .collection_states import OPEN, CollectionState
from .item_uploader import ItemUploader
from .object_records import HeaderRecord, PermissionRecord
from .object_rest import ITEM_PAGE_SIZE, Items, Objects, ServiceApi
from .uploads import OnConflict, Outcome, Upload, UploadedUnit

__all__ = ["ObjectUploader"]

EXISTS = "The target already has it."


class ObjectUploader:
    """Uploads to one target.

    An object that was uploaded before is found by the SID that `checkpoint` recorded, or else by
    its unique name.
    """

    def __init__(
        self,
        target: ServiceApi,
        checkpoint: Checkpoint,
        on_conflict: OnConflict,
        *,
        keep_sids: bool = False,
    ) -> None:
        """`keep_sids`: True creates objects with the SIDs that they have in the source."""
        self._target = target
        self._checkpoint = checkpoint
        self._on_conflict = on_conflict
        self._keep_sids = keep_sids
        self._run: UUID = checkpoint.run
        self._items = ItemUploader(target, on_conflict)

    def prepared(
        self, unit: HeaderRecord | PermissionRecord | ItemGroup
    ) -> Callable[[], UploadedUnit]:
        """The upload of a unit, to be called in any thread.

        Reads the checkpoint, so it must be called after the batches before were recorded.
        """
        state = self._checkpoint.find_collection(unit.sid)
        if isinstance(unit, HeaderRecord):
            return partial(self._upload_header, unit, state)
        if isinstance(unit, ItemGroup):
            return partial(self._items.upload, unit, state)
        return partial(self._upload_permission, unit, state)

    def _upload_header(self, record: HeaderRecord, known: CollectionState | None) -> UploadedUnit:
        ttl = record.remaining()
        if ttl is not None and ttl <= 0:
            return _closed(record, Outcome.EXPIRED, known)
        try:
            return self._copy(record, ttl, known)
        except (InvalidRequest, TooLarge) as error:
            return _closed(record, Outcome.FAILED, known, str(error))

    def _copy(
        self, record: HeaderRecord, ttl: int | None, known: CollectionState | None
    ) -> UploadedUnit:
        if self._keep_sids:
            return self._copy_kept(record, ttl, known)
        if known is None or known.target is None:
            return self._create(record, ttl)
        try:
            found = self._objects(record).get(known.target)
        except NotFound:  # somebody removed the copy
            if record.unique_name is None and self._on_conflict is not OnConflict.REPLACE:
                return _closed(record, Outcome.SKIPPED, known)
            # Not the operation id of the first copy, which the server may still remember.
            return self._create(record, ttl, op=str(uuid4()))
        return self._resolve(record, ttl, found, known)

    def _copy_kept(
        self, record: HeaderRecord, ttl: int | None, known: CollectionState | None
    ) -> UploadedUnit:
        """As `_copy`, under the SID of the source: it needs no state to find a copy again."""
        objects, sid = self._objects(record), record.sid
        if known is not None and known.target not in (None, sid):
            reason = f"The target has it under another SID, {known.target}: remove it there first."
            return _closed(record, Outcome.FAILED, known, reason)
        try:
            created = objects.create(record.unique_name, ttl, str(uuid4()), sid=sid)
        except Conflict as conflict:
            try:
                found = objects.get(sid)
            except NotFound:  # the name is taken, or the SID belonged to one removed recently
                return _closed(record, Outcome.FAILED, known, conflict.message)
            if found["unique_name"] != record.unique_name:
                return _closed(record, Outcome.FAILED, known, conflict.message)
            copied = known if known is not None and known.target is not None else None
            return self._resolve(record, ttl, found, copied)
        if created["sid"] != sid:  # a server that ignores Sid, such as the vendor's
            reason = f"The target gave it another SID, {created['sid']}."
            return _closed(record, Outcome.FAILED, None, reason)
        self._items.record_empty(sid)
        return _created(record, sid)

    def _create(self, record: HeaderRecord, ttl: int | None, op: str | None = None) -> UploadedUnit:
        objects = self._objects(record)
        try:
            if record.unique_name is None:
                # As for documents without a name: a run that was killed is repeated with the same
                # operation id, and so with the same body. The TTL follows.
                created = objects.create(None, None, op or str(uuid5(self._run, record.sid)))
                if ttl is not None:
                    objects.set_ttl(created["sid"], ttl)
            else:
                created = objects.create(record.unique_name, ttl, str(uuid4()))
                self._items.record_empty(created["sid"])
        except Conflict:
            assert record.unique_name is not None
            found = objects.get(record.unique_name)
            return self._resolve(record, ttl, found, None)
        return _created(record, created["sid"])

    def _resolve(
        self,
        record: HeaderRecord,
        ttl: int | None,
        found: JsonObject,
        known: CollectionState | None,
    ) -> UploadedUnit:
        """Skip, replace or refuse an object that the target already has.

        `known`: the state of a copy that this import made; None for an object of others.
        """
        state = CollectionState(source=record.sid, target=found["sid"], items=OPEN)
        if self._on_conflict is OnConflict.REPLACE:
            self._objects(record).set_ttl(found["sid"], ttl or 0)
            if self._has_ordered_items(record):
                _remove_all(self._objects(record).items(found["sid"]))
                self._items.record_empty(found["sid"])
            return UploadedUnit([Upload(record, Outcome.REPLACED, found["sid"])], state)
        if known is not None and (
            self._on_conflict is OnConflict.SKIP or self._is_empty(record, found)
        ):
            # The items after the last one that was copied are copied.
            kept = replace(known, items=OPEN)
            return UploadedUnit([Upload(record, Outcome.SKIPPED, found["sid"])], kept)
        if self._on_conflict is OnConflict.FAIL:
            return _closed(record, Outcome.FAILED, known, EXISTS)
        # Items of a map are found by their keys. Those of a list have nothing by which to tell
        # whether the target has them: only an empty list is filled.
        if self._has_ordered_items(record) and not self._is_empty(record, found):
            return _closed(record, Outcome.SKIPPED, None)
        return UploadedUnit([Upload(record, Outcome.SKIPPED, found["sid"])], state)

    def _upload_permission(
        self, record: PermissionRecord, state: CollectionState | None
    ) -> UploadedUnit:
        if state is None or state.target is None or state.items != OPEN:
            return UploadedUnit([_without_object(record, state)])
        permissions = self._target.objects(record.type).permissions(state.target)
        try:
            has = permissions.has(record.identity)
            if has and self._on_conflict is not OnConflict.REPLACE:
                is_skipped = self._on_conflict is OnConflict.SKIP
                outcome = Outcome.SKIPPED if is_skipped else Outcome.FAILED
                reason = None if is_skipped else EXISTS
                return UploadedUnit([Upload(record, outcome, state.target, reason)])
            permissions.set(record.identity, record.rights)
        except (InvalidRequest, NotFound, Forbidden) as error:
            return UploadedUnit([Upload(record, Outcome.FAILED, state.target, str(error))])
        outcome = Outcome.REPLACED if has else Outcome.CREATED
        return UploadedUnit([Upload(record, outcome, state.target)])

    def _is_empty(self, record: HeaderRecord, found: JsonObject) -> bool:
        if not record.type.has_items:
            return True
        return not self._objects(record).items(found["sid"]).page({"PageSize": "1"}).items

    def _objects(self, record: HeaderRecord) -> Objects:
        return self._target.objects(record.type)

    def _has_ordered_items(self, record: HeaderRecord) -> bool:
        """True for items that the server numbers, so that they can only be appended."""
        return record.type.has_items and not item_type(record.type).has_chosen_keys


def _created(record: HeaderRecord, target: str) -> UploadedUnit:
    state = CollectionState(source=record.sid, target=target, items=OPEN)
    return UploadedUnit([Upload(record, Outcome.CREATED, target)], state)


def _closed(
    record: HeaderRecord,
    outcome: Outcome,
    known: CollectionState | None,
    reason: str | None = None,
) -> UploadedUnit:
    """The result for an object whose items are not copied."""
    state = CollectionState(source=record.sid, target=None, items=outcome)
    if known is not None:
        state = replace(known, items=outcome)
    return UploadedUnit([Upload(record, outcome, state.target, reason)], state)


def _without_object(record: PermissionRecord, state: CollectionState | None) -> Upload:
    if state is None:
        reason = f"The {record.type.name} {record.sid} does not come before it."
        return Upload(record, Outcome.FAILED, reason=reason)
    return Upload(record, Outcome(state.items))


def _remove_all(items: Items) -> None:
    """Remove all items of a list."""
    while found := items.page({"PageSize": str(ITEM_PAGE_SIZE)}).items:
        indexes = [each["index"] for each in found]
        try:
            items.batch([{"op": "remove", "index": index} for index in indexes], str(uuid4()))
        except NotFound:  # an item was removed meanwhile, or the server has no batches
            for index in indexes:
                try:
                    items.remove(str(index))
                except NotFound:
                    continue
