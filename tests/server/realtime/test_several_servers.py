"""`/v1/Connections` of two servers on one Redis: one list, and each closes connections of both."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import httpx2
import pytest
import pytest_asyncio

from support.api import unique
from support.command import CommandLine
from support.limits import WAIT_LIMIT
from support.server import RunningServer
from support.servers import Listing, close_connection, list_connections, until_listed
from support.socket import NativeSocket, native_socket
from support.store import Store
from support.stream import stream_at
from support.workers import workers
from syncline_protocol.native import Close

pytestmark = pytest.mark.asyncio(loop_scope="module")

ALPHA, BETA = "alpha", "beta"


@pytest.fixture(scope="module")
def alpha(store: Store, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with _started(store, tmp_path_factory.mktemp(ALPHA), ALPHA) as server:
        yield server


@pytest.fixture(scope="module")
def beta(
    alpha: RunningServer, store: Store, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningServer]:
    with _started(store, tmp_path_factory.mktemp(BETA), BETA, alpha) as server:
        yield server


def _started(
    store: Store, directory: Path, name: str, first: RunningServer | None = None
) -> RunningServer:
    options = ("--redis-url", store.url, "--redis-prefix=several:", "--server-name", name)
    return RunningServer(
        directory / "data",
        *options,
        "--workers=2",
        "--worker-timeout=3600",  # tests stop workers, which nobody shall replace
        environ=None if first is None else first.account_environ,
    )


def places(listing: Listing) -> set[tuple[str, int]]:
    return {(each["server"], each["worker"]) for each in listing["connections"]}


def is_complete(listing: Listing) -> bool:
    return not listing["silent_workers"] and not listing["silent_servers"]


@pytest_asyncio.fixture(loop_scope="module")
async def everywhere(
    alpha: RunningServer, beta: RunningServer
) -> AsyncIterator[tuple[str, list[NativeSocket]]]:
    """An identity, and its sockets: on each worker of each server at least one."""
    identity = unique("many")
    token = alpha.token(identity)
    wanted = {(name, worker) for name in (ALPHA, BETA) for worker in (0, 1)}
    sockets: list[NativeSocket] = []
    async with AsyncExitStack() as stack:
        async with asyncio.timeout(WAIT_LIMIT):
            while places(await list_connections(alpha, Identity=identity)) != wanted:
                for server in (alpha, beta):
                    socket = await stack.enter_async_context(native_socket(server, token))
                    sockets.append(socket)
        yield identity, sockets


async def test_each_server_lists_the_connections_of_both_page_by_page(
    alpha: RunningServer, beta: RunningServer, everywhere: tuple[str, list[NativeSocket]]
) -> None:
    identity, sockets = everywhere
    whole = await until_listed(alpha, is_complete, Identity=identity)
    assert len(whole["connections"]) == len(sockets)
    ids = [each["id"] for each in whole["connections"]]
    assert ids == sorted(ids)
    same = await until_listed(beta, is_complete, Identity=identity)
    assert [each["id"] for each in same["connections"]] == ids
    walked: list[str] = []
    query: dict[str, str] = {}
    while len(walked) < len(ids):
        page = await until_listed(beta, is_complete, Identity=identity, PageSize="1", **query)
        walked += [each["id"] for each in page["connections"]]
        if (following := page["meta"]["next_page_url"]) is None:
            break
        query = {"PageToken": httpx2.URL(following).params["PageToken"]}
    assert walked == ids


async def test_either_server_closes_the_connections_of_both(
    alpha: RunningServer, beta: RunningServer, everywhere: tuple[str, list[NativeSocket]]
) -> None:
    identity, sockets = everywhere
    listed = await until_listed(alpha, is_complete, Identity=identity)
    for each in listed["connections"]:
        other = beta if each["server"] == ALPHA else alpha
        reply = await close_connection(other, each["id"])
        async with asyncio.timeout(WAIT_LIMIT):
            while reply.status_code == 503:  # the other server was too busy to say so
                reply = await close_connection(other, each["id"])
        assert reply.status_code in (204, 404), reply.text
    for socket in sockets:
        assert await socket.closed() == (Close.GOING_AWAY, "closed by an operator")
    assert (await until_listed(beta, is_complete, Identity=identity))["connections"] == []
    for server, name in ((alpha, BETA), (beta, ALPHA)):
        log = server.log.read_text()
        assert f"server={name}" in log or f'"server": "{name}"' in log


async def test_a_server_that_does_not_answer_is_named_and_nothing_is_said_of_its_connections(
    alpha: RunningServer,
    beta: RunningServer,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    identity = unique("stopped")
    async with native_socket(beta, beta.token(identity)):
        listed = await until_listed(
            alpha, lambda each: is_complete(each) and each["connections"] != [], Identity=identity
        )
        [connection] = listed["connections"]
        stopped = workers(beta)
        for process in stopped:
            os.kill(process, signal.SIGSTOP)
        try:
            listed = await list_connections(alpha, Identity=identity)
            assert (listed["connections"], listed["silent_servers"]) == ([], [BETA])
            assert listed["silent_workers"] == []
            reply = await close_connection(alpha, connection["id"])
            assert reply.status_code == 503 and f"the server {BETA}" in reply.json()["message"]
            command = CommandLine(monkeypatch, capsys)
            command.environ = {
                "SYNCLINE_URL": alpha.url,
                "SYNCLINE_DATA_DIR": str(alpha.data_dir),
            }
            shown = await asyncio.to_thread(command, "connections", "list", "--prefix", identity)
            assert shown.out == ""
            assert f"missing of the server {BETA}" in shown.err
        finally:
            for process in stopped:
                os.kill(process, signal.SIGCONT)
        # The request without an answer is carried out late, or not at all: both is possible.
        await until_listed(alpha, is_complete, Identity=identity)


async def test_a_server_that_stopped_is_not_missed(
    alpha: RunningServer, store: Store, tmp_path: Path
) -> None:
    third = await asyncio.to_thread(_started, store, tmp_path, "gamma", alpha)
    with third:
        identity = unique("third")
        async with native_socket(third, third.token(identity)):
            listed = await until_listed(
                alpha, lambda each: each["connections"] != [], Identity=identity
            )
            assert [each["server"] for each in listed["connections"]] == ["gamma"]
        await asyncio.to_thread(third.stop)
    listed = await until_listed(alpha, is_complete)
    assert "gamma" not in {each["server"] for each in listed["connections"]}


async def test_other_data_sets_are_not_listed(
    alpha: RunningServer, store: Store, tmp_path: Path
) -> None:
    options = ("--redis-url", store.url, "--redis-prefix=apart:")
    apart = await asyncio.to_thread(RunningServer, tmp_path / "data", *options)
    with apart:
        identity = unique("apart")
        async with native_socket(apart, apart.token(identity)):
            listed = await until_listed(apart, is_complete, Identity=identity)
            assert len(listed["connections"]) == 1
            assert listed["connections"][0]["server"].endswith(f":{apart.port}")
            found = await until_listed(alpha, is_complete, Identity=identity)
            assert found["connections"] == []
            reply = await close_connection(alpha, listed["connections"][0]["id"])
            assert reply.status_code == 404


async def test_a_tail_shows_none_of_the_messages_between_servers(
    alpha: RunningServer, beta: RunningServer
) -> None:
    async with stream_at(f"{alpha.url}/v1/Events", login=alpha.basic) as tail:
        assert (await tail.next()).name == "open"
        await until_listed(beta, is_complete)
        async with httpx2.AsyncClient(auth=beta.basic, timeout=WAIT_LIMIT) as http:
            documents = f"{beta.url}/v1/Services/default/Documents"
            made = await http.post(documents, data={"UniqueName": unique()})
        event = await tail.next()
        assert (event.name, event.data["document"]["sid"]) == ("created", made.json()["sid"])
