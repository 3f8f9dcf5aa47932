"""Each bound on slow and hostile clients: what becomes of who passes it, and that it is counted."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import fields
from pathlib import Path
from typing import Any

import httpx2
import orjson
import pytest
from websockets.exceptions import InvalidStatus

from support.api import DocumentsApi
from support.metrics import hits, hits_reach
from support.server import RunningServer, StartServer, StartSharedServer
from support.socket import WAIT, native_socket
from support.stream import events_url
from syncline_server.config.settings import Settings
from syncline_server.http.protocol import BODY_RATE
from syncline_server.observability.metrics import Limit

OPERATIONS = Path(__file__).parents[2] / "docs" / "operations.md"

PATH = "/v1/Services/default/Documents"

HANDSHAKE = (
    b"GET /v1/ws HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
)


class Raw:
    """A connection on which nothing is sent but what the test says."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def to(cls, server: RunningServer) -> Raw:
        return cls(*await asyncio.open_connection("127.0.0.1", server.port))

    async def send(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def until(self, end: bytes) -> bytes:
        """All up to and including `end`."""
        async with asyncio.timeout(WAIT):
            return await self._reader.readuntil(end)

    async def rest(self) -> bytes:
        """All until the server closes."""
        data = bytearray()
        async with asyncio.timeout(WAIT):
            with suppress(ConnectionResetError):
                while chunk := await self._reader.read(65_536):
                    data += chunk
        self.close()
        return bytes(data)

    def close(self) -> None:
        self._writer.close()


def request(method: bytes, path: str, server: RunningServer, *headers: bytes) -> bytes:
    lines = [
        b"%b %b HTTP/1.1" % (method, path.encode()),
        b"Host: h",
        b"Authorization: Bearer " + server.token().encode(),
        *headers,
    ]
    return b"\r\n".join(lines) + b"\r\n\r\n"


def refusal(reply: bytes) -> tuple[int, int]:
    """Status and code of a reply after which the server closed."""
    head, _, body = reply.partition(b"\r\n\r\n")
    assert b"connection: close" in head
    return int(head.split(b" ")[1]), orjson.loads(body)["code"]


async def rejection(server: RunningServer) -> tuple[int, str]:
    """Status and `Retry-After` with which a handshake is answered that does not succeed."""
    with pytest.raises(InvalidStatus) as caught:
        async with native_socket(server, auth=False):
            pass
    response = caught.value.response
    return response.status_code, response.headers["Retry-After"]


async def all_of(count: int, ask: Callable[[], Awaitable[Any]]) -> list[Any]:
    return list(await asyncio.gather(*(ask() for _ in range(count))))


def test_each_bound_is_a_setting_and_documented() -> None:
    assert set(Limit) <= {each.name for each in fields(Settings)}
    operations = OPERATIONS.read_text()
    missing = [bound for bound in Limit if f"`--{bound.replace('_', '-')}`" not in operations]
    assert not missing


class TestConnections:
    async def test_no_more_come_in_than_there_is_room_for(self, fresh_server: StartServer) -> None:
        server = fresh_server("--max-connections=2")
        with DocumentsApi(server) as api:
            sid = api.create()["sid"]
        async with native_socket(server) as kept:
            async with native_socket(server):
                assert await rejection(server) == (503, "1")
                reply = httpx2.get(events_url(server, sid), auth=server.basic)
                assert (reply.status_code, reply.json()["code"]) == (503, 20503)
                assert reply.headers["Retry-After"] == "1"
                assert hits(server, "max_connections") == 2
            await kept.ok("ping")
            async with asyncio.timeout(WAIT):
                while True:
                    with suppress(InvalidStatus):
                        async with native_socket(server) as late:
                            await late.ok("ping")
                            break

    async def test_what_only_connects_is_bounded_too(self, fresh_server: StartServer) -> None:
        server = fresh_server("--max-connections=1", "--max-requests=1")
        first, second, third = [await Raw.to(server) for _ in range(3)]
        assert refusal(await third.rest()) == (503, 20503)
        await first.send(b"GET /healthz HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
        assert (await first.rest()).startswith(b"HTTP/1.1 200 ")
        await second.send(b"GET /healthz HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
        assert (await second.rest()).startswith(b"HTTP/1.1 200 ")

    async def test_no_more_come_in_at_once_than_may(self, shared_server: StartSharedServer) -> None:
        server = shared_server("--connect-rate=1")
        with DocumentsApi(server) as api:
            url = events_url(server, api.create()["sid"])
        async with native_socket(server), httpx2.AsyncClient(auth=server.basic) as client:

            async def ask() -> httpx2.Response:
                async with client.stream("GET", url, timeout=WAIT) as reply:
                    if reply.status_code != 200:
                        await reply.aread()
                    return reply

            # A second of quiet lets in one.
            late = [reply for reply in await all_of(4, ask) if reply.status_code != 200]
            assert late
            for reply in late:
                assert (reply.status_code, reply.json()["code"]) == (429, 20429)
                assert reply.headers["Retry-After"] == "1"

    async def test_a_handshake_that_comes_too_fast(self, shared_server: StartSharedServer) -> None:
        server = shared_server("--connect-rate=1")
        before = hits(server, "connect_rate")
        outcomes = await all_of(4, lambda: answered(server))
        # A second of quiet lets in one, and these take less than two.
        assert (429, "1") in outcomes
        assert hits(server, "connect_rate") - before == outcomes.count((429, "1"))

    async def test_a_peer_that_is_gone_is_dropped(self, fresh_server: StartServer) -> None:
        server = fresh_server("--ping-interval=1", "--ping-timeout=1")
        peer = await Raw.to(server)
        await peer.send(HANDSHAKE + b"\r\n")
        assert (await peer.until(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
        assert await peer.rest() == b"\x89\x00"
        assert hits(server, "ping_timeout") == 1


async def answered(server: RunningServer) -> tuple[int, str]:
    try:
        async with native_socket(server, auth=False):
            return 101, ""
    except InvalidStatus as error:
        return error.response.status_code, error.response.headers["Retry-After"]


class TestBeforeAuthentication:
    async def test_a_message_may_be_small_only(self, shared_server: StartSharedServer) -> None:
        server = shared_server("--auth-message-limit=2048")
        before = hits(server, "auth_message_limit")
        async with native_socket(server, auth=False) as stranger:
            await stranger.send("auth", token="x" * 2048)
            assert (await stranger.closed())[0] == 1009
        assert hits(server, "auth_message_limit") - before == 1
        async with native_socket(server) as known:
            await known.ok("open", data={"text": "x" * 8000})

    async def test_a_message_in_many_frames_counts_whole(
        self, shared_server: StartSharedServer
    ) -> None:
        server = shared_server("--auth-message-limit=2048")
        async with native_socket(server, auth=False) as stranger:
            await stranger.connection.send(["x" * 100] * 21)
            assert (await stranger.closed())[0] == 1009

    async def test_the_time_is_short(self, fresh_server: StartServer) -> None:
        server = fresh_server("--auth-timeout=0.2")
        async with native_socket(server, auth=False) as stranger:
            assert (await stranger.closed())[0] == 4004
        assert hits(server, "auth_timeout") == 1


class TestRequests:
    async def test_a_socket_is_read_no_faster_than_it_may_send(
        self, fresh_server: StartServer
    ) -> None:
        server = fresh_server("--connection-rate=5")
        async with native_socket(server) as talker:
            ids = [await talker.send("ping") for _ in range(12)]
            replies = [await talker.receive() for _ in ids]
        assert [reply["id"] for reply in replies] == ids
        assert hits(server, "connection_rate") >= 1

    async def test_a_socket_has_so_many_under_way(self, fresh_server: StartServer) -> None:
        server = fresh_server("--max-in-flight=1", "--max-subscriptions=1")
        async with native_socket(server) as talker:
            await talker.ok("open", document="first")
            ids = [await talker.send("get", document="first") for _ in range(5)]
            assert [(await talker.receive())["id"] for _ in ids] == ids
            assert (await talker.error("open", document="second"))["code"] == 54419
        # One for each request: with one under way, the socket reads no other.
        assert hits(server, "max_in_flight") == 7
        assert hits(server, "max_subscriptions") == 1

    async def test_a_head_has_so_many_bytes(self, fresh_server: StartServer) -> None:
        server = fresh_server("--url-limit=1024", "--header-limit=4096")
        for path, headers, status in [("x" * 1100, {}, 414), ("", {"A": "x" * 4100}, 431)]:
            reply = httpx2.get(f"{server.url}/{path}", headers=headers)
            assert reply.status_code == status
        assert hits(server, "url_limit") == hits(server, "header_limit") == 1

    async def test_an_identity_may_ask_so_often(self, shared_server: StartSharedServer) -> None:
        server = shared_server("--identity-rate=5")
        before = hits(server, "identity_rate")
        bob = server.token("bob")
        async with native_socket(server) as talker, native_socket(server, bob) as other:
            await other.ok("open", document="shared")
            ids = [await talker.send("get", document="shared") for _ in range(20)]
            replies = [await talker.reply(each) for each in ids]
            refused = [reply["error"] for reply in replies if "error" in reply]
            # They may lie in two seconds, in each of which five are served.
            assert 10 <= len(refused) < 20
            for error in refused:
                assert (error["status"], error["code"], error["retry"]) == (429, 20429, True)
            await other.ok("get", document="shared")
        assert hits(server, "identity_rate") - before == len(refused)

    async def test_an_identity_may_ask_so_often_by_rest(
        self, shared_server: StartSharedServer
    ) -> None:
        server = shared_server("--identity-rate=5")
        url = f"{server.url}{PATH}"
        token_header = {"Authorization": f"Bearer {server.token('carol')}"}
        async with httpx2.AsyncClient() as client:
            of_identity = await all_of(20, lambda: client.get(url, headers=token_header))
            of_account = await all_of(20, lambda: client.get(url, auth=server.basic))
        assert {reply.status_code for reply in of_account} == {200}
        refused = [reply for reply in of_identity if reply.status_code != 200]
        assert refused
        for reply in refused:
            assert (reply.status_code, reply.json()["code"]) == (429, 20429)
            assert reply.headers["Retry-After"] == "1"

    async def test_so_many_are_executed_at_once(self, shared_server: StartSharedServer) -> None:
        server = shared_server("--max-requests=1")
        before = hits(server, "max_requests")
        slow = await Raw.to(server)
        size = b"Content-Length: 2"
        asked = [b"Content-Type: application/json", size, b"Expect: 100-continue"]
        await slow.send(request(b"POST", PATH, server, *asked, b"Connection: close"))
        assert (await slow.until(b"\r\n\r\n")).startswith(b"HTTP/1.1 100 ")
        busy = httpx2.get(f"{server.url}{PATH}", auth=server.basic)
        assert (busy.status_code, busy.json()["code"]) == (503, 20503)
        assert busy.headers["Retry-After"] == "1" and busy.headers["X-Request-Id"]
        assert httpx2.get(f"{server.url}/healthz").status_code == 200
        assert hits(server, "max_requests") - before == 1
        await slow.send(b"{}")
        assert (await slow.rest()).startswith(b"HTTP/1.1 201 ")
        assert httpx2.get(f"{server.url}{PATH}", auth=server.basic).status_code == 200

    async def test_an_event_stream_is_no_request_under_way(
        self, shared_server: StartSharedServer
    ) -> None:
        server = shared_server("--max-requests=1")
        with DocumentsApi(server) as api:
            sid = api.create()["sid"]
            reader = await Raw.to(server)
            await reader.send(request(b"GET", f"{PATH}/{sid}/Events", server))
            await reader.until(b"event: state\n")
            assert api.fetch(sid)["sid"] == sid
            reader.close()


class TestSlowSenders:
    async def test_a_head_that_is_never_complete(self, shared_server: StartSharedServer) -> None:
        server = shared_server("--header-timeout=0.5")
        before = hits(server, "header_timeout")
        for begun in (b"GE", b"GET /healthz HTTP/1.1\r\nHost: h\r\nA: ", HANDSHAKE):
            peer = await Raw.to(server)
            await peer.send(begun)
            assert refusal(await peer.rest()) == (408, 20408)
        assert hits(server, "header_timeout") - before == 3

    async def test_who_says_nothing_receives_nothing(
        self, shared_server: StartSharedServer
    ) -> None:
        server = shared_server("--header-timeout=0.5")
        idle = await Raw.to(server)
        await idle.send(b"GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n")
        assert (await idle.until(b"}")).startswith(b"HTTP/1.1 200 ")
        assert await (await Raw.to(server)).rest() == b""
        # That took longer than a head may: between requests, it does not count.
        await idle.send(b"GET /healthz HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
        assert (await idle.rest()).startswith(b"HTTP/1.1 200 ")

    async def test_a_body_that_stops(self, fresh_server: StartServer) -> None:
        server = fresh_server("--body-timeout=0.5")
        peer = await Raw.to(server)
        size = b"Content-Length: 10"
        await peer.send(request(b"POST", PATH, server, b"Content-Type: application/json", size))
        await peer.send(b"{")
        assert refusal(await peer.rest()) == (408, 20408)
        assert hits(server, "body_timeout") == 1

    async def test_a_body_that_goes_on(self, fresh_server: StartServer) -> None:
        server = fresh_server("--body-timeout=2.5", "--header-timeout=1")
        peer = await Raw.to(server)
        size = b"Content-Length: %d" % (3 * BODY_RATE + 2)
        asked = [b"Content-Type: application/json", size, b"Connection: close"]
        await peer.send(request(b"POST", PATH, server, *asked))
        for piece in (*[b" " * BODY_RATE] * 3, b"{}"):
            # A second passes: that is what another connection is given up after.
            await (await Raw.to(server)).rest()
            await peer.send(piece)
        assert (await peer.rest()).startswith(b"HTTP/1.1 201 ")

    async def test_a_body_that_trickles(self, fresh_server: StartServer) -> None:
        """Each byte comes long before its time is over, and all of them without end."""
        server = fresh_server("--body-timeout=2", "--header-timeout=0.3")
        peer = await Raw.to(server)
        asked = [b"Content-Type: application/json", b"Transfer-Encoding: chunked"]
        await peer.send(request(b"POST", PATH, server, *asked))
        answer = asyncio.create_task(peer.rest())
        while True:
            await (await Raw.to(server)).rest()
            if answer.done():
                break
            with suppress(ConnectionError):
                await peer.send(b"1;%b\r\n \r\n" % (b"x" * 1000))
        assert refusal(answer.result()) == (408, 20408)
        assert hits(server, "body_timeout") == 1


async def test_an_event_stream_that_takes_nothing(fresh_server: StartServer) -> None:
    server = fresh_server("--slow-reader-timeout=1", "--output-mark=16384")
    with DocumentsApi(server) as api:
        sid = api.create()["sid"]
        with socket.socket() as reader:
            reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            reader.connect(("127.0.0.1", server.port))
            reader.sendall(request(b"GET", f"{PATH}/{sid}/Events", server))
            for number in range(800):
                data = orjson.dumps({"number": number, "text": "x" * 16_000})
                assert api.call("POST", sid, data={"Data": data.decode()}).status_code == 200
            await hits_reach(server, "slow_reader_timeout", 1)
            reader.settimeout(WAIT)
            with suppress(ConnectionResetError):
                while reader.recv(65_536):
                    pass
        assert api.fetch(sid)["data"]["number"] == 799
