"""The TCP proxy of all tests: accepts connections and joins each with one of a server."""

from __future__ import annotations

import asyncio
from asyncio import StreamReader, StreamWriter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

__all__ = ["Relay", "Stream"]

CHUNK = 65_536

Stream = tuple[StreamReader, StreamWriter]
Change = Callable[[bytes], Awaitable[bytes | None]]


class Relay:
    """Passes bytes in both directions; subclasses change what passes.

    Used as `async with Relay(target) as relay`; leaving the block cuts all connections.

    Attributes:
        port: port on 127.0.0.1; 0 for a Unix socket.
    """

    def __init__(self, target: int | Path, path: Path | None = None) -> None:
        """
        Args:
            target: port on this machine, or Unix socket, of the server.
            path: Unix socket to listen on; None listens on a free port.
        """
        self.port = 0
        self._target = target
        self._path = path
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: set[StreamWriter] = set()
        self._passing = object()
        self._is_closed = False
        self._listener: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        if self._path is not None:
            self._listener = await asyncio.start_unix_server(self._accept, self._path)
        else:
            self._listener = await asyncio.start_server(self._accept, "127.0.0.1", 0)
            self.port = self._listener.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._listener is not None
        self._listener.close()
        self._is_closed = True
        tasks = list(self._tasks)
        self.cut()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._listener.wait_closed()

    def cut(self) -> None:
        """Break every connection at once; bytes that were kept back are lost."""
        for task in self._tasks:
            task.cancel()
        for writer in self._writers:
            writer.transport.abort()

    def aim(self, target: int | Path) -> None:
        """Pass later connections to this port or socket."""
        self._target = target

    def freeze(self) -> None:
        """Stop passing bytes on all current connections, but keep them open."""
        self._passing = object()

    async def serve(self, client: Stream) -> None:
        """Serve one client; may be overridden."""
        await self.join(client, await self.connect())

    async def connect(self) -> Stream:
        """Open a connection to the server."""
        if isinstance(self._target, Path):
            server = await asyncio.open_unix_connection(self._target)
        else:
            server = await asyncio.open_connection("127.0.0.1", self._target)
        self._writers.add(server[1])
        return server

    async def join(self, client: Stream, server: Stream) -> None:
        """Pass bytes in both directions until either side ends."""
        passing = self._passing
        tasks = [
            asyncio.create_task(self._pass(client[0], server[1], self.on_request, passing)),
            asyncio.create_task(self._pass(server[0], client[1], self.on_reply, passing)),
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._writers.discard(server[1])
            server[1].transport.abort()

    async def on_request(self, data: bytes) -> bytes | None:
        """The bytes to pass to the server; None ends the connection."""
        return data

    async def on_reply(self, data: bytes) -> bytes | None:
        """The bytes to pass to the client; None ends the connection."""
        return data

    def _accept(self, reader: StreamReader, writer: StreamWriter) -> None:
        def end(task: asyncio.Task[None]) -> None:
            # Here and not in the task, which may be cancelled before it begins.
            self._tasks.discard(task)
            self._writers.discard(writer)
            writer.close()

        self._writers.add(writer)
        task = asyncio.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(end)
        if self._is_closed:
            self.cut()

    async def _serve(self, reader: StreamReader, writer: StreamWriter) -> None:
        # The other side may leave, or a timeout pass: TimeoutError is an OSError.
        with suppress(OSError, asyncio.IncompleteReadError):
            await self.serve((reader, writer))

    async def _pass(
        self, source: StreamReader, sink: StreamWriter, change: Change, passing: object
    ) -> None:
        while data := await source.read(CHUNK):
            await self._wait_if_frozen(passing)
            changed = await change(data)
            if changed is None:
                return
            sink.write(changed)
            await sink.drain()
        await self._wait_if_frozen(passing)

    async def _wait_if_frozen(self, passing: object) -> None:
        if passing is not self._passing:
            await asyncio.Event().wait()  # until the connection is cut
