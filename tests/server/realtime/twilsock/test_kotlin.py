"""The frames of the Kotlin and iOS SDK, replayed from its sources, and what it needs in answers.

The SDK itself needs a phone. It decodes replies and events into classes; `REPLY` and `EVENT` have
the members of these classes that are not optional.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any
from urllib.parse import quote, urlsplit

import pytest

from support.api import unique
from support.server import RunningServer
from support.twilsock import TwilsockClient, kotlin, twilsock_client
from support.v3 import below

TEXT, NUMBER, OBJECT, INSTANT = "text", "number", "object", "instant"

COLLECTION = {
    "sid": TEXT,
    "date_created": INSTANT,
    "date_updated": INSTANT,
    "revision": TEXT,
    "last_event_id": NUMBER,
}

REPLY: dict[str, Mapping[str, str]] = {
    "Documents": COLLECTION,
    "Maps": COLLECTION,
    "Lists": COLLECTION,
    "Streams": {"sid": TEXT},
}

ITEM = {
    "date_created": INSTANT,
    "date_updated": INSTANT,
    "revision": TEXT,
    "last_event_id": NUMBER,
}

ITEMS = {
    "Maps": {"map_sid": TEXT, "key": TEXT, **ITEM},
    "Lists": {"list_sid": TEXT, "index": NUMBER, **ITEM},
}

_MAP_ITEM = {"id": NUMBER, "date_created": INSTANT, "map_sid": TEXT, "item_key": TEXT}
_LIST_ITEM = {"id": NUMBER, "date_created": INSTANT, "list_sid": TEXT, "item_index": NUMBER}
_DATA = {"item_data": OBJECT, "item_revision": TEXT}

EVENT: dict[str, Mapping[str, str]] = {
    "map_item_added": {**_MAP_ITEM, **_DATA},
    "map_item_updated": {**_MAP_ITEM, **_DATA},
    "map_item_removed": _MAP_ITEM,
    "map_removed": {"map_sid": TEXT},
    "list_item_added": {**_LIST_ITEM, **_DATA},
    "list_item_updated": {**_LIST_ITEM, **_DATA},
    "list_item_removed": _LIST_ITEM,
    "list_removed": {"list_sid": TEXT},
    "stream_message_published": {"stream_sid": TEXT, "message_sid": TEXT, "message_data": OBJECT},
    "stream_removed": {"stream_sid": TEXT},
}

KINDS = ["Maps", "Lists"]

kinds = pytest.mark.parametrize("kind", KINDS)


def decode(value: Any, members: Mapping[str, str]) -> Any:
    """The value, if it has all members in their types: else the SDK fails to decode it."""
    types: dict[str, type] = {TEXT: str, NUMBER: int, OBJECT: dict, INSTANT: str}
    for name, kind in members.items():
        assert isinstance(value.get(name), types[kind]), (name, value)
        if kind == INSTANT:
            datetime.fromisoformat(value[name])
    return value


class Kotlin:
    """The SDK as far as the wire shows it.

    Attributes:
        links: from the configuration, which it asks for first.
    """

    def __init__(self, client: TwilsockClient) -> None:
        self.client = client
        self.links: dict[str, str] = {}
        self._correlation_id = 0

    async def connect(self, token: str) -> None:
        """Send `init` as the SDK does; the account descriptor is mandatory."""
        asked = ["client_update", "account_descriptor"]
        welcome = await self.client.ask("init", token=token, capabilities=asked, metadata={})
        descriptor = welcome["account_descriptor"]
        assert descriptor["instance_sids"]["data_sync"].startswith("IS")
        assert descriptor["account_sid"]
        assert descriptor["identity"] == "alice"
        status, configuration = await self.client.call("GET", "/v3/Configuration")
        assert status == 200
        self.links = configuration["links"]

    async def request(self, method: str, url: str, body: Any = None, **headers: Any) -> Any:
        """Send a request; returns status and body. What it decides by is the body's status."""
        parts = urlsplit(url)
        path = parts.path + (f"?{parts.query}" if parts.query else "")
        status, reply = await self.client.call(method, path, body, **headers)
        if status >= 400:
            assert reply["status"] == status
        return status, reply

    async def create(self, kind: str, name: str | None = None) -> Any:
        """Open or create: POST first, and GET if the name is taken."""
        body = {"ttl": 0} if name is None else {"unique_name": name, "ttl": 0}
        status, reply = await self.request("POST", self.links[kind.lower()], body)
        if status == 409:
            assert reply["code"] == 54301
            status, reply = await self.request(
                "GET", f"{self.links[kind.lower()]}/{quote(name or '')}"
            )
        return decode(reply, REPLY[kind])

    def items(self, kind: str, sid: str) -> str:
        """The URL of the items, from the template of the configuration."""
        name = kind.lower().removesuffix("s")
        return self.links[f"{name}_items"].replace(f"{{{name}Id}}", sid)

    def object(self, kind: str, sid: str) -> str:
        """The URL of an object: the SDK derives it from the template of items."""
        base = urlsplit(self.links["map_items"]).path.split("/")[1:4]
        return f"https://x.example.com/{'/'.join(base)}/{kind}/{sid}"

    async def add(self, kind: str, sid: str, key: str | None, data: Any) -> tuple[int, Any]:
        """Add an item; a successful reply must have no data."""
        body = {"data": data, "ttl": 0} if key is None else {"key": key, "data": data}
        return await self._written(kind, "POST", self.items(kind, sid), body)

    async def update(
        self, kind: str, sid: str, item: str, data: Any, **headers: str
    ) -> tuple[int, Any]:
        """Update an item that exists."""
        url = f"{self.items(kind, sid)}/{quote(item, safe='')}"
        return await self._written(kind, "POST", url, {"data": data}, **headers)

    async def _written(
        self, kind: str, method: str, url: str, body: Any, **headers: str
    ) -> tuple[int, Any]:
        status, reply = await self.request(method, url, body, **headers)
        if status < 300:
            decode(reply, ITEMS[kind])
            assert reply.get("data") is None
        return status, reply

    async def subscribe(self, kind: str, made: Any, **request: Any) -> list[Any]:
        """Subscribe; returns the events up to the outcome, and the outcome."""
        self._correlation_id += 1
        wanted = {
            "type": "com.twilio.sync.subscriptions.Subscribe",
            "object_sid": made["sid"],
            "object_type": kind.lower().removesuffix("s"),
            **({"last_event_id": made["last_event_id"]} if kind != "Streams" else {}),
            **request,
        }
        body = {
            "event_protocol_version": 4,
            "action": "establish",
            "correlation_id": self._correlation_id,
            "requests": [wanted],
        }
        status, receipt = await self.request("POST", self.links["subscriptions"], body)
        assert status == 200
        decode(receipt, {"estimated_delivery_in_ms": NUMBER, "max_batch_size": NUMBER})
        events = []
        while True:
            events.append(await self.client.event())
            assert events[-1]["correlation_id"] == self._correlation_id
            if events[-1]["event_type"].startswith("subscription_"):
                return events

    async def event(self) -> Any:
        """The next event that the SDK knows; it notes the id of every other."""
        event = await self.client.event()
        return event["event_type"], decode(event["event"], EVENT[event["event_type"]])


