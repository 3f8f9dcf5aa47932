"""One connection to Redis, shared by all commands of a process: pipelining without a pool.

The commands of one loop turn leave in one socket write, and replies are matched to them in order.
The connection never sends a command twice. (redis-py does so on its own, and a repeated script is
a repeated write.)
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections import deque
from collections.abc import Callable
from typing import Any, ClassVar, cast

import hiredis

from syncline_server.storage.errors import ConnectionBroken, ReplyError

from .address import Address

__all__ = [
    "Argument",
    "Connection",
    "Push",
    "connect",
    "describe",
]

Argument = str | bytes | int

Push = Callable[[Any], None]
"""Receives each message, confirmation and PONG of a pub/sub connection, as Redis sent it."""

_DROP = struct.pack("ii", 1, 0)  # of socket(7): close at once, and reset the other side


class Connection(asyncio.Protocol):
    """A connection to Redis; `connect` makes it.

    Attributes:
        ended: done when the connection has ended.
        turn: counts how often any connection has sent its commands.
    """

    turn: ClassVar[int] = 0

    def __init__(self, on_push: Push | None = None) -> None:
        """
        Args:
            on_push: makes this a pub/sub connection (RESP2), and receives everything that is not
                the reply to an `execute`. None for a connection for commands.
        """
        self._loop = asyncio.get_running_loop()
        self.ended: asyncio.Future[None] = self._loop.create_future()
        self._reader = hiredis.Reader(replyError=ReplyError)
        self._on_push = on_push
        self._transport: asyncio.WriteTransport | None = None
        self._output: list[bytes] = []
        self._pending: deque[tuple[float, asyncio.Future[Any]]] = deque()

    @property
    def pending(self) -> int:
        """Number of commands without a reply."""
        return len(self._pending)

    @property
    def waiting_since(self) -> float | None:
        """Loop time at which the oldest command without a reply was sent; None if there is none."""
        return self._pending[0][0] if self._pending else None

    def execute(self, *command: Argument) -> asyncio.Future[Any]:
        """Send a command, in one write with the others of this loop turn.

        Returns:
            a future of the reply: bytes, int, None or a list of these. It raises `ReplyError` or
            `ConnectionBroken`.
        """
        reply: asyncio.Future[Any] = self._loop.create_future()
        if self.ended.done():
            reply.set_exception(ConnectionBroken("the connection to Redis has ended"))
            return reply
        self._pending.append((self._loop.time(), reply))
        self._write(command)
        return reply

    def send(self, *command: Argument) -> None:
        """Send a command of a pub/sub connection, whose reply goes to `on_push`."""
        if not self.ended.done():
            self._write(command)

    def abort(self) -> None:
        """End the connection now, and discard everything that was not sent, in the kernel too.

        Otherwise the kernel would go on sending, and a command could arrive long after its writer
        received the error that the write may or may not have been applied.
        """
        if self._transport is not None:
            peer = self._transport.get_extra_info("socket")
            if peer is not None and not self._transport.is_closing():
                peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _DROP)
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.WriteTransport, transport)

    def data_received(self, data: bytes) -> None:
        try:
            self._reader.feed(data)
            # hiredis returns `False` for "no complete reply yet".
            while (reply := self._reader.gets()) is not False:
                self._handle_reply(reply)
        except hiredis.ProtocolError:
            self.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.ended.done():
            self.ended.set_result(None)
        broken = ConnectionBroken(f"the connection to Redis broke: {exc or 'closed by Redis'}")
        while self._pending:
            _, reply = self._pending.popleft()
            if not reply.done():
                reply.set_exception(broken)

    def _handle_reply(self, reply: Any) -> None:
        if self._pending:
            _, future = self._pending.popleft()
            if future.done():
                return  # its caller was cancelled
            if isinstance(reply, ReplyError):
                future.set_exception(reply)
            else:
                future.set_result(reply)
        elif self._on_push is not None:
            self._on_push(reply)

    def _write(self, command: tuple[Argument, ...]) -> None:
        if not self._output:
            self._loop.call_soon(self._flush)
        self._output.append(hiredis.pack_command(cast(Any, command)))

    def _flush(self) -> None:
        Connection.turn += 1
        data = b"".join(self._output)
        self._output.clear()
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)


async def connect(address: Address, timeout: float, on_push: Push | None = None) -> Connection:
    """Connect and log in, within `timeout` seconds.

    Raises:
        OSError: no server listens there, TLS fails, or it takes too long (`TimeoutError`).
        ReplyError: Redis refuses the login, or is still loading its data.
        ConnectionBroken: the connection ended during the login.
    """
    loop = asyncio.get_running_loop()

    def make() -> Connection:
        return Connection(on_push)

    async with asyncio.timeout(timeout):
        if address.path is not None:
            _, connection = await loop.create_unix_connection(make, address.path)
        else:
            _, connection = await loop.create_connection(
                make, address.host, address.port, ssl=address.tls
            )
        try:
            await _log_in(connection, address)
        except BaseException:
            connection.abort()
            raise
    return connection


async def _log_in(connection: Connection, address: Address) -> None:
    if address.password is not None:
        user = () if address.username is None else (address.username,)
        await connection.execute("AUTH", *user, address.password)
    if address.database:
        await connection.execute("SELECT", address.database)
    await connection.execute("PING")


def describe(error: Exception) -> str:
    """The text of an error for the log; a timeout has no text of its own."""
    return str(error) or ("it takes too long" if isinstance(error, TimeoutError) else repr(error))
