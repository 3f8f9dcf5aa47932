"""Opens transports: a WebSocket, or REST where WebSockets are blocked (docs/protocol.md, C18)."""

from __future__ import annotations

import asyncio
import logging

from syncline_protocol.backoff import Backoff

from .errors import SynclineError, WebSocketBlocked
from .options import Options, Server
from .proxies import Proxy, find_proxy
from .rest import RestTransport
from .token import TokenSource
from .transport import ClientEventHandler
from .websocket import Probing, WebSocketTransport

__all__ = ["AnyTransport", "Dialer"]

logger = logging.getLogger("syncline")

AnyTransport = WebSocketTransport | RestTransport

ATTEMPT_TIMEOUT = 10
"""Maximum time in seconds for one attempt to connect and authenticate."""

REST_BESIDE_AFTER = 2
"""Seconds to wait for a WebSocket before REST is tried in parallel (rule C18)."""

FIRST_SEARCH = 1
"""Maximum first pause, in seconds, before a WebSocket is tried again while REST is in use."""


class Dialer:
    """Opens transports. At most one WebSocket attempt runs at a time; it may outlive `dial`.

    Attributes:
        doing: what the dialer waits for, as text for an error message.
    """

    def __init__(
        self, server: Server, token: TokenSource, options: Options, on_event: ClientEventHandler
    ) -> None:
        self.doing = "it has not begun"
        self._server = server
        self._token = token
        self._options = options
        self._on_event = on_event
        self._timeout = min(options.open_timeout, ATTEMPT_TIMEOUT)
        self._attempt: asyncio.Task[WebSocketTransport] | None = None
        # True from the fallback to REST until a WebSocket connects. While True, `_dial_either`
        # dials REST at once and does not wait REST_BESIDE_AFTER for a WebSocket.
        self._blocked = False

    async def dial(self) -> AnyTransport:
        """Open a transport of the kind that the application chose.

        Raises:
            SynclineError: no transport could be opened; `retry` says whether to try again.
        """
        proxy = find_proxy(self._options.proxy, self._server.http_url)
        self.doing = "the token function has not returned"
        token = await self._token.get()
        self.doing = "no answer" if proxy is None else f"no answer through the proxy {proxy}"
        match self._options.transport:
            case "rest":
                return await self._dial_rest(token, proxy)
            case "websocket":
                return await self._dial_websocket(token, proxy)
            case _:
                return await self._dial_either(token, proxy)

    async def find_websocket(self) -> None:
        """Return once a WebSocket is connected; `take_websocket` then returns it."""
        retry = self._options.websocket_retry
        backoff = Backoff(min(FIRST_SEARCH, retry), retry)
        while True:
            if self._attempt is None:
                await asyncio.sleep(backoff.pause())
                await self._begin_attempt()
            if self._attempt is not None:
                await asyncio.wait({self._attempt})
                error = self._attempt.exception()
                if error is None:
                    return
                logger.debug("still no WebSocket: %s", error)
                self._attempt = None

    def take_websocket(self) -> WebSocketTransport | None:
        """Hand over the WebSocket that `_attempt` opened, once; None if there is none yet."""
        attempt = self._attempt
        if attempt is None or not attempt.done() or attempt.exception() is not None:
            return None
        self._attempt, self._blocked = None, False
        return attempt.result()

    async def close(self) -> None:
        """Cancel the WebSocket attempt that is in flight, or close its result."""
        attempt, self._attempt = self._attempt, None
        if attempt is not None:
            await _discard(attempt)

    async def _begin_attempt(self) -> None:
        try:
            proxy = find_proxy(self._options.proxy, self._server.http_url)
            token = await self._token.get()
        except SynclineError as error:
            logger.debug("no attempt at a WebSocket: %s", error)
        else:
            self._attempt = asyncio.create_task(self._dial_websocket(token, proxy))

    async def _dial_either(self, token: str, proxy: Proxy | None) -> AnyTransport:
        """Open a WebSocket, or REST if REST answers first.

        If REST wins, a WebSocket attempt that is still in flight continues: the next call, or
        `find_websocket`, awaits it.
        """
        # 1. `find_websocket` may have connected a WebSocket after the caller stopped waiting.
        found = self.take_websocket()
        if found is not None and not found.ended.done():
            return found
        # 2. Join the attempt in flight, if any, although its token may be an older one.
        if self._attempt is None or self._attempt.done():
            self._attempt = asyncio.create_task(self._dial_websocket(token, proxy))
        attempt = self._attempt
        # 3. Give the WebSocket a head start. If it fails in that time, only `WebSocketBlocked`
        #    leads to REST: any other error (a refused token, no network) would be the same there.
        if not self._blocked:
            await asyncio.wait({attempt}, timeout=REST_BESIDE_AFTER)
            if attempt.done() and not isinstance(attempt.exception(), WebSocketBlocked):
                self._attempt = None
                return attempt.result()
        # 4. Race both. If the WebSocket attempt fails first, wait for REST. A WebSocket that is
        #    connected by then is used even if REST was first.
        rest = asyncio.create_task(self._dial_rest(token, proxy))
        try:
            await asyncio.wait({attempt, rest}, return_when=asyncio.FIRST_COMPLETED)
            if (found := self.take_websocket()) is None:
                await asyncio.wait({rest})
                found = self.take_websocket()
        except BaseException:
            await _discard(rest)
            raise
        if found is not None:
            await _discard(rest)
            return found
        # 5. No WebSocket. If REST failed too, raise its error: the reply to a plain request says
        #    more than a refused upgrade.
        transport = rest.result()
        self._blocked = True
        if attempt.done():
            logger.info("%s; REST takes over", attempt.exception())
            self._attempt = None
        return transport

    async def _dial_websocket(self, token: str, proxy: Proxy | None) -> WebSocketTransport:
        options = self._options
        return await WebSocketTransport.open(
            self._server.websocket_url,
            token,
            self._timeout,
            lambda event: self._on_event(event, False),
            ssl=options.ssl,
            deltas=options.deltas,
            probing=Probing(options.probe_after, options.probe_timeout),
            proxy=proxy,
        )

    async def _dial_rest(self, token: str, proxy: Proxy | None) -> RestTransport:
        options = self._options
        return await RestTransport.open(
            self._server.http_url,
            token,
            self._timeout,
            # A stream of events is not ordered with the replies to other requests.
            lambda event: self._on_event(event, True),
            ssl=options.ssl,
            reply_timeout=options.probe_after + options.probe_timeout,
            proxy=proxy,
        )


async def _discard(
    task: asyncio.Task[WebSocketTransport] | asyncio.Task[RestTransport],
) -> None:
    """Cancel an attempt; close its transport if it had finished before."""
    task.cancel()
    await asyncio.wait({task})
    if not task.cancelled() and task.exception() is None:
        await task.result().close()