@asynccontextmanager
async def connected(server: RunningServer) -> AsyncIterator[Kotlin]:
    async with twilsock_client(server, dialect=kotlin, init=False) as client:
        sdk = Kotlin(client)
        await sdk.connect(server.token())
        yield sdk


async def test_open_or_create_of_every_type(server: RunningServer) -> None:
    async with connected(server) as sdk:
        for kind in REPLY:
            name = unique()
            made = await sdk.create(kind, name)
            assert made["unique_name"] == name
            assert (await sdk.create(kind, name))["sid"] == made["sid"]
            status, changed = await sdk.request("POST", sdk.object(kind, made["sid"]), {"ttl": 60})
            assert status == 200
            assert decode(changed, REPLY[kind])["date_expires"] is not None
            assert changed["unique_name"] == name
            assert (await sdk.request("DELETE", sdk.object(kind, made["sid"])))[0] == 204


@kinds
async def test_set_adds_what_an_update_does_not_find(server: RunningServer, kind: str) -> None:
    """The SDK updates first, and adds on exactly 404 with the code of a missing item; it adds
    first, and updates on 409 with the code of an existing one."""
    async with connected(server) as sdk:
        sid = (await sdk.create(kind))["sid"]
        status, reply = await sdk.update(kind, sid, "0", {"n": 0}, If_Match="1")
        assert (status, reply["code"]) == (404, {"Maps": 54201, "Lists": 54151}[kind])
        key = "0" if kind == "Maps" else None
        status, item = await sdk.add(kind, sid, key, {"n": 0})
        assert status == 201
        if kind == "Maps":
            status, reply = await sdk.add(kind, sid, key, {"n": 1})
            assert (status, reply["code"]) == (409, 54208)
        status, updated = await sdk.update(kind, sid, "0", {"n": 1})
        assert (status, updated["date_created"]) == (200, item["date_created"])
        # mutate: refused, reads the item by its URL, and tries again.
        status, reply = await sdk.update(kind, sid, "0", {"n": 2}, If_Match=item["revision"])
        assert status == 412
        status, current = await sdk.request("GET", f"{sdk.items(kind, sid)}/0")
        assert (status, current["data"]) == (200, {"n": 1})
        decode(current, {**ITEMS[kind], "data": OBJECT})
        status, _ = await sdk.update(kind, sid, "0", {"n": 2}, If_Match=current["revision"])
        assert status == 200
        status, removed = await sdk.request("DELETE", f"{sdk.items(kind, sid)}/0")
        assert status == 200
        decode(removed, ITEMS[kind])


