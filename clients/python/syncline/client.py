"""Client of one server: its open documents and their subscriptions."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Literal, Self, get_args

import orjson

from syncline_protocol.errors import Code
from syncline_protocol.objects import DOCUMENT

from .attempts import make_op
from .connection import Connection
from .document import Document
from .emitter import Callback, Emitter
from .encoding import check_address, encode_data
from .errors import ClientClosed, InvalidRequest
from .events import ConnectionState, StateChanged
from .header import JsonObject
from .list import List
from .map import Map
from .object_state import Kind
from .open_objects import OpenObjects
from .opening import open_collection, open_stream
from .options import Options, Server
from .part import Part
from .snapshot import Snapshot
from .stream import Stream
from .subscription import Subscription
from .token import TokenSource

__all__ = ["Client", "Mode"]

Mode = Literal["open_or_create", "open_existing", "create_new"]
"""Whether `Client.document` fetches, creates, or does whichever applies."""


class Client:
    """A connection to a server that reconnects after each break, and the open documents.

    The handles (`Document`) of one document share one `Subscription`, which outlives connections.
    """

    def __init__(self, server: Server, token: TokenSource, options: Options) -> None:
        """Applications call `connect` instead."""
        self._connection = Connection(
            server, token, options, on_event=self._on_event, on_state=self._on_state
        )
        self._objects = OpenObjects(self._connection, options)
        self._states: Emitter[StateChanged] = Emitter((StateChanged.name,), options.event_queue)
        self._state = ConnectionState.CONNECTING

    @property
    def state(self) -> ConnectionState:
        """State of the connection."""
        return self._state

    @property
    def transport(self) -> str | None:
        """`websocket` or `rest`; None while there is no connection."""
        return self._connection.transport_name

    @property
    def data_limit(self) -> int | None:
        """Maximum size of a document in bytes of compact UTF-8 JSON; None if not known."""
        return self._connection.limits.data

    async def document(
        self,
        document: str | None = None,
        *,
        mode: Mode = "open_or_create",
        data: JsonObject | None = None,
        ttl: int | None = None,
    ) -> Document:
        """Open a document: fetch or create it, and subscribe to it.

        Args:
            document: SID or unique name; None creates a document without a name.
            mode: `open_or_create`; `open_existing`, which never creates; or `create_new`, which
                never fetches. A SID is never created, in any mode.
            data: initial data if the document is created; None is an empty object.
            ttl: time to live in seconds if the document is created; None or 0: never expires.

        Raises:
            NotFound: the document does not exist and must not be created.
            Conflict: the name is taken (`create_new`).
            InvalidRequest, TooLarge: a value is not allowed.
            Unavailable: the server had no room (429, 503) until `request_timeout` was over.
            RequestTimeout, ClientClosed, ConnectionLost, Unauthorized: as in `Document`.
        """
        _check(document, mode, "document")
        json = None if data is None else orjson.Fragment(encode_data(data, self.data_limit))
        bound = self._objects.options.event_queue
        kind = Kind(
            type=DOCUMENT.name,
            subscribe=lambda ok: Subscription(Snapshot.parse(ok["document"]), bound),
        )
        return await self._objects.open(
            kind,
            lambda subscription: Document(self._objects, subscription),
            document=document,
            mode=mode,
            data=json,
            ttl=ttl,
            op=make_op(),
        )

    async def map(
        self,
        map: str | None = None,
        *,
        mode: Mode = "open_or_create",
        ttl: int | None = None,
        keys: Iterable[str] | None = None,
        prefix: str | None = None,
        replica: bool = False,
    ) -> Map:
        """Open a map, or a part of it: fetch or create it, and subscribe to it.

        Args:
            map: SID or unique name; None creates a map without a name.
            mode, ttl: as in `document`.
            keys: keys of up to 256 items, existing or not: only their events come.
            prefix: only the events of items come whose key begins with it.
            replica: True to read the first items in the same round trip, for `replica()`.

        Raises:
            NotFound, Conflict, InvalidRequest, Unavailable, RequestTimeout: as in `document`.
        """
        _check(map, mode, "map")
        request = {"address": map, "mode": mode, "ttl": ttl, "replica": replica}
        return await open_collection(self._objects, Map, Part.of(keys, prefix), request)

    async def list(
        self,
        list: str | None = None,
        *,
        mode: Mode = "open_or_create",
        ttl: int | None = None,
        indexes: Iterable[int] | None = None,
        replica: bool = False,
    ) -> List:
        """Open a list, or a part of it: fetch or create it, and subscribe to it.

        Args:
            list: SID or unique name; None creates a list without a name.
            mode, ttl: as in `document`.
            indexes: indexes of up to 256 items, existing or not: only their events come.
            replica: as in `map`.

        Raises:
            NotFound, Conflict, InvalidRequest, Unavailable, RequestTimeout: as in `document`.
        """
        _check(list, mode, "list")
        request = {"address": list, "mode": mode, "ttl": ttl, "replica": replica}
        return await open_collection(self._objects, List, Part.of(indexes, None), request)

    async def stream(
        self,
        stream: str | None = None,
        *,
        mode: Mode = "open_or_create",
        ttl: int | None = None,
    ) -> Stream:
        """Open a stream: fetch or create it, and subscribe to it.

        Args:
            stream: SID or unique name; None creates a stream without a name.
            mode, ttl: as in `document`.

        Raises:
            NotFound, Conflict, InvalidRequest, Unavailable, RequestTimeout: as in `document`.
        """
        _check(stream, mode, "stream")
        return await open_stream(self._objects, stream, mode, ttl)

    def on(self, name: Literal["state"], callback: Callback[StateChanged]) -> Callable[[], None]:
        """Call `callback`, sync or async, with each change of the connection state.

        Returns:
            a function that removes the callback.

        Raises:
            ValueError: `name` is not `state`.
        """
        self._states.check_name(name)
        self._connection.check_loop()
        return self._states.on(name, callback)

    async def close(self) -> None:
        """Close the connection and all handles; the documents stay. Safe to repeat.

        The token function may call `close` too; then `close` returns before the connection has
        ended.
        """
        self._connection.check_loop()
        await self._objects.close()
        await self._connection.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def open(self) -> None:
        """Open the first connection. Called by `connect`."""
        await self._connection.open()

    def _on_event(self, message: JsonObject, may_be_early: bool) -> None:
        name = message.get("event")
        if name == "token_about_to_expire":
            self._connection.renew_token()
        elif name is not None:
            self._objects.take(message, may_be_early=may_be_early)

    def _on_state(self, state: ConnectionState, error: Exception | None) -> None:
        previous, self._state = self._state, state
        if state is not previous:
            self._states.emit(StateChanged(state, previous, self.transport, error))
        if state is ConnectionState.CONNECTED:
            self._objects.resubscribe()
        elif state is ConnectionState.CLOSED:
            self._objects.end(None if isinstance(error, ClientClosed) else error)
            self._states.end()


def _check(address: object, mode: object, type_: str) -> None:
    check_address(address, type_)
    if mode not in get_args(Mode):
        raise InvalidRequest.local(
            Code.INVALID_PARAMETER,
            f"mode must be one of {', '.join(get_args(Mode))}, not {mode!r}.",
        )
