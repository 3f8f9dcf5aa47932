"""Which way to the server: a WebSocket, or REST where WebSockets do not pass."""

from __future__ import annotations

import asyncio
import logging

from .backoff import Backoff
from .exceptions import SynclineError, WebSocketBlocked
from .options import Options, Server
from .proxies import Proxy, find_proxy
from .rest import RestTransport
from .token import TokenSource
from .transport import EventHandler
from .websocket import Probing, WebSocketTransport

__all__ = ["AnyTransport", "Dialer"]

logger = logging.getLogger("syncline")

AnyTransport = WebSocketTransport | RestTransport

ATTEMPT_TIMEOUT = 10
"""Seconds for one attempt to connect and authenticate, at most."""

REST_BESIDE_AFTER = 3
"""Seconds without a WebSocket after which REST is tried beside it: some proxies swallow upgrades
without an answer."""

FIRST_SEARCH = 1
"""Seconds: the longest first pause before a WebSocket is tried again beside REST."""


class Dialer:
    """Makes transports. At most one attempt at a WebSocket runs at a time; it may outlive `dial`.

    Attributes:
        doing: what it does at the moment, for a person.
    """

    def __init__(
        self, server: Server, token: TokenSource, options: Options, on_event: EventHandler
    ) -> None:
        self.doing = "it has not begun"
        self._server = server
        self._token = token
        self._options = options
        self._on_event = on_event
        self._timeout = min(options.open_timeout, ATTEMPT_TIMEOUT)
        self._attempt: asyncio.Task[WebSocketTransport] | None = None
        # True from the fallback until a WebSocket passes: then REST need not wait for one.
        self._blocked = False

    async def dial(self) -> AnyTransport:
        """A transport of the kind that the application chose.

        Raises:
            SynclineError: there is none now; `retry` tells whether another attempt is worth it.
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
        """Return when a WebSocket passes, which `take_websocket` then hands over."""
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
        """The WebSocket that was found, once; None if there is none."""
        attempt = self._attempt
        if attempt is None or not attempt.done() or attempt.exception() is not None:
            return None
        self._attempt, self._blocked = None, False
        return attempt.result()

    async def close(self) -> None:
        """End what is under way."""
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
        """A WebSocket; or REST, if that is there while no WebSocket is.

        An attempt at a WebSocket that is still under way at the end goes on: the next call, or
        `find_websocket`, waits for it.
        """
        found = self.take_websocket()
        if found is not None and not found.ended.done():
            return found
        if self._attempt is None or self._attempt.done():
            self._attempt = asyncio.create_task(self._dial_websocket(token, proxy))
        attempt = self._attempt
        if not self._blocked:
            await asyncio.wait({attempt}, timeout=REST_BESIDE_AFTER)
            if attempt.done() and not isinstance(attempt.exception(), WebSocketBlocked):
                self._attempt = None
                return attempt.result()
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
        # The answer to a plain request says more than that of a refused upgrade.
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
            self._on_event,
            options.ssl,
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
            self._on_event,
            options.ssl,
            reply_timeout=options.probe_after + options.probe_timeout,
            proxy=proxy,
        )


async def _discard(
    task: asyncio.Task[WebSocketTransport] | asyncio.Task[RestTransport],
) -> None:
    """Cancel an attempt, and close what it made if it was quicker."""
    task.cancel()
    await asyncio.wait({task})
    if not task.cancelled() and task.exception() is None:
        await task.result().close()
