"""Transport over REST and server-sent events (docs/protocol.md, section 9)."""

from __future__ import annotations

import asyncio
from functools import partial
from ssl import SSLContext
from typing import Any, TypeVar
from weakref import WeakValueDictionary

from syncline_protocol.commands import Mode
from syncline_protocol.errors import Code
from syncline_protocol.objects import DOCUMENT, TYPES, ObjectType
from syncline_protocol.sids import is_sid_of

from .collection_streams import CollectionStream
from .document_streams import DocumentStream
from .errors import (
    ClientClosed,
    Conflict,
    ConnectionLost,
    NotFound,
    RequestError,
)
from .event_streams import MakeStream, ObjectStreams
from .header import JsonObject
from .http import Http
from .proxies import Proxy
from .rest_documents import RestDocuments
from .rest_items import RestItems
from .rest_requests import form_of, headers_of
from .token import Claims
from .transport import EventHandler, Interrupted, Limits, Receive

__all__ = ["RestTransport"]

T = TypeVar("T")

REPLY_TIMEOUT = 7
"""Default seconds to wait for the reply to a request; then the connection counts as half-open."""


OPEN_ATTEMPTS = 5
"""Attempts to fetch or create an object that other clients create and remove meanwhile."""


class RestTransport:
    """A `Transport` of plain HTTP requests and one event stream per object.

    Like a connection it ends: when a request gets no reply from the server, when a stream cannot be
    reopened, or when the token has expired. The client then dials again and sends again the
    requests that have no reply.
    """

    name = "rest"
    limits = Limits()

    def __init__(self, http: Http, token: str, on_event: EventHandler) -> None:
        self.ended = http.ended
        self._http = http
        self._identity = Claims.of(token).identity
        self._on_event = on_event
        self._streams = ObjectStreams(http)
        self._tasks: set[asyncio.Task[Any]] = set()
        # One lock per address: requests for one object run one at a time, in order, as
        # on a WebSocket (docs/protocol.md, section 4). Weak: an entry lives while a request has it.
        # Opening again after a break takes no turn (see `_is_reopening`).
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    @classmethod
    async def open(
        cls,
        url: str,
        token: str,
        timeout: float,
        on_event: EventHandler,
        *,
        ssl: SSLContext | None = None,
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
        http = Http(url, token, reply_timeout=reply_timeout, ssl=ssl, proxy=proxy)
        transport = cls(http, token, on_event)
        try:
            async with asyncio.timeout(timeout):
                await http.check()
        except TimeoutError as error:
            await transport.close()
            raise ConnectionLost(f"no answer from {url} within {timeout:g} s") from error
        except Interrupted:
            reason = http.ended.result()
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
        refusal = self._streams.refusal
        return None if refusal is None else f"no event stream yet: {refusal}"

    async def request(
        self, request: JsonObject, receive: Receive[T], late: Receive[None] | None = None
    ) -> T:
        type_, address = _object_of(request)
        name = f"{type_.name} {address}"
        takes_turn = address is not None and not _is_reopening(request)
        turn = self._turns.setdefault(name, asyncio.Lock()) if takes_turn else asyncio.Lock()
        async with turn:
            # The transport may have ended while this request waited for its turn.
            if self.ended.done():
                raise Interrupted
            # A task, so that `close` can cancel requests in flight without cancelling the caller.
            work = asyncio.create_task(self._carry_out(request, receive))
            self._tasks.add(work)
            work.add_done_callback(self._tasks.discard)
            try:
                await asyncio.wait([work])
            except asyncio.CancelledError:
                work.cancel()
                raise
            if work.cancelled():
                raise Interrupted  # by `close`
            return work.result()

    async def close(self) -> None:
        self._http.finish(ClientClosed())
        # Cancel first: a request in flight would leave a connection open that nobody closes.
        tasks = [*self._tasks, *self._streams.tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._http.client.aclose()

    async def _carry_out(self, request: JsonObject, receive: Receive[T]) -> T:
        type_, address = _object_of(request)
        match request["do"]:
            case "open":
                return await self._open(request, receive)
            case "unsubscribe":
                self._streams.unfollow(request[type_.name])
                return receive({})
            case _ if type_ is not DOCUMENT and address is not None:
                requests = RestItems(self._http, type_, address)
                return self._hand(receive, await requests.carry_out(request))
            case "get" | "set" | "ttl" | "patch" | "remove":
                return self._hand(receive, await self._document(request))
            case verb:
                raise ValueError(f"REST does not support {verb!r}")

    def _hand(self, receive: Receive[T], ok: JsonObject) -> T:
        """Call `receive`; a reply that it cannot parse is not Syncline's and ends the transport."""
        try:
            return receive(ok)
        except (KeyError, ValueError, TypeError, AttributeError) as error:
            raise self._http.lost(error) from error

    async def _open(self, request: JsonObject, receive: Receive[T]) -> T:
        type_, address = _object_of(request)
        mode = request.get("mode", Mode.OPEN_OR_CREATE.value)
        if address is not None and is_sid_of(type_, address):
            mode = Mode.OPEN_EXISTING.value
        attempt = 0
        while True:
            attempt += 1
            if address is not None and mode != Mode.CREATE_NEW.value:
                try:
                    return await self._follow(request, receive, created=False)
                except NotFound:
                    if mode == Mode.OPEN_EXISTING.value:
                        raise
            try:
                path, headers = self._http.path_to(None, type_), headers_of(request)
                made = await self._http.call("POST", path, headers=headers, data=form_of(request))
                sid = self._checked(made, type_)["sid"]
            except Conflict as error:
                # Name taken: another client has created it since our 404. Try to follow it.
                is_last = mode == Mode.CREATE_NEW.value or attempt == OPEN_ATTEMPTS
                if is_last or error.code != Code.NAME_TAKEN:
                    raise
                continue
            return await self._follow({**request, type_.name: sid}, receive, created=True)

    async def _follow(self, request: JsonObject, receive: Receive[T], *, created: bool) -> T:
        type_, address = _object_of(request)
        make: MakeStream
        if type_ is DOCUMENT:
            make = partial(
                DocumentStream, self._http, request["document"], created, on_event=self._on_event
            )
        else:
            known = None
            if "revision" in request and type_.has_items:
                known = await self._http.call("GET", self._http.path_to(address, type_))
                self._checked(known, type_)
            make = partial(
                CollectionStream,
                self._http,
                type_,
                request,
                known=known,
                created=created,
                on_event=self._on_event,
            )
        return await self._streams.follow(make, receive)

    async def _document(self, request: JsonObject) -> JsonObject:
        """Carry out a request for a document that exists."""
        ok = await RestDocuments(self._http, request["document"]).carry_out(request)
        if "document" in ok:
            document = self._checked(ok["document"])
            if request["do"] != "get" and self._identity is not None:
                document.setdefault("updated_by", self._identity)
        return ok

    def _checked(self, body: JsonObject, type_: ObjectType = DOCUMENT) -> JsonObject:
        """Return `body` if it is an object of that type; otherwise the reply is not Syncline's."""
        has_revision = type_.has_messages or str(body.get("revision")).isdigit()
        if not has_revision or not isinstance(body.get("sid"), str):
            raise self._http.lost(ValueError(f"the reply is not a {type_.name}"))
        return body


def _is_reopening(request: JsonObject) -> bool:
    """True for the `open` of the client itself, which subscribes again after a break (rule C11).

    It changes nothing, and takes no turn: the writes that were in flight are sent again at the same
    moment, the server may answer each only after seconds, and the object would be stale so long.
    What its reply has of them is announced in order (rule C13). The application's `open` has an
    `op`.
    """
    return request["do"] == "open" and "op" not in request


def _object_of(request: JsonObject) -> tuple[ObjectType, str | None]:
    """The type and the address that a request names; of `open` without any, a document."""
    type_ = next((each for each in TYPES if each.name in request), DOCUMENT)
    return type_, request.get(type_.name)
