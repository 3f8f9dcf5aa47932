"""Many lists at once: bounded, and nothing to those who write."""

from __future__ import annotations

import asyncio

import httpx2

from support.api import unique
from support.server import StartServer

LISTS = 300
WRITES = 50


async def test_lists_are_refused_beyond_their_limit_and_writes_are_not(
    fresh_server: StartServer,
) -> None:
    server = await asyncio.to_thread(fresh_server, "--max-lists=8", "--appendfsync=no")
    url = f"{server.url}/v1/Services/default/Documents"
    limits = httpx2.Limits(max_connections=100)
    async with httpx2.AsyncClient(
        auth=server.basic,
        limits=limits,
        timeout=60,
    ) as http:
        for _ in range(20):
            assert (await http.post(url, data={"UniqueName": unique()})).status_code == 201
        lists = [http.get(f"{url}?PageSize=100") for _ in range(LISTS)]
        writes = [http.post(url, data={"UniqueName": unique()}) for _ in range(WRITES)]
        replies = await asyncio.gather(*lists, *writes)
        listed, written = replies[:LISTS], replies[LISTS:]
        assert {reply.status_code for reply in written} == {201}
        assert {reply.status_code for reply in listed} <= {200, 429}
        assert [reply for reply in listed if reply.status_code == 200]
        for reply in listed:
            if reply.status_code == 429:
                assert reply.json()["code"] == 54009
                assert int(reply.headers["Retry-After"]) >= 1
        assert (await http.get(url)).status_code == 200
