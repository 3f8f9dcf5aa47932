"""A client that observes and writes items over the native WebSocket, through one link."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

from syncline import (
    ConnectionState,
    JsonObject,
    NotFound,
    RequestError,
    RequestTimeout,
    SynclineError,
)
from syncline.connection import Connection
from syncline.options import Server
from syncline.token import TokenSource
from syncline_tools.verify.client import bare_options

from .collection import LIST, MAP, STREAM, Collection
from .copy_keeper import PAGE_LIMIT, CopyKeeper
from .operation import Operation, Refused, Reply, batch_member
from .rest import RETRY_PAUSE
from .sight import ItemSight

__all__ = ["NativeClient"]

_VERBS = {"put": "set", "update": "set", "merge": "patch"}


class NativeClient:
    """An `ItemObserver` and a `Sender` on one connection, so that promise 4 can be judged."""

    receives_events = True
    can_batch = True

    def __init__(
        self,
        url: str,
        service: str,
        token: Callable[[], str],
        *,
        sight: ItemSight,
        types: frozenset[str] = frozenset({LIST, MAP, STREAM}),
    ) -> None:
        """`url`: of the link; `types`: of the collections that it observes."""
        self.sight = sight
        self.types = types
        self._keepers: dict[str, CopyKeeper] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._connection = Connection(
            Server.parse(url),
            TokenSource(token),
            bare_options("websocket"),
            on_event=self._on_event,
            on_state=self._on_state,
        )

    @property
    def connection(self) -> int | None:
        """As of `Sender`."""
        return self.sight.connection if self.sight.is_connected else None

    async def open(self) -> None:
        """As of `ItemObserver`; raises `SynclineError`."""
        await self._connection.open()

    async def close(self) -> None:
        """As of `ItemObserver`."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._connection.close()

    async def follow(self, collection: Collection) -> None:
        """As of `ItemObserver`."""
        keeper = self._keepers[collection.sid] = CopyKeeper(collection, self.sight)
        await self._open(keeper)

    async def try_replay(self, collection: Collection) -> None:
        """As of `ItemObserver`: nothing. It resumes after each break."""

    async def send(
        self,
        op: str,
        collection: Collection,
        operations: list[Operation],
        receive: Callable[[Reply], None],
    ) -> None:
        """As of `Sender`."""
        is_answered = is_resent = False

        def take(ok: JsonObject) -> None:
            nonlocal is_answered
            is_answered = True
            receive(replace(_reply(collection, operations, ok), is_resent=is_resent))

        members = {collection.type: collection.sid, "op": op, **_members(collection, operations)}
        while not is_answered:
            try:
                await self._connection.request(members["do"], take, late=take, **_named(members))
            except RequestTimeout:
                is_resent = True
            except RequestError as error:
                if not error.retry:
                    key = operations[0].key or ""
                    newest = self.sight.known(collection.sid, key)
                    raise Refused(int(error.code), newest, str(error)) from error
                is_resent = True
                await asyncio.sleep(RETRY_PAUSE)

    async def _open(self, keeper: CopyKeeper) -> None:
        while True:
            try:
                if await self._request_open(keeper):
                    return
            except NotFound:
                return
            except (RequestTimeout, RequestError):
                await asyncio.sleep(RETRY_PAUSE)
            except SynclineError:
                return  # closed

    async def _request_open(self, keeper: CopyKeeper) -> bool:
        collection, began = keeper.collection, self.sight.now()
        members: JsonObject = {collection.type: collection.sid, "mode": "open_existing"}
        if collection.type != STREAM:
            members |= _contents(keeper)

        def take(ok: JsonObject) -> bool:
            return keeper.open(began, ok)

        def take_late(ok: JsonObject) -> None:
            if not keeper.open(began, ok):
                self._spawn(self._open(keeper))

        return await self._connection.request("open", take, late=take_late, **members)

    def _on_event(self, message: JsonObject, _may_be_early: bool) -> None:
        event = message["event"]
        for type_ in self.types:
            keeper = self._keepers.get(message.get(type_, {}).get("sid", ""))
            if keeper is None:
                continue
            keeper.take(event, message)
            if event == "removed":
                del self._keepers[keeper.collection.sid]
            elif event == "reset":
                self._spawn(self._open(keeper))

    def _on_state(self, state: ConnectionState, error: Exception | None) -> None:
        if state is ConnectionState.CONNECTED:
            self.sight.connect()
            for keeper in self._keepers.values():
                self._spawn(self._open(keeper))
        elif state is not ConnectionState.CONNECTING and self.sight.is_connected:
            self.sight.lose(str(error or ""))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _contents(keeper: CopyKeeper) -> JsonObject:
    """What `open` asks for: all items of the part, or what has changed since."""
    scope = keeper.sight.scope
    collection = keeper.collection
    keys = [collection.show_id(key) for key in scope.keys]
    named = "indexes" if collection.type == LIST else "keys"
    part = {named: keys or None, "prefix": scope.prefix or None}
    if keeper.revision is not None:
        return {"revision": str(keeper.revision), **part}
    return {"items": {"limit": PAGE_LIMIT}, **part}


def _named(members: JsonObject) -> JsonObject:
    return {name: value for name, value in members.items() if name != "do"}


def _members(collection: Collection, operations: list[Operation]) -> JsonObject:
    """The verb, and its members."""
    if len(operations) > 1:
        batch = [batch_member(collection, each) for each in operations]
        return {"do": "batch", "operations": batch}
    (operation,) = operations
    member = batch_member(collection, operation)
    do = member.pop("op")
    if do == "merge":
        member["merge"] = member.pop("data")
    return {"do": _VERBS.get(do, do), **member}


def _reply(collection: Collection, operations: list[Operation], ok: JsonObject) -> Reply:
    if len(operations) > 1:
        items = ok["changes"]
    else:
        items = [ok.get("item", {})]
    # A defective server may answer less than it was asked; the checks say so.
    items = [*items, *({} for _ in range(len(operations) - len(items)))][: len(operations)]
    revisions = [each.get("revision") for each in items]
    return Reply(
        keys=tuple(
            str(each[collection.id_name]) if collection.id_name in each else operation.key
            for operation, each in zip(operations, items, strict=True)
        ),
        revisions=tuple(None if each is None else int(each) for each in revisions),
        is_repeated=bool(ok.get("repeated", False)),
    )
