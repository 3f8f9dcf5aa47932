"""Uploads the records of an import to a server, several at a time."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor, Future
from contextlib import suppress
from uuid import uuid4, uuid5

from syncline import Conflict, InvalidRequest, NotFound, TooLarge

from .batches import Unit
from .checkpoint import Checkpoint
from .object_rest import ServiceApi
from .object_uploader import ObjectUploader
from .records import Record, Unusable
from .uploads import OnConflict, Outcome, Upload, UploadedUnit

__all__ = ["Uploader"]


class Uploader:
    """Uploads records to one target; `ObjectUploader` does so for all but documents.

    A document that was uploaded before is found again by its unique name; if it has none, by the
    SID that `checkpoint` recorded for it.
    """

    def __init__(
        self,
        target: ServiceApi,
        checkpoint: Checkpoint,
        *,
        on_conflict: OnConflict,
        executor: Executor,
        stop: threading.Event,
        keep_sids: bool = False,
    ) -> None:
        """
        Args:
            keep_sids: True creates objects with the SIDs that they have in the source.
            executor: runs the uploads; its threads share the HTTP client of `target`.
            stop: set here on an error, to end the pauses of requests that wait to be repeated.
        """
        self._target = target.documents
        self._objects = ObjectUploader(target, checkpoint, on_conflict, keep_sids=keep_sids)
        self._checkpoint = checkpoint
        self._on_conflict = on_conflict
        self._executor = executor
        self._stop = stop
        self._keep_sids = keep_sids

    def upload_all(self, units: Iterable[Unit]) -> Iterator[Upload]:
        """Upload the units of a batch in parallel; yield the results in their order.

        Raises:
            syncline.SynclineError, httpx2.TransportError: the target accepts no writes at present.
        """
        under_way: list[Future[UploadedUnit]] = []
        try:
            for unit in units:
                under_way.append(self._start(unit))
            for uploading in under_way:
                yield from self._recorded(uploading.result())
        except BaseException:
            self._stop.set()
            # Record the uploads that still succeed, so that the next run does not repeat them.
            for uploading in under_way:
                if not uploading.cancel() and uploading.exception() is None:
                    self._recorded(uploading.result())
            raise

    def _start(self, unit: Unit) -> Future[UploadedUnit]:
        if isinstance(unit, Unusable):
            refused: Future[UploadedUnit] = Future()
            refused.set_result(UploadedUnit([Upload(unit, Outcome.FAILED, reason=unit.reason)]))
            return refused
        if not isinstance(unit, Record):
            return self._executor.submit(self._objects.prepared(unit))
        document = unit
        existing, op = None, str(uuid4())
        if document.unique_name is None and document.sid is not None:
            existing = self._checkpoint.find_copy(document.sid)
            # Derived from the SID: if a run was killed after the upload but before `record_copy`
            # recorded it, the next run repeats the same operation, which creates no second document
            # while the server remembers the operation id (`--operation-memory`).
            op = str(uuid5(self._checkpoint.run, document.sid))
        if self._keep_sids:
            # The document keeps its SID, so the next run finds it without the state or a repeated
            # operation id.
            op = str(uuid4())
            existing = None if existing == document.sid else existing
        return self._executor.submit(self._upload_unit, document, existing, op)

    def _recorded(self, unit: UploadedUnit) -> list[Upload]:
        if unit.state is not None:
            self._checkpoint.save_collection(unit.state)
        for upload in unit.uploads:
            document, target_sid = upload.record, upload.target_sid
            if isinstance(document, Record) and document.unique_name is None:
                if document.sid is not None and target_sid is not None:
                    self._checkpoint.record_copy(document.sid, target_sid)
        return unit.uploads

    def _upload_unit(self, record: Record, existing: str | None, op: str) -> UploadedUnit:
        return UploadedUnit([self._upload(record, existing, op)])

    def _upload(self, record: Record, existing: str | None, op: str) -> Upload:
        """Upload one document; runs in a thread of the executor.

        `existing`: SID in the target of a document without a name that was uploaded before.
        """
        ttl = record.remaining()
        if ttl is not None and ttl <= 0:
            return Upload(record, Outcome.EXPIRED)
        try:
            if self._keep_sids and (record.sid is None or existing is not None):
                return _not_kept(record, existing)
            if existing is not None:
                return self._resolve(record, existing, ttl)
            return self._create(record, ttl, op)
        except (InvalidRequest, TooLarge) as error:
            return Upload(record, Outcome.FAILED, reason=str(error))

    def _create(self, record: Record, ttl: int | None, op: str) -> Upload:
        sid = record.sid if self._keep_sids else None
        if sid is None and record.unique_name is None:
            return self._create_nameless(record, ttl, op)
        try:
            created = self._target.create(record.unique_name, record.data, ttl, op, sid=sid)
        except Conflict as conflict:
            if sid is not None:
                return self._resolve_kept(record, sid, ttl, conflict)
            assert record.unique_name is not None
            return self._resolve(record, record.unique_name, ttl)
        if sid not in (None, created["sid"]):
            return _not_kept(record, created["sid"])
        return Upload(record, Outcome.CREATED, created["sid"])

    def _create_nameless(self, record: Record, ttl: int | None, op: str) -> Upload:
        # The TTL is set by a second request. It shrinks between a run that was killed and the next
        # one, and a creation with the same operation id but another body would be refused.
        try:
            created = self._target.create(None, record.data, None, op)
        except Conflict:
            reason = "An interrupted run copied it, and it has changed in the target since."
            return Upload(record, Outcome.FAILED, reason=reason)
        if ttl is not None:
            with suppress(NotFound):  # somebody removed it after the creation
                self._target.set(created["sid"], None, ttl, None)
        return Upload(record, Outcome.CREATED, created["sid"])

    def _resolve_kept(
        self, record: Record, sid: str, ttl: int | None, conflict: Conflict
    ) -> Upload:
        """Handle a document whose SID or unique name the target already has."""
        try:
            found = self._target.get(sid)
        except NotFound:  # the name is taken, or the SID belonged to a document removed recently
            return Upload(record, Outcome.FAILED, reason=conflict.message)
        if found["unique_name"] != record.unique_name:
            return Upload(record, Outcome.FAILED, sid, conflict.message)
        return self._resolve(record, sid, ttl)

    def _resolve(self, record: Record, address: str, ttl: int | None) -> Upload:
        """Skip, replace or refuse a document that the target already has at `address`."""
        sid = address if record.unique_name is None or self._keep_sids else None
        match self._on_conflict:
            case OnConflict.SKIP:
                return Upload(record, Outcome.SKIPPED, sid)
            case OnConflict.FAIL:
                return Upload(record, Outcome.FAILED, sid, "The target already has it.")
        try:
            replaced = self._target.set(address, record.data, ttl or 0, None)
        except NotFound:  # somebody removed it after it was found
            return self._create(record, ttl, str(uuid4()))
        return Upload(record, Outcome.REPLACED, replaced["sid"])


def _not_kept(record: Record, target_sid: str | None) -> Upload:
    if record.sid is None:
        reason = "It has no SID to keep."
    else:
        reason = f"The target has it under another SID, {target_sid}: remove it there first."
    return Upload(record, Outcome.FAILED, target_sid, reason)
