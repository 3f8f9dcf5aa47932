"""`serve`: from the settings to the last farewell, in this process or by workers."""

from __future__ import annotations

import asyncio
from functools import partial

import uvloop

from . import logs
from .app import create_app
from .credentials import Credentials
from .listening import announce, listen
from .server import Server
from .settings import Settings
from .storage.embedded import EmbeddedRedis
from .storage.engines import make_engine, start_engine
from .workers import Workers

__all__ = ["serve"]


def serve(settings: Settings, credentials: Credentials) -> None:
    """Serve until SIGTERM or SIGINT.

    When connections are accepted, stdout gets a line with the URL.

    Raises:
        SettingError: the address cannot be listened on, or there can be no Redis; one line.
    """
    logs.configure(settings)
    run = _run_here if settings.workers == 1 else _run_workers
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run(settings, credentials))


async def _run_here(settings: Settings, credentials: Credentials) -> None:
    listener = listen(settings)
    engine = make_engine(settings)
    try:
        await start_engine(engine, settings)
        ready = partial(announce, settings, listener)
        await Server(create_app(settings, credentials, engine), settings, ready).serve([listener])
    finally:
        listener.close()
        await engine.stop()


async def _run_workers(settings: Settings, credentials: Credentials) -> None:
    engine = make_engine(settings)
    # A Redis that somebody else runs is for the workers alone to connect to.
    embedded = engine if isinstance(engine, EmbeddedRedis) else None
    try:
        if embedded is not None:
            await start_engine(embedded, settings)
        await Workers(settings, credentials, embedded).run()
    finally:
        await engine.stop()
