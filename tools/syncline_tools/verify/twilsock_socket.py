"""The connection of a simulated SDK of the vendor: Twilsock, as the wire has it."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Callable, Sequence

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from syncline import ConnectionLost, JsonObject
from syncline_protocol import twilsock
from syncline_protocol.twilsock import MalformedFrame, Packet

from .client import BACKOFF_LIMIT, OPEN_TIMEOUT

__all__ = ["ANSWER_TIMEOUT", "EVENT_PROTOCOL", "SUBSCRIPTIONS", "TwilsockSocket"]

PATH = "/v3/wsconnect"

SUBSCRIPTIONS = "/v4/Subscriptions"

EVENT_PROTOCOL = 4

ANSWER_TIMEOUT = 2.0
"""Seconds after which a subscription without an outcome is asked for again."""

MESSAGE_LIMIT = 4 * 2**20
"""Bytes in a message of the server, at most."""

CLOSE_TIMEOUT = 1.0


class TwilsockSocket:
    """Connects again after each break."""

    def __init__(
        self,
        url: str,
        token: Callable[[], str],
        *,
        on_connect: Callable[[], None],
        on_lose: Callable[[Exception, bool], None],
        on_packet: Callable[[Packet], None],
        capabilities: Sequence[str] = ("client_update",),
    ) -> None:
        """
        Args:
            url: of the link.
            capabilities: what it says of itself; with `account_descriptor` it is the Kotlin SDK,
                which receives its own messages.
            on_lose: called with the reason, and with True if there will be no other connection.
            on_packet: called with each packet, in order; pings are answered here.
        """
        self._url = url.replace("http", "ws", 1) + PATH
        self._token = token
        self._on_connect = on_connect
        self._on_lose = on_lose
        self._on_packet = on_packet
        self._capabilities = list(capabilities)
        self._ids = itertools.count(1)
        self._socket: ClientConnection | None = None
        self._keeper: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Connect; raises `ConnectionLost`."""
        socket = await self._dial()
        self._keeper = asyncio.create_task(self._keep_open(socket))

    async def close(self) -> None:
        """End the connection permanently."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        if self._socket is not None:
            await self._socket.close()

    def number(self) -> int:
        """A number that this connection has not used."""
        return next(self._ids)

    async def send(
        self,
        method: str,
        path: str,
        payload: bytes = b"",
        *,
        packet_id: str = "",
        host: str = "cds",
        params: JsonObject | None = None,
        headers: JsonObject | None = None,
    ) -> None:
        """Send an HTTP request; it is lost where there is no connection.

        Args:
            packet_id: of its reply; a number if none is given.
            params: the query.
        """
        request = {
            "method": method,
            "host": host,
            "path": path,
            "params": params or {},
            "headers": headers or {},
        }
        header = {
            "method": "message",
            "id": packet_id or str(self.number()),
            "active_grant": "data_sync",
            "http_request": request,
        }
        await self._send(twilsock.encode(header, payload))

    async def _dial(self) -> ClientConnection:
        try:
            async with asyncio.timeout(OPEN_TIMEOUT):
                socket = await connect(
                    self._url,
                    open_timeout=None,
                    close_timeout=CLOSE_TIMEOUT,
                    max_size=MESSAGE_LIMIT,
                )
                await self._introduce(socket)
        except (OSError, InvalidHandshake, ConnectionClosed, MalformedFrame) as error:
            raise ConnectionLost(f"no Twilsock at {self._url}: {error!r}") from error
        return socket

    async def _introduce(self, socket: ClientConnection) -> None:
        header = {
            "method": "init",
            "id": str(self.number()),
            "token": self._token(),
            "capabilities": self._capabilities,
        }
        await socket.send(twilsock.encode(header, b""))
        reply = twilsock.decode(await _receive(socket))
        status = reply.header.get("status", {})
        if status.get("code") != 200:
            await socket.close()
            raise ConnectionLost(f"Twilsock refused: {status}")

    async def _keep_open(self, socket: ClientConnection) -> None:
        while True:
            self._socket = socket
            self._on_connect()
            try:
                while True:
                    await self._handle_packet(twilsock.decode(await _receive(socket)))
            except ConnectionClosed as closed:
                self._on_lose(closed, False)
            except Exception as error:
                self._on_lose(error, True)
                raise
            socket = await self._dial_again()

    async def _dial_again(self) -> ClientConnection:
        while True:
            await asyncio.sleep(random.uniform(0, BACKOFF_LIMIT))
            try:
                return await self._dial()
            except ConnectionLost:
                continue

    async def _send(self, frame: bytes) -> None:
        try:
            if self._socket is not None:
                await self._socket.send(frame)
        except ConnectionClosed:
            pass  # the reader notices it too

    async def _handle_packet(self, packet: Packet) -> None:
        self._on_packet(packet)
        if packet.method in ("notification", "ping"):
            await self._send(twilsock.encode_reply(packet.id))


async def _receive(socket: ClientConnection) -> bytes:
    message = await socket.recv()
    return message.encode() if isinstance(message, str) else message
