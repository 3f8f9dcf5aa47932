"""What is particular to requests through the socket: addresses, and requests that are none."""

from __future__ import annotations

import re

import orjson
import psutil
import pytest

from support.server import RunningServer, StartServer
from support.twilsock import twilsock_client


async def test_addresses_are_below_the_host_that_the_client_talks_to(
    server: RunningServer,
) -> None:
    async with twilsock_client(server) as client:
        for host in ("cds.us1.example.com", "127.0.0.1:8040", "[::1]:8040"):
            _, made = await client.call("POST", "/v3/Documents", {}, host=host)
            assert made["url"].startswith(f"http://{host}/v3/Services/IS")
        status, refusal = await client.call("POST", "/v3/Documents", {}, host="a b/c")
        assert (status, refusal["code"]) == (400, 20400)


async def test_public_url_takes_precedence_without_its_path(fresh_server: StartServer) -> None:
    server = fresh_server("--public-url=https://sync.example.com/prefix/")
    async with twilsock_client(server) as client:
        _, made = await client.call("POST", "/v3/Documents", {})
        assert made["url"].startswith("https://sync.example.com/v3/Services/IS")


async def test_prefix_of_the_application_is_passed_over(server: RunningServer) -> None:
    async with twilsock_client(server) as client:
        status, made = await client.call("POST", "/some/prefix/v3/Documents", {})
        assert status == 201
        status, _ = await client.call("GET", f"/some/prefix/v3/Documents/{made['sid']}")
        assert status == 200
        wanted = {"object_sid": made["sid"], "object_type": "document"}
        body = {"action": "cancel", "correlation_id": 1, "requests": [wanted]}
        assert (await client.call("POST", "/some/prefix/v4/Subscriptions", body))[0] == 200


@pytest.mark.parametrize(
    "http_request",
    [None, {}, {"method": "GET", "host": "h", "path": 1}, {"method": "GET", "host": "h"}],
)
async def test_message_without_a_request_is_answered(
    server: RunningServer, http_request: object
) -> None:
    async with twilsock_client(server) as client:
        packet_id = await client.send("message", b"{}", http_request=http_request)
        reply = await client.reply(packet_id)
        assert reply.header["status"]["code"] == 200
        assert reply.header["http_status"]["code"] == 400
        assert orjson.loads(reply.payload)["status"] == 400


async def test_header_values_that_http_could_not_carry_do_no_harm(server: RunningServer) -> None:
    async with twilsock_client(server) as client:
        status, _ = await client.call("POST", "/v3/Documents", {}, X_Info="\u4f60\u597d\r\n")
        assert status == 201


async def test_requests_on_one_document_are_executed_in_their_order(
    server: RunningServer,
) -> None:
    async with twilsock_client(server) as client:
        _, made = await client.call("POST", "/v3/Documents", {})
        path = f"/v3/Documents/{made['sid']}"
        packets = [
            await client.send(
                "message",
                orjson.dumps({"data": {"n": number}}),
                http_request={"method": "POST", "host": "h", "path": path},
            )
            for number in range(400)  # more than are carried out at once
        ]
        replies = [orjson.loads((await client.reply(each)).payload) for each in packets]
        ids = [reply["last_event_id"] for reply in replies]
        assert ids == sorted(set(ids))
        assert (await client.call("GET", path))[1]["data"] == {"n": 399}


async def test_while_redis_is_away_requests_are_refused_and_the_connection_stays(
    fresh_server: StartServer,
) -> None:
    server = fresh_server("--redis-timeout=0.5")
    children = psutil.Process(server.process.pid).children(recursive=True)
    [redis] = [child for child in children if re.search("redis|valkey", child.name())]
    async with twilsock_client(server) as client:
        _, made = await client.call("POST", "/v3/Documents", {})
        path = f"/v3/Documents/{made['sid']}"
        wanted = {"object_sid": made["sid"], "object_type": "document"}
        redis.suspend()
        try:
            for method, body in [("GET", None), ("POST", {"data": {"n": 1}}), ("DELETE", None)]:
                status, refusal = await client.call(method, path, body)
                assert (status, refusal["status"], refusal["code"]) == (503, 503, 20503)
            await client.subscribe("establish", 1, wanted)
        finally:
            redis.resume()
        while (status := (await client.call("POST", "/v3/Documents", {}))[0]) == 503:
            pass
        assert status == 201
