"""One event loop's server: uvicorn, with a way to say farewell."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvicorn

from . import rest
from .app import Application
from .settings import Settings

__all__ = ["Server"]

logger = logging.getLogger("syncline")


class Server(uvicorn.Server):
    """Tells when it is ready, and takes its leave of those who stay connected."""

    def __init__(self, app: Application, settings: Settings, on_ready: Callable[[], None]) -> None:
        """`on_ready` is called once connections are accepted."""
        self._settings = settings
        self._departures = app.departures
        self._on_ready = on_ready
        super().__init__(
            uvicorn.Config(
                app.http,
                http=rest.http_protocol(_limits(settings), app.wheel.call_later, app.meters),
                ws=app.socket,
                lifespan="on",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_graceful_shutdown=max(1, round(settings.drain_timeout)),
            )
        )

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop at SIGTERM and SIGINT; the latter raises `KeyboardInterrupt` when all is done.

        uvicorn raises either signal once more, which ends the process before it can clean up.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        yield
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
        if signal.SIGINT in self._captured_signals:
            raise KeyboardInterrupt

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to accept connections."""
        await super().startup(sockets)
        if self.started:
            self._on_ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept no more, send those who stay elsewhere, finish what is under way."""
        logger.info("shutting down")
        for server in self.servers:
            server.close()
        try:
            async with asyncio.timeout(self._settings.drain_timeout):
                await self._departures.send_all_away()
        except TimeoutError:
            logger.warning("some clients did not leave in time")
        await super().shutdown(sockets)


def _limits(settings: Settings) -> rest.Limits:
    return rest.Limits(
        url=settings.url_limit,
        head=settings.header_limit,
        connections=settings.transport_limit,
        header_timeout=settings.header_timeout,
        body_timeout=settings.body_timeout,
        reader_timeout=settings.slow_reader_timeout,
    )
