"""`/v1/Events` on a Redis Cluster: the events of all shards, while slots move and masters fail."""

from __future__ import annotations

import asyncio
import signal
from itertools import count

import httpx2
from redis.crc import key_slot

from support.cluster import Cluster
from support.limits import WAIT_LIMIT
from support.server import RunningServer
from support.stream import EventStream, stream_at
from syncline_server.storage import keys

DOCUMENTS = 24

PATH = "/v1/Services/default/Documents"


class Tail:
    """A tail, and writes whose events it must show."""

    def __init__(self, stream: EventStream, http: httpx2.AsyncClient) -> None:
        self.stream = stream
        self.sids: list[str] = []
        self.service_sid = ""
        self._http = http
        self._numbers = count()

    async def create(self) -> None:
        """Create documents on all shards, and see each event."""
        assert (await self.stream.next()).name == "open"
        for number in range(DOCUMENTS):
            reply = await self._http.post(PATH, json={"UniqueName": f"document {number}"})
            self.service_sid = reply.json()["service_sid"]
            self.sids.append(reply.json()["sid"])
        events = [await self.stream.next() for _ in self.sids]
        assert {each.name for each in events} == {"created"}
        assert [each.data["document"]["sid"] for each in events] == self.sids

    async def until_shown(self, sid: str) -> None:
        """Write to a document until a write is shown: before the tail has followed, none is."""
        written: set[int] = set()
        writing = asyncio.create_task(self._keep_writing(sid, written))
        try:
            shown = None
            while shown not in written:
                event = await self.stream.next()
                if event.name == "updated":
                    shown = event.data["document"]["data"]["n"]
        finally:
            writing.cancel()

    async def _keep_writing(self, sid: str, written: set[int]) -> None:
        while True:
            number = next(self._numbers)
            written.add(number)  # before the reply: the event may be faster
            await self._http.post(f"{PATH}/{sid}", json={"Data": {"n": number}})
            await asyncio.sleep(0.02)  # below the rate of a tail

    def tag(self, sid: str) -> str:
        return keys.tag_of(self.service_sid, sid)


async def test_it_shows_the_events_of_all_shards_and_follows_the_slots(
    clustered: RunningServer, cluster: Cluster
) -> None:
    async with (
        stream_at(f"{clustered.url}/v1/Events", login=clustered.basic) as stream,
        httpx2.AsyncClient(
            base_url=clustered.url, auth=clustered.basic, timeout=WAIT_LIMIT
        ) as http,
    ):
        tail = Tail(stream, http)
        await tail.create()
        homes = {sid: cluster.master_of(tail.tag(sid)) for sid in tail.sids}
        assert {home.port for home in homes.values()} == {node.port for node in cluster.masters}
        # With the slot of a document moves the slot of the tails' channel at that shard.
        sid, home = tail.sids[0], homes[tail.sids[0]]
        other = next(node for node in cluster.masters if node is not home)
        channels = await home.ask("PUBSUB", "SHARDCHANNELS", "*:tail")
        assert len(channels) == 1
        for slot in {key_slot(tail.tag(sid).encode()), key_slot(channels[0])}:
            await cluster.move_slot(slot, home, other)
        for each in tail.sids:
            await tail.until_shown(each)
        # Its own shard is still followed, on another channel.
        assert await home.ask("PUBSUB", "SHARDCHANNELS", "*:tail") not in ([], channels)
        master = cluster.master_of(tail.tag(tail.sids[1]))
        master.signal(signal.SIGKILL)
        await cluster.until_promoted(cluster.replica_of(master))
        master.start()
        await tail.until_shown(tail.sids[1])
