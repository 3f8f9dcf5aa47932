"""A SOCKS5 proxy (RFC 1928) that connects every client to one server."""

from __future__ import annotations

import asyncio
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from support.server import RunningServer

__all__ = ["socks_proxy"]

CHUNK = 65_536


@asynccontextmanager
async def socks_proxy(server: RunningServer, asked: list[str]) -> AsyncIterator[str]:
    """Run a proxy; yield its address, `host:port`. Each requested host is appended to `asked`."""
    tasks: set[asyncio.Task[None]] = set()

    async def accept(reader: StreamReader, writer: StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            asked.append(await _greet(reader, writer))
            server_reader, server_writer = await asyncio.open_connection("127.0.0.1", server.port)
            try:
                await asyncio.gather(_pass(reader, server_writer), _pass(server_reader, writer))
            finally:
                server_writer.transport.abort()
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.transport.abort()
            tasks.discard(task)

    async with await asyncio.start_server(accept, "127.0.0.1", 0) as listener:
        yield f"127.0.0.1:{listener.sockets[0].getsockname()[1]}"
        for task in list(tasks):
            task.cancel()


async def _greet(reader: StreamReader, writer: StreamWriter) -> str:
    """Accept any client; return the host that the client wants to reach."""
    _, methods = await reader.readexactly(2)
    await reader.readexactly(methods)
    writer.write(b"\x05\x00")
    kind = (await reader.readexactly(4))[3]
    if kind == 3:
        host = (await reader.readexactly((await reader.readexactly(1))[0])).decode()
    else:
        host = ".".join(map(str, await reader.readexactly(4)))
    await reader.readexactly(2)
    writer.write(b"\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00")
    return host


async def _pass(source: StreamReader, sink: StreamWriter) -> None:
    while data := await source.read(CHUNK):
        sink.write(data)
        await sink.drain()
    sink.close()
