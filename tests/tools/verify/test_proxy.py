from __future__ import annotations

import asyncio
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import httpx2
import pytest

from support.certificates import CertificateAuthority
from support.server import RunningServer
from support.socket import WAIT
from syncline_tools.verify.plan import Fault, FaultKind
from syncline_tools.verify.proxy import REPLAY_LIMIT, Link, Target

REQUEST = b"GET / HTTP/1.1\r\nHost: proxy\r\nUpgrade: echo\r\n\r\n"


class EchoServer:
    """Sends back what it gets; `received` holds all that each connection has sent.

    Attributes:
        name: its host and port.
    """

    name = b""

    def __init__(self) -> None:
        self.received: list[bytearray] = []
        self.changed = asyncio.Event()

    async def serve(self, reader: StreamReader, writer: StreamWriter) -> None:
        received = bytearray()
        self.received.append(received)
        try:
            while data := await reader.read(1000):
                received += data
                self.changed.set()
                writer.write(data)
        except ConnectionError:
            pass
        finally:
            writer.close()

    async def until(self, connection: int, received: bytes) -> None:
        """Return when that connection has sent all that, and nothing else."""
        async with asyncio.timeout(WAIT):
            while len(self.received) <= connection or self.received[connection] != received:
                self.changed.clear()
                await self.changed.wait()


@asynccontextmanager
async def linked() -> AsyncIterator[tuple[EchoServer, Link]]:
    server = EchoServer()
    async with await asyncio.start_server(server.serve, "127.0.0.1", 0) as listener:
        port = listener.sockets[0].getsockname()[1]
        server.name = b"127.0.0.1:%d" % port
        async with Link(Target.parse(f"http://127.0.0.1:{port}/base/")) as link:
            yield server, link


Connection = tuple[StreamReader, StreamWriter]


@asynccontextmanager
async def connected(link: Link) -> AsyncIterator[Connection]:
    reader, writer = await asyncio.open_connection("127.0.0.1", urlsplit(link.url).port)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


@asynccontextmanager
async def conversing(link: Link) -> AsyncIterator[Connection]:
    """A connection that passes bytes as they are, and has been to the server and back."""
    async with connected(link) as (reader, writer):
        writer.write(REQUEST)
        await reader.readuntil(b"\r\n\r\n")
        yield reader, writer


async def echo(
    reader: StreamReader, writer: StreamWriter, data: bytes, answer: bytes = b""
) -> None:
    """Send, and get it back."""
    writer.write(data)
    async with asyncio.timeout(WAIT):
        expected = answer or data
        assert await reader.readexactly(len(expected)) == expected


async def ends(reader: StreamReader) -> bool:
    """True when the connection has ended; waits for it."""
    async with asyncio.timeout(WAIT):
        try:
            return await reader.read() == b""
        except ConnectionError:
            return True


def fault(kind: FaultKind, latency: float = 0.0) -> Fault:
    return Fault(at=0, client="native-1", kind=kind, seconds=0, latency=latency)


def test_a_target_is_where_a_url_leads() -> None:
    plain = Target.parse("http://sync.example.com:81/base/")
    secure = Target.parse("https://sync.example.com")

    assert (plain.host, plain.port, plain.host_header, plain.path, plain.tls) == (
        "sync.example.com",
        81,
        "sync.example.com:81",
        "/base",
        None,
    )
    assert (secure.port, secure.path, secure.host_header) == (443, "", "sync.example.com")
    assert secure.tls is not None and secure.tls.check_hostname


async def test_bytes_pass_both_ways_and_the_server_is_named() -> None:
    async with linked() as (server, link), connected(link) as (reader, writer):
        assert link.url.endswith("/base")
        named = REQUEST.replace(b"proxy", server.name)

        await echo(reader, writer, REQUEST, named)
        await echo(reader, writer, b"more")

        assert server.received == [named + b"more"]


async def test_a_cut_breaks_what_is_there_and_what_comes_until_it_heals() -> None:
    async with linked() as (_, link), conversing(link) as (reader, _):
        assert link.start_fault(fault(FaultKind.CUT)) == "1 connections broken"
        assert await ends(reader)
        async with connected(link) as (refused, _):
            assert await ends(refused)

        link.heal()

        async with conversing(link) as (reader, writer):
            await echo(reader, writer, b"as before")


async def test_a_delay_keeps_the_bytes_and_their_order() -> None:
    async with linked() as (_, link), conversing(link) as (reader, writer):
        link.start_fault(fault(FaultKind.DELAY, 0.05))
        began = asyncio.get_running_loop().time()

        await echo(reader, writer, b"late")

        # Both ways, less what the clock of a loop may be off.
        assert asyncio.get_running_loop().time() - began >= 0.09


async def test_a_black_hole_swallows_and_breaks_only_what_lost_bytes_when_it_is_over() -> None:
    async with (
        linked() as (server, link),
        conversing(link) as (silent, silent_writer),
        conversing(link) as (reader, writer),
    ):
        link.start_fault(fault(FaultKind.BLACKHOLE))
        writer.write(b"lost")
        async with connected(link) as (new, new_writer):
            new_writer.write(REQUEST)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1):
                    await reader.read(1)

            link.heal()

            assert await ends(reader)
            assert await ends(new)
        await echo(silent, silent_writer, b"still here")
        assert b"lost" not in b"".join(server.received)


async def test_a_duplicate_sends_again_all_that_a_connection_has_sent() -> None:
    async with linked() as (server, link), conversing(link) as (reader, writer):
        await echo(reader, writer, b"and more")

        assert link.start_fault(fault(FaultKind.DUPLICATE)) == "1 connections replayed"

        await server.until(1, bytes(server.received[0]))
        await echo(reader, writer, b"undisturbed")


async def test_what_is_too_long_is_not_kept_for_a_duplicate() -> None:
    async with linked() as (_, link), conversing(link) as (reader, writer):
        await echo(reader, writer, b"x" * REPLAY_LIMIT)

        assert link.start_fault(fault(FaultKind.DUPLICATE)) == "0 connections replayed"


async def test_a_server_that_is_away_ends_connections() -> None:
    async with Link(Target.parse("http://127.0.0.1:1")) as link, connected(link) as (reader, _):
        assert await ends(reader)


async def test_a_server_is_believed_by_the_authority_that_is_given(
    secure_server: RunningServer, authority: CertificateAuthority
) -> None:
    async with Link(Target.parse(secure_server.url, authority.context)) as link:
        async with httpx2.AsyncClient() as http:
            assert (await http.get(f"{link.url}/healthz")).status_code == 200
