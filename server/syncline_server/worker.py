"""One of several processes: `python -m syncline_server.worker`, started by `workers`."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from urllib.parse import quote

import uvloop

from . import logs
from .app import create_app
from .server import Server
from .storage.engine import ExternalRedis
from .workers import READY, Orders

__all__ = ["main"]


def main() -> None:
    """Do as the line on stdin says, until SIGTERM or until the parent is gone."""
    orders = Orders.decode(sys.stdin.buffer.readline())
    logs.configure(orders.settings)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_run(orders))


async def _run(orders: Orders) -> None:
    settings = orders.settings
    path = orders.redis_path
    engine = ExternalRedis(settings.redis_url or f"unix://{quote(path or '')}")
    listener = socket.socket(fileno=orders.listener)
    # Nothing more is written there: that it can be read means that the parent has ended.
    asyncio.get_running_loop().add_reader(sys.stdin.fileno(), _orphaned)
    await Server(create_app(settings, orders.credentials, engine), settings, _ready).serve(
        [listener]
    )


def _ready() -> None:
    sys.stdout.buffer.write(READY)
    sys.stdout.buffer.flush()


def _orphaned() -> None:
    asyncio.get_running_loop().remove_reader(sys.stdin.fileno())
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main()
