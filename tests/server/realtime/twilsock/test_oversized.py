"""Packets that are larger than a message may be."""

from __future__ import annotations

import pytest
from websockets.exceptions import ConnectionClosed

from support.metrics import hits
from support.server import RunningServer, StartServer
from support.twilsock import DIALECTS, Dialect, twilsock_client

MESSAGE_LIMIT = 262_144

both = pytest.mark.parametrize("dialect", DIALECTS)


@both
@pytest.mark.parametrize("size", [MESSAGE_LIMIT, 1_000_000, 10_000_000])
async def test_a_large_request_is_refused_and_others_go_on(
    server: RunningServer, dialect: Dialect, size: int
) -> None:
    async with twilsock_client(server, dialect=dialect) as client:
        _, made = await client.call("POST", "/v3/Documents", {"data": {"n": 0}})
        path = f"/v3/Documents/{made['sid']}"
        request = {"method": "POST", "host": "h", "path": path}
        before = await client.send("message", b'{"data":{"n":1}}', http_request=request)
        status, error = await client.call("POST", path, {"data": {"s": "x" * size}})
        assert (status, error["status"], error["code"]) == (413, 413, 54006)
        assert str(MESSAGE_LIMIT) in error["message"]
        assert (await client.reply(before)).header["http_status"]["code"] == 200
        assert (await client.call("GET", path))[1]["data"] == {"n": 1}


async def test_so_are_two_at_once(server: RunningServer) -> None:
    async with twilsock_client(server) as client:
        request = {"method": "POST", "host": "h", "path": "/v3/Documents"}
        large = b'{"data":{"s":"%b"}}' % (b"x" * MESSAGE_LIMIT)
        packets = [await client.send("message", large, http_request=request) for _ in range(2)]
        for packet_id in packets:
            assert (await client.reply(packet_id)).header["http_status"]["code"] == 413
        assert (await client.ask("ping"))["status"]["code"] == 200


@both
@pytest.mark.parametrize("method", ["update", "telemetry.v1", "?"])
async def test_other_packets_are_refused_too(
    server: RunningServer, dialect: Dialect, method: str
) -> None:
    async with twilsock_client(server, dialect=dialect) as client:
        packet_id = await client.send(method, b"x" * MESSAGE_LIMIT)
        status = (await client.reply(packet_id)).header["status"]
        assert (status["code"], status["errorCode"]) == (413, 54006)
        assert (await client.ask("ping"))["status"]["code"] == 200


@pytest.mark.parametrize("size", [70_000, 500_000])
async def test_a_header_above_its_limit_is_refused_alone(server: RunningServer, size: int) -> None:
    """An application makes one by a name of that length."""
    async with twilsock_client(server) as client:
        status, error = await client.call("GET", f"/v3/Documents/{'x' * size}")
        assert (status, error["code"]) == (413, 54006)
        assert (await client.ask("ping"))["status"]["code"] == 200


async def test_a_large_reply_is_not_answered(server: RunningServer) -> None:
    async with twilsock_client(server) as client:
        await client.send("reply", b"x" * MESSAGE_LIMIT)
        assert (await client.ask("ping"))["status"]["code"] == 200
        assert client.unread == []


async def test_what_cannot_be_answered_ends_the_connection_so_that_an_sdk_comes_back(
    server: RunningServer,
) -> None:
    for frame in (
        b"x" * (MESSAGE_LIMIT + 1),
        b"TWILSOCK V3.0 70000\r\n{" + b" " * MESSAGE_LIMIT,
        b'TWILSOCK V3.0 70000\r\n{"http_request":{"method":"POST"},' + b" " * MESSAGE_LIMIT,
    ):
        async with twilsock_client(server) as client:
            await client.connection.send(frame)
            # No packet with 406, after which the JavaScript SDK never connects again.
            assert await client.closed() == (None, 1009)


async def test_beyond_the_setting_the_connection_ends(fresh_server: StartServer) -> None:
    server = fresh_server("--oversized-limit=300000")
    async with twilsock_client(server) as client:
        body = {"data": {"s": "x" * 290_000}}
        assert (await client.call("POST", "/v3/Documents", body))[0] == 413
        try:
            await client.send("message", b"x" * 300_000)
        except ConnectionClosed:
            pass  # it may be closed before all is sent
        assert await client.closed() == (None, 1009)
    assert hits(server, "oversized_limit") == 1


async def test_before_init_nothing_large_is_read(server: RunningServer) -> None:
    async with twilsock_client(server, init=False) as client:
        await client.connection.send(b"TWILSOCK V3.0 2\r\n{}\r\n" + b"x" * 20_000)
        assert await client.closed() == (None, 1009)
