"""Measures what deltas save and cost: bytes on the wire, and CPU time of server and client.

    python -m bench.deltas [--rounds 3]

Starts its own server. A board of cards of 1, 4 or 16 KiB is edited as people do: a word is added, a
box ticked, a vote cast, a card moved, added or removed. Each edit is written with `set` when all
subscribers have the previous one. The same edits are made with and without deltas, in turn, for 1,
100 and 1,000 subscribers. The server's time is the CPU time of its process, commits included, Redis
not. A client's time is from the text of an event to the data for the application.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import random
import statistics
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import orjson
from bench.stalled import Server, serving

from syncline.snapshot import Snapshot
from syncline.subscription import Subscription

SIZES = (1_024, 4_096, 16_384)
EVENTS = {1: 600, 100: 200, 1_000: 60}
"""Number of events by number of subscribers."""

CONNECTED_AT_ONCE = 50
REPLY_TIMEOUT = 60.0
TEXT_SIZE = 40
CLIENT_ROUNDS = 15
FORM = "  {:>6} {:>6}  {:<28} {:>10} {:>10} {:>7}  {}"
WORDS = ("review", "ship", "ask Anna", "measure", "write it down", "later", "über", "test")


class Board:
    """A document and a random sequence of edits, the same in each run."""

    def __init__(self, size: int) -> None:
        self._numbers = random.Random(size)
        self.data: dict[str, Any] = {"title": "This week", "cards": []}
        while len(orjson.dumps(self.data)) < 0.9 * size:
            self.data["cards"].append(self._card())

    def edit(self) -> dict[str, Any]:
        """Make the next edit; return the data after it."""
        numbers, cards = self._numbers, self.data["cards"]
        card = numbers.choice(cards)
        match numbers.randrange(10):
            case 0 | 1 | 2 | 3:
                card["text"] = (card["text"] + " " + numbers.choice(WORDS))[-TEXT_SIZE:]
            case 4 | 5:
                card["done"] = not card["done"]
            case 6:
                card["votes"] += 1
            case 7:
                card["x"], card["y"] = self._place(), self._place()
            case 8:
                cards.remove(card)
                cards.insert(numbers.randrange(len(cards) + 1), self._card())
            case _:
                cards.remove(card)
                cards.insert(numbers.randrange(len(cards) + 1), card)
        return self.data

    def _card(self) -> dict[str, Any]:
        numbers = self._numbers
        return {
            "id": f"{numbers.getrandbits(48):012x}",
            "text": " ".join(numbers.choices(WORDS, k=8))[:TEXT_SIZE],
            "done": False,
            "votes": 0,
            "x": self._place(),
            "y": self._place(),
        }

    def _place(self) -> float:
        return round(self._numbers.uniform(0, 1_000), 1)


class Reader(asyncio.Protocol):
    """A lightweight client that only splits the stream into frames.

    Attributes:
        size: bytes of the frames of events so far.
        messages: all messages so far; empty unless `keeps`.
    """

    def __init__(self, host: str, on_message: Callable[[], None], keeps: bool) -> None:
        self.size = 0
        self.messages: list[bytes] = []
        self._host = host
        self._on_message = on_message
        self._keeps = keeps
        self._buffer = b""
        self._upgraded = False
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        key = base64.b64encode(bytes(16)).decode()
        transport.write(
            f"GET /v1/ws HTTP/1.1\r\nHost: {self._host}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n"
            "Sec-WebSocket-Protocol: syncline.v1\r\n\r\n".encode()
        )

    def send_request(self, **request: Any) -> None:
        """Send a request in a frame whose mask is zero."""
        assert self._transport is not None
        payload = orjson.dumps(request)
        size = len(payload)
        head = bytes([0x81, 0x80 | size]) if size < 126 else b"\x81\xfe" + size.to_bytes(2)
        self._transport.write(head + bytes(4) + payload)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self._upgraded:
            head, end, rest = self._buffer.partition(b"\r\n\r\n")
            if not end:
                return
            assert head.startswith(b"HTTP/1.1 101"), head
            self._buffer, self._upgraded = rest, True
            self._on_message()
        while len(self._buffer) >= 4:
            size, start = self._buffer[1], 2
            if size == 126:
                size, start = int.from_bytes(self._buffer[2:4]), 4
            if len(self._buffer) < start + size:
                return
            if self._buffer[0] == 0x81:
                self._handle_message(self._buffer[start : start + size], start + size)
            self._buffer = self._buffer[start + size :]

    def close(self) -> None:
        """Cut the connection."""
        assert self._transport is not None
        self._transport.abort()

    def _handle_message(self, message: bytes, size: int) -> None:
        if message.startswith(b'{"event"'):
            self.size += size
        if self._keeps:
            self.messages.append(message)
        self._on_message()


class Room:
    """Subscribers of one document, and a writer that does not subscribe."""

    def __init__(self, server: Server, deltas: bool) -> None:
        self._server = server
        self._deltas = deltas
        self._missing = 0
        self._complete = asyncio.Event()
        self.readers: list[Reader] = []

    async def open(self, count: int, name: str, data: dict[str, Any]) -> None:
        """Create the document and connect `count` subscribers."""
        self._writer = await self._enter(1, deltas=False)
        await self._all(self._writer, id=2, do="open", document=name, data=data)
        await self._all(self._writer, id=3, do="unsubscribe", document=name)
        for start in range(0, count, CONNECTED_AT_ONCE):
            entering = await self._enter(min(CONNECTED_AT_ONCE, count - start), self._deltas)
            await self._all(entering, id=2, do="open", document=name)
            self.readers += entering
        self._name = name

    async def write(self, data: dict[str, Any]) -> None:
        """Write the document; return when all subscribers have the event."""
        await self._all(
            self._writer, len(self.readers), id=4, do="set", document=self._name, data=data
        )

    def close(self) -> None:
        """Cut all connections."""
        for reader in [*self.readers, *self._writer]:
            reader.close()

    async def _enter(self, count: int, deltas: bool) -> list[Reader]:
        address = urlsplit(self._server.url)
        loop = asyncio.get_running_loop()
        self._expect(count)
        # Messages of one subscriber are needed later, so only the writer and the first batch,
        # which find `readers` empty, keep theirs.
        keeps = not self.readers
        pairs = [
            await loop.create_connection(
                lambda: Reader(address.netloc, self._on_message, keeps),
                address.hostname or "",
                address.port or 0,
            )
            for _ in range(count)
        ]
        await self._until_complete()
        entering = [reader for _, reader in pairs]
        option = {"deltas": True} if deltas else {}
        await self._all(entering, id=1, do="auth", token=self._server.token, **option)
        return entering

    async def _all(self, readers: list[Reader], more: int = 0, **request: Any) -> None:
        self._expect(len(readers) + more)
        for reader in readers:
            reader.send_request(**request)
        await self._until_complete()

    def _expect(self, count: int) -> None:
        self._missing = count
        self._complete.clear()

    async def _until_complete(self) -> None:
        async with asyncio.timeout(REPLY_TIMEOUT):
            await self._complete.wait()

    def _on_message(self) -> None:
        self._missing -= 1
        if not self._missing:
            self._complete.set()


class Run(NamedTuple):
    """Results of one run, per event.

    Attributes:
        size: bytes to one subscriber.
        server: CPU microseconds of the server, for the event and all its deliveries.
        messages: messages to the first subscriber; the first of them is the reply to `open`.
    """

    size: float
    server: float
    messages: list[bytes]


async def run(server: Server, size: int, subscribers: int, deltas: bool) -> Run:
    """Make all edits once and measure them."""
    board = Board(size)
    room = Room(server, deltas)
    await room.open(subscribers, f"board-{random.getrandbits(64):x}", board.data)
    events = EVENTS[subscribers]
    began = cpu_of(server.process.pid)
    for _ in range(events):
        await room.write(board.edit())
    spent = cpu_of(server.process.pid) - began
    room.close()
    received = statistics.mean(reader.size for reader in room.readers) / events
    return Run(received, spent / events, room.readers[0].messages[1:])


def python_client(messages: list[bytes]) -> float:
    """Microseconds of the Python client per event."""
    opened, *events = messages
    snapshot = Snapshot.parse(orjson.loads(opened)["ok"]["document"])
    least = float("inf")
    for _ in range(CLIENT_ROUNDS):
        subscription = Subscription(snapshot, 256)
        began = time.perf_counter()
        for message in events:
            subscription.update(orjson.loads(message)["document"], may_be_early=False)
            _ = subscription.current.data
        least = min(least, time.perf_counter() - began)
        assert not subscription.is_lost
    return least / len(events) * 1e6


def javascript_client(messages: list[bytes]) -> float:
    """Microseconds of the browser client per event, in Node."""
    opened, *events = messages
    document = orjson.loads(opened)["ok"]["document"]
    text = orjson.dumps({"document": document, "messages": [event.decode() for event in events]})
    program = Path(__file__).with_suffix(".js")
    return float(
        subprocess.run(["node", program], input=text, capture_output=True, check=True).stdout
    )


def cpu_of(process_id: int) -> float:
    """CPU microseconds of all threads of a process."""
    threads = Path(f"/proc/{process_id}/task").iterdir()
    return sum(int((thread / "schedstat").read_text().split()[0]) for thread in threads) / 1e3


async def measured(server: Server, rounds: int) -> list[str]:
    """Measure all sizes and numbers of subscribers; return the lines of the table."""
    lines = [FORM.format("bytes", "subs.", "", "whole", "deltas", "ratio", "least … most")]
    for size in SIZES:
        for subscribers in EVENTS:
            pairs = [
                [await run(server, size, subscribers, deltas) for deltas in (False, True)]
                for _ in range(rounds)
            ]
            lines += rows_of(size, subscribers, pairs)
    return lines


def rows_of(size: int, subscribers: int, pairs: list[list[Run]]) -> list[str]:
    """The lines of the table for one size and number of subscribers."""

    def row(what: str, figure: Callable[[Run], float], rounds: int) -> str:
        figures = [[figure(way) for way in pair] for pair in pairs[:rounds]]
        whole, delta = (statistics.median(ways) for ways in zip(*figures, strict=True))
        ratios = [delta / whole for whole, delta in figures]
        spread = f"{min(ratios):.2f} … {max(ratios):.2f}"
        cells = (f"{whole:.1f}", f"{delta:.1f}", f"{delta / whole:.2f}", spread)
        return FORM.format(size, subscribers, what, *cells)

    rows = [
        row("bytes an event", lambda each: each.size, 1),
        row("server, us an event", lambda each: each.server, len(pairs)),
        row("server, us a delivery", lambda each: each.server / subscribers, len(pairs)),
    ]
    if subscribers == 1 and pairs[0][0].messages:
        rows += [
            row("Python client, us an event", lambda each: python_client(each.messages), 1),
            row("browser client, us an event", lambda each: javascript_client(each.messages), 1),
        ]
    return rows


def main() -> None:
    """Run the benchmark and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    with serving(REPLY_TIMEOUT) as server:
        for line in asyncio.run(measured(server, arguments.rounds)):
            print(line)


if __name__ == "__main__":
    main()
