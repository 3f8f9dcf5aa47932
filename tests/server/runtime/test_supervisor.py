"""Several workers on one port: what their clients notice when they come and go."""

from __future__ import annotations

import asyncio
import re
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import httpx2
import psutil
import pytest

import syncline
from support.server import RunningServer, StartServer
from support.workers import WAIT_LIMIT, until_workers, workers

pytestmark = pytest.mark.usefixtures("installed_command")

CLOSE = {"Connection": "close"}

RESTARTED = re.compile(r'syncline_worker_restarts_total\{reason="hung",worker="\d"\} 1.0')


@pytest.fixture
def served(fresh_server: StartServer) -> RunningServer:
    return fresh_server("--workers=2")


class Counters:
    """Clients that count together, over connections that the kernel spreads."""

    def __init__(self, clients: list[syncline.Client], documents: list[syncline.Document]) -> None:
        self.clients = clients
        self.documents = documents
        self.acknowledged = 0

    async def count(self, times: int) -> None:
        """Each increments so many times; a break in between is the client's affair."""

        async def increment(document: syncline.Document) -> None:
            for _ in range(times):
                await document.increment("/n")
                self.acknowledged += 1

        await asyncio.gather(*map(increment, self.documents))

    async def until_all_agree(self) -> None:
        """Return when everybody holds exactly what was acknowledged."""
        async with asyncio.timeout(WAIT_LIMIT):
            while any(d.data.get("n") != self.acknowledged for d in self.documents):
                await asyncio.sleep(0.02)
        assert len({document.revision for document in self.documents}) == 1


@asynccontextmanager
async def connect_counters(server: RunningServer, size: int = 8) -> AsyncIterator[Counters]:
    token = server.token("alice")
    async with AsyncExitStack() as open_clients:
        clients = [
            await open_clients.enter_async_context(syncline.connect(server.url, token=token))
            for _ in range(size)
        ]
        yield Counters(clients, [await client.document("counter") for client in clients])


async def test_a_worker_that_is_killed_is_replaced_and_nothing_is_lost(
    served: RunningServer,
) -> None:
    async with connect_counters(served) as counters:
        before = workers(served)
        victim = psutil.Process(min(before))
        counting = asyncio.create_task(counters.count(100))
        await asyncio.sleep(0)
        victim.kill()
        await counting
        await until_workers(served, {victim.pid})
        await counters.until_all_agree()
        assert counters.acknowledged == 800


@pytest.fixture
def watched(fresh_server: StartServer) -> RunningServer:
    """Its workers are given up soon."""
    return fresh_server("--workers=2", "--worker-timeout=4")


async def test_a_worker_that_hangs_is_killed_and_replaced(watched: RunningServer) -> None:
    before = workers(watched)
    victim = psutil.Process(min(before))
    victim.suspend()
    async with httpx2.AsyncClient(timeout=WAIT_LIMIT) as http:
        # Some of them wait for the worker that hangs, and are answered by the one in its place.
        replies = await asyncio.gather(
            *(http.get(f"{watched.url}/healthz", headers=CLOSE) for _ in range(16))
        )
        assert {reply.status_code for reply in replies} == {200}
        await until_workers(watched, {victim.pid})
        async with asyncio.timeout(WAIT_LIMIT):
            while not RESTARTED.search((await http.get(f"{watched.url}/metrics")).text):
                await asyncio.sleep(0.05)
    assert workers(watched) & before == before - {victim.pid}
    [line] = [line for line in watched.log.read_text().splitlines() if "not answered" in line]
    assert " ERROR " in line
    assert f"worker {victim.pid} has not answered for 4 s: it is killed and replaced" in line


async def test_a_machine_that_was_suspended_kills_no_worker(watched: RunningServer) -> None:
    parent = psutil.Process(watched.process.pid)
    before = workers(watched)
    everybody = [parent, *map(psutil.Process, before)]
    for process in everybody:
        process.suspend()
    await asyncio.sleep(5)  # longer than a worker may be silent: it is what is tested
    for process in everybody:
        process.resume()
    async with syncline.connect(watched.url, token=watched.token()) as client:
        document = await client.document()
        # Several rounds of heartbeats later.
        for _ in range(30):
            await document.increment("/n")
            await asyncio.sleep(0.2)
    assert workers(watched) == before
    assert "has not answered" not in watched.log.read_text()


async def test_sighup_renews_all_and_loses_nobody(served: RunningServer) -> None:
    async with connect_counters(served) as counters:
        before = workers(served)
        counting = asyncio.create_task(counters.count(100))
        served.process.send_signal(signal.SIGHUP)
        await until_workers(served, before)
        await counting
        await counters.count(5)
        await counters.until_all_agree()
        assert {client.state for client in counters.clients} == {syncline.ConnectionState.CONNECTED}


async def test_a_second_sighup_while_all_are_renewed_renews_all_once_more(
    served: RunningServer,
) -> None:
    first = workers(served)
    served.process.send_signal(signal.SIGHUP)
    async with asyncio.timeout(WAIT_LIMIT):
        while not (meanwhile := workers(served)) - first:
            await asyncio.sleep(0.02)
    served.process.send_signal(signal.SIGHUP)
    await until_workers(served, first | meanwhile)


async def test_the_redis_that_all_share_is_started_again_by_the_parent(
    served: RunningServer,
) -> None:
    async with connect_counters(served, 4) as counters:
        await counters.count(5)
        [redis] = [
            child
            for child in psutil.Process(served.process.pid).children()
            if child.pid not in workers(served)
        ]
        redis.kill()
        async with asyncio.timeout(WAIT_LIMIT):
            while True:
                try:
                    await counters.documents[0].increment("/n")
                    counters.acknowledged += 1
                    break
                except syncline.Unavailable:
                    await asyncio.sleep(0.02)
        await counters.until_all_agree()


async def test_sigterm_ends_all_in_order(served: RunningServer) -> None:
    token = served.token("alice")
    async with syncline.connect(served.url, token=token) as client:
        family = psutil.Process(served.process.pid).children(recursive=True)
        assert len(family) == 3
        states: asyncio.Queue[syncline.StateChanged] = asyncio.Queue()
        client.on("state", states.put_nowait)
        assert await asyncio.to_thread(served.stop) == 0
        async with asyncio.timeout(WAIT_LIMIT):
            change = await states.get()
        assert isinstance(change.error, syncline.ConnectionLost)
        assert change.error.code == 4000
        assert not any(process.is_running() for process in family)


async def test_nobody_outlives_a_parent_that_is_killed(served: RunningServer) -> None:
    family = psutil.Process(served.process.pid).children(recursive=True)
    served.kill()
    gone, alive = await asyncio.to_thread(psutil.wait_procs, family, WAIT_LIMIT)
    assert not alive
    assert len(gone) == 3
