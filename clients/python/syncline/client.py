"""Client of one server: its open documents and their subscriptions."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable
from types import TracebackType
from typing import Any, Literal, Self, get_args, overload

from syncline_protocol.errors import Code

from .connection import Connection
from .document import Document
from .emitter import Callback, Emitter
from .encoding import check_address
from .errors import ClientClosed, InvalidRequest
from .events import ConnectionState, StateChanged
from .header import JsonObject
from .list import List
from .listening import Decorator, Unsubscribe, listen
from .map import Map
from .model_data import ModelData
from .open_objects import OpenObjects
from .opening import open_collection, open_document, open_stream
from .options import Options, Server
from .part import Part
from .pending import H, Opening
from .stream import Stream
from .token import TokenSource
from .type_variables import T

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
        self._url = server.http_url
        self._states: Emitter[StateChanged] = Emitter((StateChanged.name,), options.event_queue)
        self._state = ConnectionState.CONNECTING

    def __repr__(self) -> str:
        return f"<Client of {self._url}: {self._state}>"

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

    @overload
    def document(
        self,
        document: str | None = None,
        *,
        mode: Mode = "open_or_create",
        data: JsonObject | None = None,
        ttl: int | None = None,
    ) -> Opening[Document[JsonObject]]: ...

    @overload
    def document(
        self,
        document: str | None = None,
        *,
        model: type[T],
        mode: Mode = "open_or_create",
        data: T | None = None,
        ttl: int | None = None,
    ) -> Opening[Document[T]]: ...

    def document(
        self,
        document: str | None = None,
        *,
        model: Any = None,
        mode: Mode = "open_or_create",
        data: Any = None,
        ttl: int | None = None,
    ) -> Opening[Any]:
        """Open a document: fetch or create it, and subscribe to it.

        `await` the result, or enter it with `async with`, which closes the handle at the end.

        Args:
            document: SID or unique name; None creates a document without a name.
            model: a dataclass, TypedDict, pydantic model or msgspec Struct: the type of all data
                of this handle; None: `JsonObject`.
            mode: `open_or_create`; `open_existing`, which never creates; or `create_new`, which
                never fetches. A SID is never created, in any mode.
            data: initial data if the document is created, with a model an instance of it; None is
                an empty object, which a model with required fields does not fit.
            ttl: time to live in seconds if the document is created; None or 0: never expires.

        Raises:
            NotFound: the document does not exist and must not be created.
            Conflict: the name is taken (`create_new`).
            InvalidRequest, TooLarge: a value is not allowed.
            UsageError: `model` cannot be used.
            NotAwaited: what this returns was used without `await`.
            Unavailable: the server had no room (429, 503) until `request_timeout` was over.
            RequestTimeout, ClientClosed, ConnectionLost, Unauthorized: as in `Document`.
        """
        data_of = ModelData(model)
        request = {"document": document, "mode": mode, "data": data, "ttl": ttl}

        def start() -> Coroutine[Any, Any, Document[Any]]:
            return open_document(self._objects, data_of, request)

        return _opening("document", document, mode, start)

    @overload
    def map(
        self,
        map: str | None = None,
        *,
        mode: Mode = "open_or_create",
        ttl: int | None = None,
        keys: Iterable[str] | None = None,
        prefix: str | None = None,
        replica: bool = False,
    ) -> Opening[Map[JsonObject]]: ...

    @overload
    def map(
        self,
        map: str | None = None,
        *,
        model: type[T],
        mode: Mode = "open_or_create",
        ttl: int | None = None,
        keys: Iterable[str] | None = None,
        prefix: str | None = None,
        replica: bool = False,
    ) -> Opening[Map[T]]: ...

    def map(
        self,
        map: str | None = None,
        *,
        model: Any = None,
        mode: Mode = "open_or_create",
        ttl: int | None = None,
        keys: Iterable[str] | None = None,
        prefix: str | None = None,
        replica: bool = False,
    ) -> Opening[Map[Any]]:
        """Open a map, or a part of it: fetch or create it, and subscribe to it.

        Args:
            map: SID or unique name; None creates a map without a name.
            model, mode, ttl: as in `document`.
            keys: keys of up to 256 items, existing or not: only their events come.
            prefix: only the events of items come whose key begins with it.
            replica: True to read the first items in the same round trip, for `replica()`.

        Raises:
            NotFound, Conflict, InvalidRequest, UsageError, NotAwaited, Unavailable,
            RequestTimeout: as in `document`.
        """
        part, data_of = Part.of(keys, prefix), ModelData(model)
        request: JsonObject = {"address": map, "mode": mode, "ttl": ttl, "replica": replica}
        request["model_data"] = data_of

        def start() -> Coroutine[Any, Any, Map[Any]]:
            return open_collection(self._objects, Map[Any], part, request)

        return _opening("map", map, mode, start)

    @overload
    def list(
        self,
        list: str | None = None,
        *,
        mode: Mode = "open_or_create",
        ttl: int | None = None,
        indexes: Iterable[int] | None = None,
        replica: bool = False,
    ) -> Opening[List[JsonObject]]: ...

    @overload
    def list(
        self,
        list: str | None = None,
        *,
        model: type[T],
        mode: Mode = "open_or_create",
        ttl: int | None = None,
        indexes: Iterable[int] | None = None,
        replica: bool = False,
    ) -> Opening[List[T]]: ...

    def list(
        self,
        list: str | None = None,
        *,
        model: Any = None,
        mode: Mode = "open_or_create",
        ttl: int | None = None,
        indexes: Iterable[int] | None = None,
        replica: bool = False,
    ) -> Opening[List[Any]]:
        """Open a list, or a part of it: fetch or create it, and subscribe to it.

        Args:
            list: SID or unique name; None creates a list without a name.
            model, mode, ttl: as in `document`.
            indexes: indexes of up to 256 items, existing or not: only their events come.
            replica: as in `map`.

        Raises:
            NotFound, Conflict, InvalidRequest, UsageError, NotAwaited, Unavailable,
            RequestTimeout: as in `document`.
        """
        part, data_of = Part.of(indexes, None), ModelData(model)
        request: JsonObject = {"address": list, "mode": mode, "ttl": ttl, "replica": replica}
        request["model_data"] = data_of

        def start() -> Coroutine[Any, Any, List[Any]]:
            return open_collection(self._objects, List[Any], part, request)

        return _opening("list", list, mode, start)

    @overload
    def stream(
        self,
        stream: str | None = None,
        *,
        mode: Mode = "open_or_create",
        ttl: int | None = None,
    ) -> Opening[Stream[JsonObject]]: ...

    @overload
    def stream(
        self,
        stream: str | None = None,
        *,
        model: type[T],
        mode: Mode = "open_or_create",
        ttl: int | None = None,
    ) -> Opening[Stream[T]]: ...

    def stream(
        self,
        stream: str | None = None,
        *,
        model: Any = None,
        mode: Mode = "open_or_create",
        ttl: int | None = None,
    ) -> Opening[Stream[Any]]:
        """Open a stream: fetch or create it, and subscribe to it.

        Args:
            stream: SID or unique name; None creates a stream without a name.
            model, mode, ttl: as in `document`.

        Raises:
            NotFound, Conflict, InvalidRequest, UsageError, NotAwaited, Unavailable,
            RequestTimeout: as in `document`.
        """
        data_of = ModelData(model)
        request = {"stream": stream, "mode": mode, "ttl": ttl}

        def start() -> Coroutine[Any, Any, Stream[Any]]:
            return open_stream(self._objects, data_of, request)

        return _opening("stream", stream, mode, start)

    @overload
    def on(self, name: Literal["state"], callback: Callback[StateChanged]) -> Unsubscribe: ...

    @overload
    def on(self, name: Literal["state"]) -> Decorator[StateChanged]: ...

    def on(self, name: str, callback: Any = None) -> Any:
        """Call `callback`, sync or async, with each change of the connection state.

        Without a callback it is a decorator: `@client.on("state")`.

        Returns:
            a function that removes the callback; as a decorator, the function as it is.

        Raises:
            ValueError: `name` is not `state`.
            UsageError: `callback` is no function.
        """
        return listen(self._states, name, callback, self._connection.check_loop)

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


def _opening(
    type_: str, address: object, mode: object, start: Callable[[], Coroutine[Any, Any, H]]
) -> Opening[H]:
    """Check the arguments at once, and return what opens the object when it is awaited."""
    check_address(address, type_)
    if mode not in get_args(Mode):
        raise InvalidRequest.local(
            Code.INVALID_PARAMETER,
            f"mode must be one of {', '.join(get_args(Mode))}, not {mode!r}.",
        )
    return Opening(start, f"client.{type_}({'' if address is None else repr(address)})")
