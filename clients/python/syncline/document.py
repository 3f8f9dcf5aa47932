"""A handle of an open document: read it, write it, hear of its changes."""

from __future__ import annotations

import asyncio
import inspect
import random
import uuid
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from typing import TYPE_CHECKING, Any

import orjson

from .emitter import Callback, Emitter, EventQueue
from .encoding import encode, encode_data, pointer_to
from .events import DocumentEvent, Removed, Updated
from .exceptions import DocumentClosed, RevisionMismatch, UsageError
from .snapshot import JsonObject, Snapshot
from .subscription import Subscription

if TYPE_CHECKING:
    from .client import Client

__all__ = ["Document", "Mutator", "make_op"]

Mutator = Callable[[JsonObject], JsonObject | None | Awaitable[JsonObject | None]]
"""Takes the data, returns the new data, or None to leave the document as it is; sync or async."""

OPERATIONS_LIMIT = 1_000
"""Operations in one JSON patch, at most (docs/protocol.md, section 3)."""

MUTATE_PAUSE = 0.01
MUTATE_PAUSE_LIMIT = 0.5
"""Seconds: the ceiling of the first random pause between attempts of `mutate`, and the greatest."""


class Document:
    """One document, subscribed to until `close()`; made by `Client.document`.

    Handles of one document share one subscription. All writes survive a break of the connection:
    they are settled on the next one, and applied once.

    Every method that asks the server raises, besides what it lists:
        NotFound: the document was removed, or has expired.
        Unavailable: the server cannot do it now; `message` tells where a write may have been
            applied nevertheless.
        RequestTimeout: no reply in time; the outcome is unknown.
        DocumentClosed, ClientClosed: this handle, or the client, was closed.
        ConnectionLost, Unauthorized: the connection ended for good.
    """

    def __init__(self, client: Client, subscription: Subscription, queue_bound: int) -> None:
        self._client = client
        self._subscription = subscription
        self._events: Emitter[DocumentEvent] = Emitter((Updated.name, Removed.name), queue_bound)
        self._closed = False
        subscription.handles.add(self._events)

    def __repr__(self) -> str:
        return f"<Document {self.unique_name or self.sid} at revision {self.revision}>"

    @property
    def sid(self) -> str:
        """`ET` and 32 hexadecimal digits."""
        return self._subscription.sid

    @property
    def unique_name(self) -> str | None:
        """None if it has none."""
        return self._subscription.current.unique_name

    @property
    def data(self) -> JsonObject:
        """The newest data known; a copy, which the caller may change."""
        return self._subscription.current.data

    @property
    def revision(self) -> str:
        """The revision of `data`."""
        return str(self._subscription.current.revision)

    @property
    def date_created(self) -> datetime:
        """UTC."""
        return self._subscription.current.date_created

    @property
    def date_updated(self) -> datetime:
        """When this revision was written, UTC."""
        return self._subscription.current.date_updated

    @property
    def date_expires(self) -> datetime | None:
        """When the document will expire, UTC; None if never."""
        return self._subscription.current.date_expires

    @property
    def created_by(self) -> str:
        """An identity, or `system`."""
        return self._subscription.current.created_by

    @property
    def updated_by(self) -> str:
        """The identity that wrote this revision, or `system`."""
        return self._subscription.current.updated_by

    @property
    def removed(self) -> bool:
        """True once the document is known to be gone."""
        return self._subscription.removed

    async def set(
        self, data: JsonObject, *, if_match: str | None = None, ttl: int | None = None
    ) -> JsonObject:
        """Replace the data.

        Args:
            data: a JSON object.
            if_match: write only if the document is at this revision; None writes in any case.
            ttl: seconds to live from now on, 0 for ever; None leaves the expiry as it is.

        Returns:
            the data as written.

        Raises:
            RevisionMismatch: the document is at another revision; `document` holds it.
            InvalidRequest: `data` is no JSON object, or `ttl` is out of range.
            TooLarge: `data` is larger than the server takes.
        """
        json = encode_data(data, self._client.data_limit)
        return await self._write(
            "set", json, data=orjson.Fragment(json), if_match=if_match, ttl=ttl
        )

    async def update(self, changes: JsonObject, *, ttl: int | None = None) -> JsonObject:
        """Set some top-level keys and leave the others as they are.

        The merge is shallow: a value replaces what was there, whatever it was, and None is stored
        as null (so it is no RFC 7396 merge; `patch(merge=…)` is one). Done by the server, it never
        conflicts.

        Args:
            changes: new values by key.
            ttl: as in `set`.

        Returns:
            the whole data as it is then.

        Raises:
            InvalidRequest, TooLarge: as in `set`.
        """
        # Here, so that the place in an error's sentence is that in `changes`.
        encode_data(changes, self._client.data_limit)
        if len(changes) > OPERATIONS_LIMIT:
            return await self.mutate(lambda data: data | changes, ttl=ttl)
        operations = [
            {"op": "add", "path": pointer_to(key), "value": value} for key, value in changes.items()
        ]
        return await self.patch(operations=operations, ttl=ttl)

    async def mutate(self, fn: Mutator, *, ttl: int | None = None) -> JsonObject:
        """Compute new data from the newest and write it, again if somebody else was quicker.

        Args:
            fn: takes a copy of the data, which it may change, and returns the new data, or None to
                leave the document as it is. Sync or async. It may be called again, with newer data,
                and must not itself call `mutate` on this document.
            ttl: as in `set`.

        Returns:
            the data as written; the newest data if `fn` returned None.

        Raises:
            RevisionMismatch: others were quicker until `mutate_timeout` had passed.
            UsageError: it was called inside `mutate` of this document.
            InvalidRequest, TooLarge: as in `set`.
        """
        self._check_open()
        if self._subscription.mutation in _mutations.get():
            raise UsageError(
                "mutate was called inside mutate of the same document, which would wait for itself"
            )
        deadline = asyncio.get_running_loop().time() + self._client.options.mutate_timeout
        async with self._subscription.mutating:
            with _mutation(self._subscription):
                return await self._mutate(fn, ttl, deadline)

    async def _mutate(self, fn: Mutator, ttl: int | None, deadline: float) -> JsonObject:
        clock = asyncio.get_running_loop().time
        ceiling = (
            0.0  # the refusal brings the newest state: the first attempt after it needs no pause
        )
        while True:
            newest = self._subscription.current
            data = fn(newest.data)
            if inspect.isawaitable(data):
                data = await data
            if data is None:
                return self.data
            try:
                return await self.set(data, if_match=str(newest.revision), ttl=ttl)
            except RevisionMismatch:
                if clock() >= deadline:
                    raise
            await asyncio.sleep(random.uniform(0, ceiling))
            ceiling = min(ceiling * 2 or MUTATE_PAUSE, MUTATE_PAUSE_LIMIT)

    async def patch(
        self,
        *,
        merge: JsonObject | None = None,
        operations: Sequence[JsonObject] | None = None,
        increment: Mapping[str, int | float] | None = None,
        if_match: str | None = None,
        ttl: int | None = None,
    ) -> JsonObject:
        """Let the server change the newest data by a rule; exactly one rule is given.

        Args:
            merge: a JSON merge patch (RFC 7396): null removes a key.
            operations: a JSON patch (RFC 6902), applied whole or not at all.
            increment: numbers to add, by JSON pointer (RFC 6901).
            if_match: as in `set`; None lets the server apply the patch again when another writer
                was quicker.
            ttl: as in `set`.

        Returns:
            the whole data as it is then.

        Raises:
            TypeError: no rule, or more than one.
            Conflict: the patch does not fit the data.
            RevisionMismatch, InvalidRequest, TooLarge: as in `set`.
        """
        rules = {"merge": merge, "operations": operations, "increment": increment}
        given = {name: rule for name, rule in rules.items() if rule is not None}
        if len(given) != 1:
            raise TypeError("patch takes exactly one of merge, operations and increment")
        (name,) = given
        rule_json = orjson.Fragment(encode(given[name]))
        return await self._write("patch", None, **{name: rule_json}, if_match=if_match, ttl=ttl)

    async def increment(self, pointer: str, by: int | float = 1) -> JsonObject:
        """Add to a number; one that is missing counts as 0.

        Args:
            pointer: a JSON pointer (RFC 6901), as `/likes`.
            by: what to add.

        Returns:
            the whole data as it is then.

        Raises:
            Conflict: there is something else than a number, or nothing to hold it.
        """
        return await self.patch(increment={pointer: by})

    async def set_ttl(self, ttl: int, *, if_match: str | None = None) -> None:
        """Set the expiry alone; the data stays.

        Args:
            ttl: seconds to live from now on; 0 for ever.
            if_match: as in `set`.

        Raises:
            RevisionMismatch: as in `set`.
            InvalidRequest: `ttl` is out of range.
        """
        await self._write("ttl", None, ttl=ttl, if_match=if_match)

    async def remove(self, *, if_match: str | None = None) -> None:
        """Remove the document, for everyone.

        Args:
            if_match: as in `set`.

        Raises:
            RevisionMismatch: as in `set`.
        """
        self._check_open()
        with self._subscription.writing():
            await self._client.request(
                "remove", self._take_removal, document=self.sid, if_match=if_match, op=make_op()
            )

    async def close(self) -> None:
        """Drop this handle and its listeners; the last ends the subscription. Safe to repeat."""
        self._client.check_loop()
        if not self._closed:
            self._closed = True
            self._events.close()
            self._subscription.handles.discard(self._events)
            await self._client.release(self._subscription)

    def on(self, name: str, callback: Callback[Any]) -> Callable[[], None]:
        """Call `callback` with each event, one after the other, until the handle is closed.

        Args:
            name: `updated` (events are `Updated`) or `removed` (`Removed`).
            callback: sync or async. While it is slow, `updated` events are joined to the newest
                state.

        Returns:
            a function that removes the callback.

        Raises:
            ValueError: there is no such event.
        """
        self._events.check_name(name)
        self._client.check_loop()
        return self._events.on(name, callback)

    def events(self) -> EventQueue[DocumentEvent]:
        """An iterator over what happens from this call on.

        It ends after `Removed`, or when the handle or the client is closed; it raises what ended
        the connection for good. A reader that is slow gets the newest state rather than every state
        between.
        """
        self._client.check_loop()
        return self._events.events()

    async def _write(self, verb: str, json: bytes | None, **members: Any) -> JsonObject:
        """Carry out a write and return the data after it; `json` is that data if known before."""
        self._check_open()
        held = self._subscription.current

        def take(ok: JsonObject) -> Snapshot | None:
            return self._take_write(ok["document"], json)

        with self._subscription.writing():
            try:
                written = await self._client.request(
                    verb, take, document=self.sid, op=make_op(), **members
                )
            except RevisionMismatch as refusal:
                newest = refusal.document
                if newest is not None and not self._subscription.go_back(newest, held):
                    self._subscription.adopt(newest)
                raise
        return (written or await self._read()).data

    def _take_write(self, body: JsonObject, json: bytes | None) -> Snapshot | None:
        subscription = self._subscription
        # A repeated answer, and that of `ttl`, may lack the data: only the server knows it.
        known = json is not None or "data" in body
        snapshot = Snapshot.parse(body, subscription.current, json) if known else None
        subscription.wrote(int(body["revision"]), snapshot)
        return snapshot

    def _take_removal(self, ok: JsonObject) -> None:
        self._subscription.wrote_removal()

    async def _read(self) -> Snapshot:
        def take(ok: JsonObject) -> Snapshot:
            snapshot = Snapshot.parse(ok["document"], self._subscription.current)
            self._subscription.adopt(snapshot)
            return snapshot

        return await self._client.request("get", take, document=self.sid)

    def _check_open(self) -> None:
        self._client.check_loop()
        if self._closed:
            raise DocumentClosed


_mutations: ContextVar[frozenset[object]] = ContextVar("syncline_mutations", default=frozenset())
"""The marks of the `mutate` calls inside which this code runs."""


@contextmanager
def _mutation(subscription: Subscription) -> Iterator[None]:
    """Marks what runs inside `mutate`, also in tasks that `fn` starts; until `mutate` ends."""
    mark = subscription.mutation = object()
    token = _mutations.set(_mutations.get() | {mark})
    try:
        yield
    finally:
        subscription.mutation = None
        _mutations.reset(token)


def make_op() -> str:
    """A new operation id (docs/protocol.md, section 3)."""
    return uuid.uuid4().hex
