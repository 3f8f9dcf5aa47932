"""Rights over lists, maps and streams in the v3 API, through the socket: every operation with every
combination of rights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import orjson
import pytest

from support.account import Account
from support.collection_matrix import RIGHTS, SECRET, WITH_ITEMS, Target, make_target
from support.collections import CollectionsApi
from support.server import RunningServer
from support.twilsock import TwilsockClient, twilsock_client

NAMES = {"r": "Read", "w": "Write", "m": "Manage"}


@dataclass(frozen=True, slots=True)
class Operation:
    """A request to the object, or below it; `{item}` in the path is its only item.

    Attributes:
        needs: the right that it needs, by its first letter.
        status: of the reply to a caller that has the right.
    """

    needs: str
    method: str
    path: str
    body: Any = None
    status: int = 200
    plurals: tuple[str, ...] = WITH_ITEMS
    if_match: str | None = None


DATA = {"data": {"n": 1}}

OPERATIONS: Mapping[str, Operation] = {
    "fetch": Operation("r", "GET", ""),
    "fetch with items": Operation("r", "GET", "?Include=items"),
    "context": Operation("r", "GET", "/Context", plurals=("Lists",)),
    "set ttl": Operation("w", "POST", "", {"ttl": 60}),
    "delete": Operation("m", "DELETE", "", status=204),
    "list items": Operation("r", "GET", "/Items"),
    "page from": Operation("r", "GET", "/Items?From={item}&Order=desc"),
    "find item": Operation("r", "GET", "/Items?Key={item}&Index={item}"),
    "fetch item": Operation("r", "GET", "/Items/{item}"),
    "add item": Operation("w", "POST", "/Items", {"key": "new", **DATA}, 201),
    "put item": Operation("w", "PUT", "/Items/{item}", DATA, plurals=("Maps",)),
    "put new item": Operation("w", "PUT", "/Items/new", DATA, 201, plurals=("Maps",)),
    "put if absent": Operation("w", "PUT", "/Items/{item}", DATA, 412, ("Maps",), "-1"),
    "put stale item": Operation("w", "PUT", "/Items/{item}", DATA, 412, ("Maps",), "1"),
    "update item": Operation("w", "POST", "/Items/{item}", DATA),
    "update stale item": Operation("w", "POST", "/Items/{item}", DATA, 412, if_match="1"),
    "set ttl of item": Operation("w", "POST", "/Items/{item}", {"ttl": 60}),
    "delete item": Operation("w", "DELETE", "/Items/{item}"),
    "delete stale item": Operation("w", "DELETE", "/Items/{item}", status=412, if_match="1"),
}


async def send(client: TwilsockClient, target: Target, operation: Operation) -> tuple[int, Any]:
    path = operation.path.replace("{item}", quote(str(target.item), safe=""))
    headers: dict[str, Any] = {} if operation.if_match is None else {"If_Match": operation.if_match}
    base = f"/v3/{target.plural}/{target.sid}"
    return await client.call(operation.method, base + path, operation.body, **headers)


async def subscribe(client: TwilsockClient, target: Target, last_event_id: int) -> list[Any]:
    """Subscribe; returns the events up to the outcome."""
    kind = target.plural.lower().removesuffix("s")
    request = {"object_sid": target.sid, "object_type": kind, "last_event_id": last_event_id}
    await client.subscribe("establish", 1, request)
    events = [await client.event()]
    while not events[-1]["event_type"].startswith("subscription_"):
        events.append(await client.event())
    return events


@pytest.mark.parametrize("plural", WITH_ITEMS)
@pytest.mark.parametrize("rights", RIGHTS)
async def test_every_operation_with_every_combination(
    server: RunningServer, plural: str, rights: str
) -> None:
    with Account(server) as account:
        service = account.service(AclEnabled="true")
        with CollectionsApi(server, plural, service=service) as owner:
            token = server.token("alice", service=service)
            async with twilsock_client(server, token) as client:

                def target() -> Target:
                    made = make_target(owner, plural)
                    may = {name: str(each in rights).lower() for each, name in NAMES.items()}
                    if rights:
                        account.ok(
                            "POST", service, plural, made.sid, "Permissions", "alice", data=may
                        )
                    return made

                for name, operation in OPERATIONS.items():
                    if plural not in operation.plurals:
                        continue
                    made = target()
                    before = owner.fetch(made.sid)["revision"]
                    status, reply = await send(client, made, operation)
                    if operation.needs in rights:
                        assert status == operation.status, (name, reply)
                    else:
                        assert (status, reply["code"]) == (403, 54007), name
                        assert owner.fetch(made.sid)["revision"] == before, name
                    if "r" not in rights:
                        assert SECRET not in orjson.dumps(reply).decode(), name

                made = target()
                events = await subscribe(client, made, 1)
                if "r" in rights:
                    assert events[-1]["event_type"] == "subscription_established"
                    assert events[0]["event"]["item_data"] == {"secret": SECRET}
                else:
                    [failed] = events
                    assert failed["event_type"] == "subscription_failed"
                    assert failed["events"][0]["error"]["status"] == 404


async def test_streams_are_open_to_every_identity_and_end_by_their_creator(
    server: RunningServer,
) -> None:
    with Account(server) as account:
        service = account.service(AclEnabled="true")
        async with (
            twilsock_client(server, server.token("alice", service=service)) as creator,
            twilsock_client(server, server.token("bob", service=service)) as other,
        ):
            _, made = await creator.call("POST", "/v3/Streams", {})
            base = f"/v3/Streams/{made['sid']}"
            assert (await other.call("GET", base))[0] == 200
            assert (await other.call("POST", f"{base}/Messages", {"data": {}}))[0] == 201
            for method, body in (("POST", {"ttl": 1}), ("DELETE", None)):
                status, refusal = await other.call(method, base, body)
                assert (status, refusal["code"]) == (403, 54007)
            assert (await creator.call("POST", base, {"ttl": 60}))[0] == 200
            assert (await creator.call("DELETE", base))[0] == 204
