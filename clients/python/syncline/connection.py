"""One transport at a time, kept open: dial, fall back, back off, dial again."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from .backoff import Backoff
from .events import ConnectionState
from .exceptions import (
    ClientClosed,
    RequestTimeout,
    SynclineError,
    TokenExpired,
    WebSocketBlocked,
)
from .options import Options, Server
from .rest import RestTransport
from .token import TokenSource
from .transport import EventHandler, Interrupted, Receive
from .websocket import WebSocketTransport

__all__ = ["Connection"]

logger = logging.getLogger("syncline")

T = TypeVar("T")

AnyTransport = WebSocketTransport | RestTransport

StateHandler = Callable[[ConnectionState, Exception | None], None]


class Connection:
    """The client's connection, through every break.

    A request waits for a transport, and is sent again with the same members when the transport ends
    before the reply: whoever makes a request that writes gives it an `op`, so that it is applied
        once.
    """

    def __init__(
        self,
        server: Server,
        token: TokenSource,
        options: Options,
        on_event: EventHandler,
        on_state: StateHandler,
    ) -> None:
        """
        Args:
            on_event: takes each event of the server, in order.
            on_state: takes each new state, and the error that led to it.
        """
        self._server = server
        self._token = token
        self._options = options
        self._on_event = on_event
        self._on_state = on_state
        self._backoff = Backoff(options.backoff_initial, options.backoff_limit)
        self._transport: AnyTransport | None = None
        self._available = asyncio.Event()
        self._failure: Exception | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def transport_name(self) -> str | None:
        """`websocket` or `rest`; None while there is no connection."""
        transport = self._transport
        return None if transport is None or transport.ended.done() else transport.name

    @property
    def ordered(self) -> bool:
        """True if the reply to a write comes before its event."""
        return self._transport is not None and self._transport.ordered

    @property
    def data_limit(self) -> int | None:
        """Bytes in a document, at most; None if the server has not told."""
        return self._transport.data_limit if self._transport else None

    async def open(self) -> None:
        """Make the first connection, in one attempt, and keep one from then on."""
        self._on_state(ConnectionState.CONNECTING, None)
        try:
            self._install(await self._dial())
        except BaseException as error:
            self._finish(error if isinstance(error, SynclineError) else ClientClosed())
            raise
        self._spawn(self._keep_open())

    async def request(self, do: str, receive: Receive[T], **members: Any) -> T:
        """Ask the server, once it can be asked; members that are None are left out.

        Raises:
            RequestError: the server refused.
            RequestTimeout: no reply in time, connecting included.
            SynclineError: there is no connection, and none will be made.
        """
        given = {name: value for name, value in members.items() if value is not None}
        request = {"do": do, **given}
        seconds = self._options.request_timeout
        try:
            async with asyncio.timeout(seconds):
                while True:
                    transport = await self._ready()
                    try:
                        return await transport.request(request, receive)
                    except Interrupted:
                        continue
        except TimeoutError:
            raise RequestTimeout(do, seconds) from None

    def renew_token(self) -> None:
        """Give the server a fresh token, if there is one; a failure is left to the expiry."""
        if isinstance(self._transport, WebSocketTransport) and self._token.renewable:
            self._spawn(self._renew(self._transport))

    async def close(self) -> None:
        """End the connection for good."""
        tasks, transport = list(self._tasks), self._transport
        self._finish(ClientClosed())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if transport is not None:
            await transport.close()

    async def _ready(self) -> AnyTransport:
        while True:
            await self._available.wait()
            if self._failure is not None:
                raise self._failure
            if self._transport is not None and not self._transport.ended.done():
                return self._transport
            self._available.clear()

    async def _keep_open(self) -> None:
        clock = asyncio.get_running_loop().time
        while (transport := self._transport) is not None:
            since = clock()
            reason = await self._stand(transport)
            await transport.close()
            if reason is not None:
                self._backoff.connection_stood(clock() - since)
                await self._dial_again(reason)

    async def _stand(self, transport: AnyTransport) -> SynclineError | None:
        """Why `transport` ended; None if a WebSocket took its place."""
        if isinstance(transport, WebSocketTransport) or self._options.transport == "rest":
            return await asyncio.shield(transport.ended)
        probe = self._spawn(self._find_websocket())
        try:
            ends: set[asyncio.Future[Any]] = {transport.ended, probe}
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            probe.cancel()
        return transport.ended.result() if self._transport is transport else None

    async def _find_websocket(self) -> None:
        """Try again and again whether WebSockets pass now, and take the first that does."""
        while True:
            await asyncio.sleep(self._options.websocket_retry * random.uniform(0.5, 1))
            try:
                return self._install(await self._dial_websocket(await self._token.get()))
            except Exception as error:
                logger.debug("still no WebSocket: %s", error)

    async def _dial_again(self, reason: Exception) -> None:
        """Back off and dial until there is a transport, or there must be none."""
        while not self._is_final(reason):
            self._on_state(ConnectionState.WAITING, reason)
            await asyncio.sleep(self._backoff.pause())
            self._on_state(ConnectionState.CONNECTING, None)
            try:
                return self._install(await self._dial())
            except Exception as error:
                logger.info("the connection could not be made: %s", error)
                reason = error
        self._finish(reason)

    def _is_final(self, reason: Exception) -> bool:
        if isinstance(reason, TokenExpired):
            return not self._token.renewable
        # Anything else comes from the application's token function, which may do better next time.
        return isinstance(reason, SynclineError) and not reason.retry

    async def _dial(self) -> AnyTransport:
        token = await self._token.get()
        if self._options.transport == "rest":
            return await self._dial_rest(token)
        try:
            return await self._dial_websocket(token)
        except WebSocketBlocked as blocked:
            if self._options.transport == "websocket":
                raise
            logger.info("%s; trying REST", blocked)
            return await self._dial_rest(token)

    async def _dial_websocket(self, token: str) -> WebSocketTransport:
        options = self._options
        return await WebSocketTransport.open(
            self._server.websocket_url,
            token,
            options.open_timeout,
            self._on_event,
            options.ssl,
            deltas=options.deltas,
        )

    async def _dial_rest(self, token: str) -> RestTransport:
        options = self._options
        return await RestTransport.open(
            self._server.http_url, token, options.open_timeout, self._on_event, options.ssl
        )

    async def _renew(self, transport: WebSocketTransport) -> None:
        try:
            await transport.authenticate(await self._token.get())
        except Interrupted:
            pass  # the next connection asks for a token anyway
        except Exception as error:
            logger.warning("the access token could not be renewed: %s", error)

    def _install(self, transport: AnyTransport) -> None:
        self._transport = transport
        self._available.set()
        self._on_state(ConnectionState.CONNECTED, None)

    def _finish(self, failure: Exception) -> None:
        """There will be no connection any more; who waits for one gets `failure`."""
        if self._failure is None:
            self._failure = failure
            self._transport = None
            self._available.set()
            self._on_state(ConnectionState.CLOSED, failure)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
