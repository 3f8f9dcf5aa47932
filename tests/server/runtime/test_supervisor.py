"""Several workers on one port: what their clients notice when they come and go."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import psutil
import pytest

import syncline
from support.server import RunningServer, StartServer
from support.workers import PATIENCE, until_workers, workers


@pytest.fixture
def served(fresh_server: StartServer) -> RunningServer:
    return fresh_server("--workers=2")


class Crowd:
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
        async with asyncio.timeout(PATIENCE):
            while any(d.data.get("n") != self.acknowledged for d in self.documents):
                await asyncio.sleep(0.02)
        assert len({document.revision for document in self.documents}) == 1


@asynccontextmanager
async def crowd_at(server: RunningServer, size: int = 8) -> AsyncIterator[Crowd]:
    token = server.token("alice")
    async with AsyncExitStack() as open_clients:
        clients = [
            await open_clients.enter_async_context(syncline.connect(server.url, token=token))
            for _ in range(size)
        ]
        yield Crowd(clients, [await client.document("counter") for client in clients])


async def test_a_worker_that_is_killed_is_replaced_and_nothing_is_lost(
    served: RunningServer,
) -> None:
    async with crowd_at(served) as crowd:
        before = workers(served)
        victim = psutil.Process(min(before))
        counting = asyncio.create_task(crowd.count(100))
        await asyncio.sleep(0)
        victim.kill()
        await counting
        await until_workers(served, {victim.pid})
        await crowd.until_all_agree()
        assert crowd.acknowledged == 800


async def test_sighup_renews_all_and_loses_nobody(served: RunningServer) -> None:
    async with crowd_at(served) as crowd:
        before = workers(served)
        counting = asyncio.create_task(crowd.count(100))
        served.process.send_signal(signal.SIGHUP)
        await until_workers(served, before)
        await counting
        await crowd.count(5)
        await crowd.until_all_agree()
        assert {client.state for client in crowd.clients} == {syncline.ConnectionState.CONNECTED}


async def test_a_second_sighup_while_all_are_renewed_renews_all_once_more(
    served: RunningServer,
) -> None:
    first = workers(served)
    served.process.send_signal(signal.SIGHUP)
    async with asyncio.timeout(PATIENCE):
        while not (meanwhile := workers(served)) - first:
            await asyncio.sleep(0.02)
    served.process.send_signal(signal.SIGHUP)
    await until_workers(served, first | meanwhile)


async def test_the_redis_that_all_share_is_started_again_by_the_parent(
    served: RunningServer,
) -> None:
    async with crowd_at(served, 4) as crowd:
        await crowd.count(5)
        [redis] = [
            child
            for child in psutil.Process(served.process.pid).children()
            if child.pid not in workers(served)
        ]
        redis.kill()
        async with asyncio.timeout(PATIENCE):
            while True:
                try:
                    await crowd.documents[0].increment("/n")
                    crowd.acknowledged += 1
                    break
                except syncline.Unavailable:
                    await asyncio.sleep(0.02)
        await crowd.until_all_agree()


async def test_sigterm_ends_all_in_order(served: RunningServer) -> None:
    token = served.token("alice")
    async with syncline.connect(served.url, token=token) as client:
        family = psutil.Process(served.process.pid).children(recursive=True)
        assert len(family) == 3
        states: asyncio.Queue[syncline.StateChanged] = asyncio.Queue()
        client.on("state", states.put_nowait)
        assert await asyncio.to_thread(served.stop) == 0
        async with asyncio.timeout(PATIENCE):
            change = await states.get()
        assert isinstance(change.error, syncline.ConnectionLost)
        assert change.error.code == 4000
        assert not any(process.is_running() for process in family)


async def test_nobody_outlives_a_parent_that_is_killed(served: RunningServer) -> None:
    family = psutil.Process(served.process.pid).children(recursive=True)
    served.kill()
    gone, alive = await asyncio.to_thread(psutil.wait_procs, family, PATIENCE)
    assert not alive
    assert len(gone) == 3
