"""Soak test: clients connect and disconnect for minutes, to find leaks in the server.

    python bench/soak.py [--seconds 600] [--clients 20]

Clients repeatedly connect, open documents, write, receive events, remove some documents and
disconnect, over WebSocket and over REST with event streams. Every half minute it prints a line with
the server's memory and file descriptors, and Redis' keys (most are operation ids, which expire
after 120 s) and channels. The last line compares the server's memory in the last minute with that
in the second.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import random
import subprocess
import sys
import tempfile
import time
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Literal

import psutil

import syncline
from syncline_server.auth.authenticator import mint_token
from syncline_server.config.credentials import load_credentials
from syncline_server.storage.redis.address import Address
from syncline_server.storage.redis.connection import Connection, connect

SYNCLINE = Path(sys.executable).with_name("syncline")
NAMES = 200
SAMPLE_INTERVAL = 30


@dataclass
class Sample:
    """One sample of the server and of Redis; memory is in MB."""

    seconds: float
    server_mb: float
    descriptors: int
    keys: int
    channels: int
    redis_mb: float


def main() -> None:
    """Start a server and run the clients."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--clients", type=int, default=20)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        server = subprocess.Popen(
            [str(SYNCLINE), "serve", "--port=0", f"--data-dir={directory}"],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert server.stdout is not None
        url = server.stdout.readline().split()[-1]
        try:
            asyncio.run(_soak(url, Path(directory), server.pid, given.seconds, given.clients))
        finally:
            server.terminate()
            server.wait()


async def _soak(url: str, data_dir: Path, pid: int, seconds: int, clients: int) -> None:
    credentials = load_credentials(data_dir, {})
    tokens = [mint_token(credentials, f"client {n}", 86_000) for n in range(clients)]
    churning = [asyncio.create_task(_churn(url, token, n)) for n, token in enumerate(tokens)]
    redis = await connect(Address(path=str(data_dir / "redis" / "redis.sock")), 5)
    samples = []
    began = time.monotonic()
    print(
        f"{'s':>5} {'server MB':>10} {'descriptors':>12} {'keys':>7} {'channels':>9} "
        f"{'Redis MB':>9}"
    )
    while time.monotonic() - began < seconds:
        await asyncio.sleep(SAMPLE_INTERVAL)
        sample = await _read_sample(psutil.Process(pid), redis, time.monotonic() - began)
        samples.append(sample)
        _print(sample)
    for task in churning:
        task.cancel()
    failures = [
        outcome
        for outcome in await asyncio.gather(*churning, return_exceptions=True)
        if not isinstance(outcome, asyncio.CancelledError)
    ]
    print(f"clients that failed: {failures or 'none'}")
    # Wait until the server has closed the connections of the last clients.
    await asyncio.sleep(5)
    _print(await _read_sample(psutil.Process(pid), redis, time.monotonic() - began))
    early, late = samples[1:3], samples[-2:]
    growth = sum(s.server_mb for s in late) / len(late) - sum(s.server_mb for s in early) / len(
        early
    )
    print(f"growth of the server from minute 1 to the end: {growth:+.1f} MB")
    redis.abort()


async def _churn(url: str, token: str, number: int) -> None:
    transport: Literal["rest", "websocket"] = "rest" if number % 4 == 0 else "websocket"
    while True:
        async with syncline.connect(url, token=token, transport=transport) as client:
            for name in random.sample(range(NAMES), 3):
                with contextlib.suppress(syncline.RequestError):
                    document = await client.document(f"document {name}", ttl=3600)
                    document.on("updated", lambda event: None)
                    await document.mutate(
                        lambda data: {"n": data.get("n", 0) + 1, "pad": "x" * 500}
                    )
                    await document.increment("/n")
                    if random.random() < 0.1:
                        await document.remove()


async def _read_sample(process: psutil.Process, redis: Connection, seconds: float) -> Sample:
    info = (await redis.execute("INFO", "memory")).decode()
    used = next(line for line in info.split() if line.startswith("used_memory:"))
    return Sample(
        seconds,
        process.memory_info().rss / 1e6,
        process.num_fds(),
        await redis.execute("DBSIZE"),
        len(await redis.execute("PUBSUB", "CHANNELS")),
        int(used.partition(":")[2]) / 1e6,
    )


def _print(sample: Sample) -> None:
    seconds, server, descriptors, keys, channels, redis = astuple(sample)
    print(
        f"{seconds:>5.0f} {server:>10.1f} {descriptors:>12} {keys:>7} {channels:>9} {redis:>9.1f}",
        flush=True,
    )


if __name__ == "__main__":
    main()
