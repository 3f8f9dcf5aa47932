"""What Redis does for one more process that receives an event, and for a shard at rest."""

from __future__ import annotations

import selectors
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.harness.cluster import running_cluster
from bench.harness.fit import line
from bench.harness.processes import free_ports
from bench.harness.redis import start_redis
from redis import Redis

__all__ = ["event_cost", "shard_cost"]

CHANNEL = "event"
MESSAGE = "x" * 460
"""As long as an event of 200 bytes of data."""

RECEIVERS = (1, 8, 32)
EVENTS = 2000
SHARDS = 3


def event_cost() -> float:
    """Microseconds of Redis for each further receiver of an event, one event at a time."""
    points = []
    with TemporaryDirectory(prefix="bench-") as made:
        port = free_ports()
        process = start_redis(port, Path(made) / "redis", "no")
        try:
            for count in RECEIVERS:
                with _receivers(port, count), Redis(port=port) as redis:
                    redis.publish(CHANNEL, MESSAGE)
                    spent = process.cpu()
                    for _ in range(EVENTS):
                        redis.publish(CHANNEL, MESSAGE)
                    points.append((float(count), (process.cpu() - spent) * 1e6 / EVENTS))
        finally:
            process.stop()
    return max(0.0, line(points)[1])


def shard_cost(seconds: float) -> float:
    """Microseconds a second of a shard that no server uses."""
    with TemporaryDirectory(prefix="bench-") as made:
        with running_cluster(SHARDS, Path(made), "no") as cluster:
            time.sleep(1)
            spent = sum(cluster.cpu())
            time.sleep(seconds)
            return (sum(cluster.cpu()) - spent) * 1e6 / seconds / SHARDS


@contextmanager
def _receivers(port: int, count: int) -> Iterator[None]:
    """Connections that are subscribed, and a thread that reads what they receive."""
    stop, reading = socket.socketpair()
    with ExitStack() as stack, selectors.DefaultSelector() as selector:
        for end in (stop, reading):
            stack.callback(end.close)
        selector.register(reading, selectors.EVENT_READ)
        for _ in range(count):
            receiver = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
            receiver.sendall(f"SUBSCRIBE {CHANNEL}\r\n".encode())
            receiver.recv(1024)
            selector.register(receiver, selectors.EVENT_READ)

        def drain() -> None:
            while True:
                for key, _ in selector.select():
                    if key.fileobj is reading:
                        return
                    assert isinstance(key.fileobj, socket.socket)
                    key.fileobj.recv(1 << 16)

        thread = threading.Thread(target=drain)
        thread.start()
        try:
            yield
        finally:
            stop.send(b"x")
            thread.join()
