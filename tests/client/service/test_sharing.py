"""Services of back ends in many threads, processes and event loops."""

from __future__ import annotations

import asyncio
import copy
import multiprocessing
import os
import pickle
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from support.api import unique
from support.back_end import begun, now, open_service
from support.limits import WAIT_LIMIT
from support.server import RunningServer
from syncline import AsyncService, ClientClosed, Service

THREADS = 16


@pytest.fixture
def blocking(server: RunningServer) -> Iterator[Service]:
    with open_service("blocking", server) as service:
        yield service


async def test_copies_have_connections_of_their_own(kind: str, server: RunningServer) -> None:
    name = unique()
    async with begun(open_service(kind, server, timeout=7).for_service("default")) as service:
        document = await now(service.documents.create(name, {"n": 0}))
        loaded = pickle.loads(pickle.dumps(service))
        assert (loaded.service, loaded.options) == (service.service, service.options)
        async with begun(loaded), begun(copy.copy(service)) as copied:
            for each in (loaded, copied):
                await now(each.documents.at(name).increment("/n"))
        with pytest.raises(ClientClosed):
            await now(loaded.documents.get(name))
        await now(document.increment("/n"))
        assert document.data == {"n": 3}


def test_handles_are_pickled_with_what_they_know(blocking: Service) -> None:
    document = blocking.documents.create(unique(), {"n": 0})
    players = blocking.maps.create()

    others = [pickle.loads(pickle.dumps(document)) for _ in range(3)]
    assert [each.data for each in others] == [{"n": 0}] * 3
    for each in others:
        each.increment("/n")
    assert blocking.documents[document.sid].data == {"n": 3}
    pickle.loads(pickle.dumps(players))["a"] = {"n": 1}
    assert players["a"].data == {"n": 1}
    pools = {id(each._http.pool) for each in others}
    assert len(pools) == 1
    others[0]._http.pool.close()


def test_many_threads_share_one_service(blocking: Service) -> None:
    name = unique()
    document = blocking.documents.create(name, {"n": 0, "m": 0})

    def work(number: int) -> None:
        for _ in range(10):
            document.increment("/n")
            blocking.documents.at(name).increment("/n")
        document.mutate(lambda data: data | {"m": data["m"] + 1})

    with ThreadPoolExecutor(THREADS) as threads:
        list(threads.map(work, range(THREADS)))

    assert blocking.documents[name].data == {"n": 20 * THREADS, "m": THREADS}


def _increment(handles: Any, count: int, done: Any) -> None:
    document, service = handles
    for _ in range(count):
        document.increment("/n")
        service.documents.at(document.sid).increment("/n")
    done.send((os.getpid(), document.data["n"]))


def test_a_forked_worker_opens_connections_of_its_own(blocking: Service) -> None:
    document = blocking.documents.create(unique(), {"n": 0})
    inherited = blocking._pool._client
    context = multiprocessing.get_context("fork")
    receives, sends = context.Pipe()
    workers = [
        context.Process(target=_increment, args=((document, blocking), 20, sends)) for _ in range(2)
    ]
    for worker in workers:
        worker.start()
    for _ in range(20):
        document.increment("/n")
    for worker in workers:
        worker.join(WAIT_LIMIT)
        assert worker.exitcode == 0
        assert receives.poll(WAIT_LIMIT)
        assert receives.recv()[0] != os.getpid()

    assert blocking.documents[document.sid].data == {"n": 100}
    assert blocking._pool._client is inherited is not None


def test_a_fork_inherits_no_lock_of_another_thread(blocking: Service) -> None:
    document = blocking.documents.create(unique(), {"n": 0})
    context = multiprocessing.get_context("fork")
    _, sends = context.Pipe()
    with blocking._pool._lock:
        worker = context.Process(target=_increment, args=((document, blocking), 1, sends))
        worker.start()
        worker.join(WAIT_LIMIT)
    assert worker.exitcode == 0


def test_one_async_service_serves_one_event_loop_after_another(server: RunningServer) -> None:
    service: AsyncService = open_service("async", server)
    name = unique()

    async def work() -> None:
        document = await service.documents.get_or_create(name, {"n": 0})
        await asyncio.gather(*(document.increment("/n") for _ in range(20)))
        # The connections of this loop end with it; the service goes on.
        await service._pool.client().aclose()

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda _: asyncio.run(work()), range(4)))

    async def end() -> dict[str, Any]:
        async with service:
            return (await service.documents.get(name)).data

    assert asyncio.run(end()) == {"n": 80}
