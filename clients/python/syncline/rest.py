"""REST and server-sent events in the place of a WebSocket (docs/protocol.md, section 9)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from http import HTTPStatus
from ssl import SSLContext
from typing import Any, TypeVar
from urllib.parse import quote
from weakref import WeakValueDictionary

import httpx2
import orjson

from syncline_protocol.commands import Mode
from syncline_protocol.errors import Code
from syncline_protocol.sids import is_sid

from .exceptions import (
    ClientClosed,
    Conflict,
    ConnectionLost,
    NotFound,
    RequestError,
    SynclineError,
    Unauthorized,
)
from .refusals import refusal
from .snapshot import JsonObject
from .sse import event_stream
from .token import Claims
from .transport import EventHandler, Interrupted, Receive

__all__ = ["RestTransport"]

T = TypeVar("T")

PATCH_TYPES = {
    "merge": "application/merge-patch+json",
    "operations": "application/json-patch+json",
    "increment": "application/vnd.syncline.increment+json",
}


class RestTransport:
    """A `Transport` of plain HTTP requests, and one event stream a document.

    It ends, as a connection does, with the first request or stream that the network fails, or when
    the token has run out: the client then connects again, and sends again what was not answered.
    """

    name = "rest"
    ordered = False
    data_limit: int | None = None

    def __init__(self, http: httpx2.AsyncClient, claims: Claims, on_event: EventHandler) -> None:
        self.ended: asyncio.Future[SynclineError] = asyncio.get_running_loop().create_future()
        self._http = http
        self._identity = claims.identity
        self._documents = f"v1/Services/{quote(claims.service_sid, safe='')}/Documents"
        self._on_event = on_event
        self._streams: dict[str, asyncio.Task[None]] = {}  # by the SID of an open document
        self._tasks: set[asyncio.Task[Any]] = set()
        # Requests that name one document go one after the other, as on a socket.
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    @classmethod
    async def open(
        cls,
        url: str,
        token: str,
        timeout: float,
        on_event: EventHandler,
        ssl: SSLContext | None = None,
    ) -> RestTransport:
        """Make sure that the server answers and takes the token, within `timeout` seconds.

        `ssl`: how its certificate is checked; None is as usual.

        Raises:
            ConnectionLost: nothing answers, or something that is no Syncline server.
            Unauthorized: the token was refused.
        """
        http = httpx2.AsyncClient(
            base_url=url,
            # A header cannot carry the line break that a token from a file may end with.
            headers={"Authorization": f"Bearer {token.strip()}"},
            # Each open document holds a connection; the client bounds how long a request may take.
            limits=httpx2.Limits(max_connections=None),
            timeout=None,
            verify=ssl or True,
        )
        transport = cls(http, Claims.of(token), on_event)
        try:
            async with asyncio.timeout(timeout):
                # Costs the server nothing but the check of the token.
                await transport._call("GET", "v3/Configuration")
        except TimeoutError as error:
            await transport.close()
            raise ConnectionLost(f"no answer from {url} within {timeout:g} s") from error
        except Interrupted:
            reason = transport.ended.result()
            await transport.close()
            raise reason from None
        except RequestError:
            pass  # it answers, and it is not the token that it refuses
        except BaseException:
            await transport.close()
            raise
        return transport

    async def request(self, request: JsonObject, receive: Receive[T]) -> T:
        address: str | None = request.get("document")
        turn = self._turns.setdefault(address, asyncio.Lock()) if address else asyncio.Lock()
        async with turn:
            if self.ended.done():
                raise Interrupted
            work = self._begin(self._carry_out(request, receive))
            try:
                await asyncio.wait([work])
            except asyncio.CancelledError:
                work.cancel()
                raise
            if work.cancelled():
                raise Interrupted  # by `close`
            return work.result()

    async def close(self) -> None:
        self._end(ClientClosed())
        # What is under way would leave a connection behind that nobody closes.
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._http.aclose()

    async def _carry_out(self, request: JsonObject, receive: Receive[T]) -> T:
        match request["do"]:
            case "open":
                return await self._open(request, receive)
            case "get":
                return receive(await self._document("GET", request))
            case "set" | "ttl":
                return receive(await self._document("POST", request, data=_form(request)))
            case "patch":
                return receive(await self._patch(request))
            case "remove":
                await self._call(
                    "DELETE", self._path(request["document"]), headers=_headers(request)
                )
                return receive({})
            case "unsubscribe":
                stream = self._streams.pop(request["document"], None)
                if stream is not None:
                    stream.cancel()
                return receive({})
            case verb:
                raise ValueError(f"REST has no {verb!r}")

    async def _open(self, request: JsonObject, receive: Receive[T]) -> T:
        address, mode = request.get("document"), request.get("mode", Mode.OPEN_OR_CREATE.value)
        if address is not None and is_sid(address):
            mode = Mode.OPEN_EXISTING.value
        while True:
            if address is not None and mode != Mode.CREATE_NEW.value:
                try:
                    return await self._follow(address, False, receive)
                except NotFound:
                    if mode == Mode.OPEN_EXISTING.value:
                        raise
            try:
                document = await self._call(
                    "POST", self._documents, headers=_headers(request), data=_form(request)
                )
            except Conflict as error:
                if mode == Mode.CREATE_NEW.value or error.code != Code.NAME_TAKEN:
                    raise
                continue  # another client created it meanwhile
            return await self._follow(document["sid"], True, receive)

    async def _patch(self, request: JsonObject) -> JsonObject:
        kind = next(kind for kind in PATCH_TYPES if kind in request)
        return await self._document(
            "PATCH",
            request,
            content=orjson.dumps(request[kind]),
            params={"Ttl": request["ttl"]} if "ttl" in request else None,
            headers=_headers(request) | {"Content-Type": PATCH_TYPES[kind]},
        )

    async def _document(self, method: str, request: JsonObject, **body: Any) -> JsonObject:
        """Call, and put the resource of the reply in the form of a native reply."""
        body.setdefault("headers", _headers(request))
        document = await self._call(method, self._path(request["document"]), **body)
        if method != "GET" and self._identity is not None:
            document.setdefault("updated_by", self._identity)
        return {"document": document}

    async def _call(self, method: str, path: str, **request: Any) -> JsonObject:
        """The body of the reply; empty where there is none."""
        if self.ended.done():
            raise Interrupted
        try:
            reply = await self._http.request(method, path, **request)
            if reply.is_success:
                body: JsonObject = orjson.loads(reply.content or b"{}")
                return body
        except (httpx2.RequestError, ValueError) as error:
            raise self._lost(error) from error
        raise self._refused(refusal(reply))

    def _path(self, address: str) -> str:
        segment = quote(address, safe="")
        if address in (".", ".."):
            # As they stand they would mean another path (RFC 3986, section 5.2.4).
            segment = segment.replace(".", "%2E")
        return f"{self._documents}/{segment}"

    async def _follow(self, address: str, created: bool, receive: Receive[T]) -> T:
        """Open the event stream; its first event is the reply to `open`."""
        if self.ended.done():
            raise Interrupted
        opened: asyncio.Future[T] = asyncio.get_running_loop().create_future()

        def on_state(document: JsonObject) -> None:
            if not opened.done():
                self._register(document["sid"], stream)
                opened.set_result(receive({"created": created, "document": document}))

        stream = self._begin(self._read_stream(address, on_state, opened))
        try:
            return await opened
        except asyncio.CancelledError:
            stream.cancel()
            raise

    def _begin(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _register(self, sid: str, stream: asyncio.Task[None]) -> None:
        replaced = self._streams.get(sid)
        self._streams[sid] = stream
        if replaced is not None:
            replaced.cancel()

    async def _read_stream(
        self, address: str, on_state: Callable[[JsonObject], None], opened: asyncio.Future[Any]
    ) -> None:
        try:
            if not await self._hand_on(address, on_state):
                self._end(ConnectionLost("an event stream ended"))
        except SynclineError as error:
            refused = self._refused(error)
            if opened.done():
                # What happens to the document from now on, only another stream can tell.
                self._end(ConnectionLost(f"an event stream ended: {error}"))
            _fail(opened, refused)
        except (httpx2.RequestError, ValueError, KeyError) as error:
            _fail(opened, self._lost(error))
        finally:
            _fail(opened, Interrupted())

    async def _hand_on(self, address: str, on_state: Callable[[JsonObject], None]) -> bool:
        """Read the stream to its end; True if the document was removed."""
        path = f"{self._path(address)}/Events"
        async with event_stream(self._http, path) as events:
            async for name, data in events:
                if name == "state":
                    on_state(data)
                elif name == "closing":
                    raise RequestError.parse({"status": HTTPStatus.SERVICE_UNAVAILABLE, **data})
                else:
                    self._on_event({"event": name, "document": data})
                    if name == "removed":
                        self._streams.pop(data["sid"], None)
                        return True
        return False

    def _refused(self, error: SynclineError) -> Exception:
        """What to raise: a refused token or a lost server ends the transport."""
        if isinstance(error, Unauthorized | ConnectionLost):
            self._end(error)
            return Interrupted()
        return error

    def _lost(self, error: Exception) -> Interrupted:
        self._end(ConnectionLost(f"the connection broke: {error!r}"))
        return Interrupted()

    def _end(self, reason: SynclineError) -> None:
        if not self.ended.done():
            self.ended.set_result(reason)


def _form(request: JsonObject) -> dict[str, str]:
    """The parameters of a create or an update, as the REST API names them."""
    form: dict[str, str] = {}
    if request["do"] == "open" and "document" in request:
        form["UniqueName"] = request["document"]
    if "data" in request:
        form["Data"] = orjson.dumps(request["data"]).decode()
    if "ttl" in request:
        form["Ttl"] = str(request["ttl"])
    return form


def _headers(request: JsonObject) -> dict[str, str]:
    headers: dict[str, str] = {}
    if "if_match" in request:
        headers["If-Match"] = request["if_match"]
    if "op" in request:
        headers["Idempotency-Key"] = request["op"]
    return headers


def _fail(opened: asyncio.Future[Any], error: Exception) -> None:
    if not opened.done():
        opened.set_exception(error)
