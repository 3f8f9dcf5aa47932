"""Clients that come back at once after a break, as a program of its own.

    python -m bench.harness.programs.herd_clients PORT FIRST DOCUMENTS < TOKENS_AND_COMMANDS

The first line of stdin has the tokens, a client for each, and client n opens document
(FIRST + n) mod DOCUMENTS. Each later line is a command: `connect PACE` connects all clients, so
many at a time; `return JITTER` lets each wait at random up to so many seconds, and connect. Both
are answered with a line of JSON once every client has the state of its document: `waits`, the
seconds from each client's first attempt to that state; `seconds` from the command until all had
it; and `refused`, attempts that failed. Clients pause between attempts as Syncline's own do.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from typing import Any, cast

import orjson
import uvloop

from syncline_protocol.backoff import Backoff

HANDSHAKE = (
    "GET /v1/ws HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\n"
    "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: syncline.v1\r\n\r\n"
)
BACKOFF_INITIAL, BACKOFF_LIMIT = 0.5, 30
"""Seconds; those of Syncline's clients (docs/protocol.md, C9)."""

RETRY_AFTER = b"retry-after: "


def frame(message: bytes) -> bytes:
    """A text frame with the mask 0, which changes nothing."""
    size = len(message)
    length = bytes((0x80 | size,)) if size < 126 else b"\xfe" + size.to_bytes(2, "big")
    return b"\x81" + length + bytes(4) + message


class Client(asyncio.Protocol):
    """One client of the native protocol."""

    def __init__(self, port: int, token: str, document: str) -> None:
        self.refused = 0
        self._port = port
        self._auth = frame(orjson.dumps({"id": 1, "do": "auth", "token": token}))
        self._open: dict[str, Any] = {"document": document}
        self._received = b""
        self._attempt: asyncio.Future[float | None] | None = None

    async def come(self, wait: float) -> float:
        """Connect and open the document; the seconds from the first attempt to its state."""
        await asyncio.sleep(wait)
        backoff, began = Backoff(BACKOFF_INITIAL, BACKOFF_LIMIT), time.monotonic()
        while (asked := await self._try()) is not None:
            self.refused += 1
            await asyncio.sleep(asked + backoff.pause())
        return time.monotonic() - began

    async def _try(self) -> float | None:
        """One attempt; None if it succeeded, else the seconds to wait that the server names."""
        loop = asyncio.get_running_loop()
        attempt: asyncio.Future[float | None] = loop.create_future()
        self._attempt = attempt
        self._received = b""
        try:
            await loop.create_connection(lambda: self, "127.0.0.1", self._port)
        except OSError:
            return 0
        return await attempt

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(HANDSHAKE.format(port=self._port).encode())

    def data_received(self, data: bytes) -> None:
        if self._attempt is None or self._attempt.done():
            return
        self._received += data
        if b" 101 " in self._received:
            if b"\r\n\r\n" in self._received:
                self._received = b""
                self._transport.write(self._auth)
        elif b'{"id":1,"ok"' in self._received:
            self._received = b""
            body = {"id": 2, "do": "open", **self._open}
            self._transport.write(frame(orjson.dumps(body)))
        elif b'{"id":2,"ok"' in self._received and self._received.endswith(b"}}}"):
            self._take(orjson.loads(self._received[self._received.index(b"{") :]))
            self._attempt.set_result(None)
        elif self._received.startswith(b"HTTP/1.1 ") and b"\r\n\r\n" in self._received:
            self._attempt.set_result(_asked(self._received))
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._attempt is not None and not self._attempt.done():
            self._attempt.set_result(0)

    def _take(self, reply: dict[str, Any]) -> None:
        """Open the document by its SID from now on, with the revision that is known (C11)."""
        state = reply["ok"]["document"]
        self._open = {
            "document": state["sid"],
            "mode": "open_existing",
            "revision": state["revision"],
        }


def _asked(head: bytes) -> float:
    _, found, rest = head.lower().partition(RETRY_AFTER)
    return float(rest.partition(b"\r\n")[0]) if found else 0


async def _run(port: int, first: int, documents: int) -> None:
    loop = asyncio.get_running_loop()
    tokens = (await loop.run_in_executor(None, sys.stdin.readline)).split()
    clients = [
        Client(port, token, f"bench-{(first + number) % documents:05}")
        for number, token in enumerate(tokens)
    ]
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        verb, amount = line.split()
        gate = asyncio.Semaphore(int(amount) if verb == "connect" else len(clients))
        jitter = float(amount) if verb == "return" else 0.0

        async def come(
            client: Client, gate: asyncio.Semaphore = gate, jitter: float = jitter
        ) -> float:
            async with gate:
                return await client.come(random.uniform(0, jitter))

        before, began = sum(each.refused for each in clients), time.monotonic()
        waits = await asyncio.gather(*map(come, clients))
        figures = {
            "waits": waits,
            "seconds": time.monotonic() - began,
            "refused": sum(each.refused for each in clients) - before,
        }
        print(json.dumps(figures), flush=True)


if __name__ == "__main__":
    given = [int(word) for word in sys.argv[1:]]
    uvloop.run(_run(*given))
