"""One of several processes: `python -m syncline_server.runtime.worker`, started by `workers`."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from pathlib import Path

import uvloop

from syncline_server.observability import logs
from syncline_server.storage.redis.address import Address
from syncline_server.storage.redis.engine import Engine, ExternalRedis
from syncline_server.storage.redis.engines import make_engine

from .app import create_app
from .server import Server
from .supervisor import READY, Orders
from .tls import Certificate

__all__ = ["main"]


def main() -> None:
    """Do as the line on stdin says, until SIGTERM or until the parent is gone."""
    orders = Orders.decode(sys.stdin.buffer.readline())
    logs.configure(orders.settings)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_run(orders))


async def _run(orders: Orders) -> None:
    settings = orders.settings
    engine = _engine(orders)
    await engine.start()
    listener = socket.socket(fileno=orders.listener)
    # Nothing more is written there: that it can be read means that the parent has ended.
    asyncio.get_running_loop().add_reader(sys.stdin.fileno(), _orphaned)
    try:
        app = create_app(settings, orders.credentials, engine, orders.number, Path(orders.run_dir))
        certificate = None if orders.key_pair is None else Certificate(orders.key_pair)
        await Server(app, settings, _ready, certificate).serve([listener])
    finally:
        await engine.stop()


def _engine(orders: Orders) -> Engine:
    if orders.redis_path is not None:
        return ExternalRedis(Address(path=orders.redis_path))
    return make_engine(orders.settings)


def _ready() -> None:
    sys.stdout.buffer.write(READY)
    sys.stdout.buffer.flush()


def _orphaned() -> None:
    asyncio.get_running_loop().remove_reader(sys.stdin.fileno())
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main()
