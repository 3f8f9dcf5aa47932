"""The server of a worker process."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from pathlib import Path

import uvloop

from syncline_server.observability import logs
from syncline_server.observability.tasks import TaskSet
from syncline_server.storage.redis.address import Address
from syncline_server.storage.redis.engine import Engine, ExternalRedis
from syncline_server.storage.redis.urls import make_engine

from .app import Application, create_app
from .heartbeat import send_heartbeats
from .orders import ACCEPTING, Orders
from .server import Server
from .tls import Certificate

__all__ = ["serve"]


def serve() -> None:
    """Serve with the `Orders` from stdin until SIGTERM or the end of the parent."""
    orders = Orders.decode(sys.stdin.buffer.readline())
    logs.configure(orders.settings)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_run(orders))


async def _run(orders: Orders) -> None:
    settings = orders.settings
    engine = _engine(orders)
    await engine.start()
    listeners = [socket.socket(fileno=number) for number in orders.listeners]
    # The parent writes nothing after the orders: stdin becomes readable when the parent has ended
    # and the pipe is closed.
    asyncio.get_running_loop().add_reader(sys.stdin.fileno(), _orphaned)
    try:
        run_dir = Path(orders.run_dir)
        app = create_app(
            settings,
            orders.credentials,
            engine,
            worker=orders.number,
            run_dir=run_dir,
            server=orders.server,
        )
        app.meters.worker_restarts.update(orders.restarts)
        certificate = None if orders.key_pair is None else Certificate(orders.key_pair)
        await _serve(app, orders, listeners, certificate)
    finally:
        await engine.stop()


async def _serve(
    app: Application,
    orders: Orders,
    listeners: list[socket.socket],
    certificate: Certificate | None,
) -> None:
    beating = TaskSet()

    def accepting() -> None:
        # In its own write before the first heartbeat: the supervisor expects it as the first line.
        os.write(sys.stdout.fileno(), ACCEPTING)
        beating.spawn(send_heartbeats(sys.stdout.fileno(), app.problems))

    server = Server(
        app, orders.settings, lambda: None, on_accepting=accepting, certificate=certificate
    )
    try:
        await server.serve(listeners)
    finally:
        await beating.aclose()


def _engine(orders: Orders) -> Engine:
    if orders.redis_path is not None:
        return ExternalRedis(Address(path=orders.redis_path))
    return make_engine(orders.settings)


def _orphaned() -> None:
    asyncio.get_running_loop().remove_reader(sys.stdin.fileno())
    os.kill(os.getpid(), signal.SIGTERM)
