"""uvicorn server of one process, which reports readiness and drains connections."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import uvicorn
from uvicorn.config import STARTUP_FAILURE

from syncline_server import http as rest
from syncline_server.config.settings import Settings
from syncline_server.realtime.websocket.new_connection import ConnectionStart

from .app import Application
from .listener import READY_CHECK_INTERVAL
from .loading import collect_seldom
from .tls import Certificate

__all__ = ["Server"]

logger = logging.getLogger("syncline")

SHUTDOWN_TIMEOUT = 2.0
"""Seconds to wait for the client's part of a TLS shutdown; then the connection is cut."""


class Server(uvicorn.Server):
    """Calls back when it is ready, and drains sockets and event streams at shutdown."""

    def __init__(
        self,
        app: Application,
        settings: Settings,
        on_ready: Callable[[], None],
        *,
        on_accepting: Callable[[], None] = lambda: None,
        certificate: Certificate | None = None,
        on_hangup: Callable[[], None] | None = None,
    ) -> None:
        """
        Args:
            on_ready: called once connections are accepted and there are no problems.
            on_accepting: called once connections are accepted, even with problems.
            certificate: for TLS; None for plain connections.
            on_hangup: called at SIGHUP; if None, SIGHUP ends the process, as by default.
        """
        self._app = app
        self._settings = settings
        self._certificate = certificate
        self._on_hangup = on_hangup
        self._connections = app.connections
        self._problems = app.problems
        self._on_ready = on_ready
        self._on_accepting = on_accepting
        self._waiting: asyncio.Task[None] | None = None
        super().__init__(
            uvicorn.Config(
                app.http,
                http=rest.http_protocol(
                    _limits(settings), app.timers.call_later, app.meters, app.audit
                ),
                ws=app.socket,
                lifespan="on",
                log_config=None,
                access_log=False,
                server_header=False,
                headers=[rest.NO_SNIFFING],
                proxy_headers=False,
                timeout_keep_alive=max(1, round(settings.keep_alive_timeout)),
                timeout_graceful_shutdown=max(1, round(settings.drain_timeout)),
            )
        )

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Shut down at SIGTERM or SIGINT; after SIGINT raise `KeyboardInterrupt` at the end.

        uvicorn's version raises the signal again, which ends the process before it can clean up.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        if self._on_hangup is not None:
            loop.add_signal_handler(signal.SIGHUP, self._on_hangup)
        yield
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.remove_signal_handler(number)
        if signal.SIGINT in self._captured_signals:
            raise KeyboardInterrupt

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to accept connections. uvicorn's version sets no timeouts for TLS."""
        await self.lifespan.startup()
        if self.lifespan.should_exit:
            sys.exit(STARTUP_FAILURE)
        protocol = self._connection_start()
        loop, options = asyncio.get_running_loop(), self._tls_options()
        self.servers = [
            await loop.create_server(protocol, sock=each, backlog=self.config.backlog, **options)
            for each in sockets or ()
        ]
        collect_seldom()
        self.started = True
        self._on_accepting()
        self._waiting = asyncio.create_task(self._wait_until_ready())

    def _connection_start(self) -> ConnectionStart:
        """What makes the protocols of new connections."""
        http: Any = self.config.http_protocol_class
        connections, settings = self.server_state.connections, self._settings
        parts = {
            "config": self.config,
            "server_state": self.server_state,
            "app_state": self.lifespan.state,
        }
        return ConnectionStart(
            partial(http, **parts),
            partial(self._app.socket, **parts),
            handshake=self._app.socket.handshake,
            connections=connections,
            has_room=lambda transport: http.has_room(transport, len(connections)),
            url_limit=settings.url_limit,
            head_limit=settings.header_limit,
            timeout=settings.header_timeout,
            timers=self._app.timers,
            meters=self._app.meters,
        )

    async def _wait_until_ready(self) -> None:
        """Call `on_ready` once there are no problems; `Readiness` logs them meanwhile."""
        while self._problems():
            await asyncio.sleep(READY_CHECK_INTERVAL)
        self._on_ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Shut down in order.

        1. Stop accepting, so that clients which reconnect reach another server.
        2. Drain sockets and event streams within `drain_timeout`.
        3. Let uvicorn finish the HTTP requests under way.
        """
        logger.info("shutting down")
        if self._waiting is not None:
            self._waiting.cancel()
        for server in self.servers:
            server.close()
        try:
            async with asyncio.timeout(self._settings.drain_timeout):
                await self._connections.drain_all()
        except TimeoutError:
            logger.warning("some clients did not disconnect in time")
        await super().shutdown(sockets)

    def _tls_options(self) -> dict[str, Any]:
        if self._certificate is None:
            return {}
        return {
            "ssl": self._certificate.context,
            "ssl_handshake_timeout": self._settings.header_timeout,
            "ssl_shutdown_timeout": SHUTDOWN_TIMEOUT,
        }


def _limits(settings: Settings) -> rest.Limits:
    return rest.Limits(
        url=settings.url_limit,
        head=settings.header_limit,
        connections=settings.transport_limit,
        header_timeout=settings.header_timeout,
        body_timeout=settings.body_timeout,
        reader_timeout=settings.slow_reader_timeout,
    )
