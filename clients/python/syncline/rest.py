"""Transport over REST and server-sent events (docs/protocol.md, section 9)."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from ssl import SSLContext
from typing import Any, TypeVar
from urllib.parse import quote
from weakref import WeakValueDictionary

import httpx2
import orjson

from syncline_protocol.commands import Mode
from syncline_protocol.errors import Code
from syncline_protocol.sids import is_sid

from .document_stream import DocumentStream
from .exceptions import (
    ClientClosed,
    Conflict,
    ConnectionLost,
    NotFound,
    RequestError,
    SynclineError,
    Unauthorized,
)
from .proxies import Proxy
from .refusals import no_syncline, refusal
from .rest_requests import PATCH_TYPES, body_of, form_of, headers_of
from .snapshot import JsonObject
from .token import Claims
from .transport import EventHandler, Interrupted, Receive

__all__ = ["RestTransport"]

T = TypeVar("T")

REPLY_TIMEOUT = 7
"""Default seconds to wait for the reply to a request; then the connection counts as half-open."""

NETWORK_ERRORS = (httpx2.HTTPError, httpx2.InvalidURL, httpx2.StreamError, ValueError)
"""Raised for a connection that fails, and for a reply that is not HTTP or not JSON."""

BROKEN_ERRORS = (httpx2.RemoteProtocolError, httpx2.ReadError, httpx2.WriteError)
"""Raised when a connection breaks that was open when the request was sent."""


class RestTransport:
    """A `Transport` of plain HTTP requests and one event stream per document.

    Like a connection it ends: when a request gets no reply from the server, when a stream cannot be
    reopened, or when the token has expired. The client then dials again and sends again the
    requests that have no reply.
    """

    name = "rest"
    data_limit: int | None = None

    def __init__(
        self,
        http: httpx2.AsyncClient,
        claims: Claims,
        on_event: EventHandler,
        *,
        reply_timeout: float = REPLY_TIMEOUT,
        proxy: Proxy | None = None,
    ) -> None:
        self.ended: asyncio.Future[SynclineError] = asyncio.get_running_loop().create_future()
        self._http = http
        self._identity = claims.identity
        self._documents = f"v1/Services/{quote(claims.service_sid, safe='')}/Documents"
        self._on_event = on_event
        self._reply_timeout = reply_timeout
        self._way = "" if proxy is None else f" through the proxy {proxy}"
        self._streams: dict[str, asyncio.Task[None]] = {}  # by the SID of an open document
        self._opening: set[DocumentStream] = set()  # streams without their first state
        self._tasks: set[asyncio.Task[Any]] = set()
        # One lock per document address: requests for one document run one at a time, in order, as
        # on a WebSocket (docs/protocol.md, section 4). Weak: an entry lives while a request has it.
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    @classmethod
    async def open(
        cls,
        url: str,
        token: str,
        timeout: float,
        on_event: EventHandler,
        ssl: SSLContext | None = None,
        *,
        reply_timeout: float = REPLY_TIMEOUT,
        proxy: Proxy | None = None,
    ) -> RestTransport:
        """Check within `timeout` seconds that the server answers and accepts the token.

        Args:
            ssl: TLS settings; None uses the default checks.
            reply_timeout: seconds to wait for the reply to a request.
            proxy: proxy to connect through; None uses no proxy, not even one of the environment.

        Raises:
            ConnectionLost: nothing answers, or something that is not a Syncline server.
            Unauthorized: the server refused the token.
        """
        http = httpx2.AsyncClient(
            base_url=url,
            # A token read from a file may end with a line break, which a header cannot carry.
            headers={"Authorization": f"Bearer {token.strip()}"},
            timeout=httpx2.Timeout(reply_timeout, pool=None),
            # An explicit transport: otherwise httpx2 reads the proxies of the environment.
            transport=httpx2.AsyncHTTPTransport(
                verify=ssl or True,
                # Each open document keeps one connection busy, so there is no limit.
                limits=httpx2.Limits(max_connections=None),
                proxy=None if proxy is None else httpx2.Proxy(proxy.url),
            ),
        )
        transport = cls(http, Claims.of(token), on_event, reply_timeout=reply_timeout, proxy=proxy)
        try:
            async with asyncio.timeout(timeout):
                # Any cheap request: it costs the server only the check of the token.
                await transport._call("GET", "v3/Configuration")
        except TimeoutError as error:
            await transport.close()
            raise ConnectionLost(f"no answer from {url} within {timeout:g} s") from error
        except Interrupted:
            reason = transport.ended.result()
            await transport.close()
            raise reason from None
        except RequestError:
            pass  # the server answered, and 401 would be `Interrupted`: the token is accepted
        except BaseException:
            await transport.close()
            raise
        return transport

    @property
    def waits_for(self) -> str | None:
        for stream in self._opening:
            if stream.refusal is not None:
                return f"no event stream yet: {stream.refusal}"
        return None

    async def request(
        self, request: JsonObject, receive: Receive[T], late: Receive[None] | None = None
    ) -> T:
        address: str | None = request.get("document")
        turn = self._turns.setdefault(address, asyncio.Lock()) if address else asyncio.Lock()
        async with turn:
            # The transport may have ended while this request waited for its turn.
            if self.ended.done():
                raise Interrupted
            # A task, so that `close` can cancel requests in flight without cancelling the caller.
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
        # Cancel first: a request in flight would leave a connection open that nobody closes.
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
                return self._hand(receive, await self._document("GET", request))
            case "set" | "ttl":
                written = await self._document("POST", request, data=form_of(request))
                return self._hand(receive, written)
            case "patch":
                return self._hand(receive, await self._patch(request))
            case "remove":
                await self._call(
                    "DELETE", self._path(request["document"]), headers=headers_of(request)
                )
                return receive({})
            case "unsubscribe":
                stream = self._streams.pop(request["document"], None)
                if stream is not None:
                    stream.cancel()
                return receive({})
            case verb:
                raise ValueError(f"REST has no {verb!r}")

    def _hand(self, receive: Receive[T], ok: JsonObject) -> T:
        """Call `receive`; a reply that it cannot parse is not Syncline's and ends the transport."""
        try:
            return receive(ok)
        except (KeyError, ValueError, TypeError, AttributeError) as error:
            raise self._lost(error) from error

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
                document = self._checked(
                    await self._call(
                        "POST", self._documents, headers=headers_of(request), data=form_of(request)
                    )
                )
            except Conflict as error:
                if mode == Mode.CREATE_NEW.value or error.code != Code.NAME_TAKEN:
                    raise
                continue  # another client has created it since the 404: follow that document
            return await self._follow(document["sid"], True, receive)

    async def _patch(self, request: JsonObject) -> JsonObject:
        kind = next(kind for kind in PATCH_TYPES if kind in request)
        return await self._document(
            "PATCH",
            request,
            content=orjson.dumps(request[kind]),
            params={"Ttl": request["ttl"]} if "ttl" in request else None,
            headers=headers_of(request) | {"Content-Type": PATCH_TYPES[kind]},
        )

    async def _document(self, method: str, request: JsonObject, **body: Any) -> JsonObject:
        """Call, and convert the resource in the reply to the form of a native reply."""
        body.setdefault("headers", headers_of(request))
        document = self._checked(await self._call(method, self._path(request["document"]), **body))
        if method != "GET" and self._identity is not None:
            document.setdefault("updated_by", self._identity)
        return {"document": document}

    async def _call(self, method: str, path: str, **request: Any) -> JsonObject:
        """Send a request and return the body of the reply; {} for 204."""
        if self.ended.done():
            raise Interrupted
        try:
            reply = await self._send(method, path, **request)
        except NETWORK_ERRORS as error:
            raise self._lost(error) from error
        if not reply.is_success:
            raise self._refused(refusal(reply))
        body = body_of(method, reply)
        if body is None:
            raise self._refused(no_syncline(reply))
        return body

    async def _send(self, method: str, path: str, **request: Any) -> httpx2.Response:
        try:
            return await self._http.request(method, path, **request)
        except BROKEN_ERRORS:
            # A proxy may have closed the idle connection just as we sent. Retry once, on another
            # connection; the server applies a write once, because of its `op`.
            return await self._http.request(method, path, **request)

    def _checked(self, document: JsonObject) -> JsonObject:
        """Return `document` if it is one; otherwise the reply is not from Syncline."""
        if not str(document.get("revision")).isdigit() or not isinstance(document.get("sid"), str):
            raise self._lost(ValueError("the reply is no document"))
        return document

    def _path(self, address: str) -> str:
        segment = quote(address, safe="")
        if address in (".", ".."):
            # Unencoded dot segments would change the path (RFC 3986, section 5.2.4).
            segment = segment.replace(".", "%2E")
        return f"{self._documents}/{segment}"

    async def _follow(self, address: str, created: bool, receive: Receive[T]) -> T:
        """Open the event stream of a document; its first event serves as the reply to `open`."""
        if self.ended.done():
            raise Interrupted
        opened: asyncio.Future[T] = asyncio.get_running_loop().create_future()

        def on_state(document: JsonObject) -> None:
            # Done if the caller was cancelled, or the transport has ended.
            if not opened.done():
                opened.set_result(receive({"created": created, "document": document}))
                self._register(document["sid"], task)

        stream = DocumentStream(
            self._http,
            self._path(address),
            on_state,
            self._on_event,
            reply_timeout=self._reply_timeout,
        )
        self._opening.add(stream)
        task = self._begin(self._read_stream(stream, opened))
        try:
            return await opened
        except asyncio.CancelledError:
            # If the state came just before the cancellation, `_register` may have replaced the
            # stream of another handle with this one, so it must stay. `Client.document` closes the
            # handle that nobody received.
            if not stream.opened:
                task.cancel()
            raise
        finally:
            self._opening.discard(stream)

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

    async def _read_stream(self, stream: DocumentStream, opened: asyncio.Future[Any]) -> None:
        try:
            await stream.follow()
            self._forget(asyncio.current_task())
        except SynclineError as error:
            refused = self._refused(error)
            if opened.done():
                # Without a stream the client would miss events: reconnect, which catches up.
                self._end(ConnectionLost(f"an event stream ended: {error}"))
            _fail(opened, refused)
        except Exception as error:
            _fail(opened, self._lost(error))
        finally:
            _fail(opened, Interrupted())

    def _forget(self, stream: asyncio.Task[Any] | None) -> None:
        for sid in [sid for sid, known in self._streams.items() if known is stream]:
            del self._streams[sid]

    def _refused(self, error: SynclineError) -> Exception:
        """The exception to raise; a refused token or a lost connection also ends the transport."""
        if isinstance(error, Unauthorized | ConnectionLost):
            self._end(error)
            return Interrupted()
        return error

    def _lost(self, error: Exception) -> Interrupted:
        silent = isinstance(error, httpx2.TimeoutException)
        what = f"gave no sign of life for {self._reply_timeout:g} s" if silent else "broke"
        reason = ConnectionLost(f"the connection{self._way} {what}: {error!r}")
        # Silence means a half-open connection: redial at once. A server that is down refuses.
        reason.at_once = isinstance(error, httpx2.ReadTimeout)
        self._end(reason)
        return Interrupted()

    def _end(self, reason: SynclineError) -> None:
        if not self.ended.done():
            self.ended.set_result(reason)


def _fail(opened: asyncio.Future[Any], error: Exception) -> None:
    if not opened.done():
        opened.set_exception(error)
