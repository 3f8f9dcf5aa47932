"""`serve`: runs the server until it is stopped, in this process or in workers."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import suppress
from functools import partial
from importlib import import_module
from tempfile import TemporaryDirectory
from threading import Thread

import uvloop

from syncline_server.config.clock_file import prepare_clock
from syncline_server.config.credentials import Credentials
from syncline_server.config.encryption import SecretCipher
from syncline_server.config.file_limit import raise_limit
from syncline_server.config.running_server import RunningUrl
from syncline_server.config.server_identity import ServerIdentity
from syncline_server.config.settings import Settings
from syncline_server.config.validation import SettingError
from syncline_server.observability import logs
from syncline_server.storage.redis.data_set import check_data_set
from syncline_server.storage.redis.embedded import EmbeddedRedis
from syncline_server.storage.redis.engine import Engine
from syncline_server.storage.redis.urls import make_engine, start_engine
from syncline_server.storage.services import check_default_service

from .listener import announce, listen
from .loading import loading
from .supervisor import Workers
from .tls import Certificate, KeyPair, read_key_pair

__all__ = ["serve"]

OWNER_ONLY = 0o077
"""Umask of the server and its children: only the owner may access their files."""


def serve(settings: Settings, credentials: Credentials) -> None:
    """Serve until SIGTERM or SIGINT. Prints a line with the URL once the server is ready.

    Raises:
        SettingError: the server cannot listen on the address, Redis or the certificate is unusable,
            or packages are missing; one line.
    """
    _check_packages(settings)
    # First: every file and child process created from here on has this umask.
    os.umask(OWNER_ONLY)
    raise_limit()
    logs.configure(settings)
    prepare_clock(settings)
    if settings.until_stdin_ends:
        Thread(target=_stop_when_stdin_ends, daemon=True).start()
    key_pair = read_key_pair(settings)
    run = _run_here if settings.workers == 1 else _run_workers
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run(settings, credentials, key_pair))


def _stop_when_stdin_ends() -> None:
    with suppress(OSError):  # there is no stdin
        while os.read(0, 65_536):
            pass
    os.kill(os.getpid(), signal.SIGTERM)


def _check_packages(settings: Settings) -> None:
    if settings.otlp_endpoint is not None:
        try:
            import_module("syncline_server.observability.tracing")
        except ImportError as error:
            raise SettingError(
                f"--otlp-endpoint needs packages that are missing ({error.name}): "
                "pip install 'syncline-server[otel]'"
            ) from None


async def _run_here(settings: Settings, credentials: Credentials, key_pair: KeyPair | None) -> None:
    listeners = listen(settings)
    engine = make_engine(settings)
    running = RunningUrl(settings.data_dir)
    try:
        await start_engine(engine, settings)
        await _check_stored(engine, settings, credentials)
        # Imported here, because it takes long: a start that is refused, and the parent of workers,
        # do without.
        with loading():
            from .app import create_app
            from .server import Server
        server = ServerIdentity.of(settings, listeners[0])
        app = create_app(settings, credentials, engine, server=server)
        certificate = None if key_pair is None else Certificate(key_pair)
        renew = None if certificate is None else partial(certificate.renew, settings)
        ready = partial(announce, settings, credentials, listeners[0], running)
        await Server(app, settings, ready, certificate=certificate, on_hangup=renew).serve(
            listeners
        )
    finally:
        running.remove()
        for listener in listeners:
            listener.close()
        await engine.stop()


async def _check_stored(engine: Engine, settings: Settings, credentials: Credentials) -> None:
    """Refuse to serve data that do not match the settings and credentials. Raises
    `SettingError`."""
    await check_data_set(
        engine, settings, credentials.account_sid, SecretCipher(credentials.master_key)
    )
    await check_default_service(engine, settings)


async def _run_workers(
    settings: Settings, credentials: Credentials, key_pair: KeyPair | None
) -> None:
    engine = make_engine(settings)
    embedded = engine if isinstance(engine, EmbeddedRedis) else None
    try:
        await start_engine(engine, settings)
        await _check_stored(engine, settings, credentials)
        if embedded is None:
            await engine.stop()  # only the workers connect to an external Redis
        # Not in the data directory: the path of a Unix socket is limited to about 100 bytes.
        with TemporaryDirectory(prefix="syncline-") as run_dir:
            workers = Workers(
                settings, credentials, embedded=embedded, key_pair=key_pair, run_dir=run_dir
            )
            await workers.run()
    finally:
        await engine.stop()
