"""A server on a Cluster whose Redis user has the documented rights, and nothing else."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx2

import syncline
from support.cluster import Cluster
from support.limits import WAIT_LIMIT
from support.privileges import documented_rules
from support.server import RunningServer
from support.servers import use_another_server


async def test_the_documented_rights_are_enough_on_a_cluster(
    cluster: Cluster, tmp_path: Path
) -> None:
    rules = documented_rules("+wait", "+role", sharded=True)
    for node in cluster.nodes:
        await node.ask("ACL", "SETUSER", "syncline", "on", ">pw", *rules)
    url = cluster.url.replace("://", "://syncline:pw@")
    options = ("--redis-url", url, "--durability", "replicated")
    with RunningServer(tmp_path / "data", *options) as server:
        async with (
            syncline.connect(server.url, token=server.token("alice")) as writer,
            syncline.connect(server.url, token=server.token("bob")) as reader,
        ):
            for number in range(12):
                written = await writer.document(f"{number}", data={"n": 0}, ttl=60)
                read = await reader.document(f"{number}")
                events = read.events()
                await written.increment("/n")
                async with asyncio.timeout(WAIT_LIMIT):
                    async for event in events:
                        if event.data == {"n": 1}:
                            break
            await _with_another_server(tmp_path / "second", server, "--redis-url", url)
            ready = await asyncio.to_thread(httpx2.get, f"{server.url}/readyz")
            assert ready.status_code == 200, ready.text
    for node in cluster.nodes:
        assert await node.ask("ACL", "LOG") == []


async def _with_another_server(data_dir: Path, first: RunningServer, *options: str) -> None:
    """Start another server with the same rights, and use it."""
    second = await asyncio.to_thread(
        RunningServer, data_dir, *options, "--server-name=second", environ=first.account_environ
    )
    with second:
        await use_another_server(first, second)
