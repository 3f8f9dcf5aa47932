"""Uploads documents to a server, several at a time."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor, Future
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from uuid import uuid4, uuid5

from syncline import Conflict, InvalidRequest, NotFound, TooLarge

from .records import Record, Unusable
from .rest import Documents
from .state import State

__all__ = ["Carried", "Carrier", "OnConflict", "Outcome"]


class OnConflict(StrEnum):
    """What to do with a document that already exists in the target."""

    SKIP = "skip"
    REPLACE = "replace"
    FAIL = "fail"


class Outcome(StrEnum):
    """Result of the upload of one document."""

    CREATED = "created"
    REPLACED = "replaced"
    SKIPPED = "skipped"
    EXPIRED = "expired"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Carried:
    """A document and the result of its upload.

    Attributes:
        document: the document as read from the source.
        target_sid: SID of the document in the target; None if it is unknown.
        reason: a sentence that says why the upload failed; None if it did not.
    """

    document: Record | Unusable
    outcome: Outcome
    target_sid: str | None = None
    reason: str | None = None


class Carrier:
    """Uploads documents to one target.

    A document that was uploaded before is found again by its unique name; if it has none, by the
    SID that `state` recorded for it.
    """

    def __init__(
        self,
        target: Documents,
        state: State,
        on_conflict: OnConflict,
        executor: Executor,
        stop: threading.Event,
        *,
        keep_sids: bool = False,
    ) -> None:
        """
        Args:
            keep_sids: True creates documents with the SIDs that they have in the source.
            executor: runs the uploads; its threads share the HTTP client of `target`.
            stop: set here on an error, to end the pauses of requests that wait to be repeated.
        """
        self._target = target
        self._state = state
        self._on_conflict = on_conflict
        self._executor = executor
        self._stop = stop
        self._keep_sids = keep_sids

    def carry(self, documents: Iterable[Record | Unusable]) -> Iterator[Carried]:
        """Upload documents in parallel; yield the results in the order of the documents.

        Raises:
            syncline.SynclineError, httpx2.TransportError: the target accepts no writes at present.
        """
        under_way: list[Future[Carried]] = []
        try:
            for document in documents:
                under_way.append(self._start(document))
            for carrying in under_way:
                yield self._noted(carrying.result())
        except BaseException:
            self._stop.set()
            # Record the uploads that still succeed, so that the next run does not repeat them.
            for carrying in under_way:
                if not carrying.cancel() and carrying.exception() is None:
                    self._noted(carrying.result())
            raise

    def _start(self, document: Record | Unusable) -> Future[Carried]:
        if isinstance(document, Unusable):
            refused: Future[Carried] = Future()
            refused.set_result(Carried(document, Outcome.FAILED, reason=document.reason))
            return refused
        existing, op = None, str(uuid4())
        if document.unique_name is None and document.sid is not None:
            existing = self._state.target_of(document.sid)
            # Derived from the SID: if a run was killed after the upload but before `arrived`
            # recorded it, the next run repeats the same operation, which creates no second document
            # while the server remembers the operation id (`--operation-memory`).
            op = str(uuid5(self._state.run, document.sid))
        if self._keep_sids:
            # The document keeps its SID, so the next run finds it without the state or a repeated
            # operation id.
            op = str(uuid4())
            existing = None if existing == document.sid else existing
        return self._executor.submit(self._carry, document, existing, op)

    def _noted(self, carried: Carried) -> Carried:
        document, target_sid = carried.document, carried.target_sid
        if isinstance(document, Record) and document.unique_name is None:
            if document.sid is not None and target_sid is not None:
                self._state.arrived(document.sid, target_sid)
        return carried

    def _carry(self, record: Record, existing: str | None, op: str) -> Carried:
        """Upload one document; runs in a thread of the executor.

        `existing`: SID in the target of a document without a name that was uploaded before.
        """
        ttl = record.remaining()
        if ttl is not None and ttl <= 0:
            return Carried(record, Outcome.EXPIRED)
        try:
            if self._keep_sids and (record.sid is None or existing is not None):
                return _not_kept(record, existing)
            if existing is not None:
                return self._settle(record, existing, ttl)
            return self._create(record, ttl, op)
        except (InvalidRequest, TooLarge) as error:
            return Carried(record, Outcome.FAILED, reason=str(error))

    def _create(self, record: Record, ttl: int | None, op: str) -> Carried:
        sid = record.sid if self._keep_sids else None
        if sid is None and record.unique_name is None:
            return self._create_nameless(record, ttl, op)
        try:
            created = self._target.create(record.unique_name, record.data, ttl, op, sid=sid)
        except Conflict as conflict:
            if sid is not None:
                return self._settle_kept(record, sid, ttl, conflict)
            assert record.unique_name is not None
            return self._settle(record, record.unique_name, ttl)
        if sid not in (None, created["sid"]):
            return _not_kept(record, created["sid"])
        return Carried(record, Outcome.CREATED, created["sid"])

    def _create_nameless(self, record: Record, ttl: int | None, op: str) -> Carried:
        # The TTL is set by a second request. It shrinks between a run that was killed and the next
        # one, and a creation with the same operation id but another body would be refused.
        try:
            created = self._target.create(None, record.data, None, op)
        except Conflict:
            reason = "It has arrived in a run that was broken off, and has changed here since."
            return Carried(record, Outcome.FAILED, reason=reason)
        if ttl is not None:
            with suppress(NotFound):  # somebody removed it after the creation
                self._target.set(created["sid"], None, ttl, None)
        return Carried(record, Outcome.CREATED, created["sid"])

    def _settle_kept(
        self, record: Record, sid: str, ttl: int | None, conflict: Conflict
    ) -> Carried:
        """Handle a document whose SID or unique name the target already has."""
        try:
            found = self._target.get(sid)
        except NotFound:  # the name is taken, or the SID belonged to a document removed recently
            return Carried(record, Outcome.FAILED, reason=conflict.message)
        if found["unique_name"] != record.unique_name:
            return Carried(record, Outcome.FAILED, sid, conflict.message)
        return self._settle(record, sid, ttl)

    def _settle(self, record: Record, address: str, ttl: int | None) -> Carried:
        """Skip, replace or refuse a document that the target already has at `address`."""
        sid = address if record.unique_name is None or self._keep_sids else None
        match self._on_conflict:
            case OnConflict.SKIP:
                return Carried(record, Outcome.SKIPPED, sid)
            case OnConflict.FAIL:
                return Carried(record, Outcome.FAILED, sid, "The target has it already.")
        try:
            replaced = self._target.set(address, record.data, ttl or 0, None)
        except NotFound:  # somebody removed it after it was found
            return self._create(record, ttl, str(uuid4()))
        return Carried(record, Outcome.REPLACED, replaced["sid"])


def _not_kept(record: Record, target_sid: str | None) -> Carried:
    if record.sid is None:
        reason = "It has no SID that could be kept."
    else:
        reason = f"It is in the target under another SID, {target_sid}: remove it there first."
    return Carried(record, Outcome.FAILED, target_sid, reason)
