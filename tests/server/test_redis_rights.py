"""A whole server whose Redis user has the documented rights, and nothing else."""

from __future__ import annotations

import asyncio

import httpx2

import syncline
from support.privileges import documented_rules
from support.server import RunningServer, StartServer
from support.servers import use_another_server
from support.store import WAIT_LIMIT, Store
from support.stream import stream_at
from syncline_server.storage.redis.connection import Connection

PREFIX = "limited:"


async def test_the_documented_rights_are_all_that_a_server_needs(
    fresh_server: StartServer, store: Store, admin: Connection
) -> None:
    rules = [rule.replace("{", PREFIX + "{") for rule in documented_rules()]
    await admin.execute("ACL", "SETUSER", "limited", "on", ">pw", *rules)
    await admin.execute("ACL", "LOG", "RESET")
    url = store.url.replace("unix://", "unix://limited:pw@")
    server = await asyncio.to_thread(
        fresh_server, "--redis-url", url, "--redis-prefix", PREFIX, "--sweep-interval=0.05"
    )
    async with (
        httpx2.AsyncClient(base_url=server.url, auth=server.basic, timeout=WAIT_LIMIT) as http,
        syncline.connect(server.url, token=server.token("alice")) as client,
    ):
        assert (await http.get("/readyz")).status_code == 200
        document = await client.document("prefs", data={"n": 0}, ttl=3600)
        await document.increment("/n")
        await document.set({"n": 2})
        await document.remove()
        brief = await client.document("brief", data={}, ttl=1)
        async with asyncio.timeout(WAIT_LIMIT):
            async for event in brief.events():
                if isinstance(event, syncline.Removed):
                    break
        made = await http.post(
            "/v1/Services",
            data={
                "WebhookUrl": "http://127.0.0.1:9/",
                "AclEnabled": "true",
                "ReachabilityWebhooksEnabled": "true",
                "WebhooksFromRestEnabled": "true",
            },
        )
        service = f"/v1/Services/{made.json()['sid']}"
        await http.post(f"{service}/Documents", data={"UniqueName": "doc", "Data": "{}"})
        assert (await http.get(f"{service}/Documents?PageSize=1")).status_code == 200
        permission = f"{service}/Documents/doc/Permissions/bob"
        rights = {"Read": "true", "Write": "false", "Manage": "false"}
        assert (await http.post(permission, data=rights)).status_code == 200
        assert (await http.delete(permission)).status_code == 204
        token = server.token("bob", service=made.json()["sid"])
        async with syncline.connect(server.url, token=token) as other:
            await other.document("own", data={})
        key = (await http.post("/v1/Keys", data={})).json()["sid"]
        assert (await http.delete(f"/v1/Keys/{key}")).status_code == 204
        assert (await http.delete(service)).status_code == 204
        assert (await http.get("/readyz")).status_code == 200
    await _with_another_server(fresh_server, server, url)
    await asyncio.to_thread(server.stop)
    log = await admin.execute("ACL", "LOG")
    assert log == []
    stored = [key.decode() for key in await admin.execute("KEYS", f"*{PREFIX}*")]
    assert stored and all(key.startswith(PREFIX + "{") for key in stored)
    await admin.execute("ACL", "DELUSER", "limited")


async def _with_another_server(start: StartServer, first: RunningServer, url: str) -> None:
    """Start another server with the same rights, and use it."""
    options = ("--redis-url", url, "--redis-prefix", PREFIX, "--server-name=second")
    second = await asyncio.to_thread(start, *options, environ=first.account_environ)
    await use_another_server(first, second)
    await asyncio.to_thread(second.stop)


async def test_a_tail_needs_one_right_more(
    fresh_server: StartServer, store: Store, admin: Connection
) -> None:
    rules = [rule.replace("{", "looker:{") for rule in documented_rules()]
    await admin.execute("ACL", "SETUSER", "looker", "on", ">pw", *rules)
    url = store.url.replace("unix://", "unix://looker:pw@")
    server = await asyncio.to_thread(fresh_server, "--redis-url", url, "--redis-prefix", "looker:")
    events = f"{server.url}/v1/Events?Type=documents"
    async with stream_at(events, login=server.basic) as refused:
        assert refused.response.status_code == 403
    await admin.execute("ACL", "SETUSER", "looker", "+psubscribe")
    async with (
        stream_at(events, login=server.basic) as tail,
        syncline.connect(server.url, token=server.token("alice")) as client,
    ):
        assert (await tail.next()).name == "open"
        board = await client.map("board")
        await board.set("card", {"n": 1})
        document = await client.document("prefs", data={"n": 0})
        await document.set({"n": 1})
        shown = [await tail.next() for _ in range(2)]
        assert [each.name for each in shown] == ["created", "updated"]
        assert [each.data["document"]["data"]["n"] for each in shown] == [0, 1]
