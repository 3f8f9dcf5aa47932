"""Handle of an open document: reads, writes and change events."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from types import TracebackType
from typing import Any, Generic, Self, cast

import orjson

from .attempts import make_op
from .display import Shown, rows_of
from .document_callbacks import DocumentCallbacks
from .emitter import Emitter
from .encoding import encode_data
from .errors import DocumentClosed, RevisionMismatch
from .events import DocumentEvent, Removed, Updated
from .header import JsonObject
from .listening import as_model
from .model_data import ModelData
from .mutation import Mutator, repeat_until_first
from .open_objects import OpenObjects
from .patches import OPERATIONS_LIMIT, encode_rule, shallow_merge
from .snapshot import Snapshot
from .subscription import Subscription
from .type_variables import T

__all__ = ["Document"]


class Document(DocumentCallbacks[T], Shown, Generic[T]):
    """One document, subscribed until `close()`; made by `Client.document`.

    `T` is the `model` that the document was opened with; without one, `JsonObject`.

    Handles of one document share one subscription. Writes survive a break: the client sends them
    again on the next connection, and the server applies each of them once.

    Every method that sends a request raises, in addition to the exceptions that it lists:

    - NotFound: the document was removed or has expired.
    - Unavailable: the server cannot execute the request now; `message` says so if a write may
      have been applied.
    - RequestTimeout: no reply in time; the outcome is unknown.
    - DocumentClosed, ClientClosed: this handle or the client was closed.
    - ConnectionLost, Unauthorized: the client is permanently disconnected.

    With a model, everything that reads data raises `ModelMismatch` if it does not fit the model.
    """

    def __init__(
        self, objects: OpenObjects, subscription: Subscription, data: ModelData[T]
    ) -> None:
        """Applications call `Client.document` instead."""
        self._objects = objects
        self._subscription = subscription
        self._model = data
        self._events: Emitter[DocumentEvent[T]] = Emitter(
            (Updated.name, Removed.name),
            objects.options.event_queue,
            convert=as_model(data.codec),
        )
        self._closed = False
        subscription.handles.add(self._events)

    def __repr__(self) -> str:
        return f"<Document {self.unique_name or self.sid} at revision {self.revision}>"

    def _rows(self) -> list[tuple[object, str]]:
        return list(rows_of(self._subscription.current.json))

    @property
    def sid(self) -> str:
        """`ET` and 32 hexadecimal digits."""
        return self._subscription.sid

    @property
    def unique_name(self) -> str | None:
        """Unique name of the document; None if it has none."""
        return self._subscription.current.unique_name

    @property
    def data(self) -> T:
        """Newest known data; a copy that the caller may change."""
        return self._model.decode(self._subscription.current.json)

    @property
    def snapshot(self) -> Snapshot[T]:
        """Newest known state: data, revision and dates that belong together."""
        return self._model.snapshot(self._subscription.current)

    @property
    def revision(self) -> str:
        """Revision of `data`."""
        return str(self._subscription.current.revision)

    @property
    def date_created(self) -> datetime:
        """When the document was created, UTC."""
        return self._subscription.current.date_created

    @property
    def date_updated(self) -> datetime:
        """When this revision was written, UTC."""
        return self._subscription.current.date_updated

    @property
    def date_expires(self) -> datetime | None:
        """When the document expires, UTC; None if never."""
        return self._subscription.current.date_expires

    @property
    def created_by(self) -> str:
        """Identity of the creator, or `system`."""
        return self._subscription.current.created_by

    @property
    def updated_by(self) -> str:
        """Identity that wrote this revision, or `system`."""
        return self._subscription.current.updated_by

    @property
    def removed(self) -> bool:
        """True once the client knows that the document was removed; perhaps before the event."""
        return self._subscription.removed

    async def set(self, data: T, *, if_match: str | None = None, ttl: int | None = None) -> T:
        """Replace the data.

        Args:
            data: a JSON object; with a model, an instance of it.
            if_match: write only if the document is at this revision; None: unconditional.
            ttl: time to live in seconds from now; 0: never expires; None keeps the expiry.

        Returns:
            the data as written.

        Raises:
            RevisionMismatch: the document is at another revision; `document` is that state.
            InvalidRequest: `data` is not a JSON object or does not fit the model, or `ttl` is out
                of range.
            TooLarge: `data` is larger than the server accepts.
        """
        return await self._set(self._model.encode(data, self._objects.limits.data), if_match, ttl)

    async def update(self, changes: Mapping[str, Any], *, ttl: int | None = None) -> T:
        """Set some top-level keys and leave the others as they are.

        The merge is shallow: each value replaces the old value of its key, and None is stored as
        null. For an RFC 7396 merge use `patch(merge=…)`. The server merges, so there is no
        conflict with other writers.

        Args:
            changes: new values by key. With a model, the keys are its fields as they are stored
                and each value must fit its field.
            ttl: as in `set`.

        Returns:
            the whole data after the write.

        Raises:
            InvalidRequest, TooLarge: as in `set`.
        """
        # Checked here, so that an error message names the place within `changes`.
        new = self._model.encode_changes(changes, self._objects.limits.data)
        if len(new) > OPERATIONS_LIMIT:
            limit = self._objects.limits.data

            async def merge(stored: bytes) -> bytes | None:
                return encode_data(orjson.loads(stored) | new, limit)

            return await self._mutate(merge, ttl)
        return await self.patch(operations=shallow_merge(new), ttl=ttl)

    async def mutate(self, fn: Mutator[T], *, ttl: int | None = None) -> T:
        """Compute new data from the newest data and write it; retry if another writer was first.

        Args:
            fn: called with a copy of the data, which it may change. Returns the new data, or None
                to write nothing. Sync or async. It may be called several times, each time with
                newer data, and must not call `mutate` on this document. Stored fields that a model
                does not have are kept.
            ttl: as in `set`.

        Returns:
            the data as written; the newest data if `fn` returned None.

        Raises:
            RevisionMismatch: other writers were first until `mutate_timeout` had passed.
            UsageError: `mutate` was called inside `mutate` of this document.
            InvalidRequest, TooLarge: as in `set`.
        """

        async def compute(stored: bytes) -> bytes | None:
            return await self._model.apply(cast(Any, fn), stored, self._objects.limits.data)

        return await self._mutate(compute, ttl)

    async def _mutate(
        self, compute: Callable[[bytes], Awaitable[bytes | None]], ttl: int | None
    ) -> T:
        self._check_open()
        deadline = asyncio.get_running_loop().time() + self._objects.options.mutate_timeout

        contention = self._subscription.contention
        is_first = True

        async def attempt() -> T:
            nonlocal is_first
            # A refused try has brought the newest state, and the turn with it.
            has_turn, asks, is_first = not is_first, is_first and contention.is_likely, False
            newest = await self._read(turn=True) if asks else self._subscription.current
            json = await compute(newest.json)
            if json is None:
                if asks or has_turn:
                    await self._read(turn=False)  # others wait for the end of this turn
                return self.data
            # `if_match` is the revision that was read. `current` may have changed meanwhile.
            try:
                return await self._set(json, str(newest.revision), ttl, conflate=True)
            except RevisionMismatch:
                contention.record(True)
                raise

        async with self._subscription.mutations.turn():
            return await repeat_until_first(attempt, deadline)

    async def patch(
        self,
        *,
        merge: JsonObject | None = None,
        operations: Sequence[JsonObject] | None = None,
        increment: Mapping[str, int | float] | None = None,
        if_match: str | None = None,
        ttl: int | None = None,
    ) -> T:
        """Let the server change the newest data by a rule. Give exactly one rule.

        Args:
            merge: a JSON merge patch (RFC 7396): null removes a key.
            operations: a JSON patch (RFC 6902), applied completely or not at all.
            increment: numbers to add, by JSON pointer (RFC 6901).
            if_match: as in `set`; None: the server retries the patch when another writer was first.
            ttl: as in `set`.

        Returns:
            the whole data after the write.

        Raises:
            TypeError: no rule was given, or more than one.
            Conflict: the patch does not fit the data.
            RevisionMismatch, InvalidRequest, TooLarge: as in `set`.
        """
        rule = encode_rule(merge=merge, operations=operations, increment=increment)
        return await self._write("patch", None, **rule, if_match=if_match, ttl=ttl)

    async def increment(self, pointer: str, by: int | float = 1) -> T:
        """Add to a number; a missing number counts as 0.

        Args:
            pointer: a JSON pointer (RFC 6901), such as `/likes`.
            by: the number to add.

        Returns:
            the whole data after the write.

        Raises:
            Conflict: the value there is not a number, or its parent does not exist.
        """
        return await self.patch(increment={pointer: by})

    async def set_ttl(self, ttl: int, *, if_match: str | None = None) -> None:
        """Change the expiry and keep the data.

        Args:
            ttl: time to live in seconds from now; 0: never expires.
            if_match: as in `set`.

        Raises:
            RevisionMismatch: as in `set`.
            InvalidRequest: `ttl` is out of range.
        """
        await self._write("ttl", None, ttl=ttl, if_match=if_match)

    async def remove(self, *, if_match: str | None = None) -> None:
        """Remove the document for all clients.

        Args:
            if_match: as in `set`.

        Raises:
            RevisionMismatch: as in `set`.
        """
        self._check_open()
        with self._subscription.writing():
            await self._objects.request(
                "remove", self._take_removal, document=self.sid, if_match=if_match, op=make_op()
            )

    async def close(self) -> None:
        """Close this handle and its listeners; the last handle unsubscribes. Safe to repeat."""
        self._objects.check_loop()
        if not self._closed:
            self._closed = True
            self._events.close()
            self._subscription.handles.discard(self._events)
            await self._objects.release(self._subscription)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def _set(self, json: bytes, if_match: str | None, ttl: int | None, **members: Any) -> T:
        data = orjson.Fragment(json)
        return await self._write("set", json, data=data, if_match=if_match, ttl=ttl, **members)

    async def _write(self, verb: str, json: bytes | None, **members: Any) -> T:
        """Send a write and return the data after it; `json` is that data, None if not known yet."""
        self._check_open()
        before = self._subscription.current

        def take(ok: JsonObject) -> Snapshot | None:
            return self._take_write(ok["document"], json)

        with self._subscription.writing():
            try:
                written = await self._objects.request(
                    verb, take, document=self.sid, op=make_op(), **members
                )
            except RevisionMismatch as refusal:
                newest = refusal.document
                if newest is not None:
                    refusal.document = self._model.snapshot(newest)
                    self._subscription.take_newest(newest, before)
                raise
        return self._model.decode((written or await self._read()).json, applied=True)

    def _take_write(self, body: JsonObject, json: bytes | None) -> Snapshot | None:
        subscription = self._subscription
        # The reply to a repeated `op`, or to `ttl`, may lack the data. `current` may be another
        # revision by now, so its data must not be used: `_write` reads the document instead.
        known = json is not None or "data" in body
        snapshot = Snapshot.parse(body, subscription.current, json) if known else None
        subscription.wrote(int(body["revision"]), snapshot)
        return snapshot

    def _take_removal(self, ok: JsonObject) -> None:
        self._subscription.wrote_removal()

    async def _read(self, turn: bool | None = None) -> Snapshot:
        """Read the newest state.

        `turn`: True for once no other writer can be first; False to let another one be.
        """
        members: JsonObject = {} if turn is None else {"turn": turn}
        before = self._subscription.current

        def take(ok: JsonObject) -> Snapshot:
            if turn is not None:
                self._subscription.contention.record(ok.get("turn") is True)
            snapshot = Snapshot.parse(ok["document"], self._subscription.current)
            self._subscription.take_newest(snapshot, before)
            return snapshot

        return await self._objects.request("get", take, document=self.sid, **members)

    def _check_open(self) -> None:
        self._objects.check_loop()
        if self._closed:
            raise DocumentClosed
