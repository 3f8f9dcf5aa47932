"""Webhooks on a Cluster, whose shards each hold a part of the queues."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

from redis.crc import key_slot

from support.account import Account
from support.cluster import Cluster
from support.receiver import Receiver, in_order, revisions
from support.server import IMPATIENT, RunningServer
from support.socket import native_socket
from syncline_server.storage import keys

DOCUMENTS = 24
ROUNDS = 6


async def test_all_are_delivered_in_order_while_slots_move_and_a_master_fails(
    cluster: Cluster, tmp_path: Path
) -> None:
    options = (
        "--redis-url",
        cluster.url,
        "--durability=replicated",
        "--webhook-networks=127.0.0.0/8",
        "--webhook-timeout=1",
        IMPATIENT,
    )
    with RunningServer(tmp_path / "data", *options) as server, Account(server) as account:
        async with Receiver(server.basic[1]) as receiver:
            service = account.service(WebhookUrl=receiver.url)
            written: dict[str, list[int]] = {}
            async with native_socket(server, server.token("alice", service=service)) as alice:

                async def write(do: str, **members: object) -> None:
                    document = await alice.document(do, **members)
                    written.setdefault(document["sid"], []).append(int(document["revision"]))

                for _ in range(DOCUMENTS):
                    await write("open")
                sids = list(written)
                for round_number in range(ROUNDS):
                    if round_number == 2:
                        slot = key_slot(keys.tag_of(service, sids[0]).encode())
                        source = cluster.master_of(keys.tag_of(service, sids[0]))
                        target = next(each for each in cluster.masters if each is not source)
                        await cluster.move_slot(slot, source, target)
                    for sid in sids:
                        await write("set", document=sid, data={"n": round_number})
            master = cluster.master_of(keys.tag_of(service, sids[1]))
            replica = cluster.replica_of(master)
            await cluster.until_replicated(master)
            await receiver.stop()
            master.signal(signal.SIGKILL)
            await cluster.until_promoted(replica)
            await receiver.start()
            await receiver.until(lambda: all_delivered(receiver, written))
            assert in_order(receiver.taken)
            assert receiver.unsigned == []
            await asyncio.to_thread(server.stop)


def all_delivered(receiver: Receiver, written: dict[str, list[int]]) -> bool:
    """True once every write was delivered."""
    return revisions(receiver.taken) == written
