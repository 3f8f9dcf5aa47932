"""Carrying documents into a server, several at a time."""

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
    """What to do with a document that the target has already."""

    SKIP = "skip"
    REPLACE = "replace"
    FAIL = "fail"


class Outcome(StrEnum):
    """What became of a document."""

    CREATED = "created"
    REPLACED = "replaced"
    SKIPPED = "skipped"
    EXPIRED = "expired"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Carried:
    """A document, and what became of it.

    Attributes:
        document: as the source had it.
        target_sid: its SID in the target; None where that is not known.
        reason: why it failed, in a sentence; None if it did not.
    """

    document: Record | Unusable
    outcome: Outcome
    target_sid: str | None = None
    reason: str | None = None


class Carrier:
    """Writes to one target.

    A document with a name is known by it; one without by the state, which remembers its SID.
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
            keep_sids: True for documents under the SIDs that they have in the source.
            executor: its threads share the target's client.
            stop: set when nothing more is to be carried; ends whatever waits.
        """
        self._target = target
        self._state = state
        self._on_conflict = on_conflict
        self._executor = executor
        self._stop = stop
        self._keep_sids = keep_sids

    def carry(self, documents: Iterable[Record | Unusable]) -> Iterator[Carried]:
        """What becomes of each, in their order.

        Raises:
            syncline.SynclineError, httpx2.TransportError: the target takes nothing at present.
        """
        under_way: list[Future[Carried]] = []
        try:
            for document in documents:
                under_way.append(self._start(document))
            for carrying in under_way:
                yield self._noted(carrying.result())
        except BaseException:
            self._stop.set()
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
            # The same again if a run was killed before it could note that the document arrived.
            op = str(uuid5(self._state.run, document.sid))
        if self._keep_sids:
            # It is known by its SID, so that another run finds what this one created.
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
        """In a thread of its own; `existing` is the SID of a nameless one that is there already."""
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
        # The time that is left is set apart: it is another one when a run that was killed goes on,
        # and would make the creation another request with the same operation id.
        try:
            created = self._target.create(None, record.data, None, op)
        except Conflict:
            reason = "It has arrived in a run that was broken off, and has changed here since."
            return Carried(record, Outcome.FAILED, reason=reason)
        if ttl is not None:
            with suppress(NotFound):  # it was removed here meanwhile
                self._target.set(created["sid"], None, ttl, None)
        return Carried(record, Outcome.CREATED, created["sid"])

    def _settle_kept(
        self, record: Record, sid: str, ttl: int | None, conflict: Conflict
    ) -> Carried:
        """Where the target has its SID or its name already."""
        try:
            found = self._target.get(sid)
        except NotFound:  # it is the name, or the SID was lately that of another name
            return Carried(record, Outcome.FAILED, reason=conflict.message)
        if found["unique_name"] != record.unique_name:
            return Carried(record, Outcome.FAILED, sid, conflict.message)
        return self._settle(record, sid, ttl)

    def _settle(self, record: Record, address: str, ttl: int | None) -> Carried:
        """Where the target has it already."""
        sid = address if record.unique_name is None or self._keep_sids else None
        match self._on_conflict:
            case OnConflict.SKIP:
                return Carried(record, Outcome.SKIPPED, sid)
            case OnConflict.FAIL:
                return Carried(record, Outcome.FAILED, sid, "The target has it already.")
        try:
            replaced = self._target.set(address, record.data, ttl or 0, None)
        except NotFound:  # it was removed there meanwhile
            return self._create(record, ttl, str(uuid4()))
        return Carried(record, Outcome.REPLACED, replaced["sid"])


def _not_kept(record: Record, target_sid: str | None) -> Carried:
    if record.sid is None:
        reason = "It has no SID that could be kept."
    else:
        reason = f"It is in the target under another SID, {target_sid}: remove it there first."
    return Carried(record, Outcome.FAILED, target_sid, reason)
