"""A server on a real Redis Cluster: its promises while slots move and masters fail."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
from redis.crc import key_slot

import syncline
from support.cluster import Cluster, ClusterNode
from support.limits import WAIT_LIMIT
from support.server import IMPATIENT, RunningServer
from syncline_server.storage import keys

DOCUMENTS = 24


@dataclass
class Room:
    """Documents over all shards, open at a writer and at a reader."""

    written: list[syncline.Document]
    read: list[syncline.Document]
    service_sid: str

    def tag(self, number: int) -> str:
        return keys.tag_of(self.service_sid, self.written[number].sid)

    def master(self, cluster: Cluster, number: int) -> ClusterNode:
        return cluster.master_of(self.tag(number))


@asynccontextmanager
async def room(server: RunningServer) -> AsyncIterator[Room]:
    token = server.token("alice")
    async with (
        syncline.connect(server.url, token=token) as writer,
        syncline.connect(server.url, token=token) as reader,
    ):
        names = [f"document {number}" for number in range(DOCUMENTS)]
        written = [await writer.document(name, data={"n": 0}) for name in names]
        read = [await reader.document(name) for name in names]
        async with httpx2.AsyncClient(auth=server.basic, base_url=server.url) as http:
            page = (await http.get("/v1/Services/default/Documents?PageSize=1")).json()
        yield Room(written, read, page["documents"][0]["service_sid"])


class Counting:
    """Increments of one document, until it is stopped."""

    def __init__(self, document: syncline.Document) -> None:
        self.acknowledged = 0
        self.refused = 0
        self._document = document
        self._stopping = False
        self._task = asyncio.create_task(self._run())

    async def reach(self, count: int) -> None:
        """Return when so many increments have been acknowledged."""
        async with asyncio.timeout(WAIT_LIMIT):
            while self.acknowledged < count:
                await asyncio.sleep(0.01)

    async def stop(self) -> None:
        self._stopping = True
        await self._task

    async def _run(self) -> None:
        while not self._stopping:
            try:
                await self._document.increment("/n")
                self.acknowledged += 1
            except syncline.Unavailable:
                self.refused += 1
                await asyncio.sleep(0.02)


async def converged(room: Room, number: int) -> dict[str, int]:
    """The data that the writer and the reader hold, once it is the same and stored."""
    written, read = room.written[number], room.read[number]
    async with asyncio.timeout(WAIT_LIMIT):
        while written.revision != read.revision:
            await asyncio.sleep(0.01)
    stored = await written.patch(merge={})
    async with asyncio.timeout(WAIT_LIMIT):
        while read.revision != written.revision:
            await asyncio.sleep(0.01)
    assert read.data == written.data == stored
    return stored


async def test_documents_of_all_shards_are_served_listed_and_followed(
    clustered: RunningServer, cluster: Cluster
) -> None:
    async with room(clustered) as here:
        assert {here.master(cluster, n).port for n in range(DOCUMENTS)} == {
            node.port for node in cluster.masters
        }
        streams = [document.events() for document in here.read]
        for number, document in enumerate(here.written):
            await document.set({"n": number})
        for number, events in enumerate(streams):
            async with asyncio.timeout(WAIT_LIMIT):
                assert (await anext(events)).data == {"n": number}
        async with httpx2.AsyncClient(auth=clustered.basic, base_url=clustered.url) as http:
            url = "/v1/Services/default/Documents?PageSize=10"
            listed = []
            while url:
                page = (await http.get(url)).json()
                listed += [each["sid"] for each in page["documents"]]
                url = page["meta"]["next_page_url"]
        assert sorted(listed) == sorted(document.sid for document in here.written)
        await here.written[0].set_ttl(1)
        async with asyncio.timeout(WAIT_LIMIT):
            assert [event.name async for event in streams[0]] == ["updated", "removed"]


async def test_a_slot_that_moves_under_load_loses_nothing(
    clustered: RunningServer, cluster: Cluster
) -> None:
    async with room(clustered) as here:
        counting = Counting(here.written[0])
        await counting.reach(20)
        slot, home = key_slot(here.tag(0).encode()), here.master(cluster, 0)
        away = next(node for node in cluster.masters if node is not home)
        for source, target in [(home, away), (away, home)]:
            await cluster.move_slot(slot, source, target)
            await counting.reach(counting.acknowledged + 20)
        await counting.stop()
        assert await converged(here, 0) == {"n": counting.acknowledged}


async def test_a_master_that_is_killed_under_load_costs_time_but_no_acknowledged_write(
    clustered: RunningServer, cluster: Cluster
) -> None:
    async with room(clustered) as here:
        counting = [Counting(document) for document in here.written]
        for each in counting:
            await each.reach(5)
        master = here.master(cluster, 0)
        master.signal(signal.SIGKILL)
        await cluster.until_promoted(cluster.replica_of(master))
        # Nothing is acknowledged there before the new master has a replica, which the old one is.
        master.start()
        for each in counting:
            await each.reach(each.acknowledged + 5)
            await each.stop()
        for number, each in enumerate(counting):
            value = (await converged(here, number))["n"]
            # What was refused as unknown may have been applied; what was acknowledged must have.
            assert each.acknowledged <= value <= each.acknowledged + each.refused


async def test_a_replica_promoted_without_the_last_writes_leaves_nobody_with_them(
    cluster: Cluster, tmp_path: Path
) -> None:
    with RunningServer(tmp_path / "data", "--redis-url", cluster.url, IMPATIENT) as server:
        async with room(server) as here:
            document, reader = here.written[0], here.read[0]
            master = here.master(cluster, 0)
            replica = cluster.replica_of(master)
            await document.set({"n": 1})
            await cluster.until_replicated(master)
            # Stopped first, so that it does not come back for what it misses.
            replica.signal(signal.SIGSTOP)
            await master.ask("CLIENT", "KILL", "TYPE", "replica")
            await document.set({"n": 2})
            lost = int(document.revision)
            async with asyncio.timeout(WAIT_LIMIT):
                while int(reader.revision) < lost:
                    await asyncio.sleep(0.01)
            streams = reader.events()
            master.signal(signal.SIGKILL)
            replica.signal(signal.SIGCONT)
            await cluster.until_promoted(replica)
            async with asyncio.timeout(WAIT_LIMIT):
                restored = await anext(streams)
            assert restored.data == {"n": 1}
            assert int(restored.revision) > lost
            assert await converged(here, 0) == {"n": 1}
