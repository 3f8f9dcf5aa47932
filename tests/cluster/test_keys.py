"""API keys on a Cluster, which keeps them on one of its shards."""

from __future__ import annotations

import asyncio

from support.keys import KeysApi
from support.server import RunningServer
from support.socket import native_socket


async def test_keys_are_made_and_revoked(clustered: RunningServer) -> None:
    with KeysApi(clustered) as keys:
        key, other = keys.add(), keys.add(login_only=True)
        listed = [each["sid"] for each in keys.ok("GET")["keys"]]
        assert {key.sid, other.sid} < set(listed)
        async with native_socket(clustered, key.token(clustered)) as socket:
            await socket.ok("open")
            await asyncio.to_thread(keys.revoke, key.sid)
            assert (await socket.closed())[0] == 4501
    await asyncio.to_thread(clustered.restart)
    async with native_socket(clustered, auth=False) as socket:
        assert (await socket.error("auth", token=key.token(clustered)))["code"] == 20103
