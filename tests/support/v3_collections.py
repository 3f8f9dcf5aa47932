"""Clients and objects for the tests of collections over Twilsock."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from support.server import RunningServer
from support.twilsock import TwilsockClient, twilsock_client
from support.v3 import below

__all__ = ["TYPES", "add", "create", "done", "id_of", "subscribed", "two", "wanted"]

JAVASCRIPT = [{"product": "data_sync", "type": "ers", "message_types": ["twilio.sync.event"]}]
"""Registrations in the `init` of the JavaScript SDK."""

TYPES = {"Lists": "list", "Maps": "map", "Streams": "stream"}
"""The vendor's name of a type, by the segment of its URLs."""


async def create(client: TwilsockClient, kind: str, **members: Any) -> Any:
    status, made = await client.call("POST", f"/v3/{kind}", members)
    assert status == 201, made
    return made


async def add(client: TwilsockClient, made: Any, key: str, **members: Any) -> Any:
    body = {"key": key, "data": {"k": key}, **members}
    status, item = await client.call("POST", below(made["links"]["items"]), body)
    assert status == 201, item
    return item


async def done(client: TwilsockClient, method: str, url: str, body: Any = None) -> Any:
    status, reply = await client.call(method, below(url), body)
    assert status in (200, 201, 204), reply
    return reply


def wanted(made: Any, last_event_id: int | None = None) -> dict[str, Any]:
    kind = {"ES": "list", "MP": "map", "TO": "stream"}[made["sid"][:2]]
    known = made.get("last_event_id") if last_event_id is None else last_event_id
    return {"object_sid": made["sid"], "object_type": kind, "last_event_id": known}


async def subscribed(client: TwilsockClient, made: Any, **request: Any) -> Any:
    """Subscribe; return the outcome, before which nothing may come."""
    await client.subscribe("establish", 1, {**wanted(made), **request})
    event = await client.event()
    assert event["event_type"] == "subscription_established", event
    return event["events"][0]


def id_of(event: Any) -> Any:
    return event["event"].get("item_key", event["event"].get("item_index"))


@asynccontextmanager
async def two(server: RunningServer) -> AsyncIterator[tuple[TwilsockClient, TwilsockClient]]:
    """A JavaScript client, and another writer."""
    async with (
        twilsock_client(server, init=False) as client,
        twilsock_client(server, server.token("bob")) as writer,
    ):
        await client.init(server.token("alice"), registrations=JAVASCRIPT)
        yield client, writer
