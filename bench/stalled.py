"""Measures the memory that stalled connections cost, and checks that they catch up.

    python bench/stalled.py [--connections 1000] [--seconds 60] [--rate 50]

Starts its own server. All connections subscribe to one document and stop reading. The document is
written at the rate with 16 KiB. Then the connections read again. The server's memory must not grow
by more than the bound: for each connection twice the sum of `--output-mark` and a frame
(docs/operations.md). Each connection must receive the newest state. The server gets a longer
`--slow-reader-timeout` than the default, so that it does not close the connections before. Exit
status 1 if memory or state fails.
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import psutil
from websockets.asyncio.client import ClientConnection, connect

from syncline_server.auth.authenticator import mint_token
from syncline_server.config.credentials import load_credentials
from syncline_server.config.settings import Settings

SYNCLINE = Path(sys.executable).with_name("syncline")
DOCUMENT = "stalled"
TEXT = "x" * 16_300
FRAME = 17_000
"""Bytes of an event, rounded up."""

CONNECTED_AT_ONCE = 50
REPLY_TIMEOUT = 120.0
"""Seconds after which a connection without the newest state counts as stale."""


@dataclass(frozen=True)
class Server:
    """A running server."""

    process: psutil.Process
    url: str
    token: str

    @property
    def memory(self) -> int:
        """Resident memory in bytes, without that of Redis."""
        return int(self.process.memory_info().rss)


@contextmanager
def serving(patience: float) -> Iterator[Server]:
    """Run a server that closes a slow reader only after `patience` seconds."""
    with tempfile.TemporaryDirectory() as directory:
        options = [f"--data-dir={directory}", "--port=0", f"--slow-reader-timeout={patience:g}"]
        command = [str(SYNCLINE), "serve", "--appendfsync=no", "--log-level=error", *options]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            url = process.stdout.readline().split()[-1]
            token = mint_token(load_credentials(Path(directory), {}), "bench", 3600)
            try:
                address = f"{url.replace('http', 'ws', 1)}/v1/ws"
                yield Server(psutil.Process(process.pid), address, token)
            finally:
                process.terminate()


async def send_request(connection: ClientConnection, request: dict[str, Any]) -> None:
    """Send a request and wait for its reply; events that arrive before it are dropped."""
    await connection.send(orjson.dumps(request), text=True)
    while True:
        message = orjson.loads(await connection.recv())
        if message.get("id") == request["id"]:
            if "ok" not in message:
                raise RuntimeError(message)
            return


async def opened(server: Server) -> ClientConnection:
    """Open a connection that subscribes to the document."""
    connection = await connect(server.url, ping_interval=None, max_size=None)
    await send_request(connection, {"id": 1, "do": "auth", "token": server.token})
    await send_request(connection, {"id": 2, "do": "open", "document": DOCUMENT})
    return connection


async def open_all(server: Server, count: int) -> list[ClientConnection]:
    """Open `count` connections that have stopped reading."""
    connections: list[ClientConnection] = []
    while len(connections) < count:
        size = min(CONNECTED_AT_ONCE, count - len(connections))
        some = await asyncio.gather(*(opened(server) for _ in range(size)))
        for connection in some:
            connection.transport.pause_reading()
        connections += some
    return connections


async def write(server: Server, seconds: float, rate: float) -> tuple[int, int]:
    """Write the document; return the number of writes and the server's peak memory in bytes."""
    peak = number = 0
    async with connect(server.url, ping_interval=None, max_size=None) as writer:
        await send_request(writer, {"id": 1, "do": "auth", "token": server.token})
        began = time.monotonic()
        while time.monotonic() < began + seconds:
            number += 1
            data = {"number": number, "text": TEXT}
            await send_request(
                writer, {"id": number + 1, "do": "set", "document": DOCUMENT, "data": data}
            )
            peak = max(peak, server.memory)
            await asyncio.sleep(max(0.0, began + number / rate - time.monotonic()))
    return number, peak


async def caught_up(connection: ClientConnection, number: int) -> int:
    """Read until the newest state arrives; return the number of events, 0 if it does not."""
    connection.transport.resume_reading()
    seen = 0
    try:
        async with asyncio.timeout(REPLY_TIMEOUT):
            while True:
                seen += 1
                if orjson.loads(await connection.recv())["document"]["data"]["number"] == number:
                    return seen
    except Exception as error:
        print(f"a connection stays stale: {error!r}", file=sys.stderr)
        return 0


async def run(server: Server, count: int, seconds: float, rate: float) -> bool:
    """Print the figures; return True if memory stayed in bounds and all connections caught up."""
    connections = await open_all(server, count)
    before = server.memory
    writes, peak = await write(server, seconds, rate)
    began = time.monotonic()
    seen = await asyncio.gather(*(caught_up(each, writes) for each in connections))
    took = time.monotonic() - began
    newest = sum(1 for each in seen if each)
    bound = count * 2 * (Settings().output_mark + FRAME)
    figures = {
        "connections": str(count),
        "writes": f"{writes} ({writes / seconds:.1f} a second)",
        "memory before": f"{before / 1e6:.1f} MB",
        "growth, at most": f"{(peak - before) / 1e6:.1f} MB",
        "growth allowed": f"{bound / 1e6:.1f} MB",
        "memory after": f"{server.memory / 1e6:.1f} MB",
        "have the newest state": f"{newest} of {count}",
        "until all have it": f"{took:.2f} s",
        "events that each got": f"{min(seen)} to {max(seen)} of {writes}",
    }
    for name, figure in figures.items():
        print(f"{name:24}{figure}")
    await asyncio.gather(*(each.close() for each in connections))
    return newest == count and peak - before <= bound


def main() -> int:
    """Run the benchmark; return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--connections", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--rate", type=float, default=50, help="writes in a second")
    options = parser.parse_args()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with serving(min(600.0, options.seconds * 2 + REPLY_TIMEOUT)) as server:
        kept = asyncio.run(run(server, options.connections, options.seconds, options.rate))
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
