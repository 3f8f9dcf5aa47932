"""`/v1/Connections`: who is connected to any worker, and the end of one connection."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import Any

import httpx2
import pytest
import pytest_asyncio

from support.api import DocumentsApi, unique
from support.keys import KeysApi
from support.server import RunningServer, StartSharedServer
from support.socket import WAIT, NativeSocket, native_socket
from support.stream import event_stream
from support.twilsock import twilsock_client
from syncline_protocol.native import Close

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def two_workers(shared_server: StartSharedServer, engine: list[str]) -> RunningServer:
    return await asyncio.to_thread(shared_server, "--workers=2", *engine)


def call(server: RunningServer, method: str, path: str = "", **options: Any) -> httpx2.Response:
    options = {"auth": server.basic, **options}
    return httpx2.request(method, f"{server.url}/v1/Connections{path}", **options)


def connections(server: RunningServer, identity: str, **query: Any) -> list[Any]:
    reply = call(server, "GET", params={"Identity": identity, **query})
    assert reply.status_code == 200, reply.text
    assert reply.json()["silent_workers"] == []
    found: list[Any] = reply.json()["connections"]
    return found


async def on_both_workers(
    server: RunningServer, identity: str, stack: AsyncExitStack
) -> list[NativeSocket]:
    """Sockets of one identity, on each worker at least one."""
    sockets: list[NativeSocket] = []
    async with asyncio.timeout(WAIT):
        while {each["worker"] for each in connections(server, identity)} != {0, 1}:
            token = server.token(identity)
            sockets.append(await stack.enter_async_context(native_socket(server, token)))
    return sockets


async def test_it_lists_those_of_all_workers_page_by_page(two_workers: RunningServer) -> None:
    identity = unique("many")
    async with AsyncExitStack() as stack:
        sockets = await on_both_workers(two_workers, identity, stack)
        whole = connections(two_workers, identity)
        assert len(whole) == len(sockets)
        assert [each["date_created"] for each in whole] == sorted(
            each["date_created"] for each in whole
        )
        url: str | None = f"{two_workers.url}/v1/Connections?PageSize=1&Identity={identity}"
        walked = []
        while url:
            page = httpx2.get(url, auth=two_workers.basic).json()
            walked += page["connections"]
            url = page["meta"]["next_page_url"]
        assert walked == whole


async def test_it_says_who_is_connected_how_and_with_what_open(two_workers: RunningServer) -> None:
    identity, name = unique("alice"), unique()
    token = two_workers.token(identity)
    with DocumentsApi(two_workers) as api:
        sid = api.create(UniqueName=name)["sid"]
    async with (
        native_socket(two_workers, token) as native,
        twilsock_client(two_workers, token),
        event_stream(two_workers, name, token=token) as stream,
    ):
        await native.ok("open", document=name)
        await stream.next()
        found = {each["wire"]: each for each in connections(two_workers, identity)}
        assert found.keys() == {"native", "twilsock", "sse"}
        for each in found.values():
            assert each["identity"] == identity
            assert each["peer"].startswith("127.0.0.1:")
            assert each["is_slow"] is False
            assert each["key"] == next(iter(two_workers.credentials.api_keys))
        assert found["native"]["opened"] == found["sse"]["opened"] == [sid]
        assert found["twilsock"]["open_count"] == 0
        service = found["native"]["service_sid"]
        assert len(connections(two_workers, identity, Service=service)) == 3
        assert len(connections(two_workers, identity, Service="default")) == 3


async def test_a_connection_of_any_worker_is_closed_and_may_come_back(
    two_workers: RunningServer,
) -> None:
    identity = unique("leaver")
    async with AsyncExitStack() as stack:
        sockets = await on_both_workers(two_workers, identity, stack)
        for each in connections(two_workers, identity):
            assert call(two_workers, "DELETE", f"/{each['id']}").status_code == 204
        for socket in sockets:
            assert await socket.closed() == (Close.GOING_AWAY, "closed by an operator")
        assert connections(two_workers, identity) == []
        async with native_socket(two_workers, two_workers.token(identity)):
            assert len(connections(two_workers, identity)) == 1
    log = two_workers.log.read_text()
    assert log.count("connection closed") >= len(sockets)
    assert identity in log


@pytest.mark.parametrize("wire", ["sse", "twilsock"])
async def test_the_other_wires_can_be_closed_too(two_workers: RunningServer, wire: str) -> None:
    identity, name = unique(wire), unique()
    token = two_workers.token(identity)
    with DocumentsApi(two_workers) as api:
        api.create(UniqueName=name)
    async with AsyncExitStack() as stack:
        if wire == "sse":
            stream = await stack.enter_async_context(event_stream(two_workers, name, token=token))
            [found] = connections(two_workers, identity)
            assert call(two_workers, "DELETE", f"/{found['id']}").status_code == 204
            last = (await stream.rest())[-1]
            assert (last.name, last.data["retry"]) == ("closing", True)
        else:
            client = await stack.enter_async_context(twilsock_client(two_workers, token))
            [found] = connections(two_workers, identity)
            assert call(two_workers, "DELETE", f"/{found['id']}").status_code == 204
            await client.connection.wait_closed()
        assert connections(two_workers, identity) == []


async def test_only_the_account_and_its_keys_may(two_workers: RunningServer) -> None:
    async with native_socket(two_workers, two_workers.token("mallory")):
        [found] = connections(two_workers, "mallory")
        path = f"/{found['id']}"
        token = {"Authorization": f"Bearer {two_workers.token('mallory')}"}
        for method, where in (("GET", ""), ("DELETE", path)):
            assert call(two_workers, method, where, auth=None).status_code == 401
            assert call(two_workers, method, where, auth=("x", "y")).status_code == 401
            assert call(two_workers, method, where, auth=None, headers=token).status_code == 403
        # A page of another origin must not use the login that a browser keeps.
        foreign = {"Origin": "https://elsewhere.example"}
        assert call(two_workers, "DELETE", path, headers=foreign).status_code == 403
        assert len(connections(two_workers, "mallory")) == 1
        with KeysApi(two_workers) as keys:
            key = await asyncio.to_thread(keys.add)
        async with asyncio.timeout(WAIT):  # the other worker may learn of the key a moment later
            while call(two_workers, "GET", auth=key.login).status_code != 200:
                await asyncio.sleep(0.05)


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("DELETE", f"/CN{0:032x}", 404, 20404),
        ("DELETE", "/nonsense", 404, 20404),
        ("GET", "?PageToken=nonsense", 400, 54453),
        ("GET", "?PageSize=none", 400, 54454),
        ("GET", "?Servic=default", 400, 20001),
        ("GET", "?Service=nowhere", 404, 54050),
        ("POST", "", 405, 20004),
    ],
)
async def test_what_is_refused(
    two_workers: RunningServer, method: str, path: str, status: int, code: int
) -> None:
    reply = call(two_workers, method, path)
    assert (reply.status_code, reply.json()["code"]) == (status, code)