@kinds
async def test_pages(server: RunningServer, kind: str) -> None:
    async with connected(server) as sdk:
        sid = (await sdk.create(kind))["sid"]
        url = sdk.items(kind, sid)
        status, page = await sdk.request("GET", f"{url}?Order=asc&PageSize=10")
        assert (status, page["items"]) == (200, [])
        # This is how it knows that the collection is empty.
        assert page["meta"].get("next_token") is page["meta"].get("previous_token") is None
        for n in range(5):
            await sdk.add(kind, sid, str(n) if kind == "Maps" else None, {"n": n})
        # One item, by itself: the page that begins with it.
        query = "Order=asc&PageSize=1&Bounds=inclusive&From=3"
        status, page = await sdk.request("GET", f"{url}?{query}")
        assert [item["data"] for item in page["items"]] == [{"n": 3}]
        decode(page["items"][0], {**ITEMS[kind], "data": OBJECT})
        # Further pages begin with the last item of the page before.
        query = "Order=desc&PageSize=3&Bounds=inclusive&From=2"
        status, page = await sdk.request("GET", f"{url}?{query}")
        assert [item["data"]["n"] for item in page["items"]] == [2, 1, 0]
        assert page["meta"]["previous_token"] is not None
        assert page["meta"]["next_token"] is None


@kinds
async def test_events_as_its_classes_need_them(server: RunningServer, kind: str) -> None:
    async with connected(server) as sdk, twilsock_client(server, server.token("bob")) as writer:
        made = await sdk.create(kind)
        name, sid = kind.lower().removesuffix("s"), made["sid"]
        [outcome] = await sdk.subscribe(kind, made)
        assert outcome["events"][0]["replay_status"] == "completed"
        items = below(made["links"]["items"])
        _, added = await writer.call("POST", items, {"key": "k", "data": {"n": 0}, "ttl": 60})
        _, updated = await writer.call("POST", below(added["url"]), {"data": {"n": 1}})
        _, removed = await writer.call("DELETE", below(added["url"]))
        for written, kind_of_change, date in (
            (added, "added", added["date_created"]),
            (updated, "updated", updated["date_updated"]),
            (removed, "removed", removed["date_updated"]),
        ):
            event_type, event = await sdk.event()
            assert event_type == f"{name}_item_{kind_of_change}"
            assert event["id"] == written["last_event_id"]
            # To the millisecond.
            assert event["date_created"] == date
            # Its cache takes the expiry from the event.
            assert event["date_expires"] == written["date_expires"]
        await writer.call("DELETE", below(made["url"]))
        assert (await sdk.event())[0] == f"{name}_removed"
        failed = (await sdk.subscribe(kind, {"sid": sid, "last_event_id": 1}))[-1]
        error = failed["events"][0]["error"]
        decode(error, {"status": NUMBER, "code": NUMBER, "message": TEXT})
        assert error["status"] == 404


@kinds
async def test_own_changes(server: RunningServer, kind: str) -> None:
    """It finds its own changes by their ids; it logs the echo as an event that it does not know."""
    async with connected(server) as sdk:
        made = await sdk.create(kind)
        name = kind.lower().removesuffix("s")
        await sdk.subscribe(kind, made)
        _, added = await sdk.add(kind, made["sid"], "0" if kind == "Maps" else None, {"n": 0})
        _, event = await sdk.event()
        assert event["id"] == added["last_event_id"]
        _, removed = await sdk.request("DELETE", f"{sdk.items(kind, made['sid'])}/0")
        echo = await sdk.client.event()
        assert echo["event_type"] == f"{name}_echo"
        assert echo["event"]["id"] == removed["last_event_id"]
        # After a reconnect it asks from there, and receives nothing again.
        known = {**made, "last_event_id": echo["event"]["id"]}
        assert len(await sdk.subscribe(kind, known)) == 1


async def test_stream(server: RunningServer) -> None:
    """Its publisher waits for the event of its own message."""
    async with connected(server) as sdk:
        made = await sdk.create("Streams")
        [outcome] = await sdk.subscribe("Streams", made)
        assert outcome["event_type"] == "subscription_established"
        url = sdk.links["stream_messages"].replace("{streamId}", made["sid"])
        status, published = await sdk.request("POST", url, {"data": {"n": 1}})
        assert status == 201
        event_type, event = await sdk.event()
        assert event_type == "stream_message_published"
        assert event["message_sid"] == published["sid"]
        assert event["message_data"] == {"n": 1}
        await sdk.request("DELETE", sdk.object("Streams", made["sid"]))
        assert (await sdk.event())[0] == "stream_removed"
