"""One server process, from its socket to its last farewell."""

from __future__ import annotations

import asyncio
import logging
import socket

import uvicorn
import uvloop

from syncline_protocol import __version__

from . import logs, rest
from .app import Application, create_app
from .credentials import Credentials
from .settings import SettingError, Settings
from .storage.embedded import EmbeddedRedis
from .storage.engine import Engine, ExternalRedis

__all__ = ["serve"]

logger = logging.getLogger("syncline")

BACKLOG = 2048
"""Connections that may wait to be accepted."""


def serve(settings: Settings, credentials: Credentials) -> None:
    """Serve until SIGTERM or SIGINT.

    When connections are accepted, stdout gets a line with the URL.

    Raises:
        SettingError: the address cannot be listened on, or there can be no Redis; one line.
    """
    logs.configure(settings)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(settings, credentials))


async def _serve(settings: Settings, credentials: Credentials) -> None:
    listener = _listen(settings.host, settings.port)
    engine = _engine(settings)
    try:
        await _start(engine, settings)
        await _Server(create_app(settings, credentials, engine), settings).serve([listener])
    finally:
        listener.close()
        await engine.stop()


def _engine(settings: Settings) -> Engine:
    if settings.redis_url is not None:
        return ExternalRedis(settings.redis_url)
    return EmbeddedRedis(settings.data_dir, settings.appendfsync)


async def _start(engine: Engine, settings: Settings) -> None:
    """Before anything is served, so that what cannot work ends with one line."""
    try:
        await engine.address()
    except OSError as error:
        raise SettingError(f"the embedded Redis in {settings.data_dir} failed: {error}") from None


def _listen(host: str, port: int) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listener = socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise SettingError(
            f"cannot listen on {host} port {port} ({error.strerror}); "
            "choose others with --host and --port"
        ) from None
    listener.setblocking(False)
    return listener


class _Server(uvicorn.Server):
    """Says when it is ready, and takes its leave of those who stay connected."""

    def __init__(self, app: Application, settings: Settings) -> None:
        self._settings = settings
        self._departures = app.departures
        super().__init__(
            uvicorn.Config(
                app.http,
                http=rest.http_protocol(settings.url_limit, settings.header_limit),
                ws=app.socket,
                lifespan="on",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_graceful_shutdown=max(1, round(settings.drain_timeout)),
            )
        )

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started and sockets:
            url = _url(self._settings.host, sockets[0].getsockname()[1])
            print(f"Syncline {__version__} is ready at {url}", flush=True)
            if self._settings.demo:
                print(f"Demo: {url}/demo", flush=True)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        logger.info("shutting down")
        for server in self.servers:
            server.close()
        try:
            async with asyncio.timeout(self._settings.drain_timeout):
                await self._departures.send_all_away()
        except TimeoutError:
            logger.warning("some clients did not leave in time")
        await super().shutdown(sockets)


def _url(host: str, port: int) -> str:
    """What to open on this machine: an address that means "all" is none that a browser takes."""
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, host)
    return f"http://{f'[{shown}]' if ':' in shown and shown[0] != '[' else shown}:{port}"
