"""An application that keeps replicas, with the Python client, through one link."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import syncline
from syncline import (
    ConnectionState,
    EventQueue,
    ItemAdded,
    ItemRemoved,
    ItemUpdated,
    JsonObject,
    NotFound,
    Replica,
    RequestError,
    RequestTimeout,
    Reset,
    StateChanged,
    SynclineError,
    Unavailable,
)
from syncline.options import TransportChoice
from syncline_tools.verify.client import (
    BACKOFF_INITIAL,
    BACKOFF_LIMIT,
    OPEN_TIMEOUT,
    REQUEST_TIMEOUT,
)
from syncline_tools.verify.records import Outcome, content_of

from .actions import PADDING
from .collection import LIST, MAP, Collection
from .records import REMOVED, ItemChange, ItemState, Part, state_of
from .replica_sight import ReplicaSight
from .rest import RETRY_PAUSE

__all__ = ["ReplicaClient"]


class ReplicaClient:
    """An `ItemObserver`: sees what the users of replicas see, and writes one item of each."""

    receives_events = False

    def __init__(
        self,
        transport: TransportChoice,
        url: str,
        service: str,
        token: Callable[[], str],
        *,
        sight: ReplicaSight,
        types: frozenset[str] = frozenset({LIST, MAP}),
    ) -> None:
        """`url`: of the link; `types`: of the collections that it observes."""
        self.sight = sight
        self.types = types
        self._connect = syncline.connect(
            url,
            token=token,
            transport=transport,
            open_timeout=OPEN_TIMEOUT,
            request_timeout=REQUEST_TIMEOUT,
            backoff_initial=BACKOFF_INITIAL,
            backoff_limit=BACKOFF_LIMIT,
        )
        self._handles: dict[str, tuple[Any, Replica[JsonObject, Any]]] = {}
        self._own_indexes: dict[str, int] = {}
        self._listening: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """As of `ItemObserver`; raises `SynclineError`."""
        self._client = await self._connect
        self.sight.connect()
        self._client.on("state", self._on_state)

    async def close(self) -> None:
        """As of `ItemObserver`."""
        await self._client.close()
        await asyncio.gather(*self._listening, return_exceptions=True)

    async def follow(self, collection: Collection) -> None:
        """As of `ItemObserver`."""
        handle = await self._open(collection)
        if handle is None:
            return
        replica = handle.replica()
        # Before anything is awaited, so that no event falls between.
        events = replica.events()
        await replica.ready()
        self._handles[collection.sid] = handle, replica
        self.sight.complete(collection.sid, _states(replica))
        task = asyncio.create_task(self._listen(collection, events))
        self._listening.add(task)

    async def try_replay(self, collection: Collection) -> None:
        """As of `ItemObserver`: write an item, and see at once what the replica shows."""
        await self._write(collection)
        self.show(collection, final=False)

    def show(self, collection: Collection, *, final: bool) -> None:
        """See all that the replica shows."""
        if collection.sid in self._handles:
            _, replica = self._handles[collection.sid]
            self.sight.show(
                collection.sid,
                _states(replica),
                is_complete=replica.complete,
                repairs=replica.repairs,
                final=final,
            )

    async def _open(self, collection: Collection) -> Any:
        """The handle; None if there is no such collection, or no connection any more."""
        prefix = self.sight.scope.prefix
        while True:
            try:
                if collection.type == LIST:
                    return await self._client.list(
                        collection.sid, mode="open_existing", replica=True
                    )
                return await self._client.map(
                    collection.sid, mode="open_existing", prefix=prefix or None, replica=True
                )
            except NotFound:
                return None
            except (RequestTimeout, RequestError):
                await asyncio.sleep(RETRY_PAUSE)
            except SynclineError:
                return None

    async def _write(self, collection: Collection) -> None:
        if collection.sid not in self._handles:
            return
        handle, replica = self._handles[collection.sid]
        key: Any = self._own_indexes.get(collection.sid)
        if collection.type == MAP:
            key = f"{self.sight.scope.prefix}own/{self.sight.client}"
        data: JsonObject = {"part": 0, "text": PADDING}
        do = "put" if collection.type == MAP else "add" if key is None else "update"
        named = None if key is None else str(key)
        number = self.sight.next_write()
        data["w"] = number
        part = Part(do=do, key=named, content=content_of(data))
        self.sight.invoke(collection.sid, number, part)
        try:
            item = await (handle.append(data) if key is None else handle.set(key, data))
        except RequestError as error:
            # An earlier attempt may have been applied where the store then went away.
            is_known = not isinstance(error, Unavailable)
            outcome = Outcome.REFUSED if is_known else Outcome.UNKNOWN
            return self.sight.end_write(number, outcome, code=int(error.code))
        except SynclineError:
            return self.sight.end_write(number, Outcome.UNKNOWN)
        # Nothing is awaited from here on: the replica has to show it at once.
        self.sight.end_write(
            number, Outcome.ACKNOWLEDGED, keys=(str(item.key),), revisions=(item.order,)
        )
        shown = replica.get(item.key)
        self.sight.wrote(
            collection.sid,
            write=number,
            key=str(item.key),
            revision=item.order,
            shown=None if shown is None else shown.order,
        )
        if collection.type == LIST:
            self._own_indexes[collection.sid] = item.key

    async def _listen(self, collection: Collection, events: EventQueue[Any]) -> None:
        with suppress(SynclineError):  # why the connection ended: the state says it too
            async for event in events:
                if isinstance(event, Reset):
                    self.sight.reset(collection.sid)
                elif isinstance(event, ItemAdded | ItemUpdated | ItemRemoved):
                    self.sight.announce(collection.sid, _change(event))

    def _on_state(self, change: StateChanged) -> None:
        if change.state is ConnectionState.CONNECTED:
            self.sight.connect()
        elif change.state is not ConnectionState.CONNECTING and self.sight.is_connected:
            self.sight.lose(str(change.error or ""))


def _states(replica: Replica[JsonObject, Any]) -> list[ItemState]:
    return [state_of(str(key), item.order, item.data) for key, item in replica.items()]


def _change(
    event: ItemAdded[Any, Any] | ItemUpdated[Any, Any] | ItemRemoved[Any, Any],
) -> ItemChange:
    key = str(event.key)
    if isinstance(event, ItemRemoved):
        return ItemChange(
            key=key, revision=event.order, content=None, change=REMOVED, expired=event.expired
        )
    state = state_of(key, event.order, event.data)
    return ItemChange(
        key=key,
        revision=state.revision,
        content=state.content,
        writes=state.writes,
        part=state.part,
        change="added" if isinstance(event, ItemAdded) else "updated",
    )
