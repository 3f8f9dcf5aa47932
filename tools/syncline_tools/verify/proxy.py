"""The network that fails: a TCP proxy with one port, a link, for each client."""

from __future__ import annotations

import asyncio
import ssl
from asyncio import StreamReader, StreamWriter
from dataclasses import dataclass
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from .heads import HostRewriter
from .plan import Fault, FaultKind

__all__ = ["Link", "Target"]

CHUNK = 65_536

REPLAY_LIMIT = 262_144
"""Bytes that a connection may have sent to be replayed."""

REPLAY_AGE = 60.0
"""Seconds that a connection may be old to be replayed: half of what a server remembers an operation
id for, since what comes later is a new write."""

REPLAY_SECONDS = 1.0
"""How long a replay listens to the answers, which nobody wants."""

_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The server behind the proxy.

    Attributes:
        host_header: as requests name it.
        path: of the base URL.
        tls: None for plain connections.
    """

    host: str
    port: int
    host_header: str
    path: str
    tls: ssl.SSLContext | None

    @classmethod
    def parse(cls, url: str, tls: ssl.SSLContext | None = None) -> Target:
        """The server at an `http` or `https` URL; `tls` None checks its certificate as usual."""
        parts = urlsplit(url)
        tls = (tls or ssl.create_default_context()) if parts.scheme == "https" else None
        host, port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
        return cls(
            host=host,
            port=port,
            host_header=parts.netloc,
            path=parts.path.rstrip("/"),
            tls=tls,
        )

    async def connect(self) -> tuple[StreamReader, StreamWriter]:
        """A connection to it; raises `OSError`."""
        return await asyncio.open_connection(self.host, self.port, ssl=self.tls)


@dataclass(slots=True, eq=False)
class _Pipe:
    """One connection through a link.

    Attributes:
        sent: all that the client sent, as the server got it; None once it is too much to replay.
        lossy: True once bytes of it have vanished.
    """

    began: float
    writers: list[StreamWriter]
    sent: bytearray | None
    lossy: bool = False

    def abort(self) -> None:
        """Break both sides at once."""
        for writer in self.writers:
            writer.transport.abort()


class Link:
    """One client's way to the server, used as `async with Link(target) as link`.

    Attributes:
        url: the base URL to give to the client.
    """

    def __init__(self, target: Target) -> None:
        self.url = ""
        self._target = target
        self._pipes: set[_Pipe] = set()
        self._broken = False
        self._swallowing = False
        self._latency = 0.0
        self._replays: set[asyncio.Task[None]] = set()
        self._serving: set[asyncio.Task[None]] = set()
        self._clock = asyncio.get_running_loop().time

    async def __aenter__(self) -> Self:
        self._listener = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        port = self._listener.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{port}{self._target.path}"
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._listener.close()
        self._cut(self._pipes)
        await asyncio.gather(*self._serving, return_exceptions=True)
        await self.replayed()
        await self._listener.wait_closed()

    def start_fault(self, fault: Fault) -> str:
        """Inflict a fault; returns what it hit, for people."""
        match fault.kind:
            case FaultKind.CUT:
                self._broken = True
                return f"{self._cut(self._pipes)} connections broken"
            case FaultKind.DELAY:
                self._latency = fault.latency
                return f"{fault.latency * 1000:.0f} ms each way"
            case FaultKind.BLACKHOLE:
                self._swallowing = True
                return f"{len(self._pipes)} connections"
            case FaultKind.DUPLICATE:
                return f"{self._replay_all()} connections replayed"

    def heal(self) -> None:
        """End all that was begun."""
        self._broken = False
        self._latency = 0.0
        self._swallowing = False
        # What has lost bytes cannot go on; a network reports that when it is back.
        self._cut({pipe for pipe in self._pipes if pipe.lossy})

    async def replayed(self) -> None:
        """Return when no replay is under way."""
        if self._replays:
            await asyncio.wait(self._replays)

    def _cut(self, pipes: set[_Pipe]) -> int:
        for pipe in pipes:
            pipe.abort()
        return len(pipes)

    def _replay_all(self) -> int:
        oldest = self._clock() - REPLAY_AGE
        sent = [bytes(pipe.sent) for pipe in self._pipes if pipe.sent and pipe.began > oldest]
        for each in sent:
            task = asyncio.create_task(self._replay(each))
            self._replays.add(task)
            task.add_done_callback(self._replays.discard)
        return len(sent)

    async def _replay(self, sent: bytes) -> None:
        try:
            reader, writer = await self._target.connect()
        except OSError:
            return
        writer.write(sent)
        try:
            async with asyncio.timeout(REPLAY_SECONDS):
                while await reader.read(CHUNK):
                    pass
        except OSError:  # of the network, or that the time is over
            pass
        finally:
            writer.transport.abort()

    def _accept(self, reader: StreamReader, writer: StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)

    async def _serve(self, reader: StreamReader, writer: StreamWriter) -> None:
        pipe = _Pipe(self._clock(), [writer], bytearray())
        self._pipes.add(pipe)
        try:
            if not self._broken:
                await self._connect(pipe, reader, writer)
        except OSError:
            pass  # either side broke, or the server cannot be reached
        finally:
            writer.close()
            self._pipes.discard(pipe)

    async def _connect(self, pipe: _Pipe, reader: StreamReader, writer: StreamWriter) -> None:
        server_reader, server_writer = await self._target.connect()
        pipe.writers.append(server_writer)
        ways = {
            asyncio.create_task(self._pass_up(pipe, reader, server_writer)),
            asyncio.create_task(self._pass(pipe, server_reader, writer)),
        }
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            server_writer.close()

    async def _pass_up(self, pipe: _Pipe, source: StreamReader, sink: StreamWriter) -> None:
        rewriter = HostRewriter(self._target.host_header)
        while data := await self._read_chunk(pipe, source):
            rewritten = rewriter.rewrite(data)
            if pipe.sent is not None:
                pipe.sent += rewritten
                if len(pipe.sent) > REPLAY_LIMIT:
                    pipe.sent = None
            sink.write(rewritten)
            await sink.drain()

    async def _pass(self, pipe: _Pipe, source: StreamReader, sink: StreamWriter) -> None:
        while data := await self._read_chunk(pipe, source):
            sink.write(data)
            await sink.drain()

    async def _read_chunk(self, pipe: _Pipe, source: StreamReader) -> bytes:
        """The next bytes that are not swallowed, when they are due; none at the end."""
        while data := await source.read(CHUNK):
            if self._latency:
                await asyncio.sleep(self._latency)
            if not (self._swallowing or pipe.lossy):
                return data
            pipe.lossy = True
        return b""
