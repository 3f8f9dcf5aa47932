"""What one identity can make a server compute, seen from outside."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import orjson
import pytest

from support.api import unique
from support.limits import WAIT_LIMIT
from support.server import RunningServer
from support.socket import native_socket
from support.twilsock import twilsock_client

WORK = 10_000
"""Units a second: some two large requests."""

LARGE: dict[str, Any] = {"a": [{}] * 5000}
"""Data that takes some milliseconds to parse."""


@pytest.fixture(scope="module")
def strict_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    data_dir: Path = tmp_path_factory.mktemp("work") / "data"
    with RunningServer(data_dir, "--identity-work", str(WORK)) as running:
        yield running


def client_of(server: RunningServer, identity: str) -> httpx2.Client:
    return httpx2.Client(
        base_url=f"{server.url}/v1/Services/default",
        headers={"Authorization": f"Bearer {server.token(identity)}"},
    )


class TestSteps:
    OPERATIONS = [{"op": "add", "path": "/a" * 50, "value": 1}] * 1000

    def test_a_patch_of_too_many_is_refused_with_what_is_allowed(
        self, server: RunningServer
    ) -> None:
        with client_of(server, "alice") as client:
            sid = client.post("/Documents", json={"Data": {"n": 1}}).json()["sid"]
            reply = client.patch(
                f"/Documents/{sid}",
                content=orjson.dumps(self.OPERATIONS),
                headers={"Content-Type": "application/json-patch+json"},
            )
            assert (reply.status_code, reply.json()["code"]) == (413, 54006)
            assert "58000 steps in all; at most 32768 are allowed" in reply.json()["message"]
            assert client.get(f"/Documents/{sid}").json()["data"] == {"n": 1}

    async def test_over_the_socket_too(self, server: RunningServer) -> None:
        async with native_socket(server) as client:
            document = await client.document("open", data={})
            error = await client.error(
                "patch", document=document["sid"], operations=self.OPERATIONS
            )
            assert error["code"] == 54006


class TestValues:
    TEXT = b'{"a":[' + b"{}," * 20_000 + b"{}]}"

    @pytest.mark.parametrize(
        ("method", "kind"),
        [("PATCH", "application/merge-patch+json"), ("POST", "application/json")],
    )
    def test_a_body_of_too_many_is_refused(
        self, server: RunningServer, method: str, kind: str
    ) -> None:
        with client_of(server, "alice") as client:
            sid = client.post("/Documents", json={}).json()["sid"]
            reply = client.request(
                method,
                f"/Documents/{sid}",
                content=self.TEXT,
                headers={"Content-Type": kind},
            )
        assert (reply.status_code, reply.json()["code"]) == (413, 54006)
        assert "commas and opening brackets; at most 24576 are" in reply.json()["message"]

    async def test_a_message_of_too_many_is_refused(self, server: RunningServer) -> None:
        async with native_socket(server) as client:
            document = await client.document("open", data={})
            error = await client.error(
                "set", document=document["sid"], data=orjson.loads(self.TEXT)
            )
            assert error["code"] == 54006

    async def test_the_vendors_socket_too(self, server: RunningServer) -> None:
        async with twilsock_client(server) as client:
            body = {"data": orjson.loads(self.TEXT)}
            status, refusal = await client.call("POST", "/v3/Documents", body)
            assert (status, refusal["code"]) == (413, 54006)


class TestWorkOfAnIdentity:
    def test_over_http_more_is_refused_until_the_second_is_over(
        self, strict_server: RunningServer
    ) -> None:
        with client_of(strict_server, "busy") as busy, client_of(strict_server, "calm") as calm:
            sid = busy.post("/Documents", json={}).json()["sid"]
            written = 0
            for number in range(1000):
                reply = busy.post(f"/Documents/{sid}", json={"Data": LARGE | {"n": number}})
                if reply.status_code == 429:
                    break
                assert reply.status_code == 200
                written = number
            assert (reply.status_code, reply.json()["code"]) == (429, 20429)
            assert f"may take {WORK} units of work per second" in reply.json()["message"]
            assert "Retry-After" in reply.headers
            # What was refused changed nothing, and nobody else is refused.
            assert calm.get(f"/Documents/{sid}").json()["data"]["n"] == written
            assert calm.post("/Documents", json={"Data": LARGE}).status_code == 201

    async def test_over_a_socket_more_is_read_later_and_in_its_order(
        self, strict_server: RunningServer
    ) -> None:
        name, other = unique("work"), unique("other")
        async with native_socket(strict_server, strict_server.token("socket")) as client:
            await client.ok("open", document=name, data={})
            await client.ok("open", document=other, data={})
            asked = []
            for number in range(6):
                data = LARGE | {"n": number}
                asked.append(await client.send("set", document=name, data=data))
                asked.append(await client.send("get", document=other))
            order: list[int] = []
            while len(order) < len(asked):
                message = await client.receive()
                if "id" in message:
                    assert "ok" in message, message
                    order.append(message["id"])
            assert order == asked
            newest = await client.document("get", document=name)
            assert newest["data"]["n"] == 5

    async def test_the_vendors_sdk_is_read_later_too(self, strict_server: RunningServer) -> None:
        async with twilsock_client(strict_server, strict_server.token("sdk")) as client:
            calls = [
                client.call("POST", "/v3/Documents", {"data": LARGE}),
                client.call("POST", "/v3/Documents", {"data": LARGE}),
                client.call("POST", "/v3/Documents", {"data": LARGE}),
                client.call("POST", "/v3/Documents", {"data": {}}),
            ]
            statuses = [(await call)[0] for call in calls]
            assert statuses == [201] * 4

    async def test_a_socket_that_goes_while_it_is_read_later_leaves_nothing(
        self, strict_server: RunningServer
    ) -> None:
        name = unique("gone")
        async with native_socket(strict_server, strict_server.token("gone")) as client:
            await client.ok("open", document=name, data={})
            for number in range(10):
                await client.send("set", document=name, data=LARGE | {"n": number})
        async with native_socket(strict_server, strict_server.token("after")) as client:
            await client.ok("get", document=name)
        async with httpx2.AsyncClient() as http:
            async with asyncio.timeout(WAIT_LIMIT):
                text = (await http.get(f"{strict_server.url}/metrics")).text
        assert 'bound="identity_work"' in text
