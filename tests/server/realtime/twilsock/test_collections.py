"""Subscriptions to lists, maps and streams: what comes, when, and what comes again."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from support.account import Account
from support.api import unique
from support.metrics import scrape
from support.server import RunningServer, StartServer
from support.twilsock import DIALECTS, Dialect, TwilsockClient, twilsock_client
from support.v3 import below

JAVASCRIPT = [{"product": "data_sync", "type": "ers", "message_types": ["twilio.sync.event"]}]
"""Registrations in the `init` of the JavaScript SDK."""

PORTION = 100

TYPES = {"Lists": "list", "Maps": "map", "Streams": "stream"}

dialects = pytest.mark.parametrize("dialect", DIALECTS)
kinds = pytest.mark.parametrize("kind", ["Lists", "Maps"])
versions = pytest.mark.parametrize("version", [3, 4])


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


@dialects
@kinds
async def test_everything_after_the_known_revision_comes(
    server: RunningServer, dialect: Dialect, kind: str
) -> None:
    """An SDK joins at the revision of its GET, and loads no items."""
    async with twilsock_client(server, dialect=dialect) as client:
        made = await create(client, kind)
        item = await add(client, made, "a")
        await client.subscribe("establish", 7, wanted(made))
        replayed = await client.event()
        name = TYPES[kind]
        assert replayed["event_type"] == f"{name}_item_added"
        assert replayed["correlation_id"] == 7
        event = replayed["event"]
        assert event["id"] == item["last_event_id"]
        assert event["item_revision"] == event[f"{name}_revision"] == item["revision"]
        assert event["item_url"] == item["url"]
        assert event["item_data"] == {"k": "a"}
        assert event["date_created"] == item["date_created"]
        assert event["date_expires"] is None
        outcome = await client.event()
        assert outcome["event_type"] == "subscription_established"
        assert outcome["correlation_id"] == 7
        assert outcome["events"] == [
            {
                "object_sid": made["sid"],
                "object_type": name,
                "replay_status": "completed",
                "last_event_id": item["last_event_id"],
            }
        ]
        await done(client, "POST", event["item_url"], {"data": {"n": 1}})
        live = await client.event()
        assert live["event_type"] == f"{name}_item_updated"
        assert "correlation_id" not in live


@versions
@kinds
async def test_events_and_outcomes_in_both_versions(
    server: RunningServer, kind: str, version: int
) -> None:
    async with two(server) as (client, writer):
        made = await create(writer, kind)
        name = TYPES[kind]
        await client.subscribe("establish", 1, wanted(made), version=version)
        outcome = await client.event()
        assert outcome["event_protocol_version"] == version
        assert ("events" in outcome) == (version == 4)
        item = await add(writer, made, "a", ttl=60)
        await done(writer, "POST", item["url"], {"data": {"n": 1}})
        removed = await done(writer, "DELETE", item["url"])
        await done(writer, "DELETE", made["url"])
        events = [await client.event() for _ in range(4)]
        assert all(each["event_protocol_version"] == version for each in events)
        assert [each["event_type"] for each in events] == [
            f"{name}_item_added",
            f"{name}_item_updated",
            f"{name}_item_removed",
            f"{name}_removed",
        ]
        assert events[0]["event"]["date_expires"] == item["date_expires"]
        assert events[2]["event"]["item_data"] == {"n": 1}
        assert events[2]["event"]["id"] == removed["last_event_id"]
        assert events[3]["event"][f"{name}_sid"] == made["sid"]


@kinds
async def test_events_have_the_host_that_the_client_uses(server: RunningServer, kind: str) -> None:
    async with two(server) as (client, writer):
        made = await create(writer, kind)
        for host in ("one.example.com", "two.example.com:8041"):
            body = {
                "event_protocol_version": 4,
                "action": "establish",
                "correlation_id": 1,
                "requests": [wanted(made)],
            }
            await client.call("POST", "/v4/Subscriptions", body, host=host)
            while (await client.event())["event_type"] != "subscription_established":
                pass
            item = await add(writer, made, host[:3])
            url = (await client.event())["event"]["item_url"]
            assert url == item["url"].replace("cds.us1.example.com", host)


@kinds
async def test_writer_receives_an_echo_where_its_sdk_would_report_twice(
    server: RunningServer, kind: str
) -> None:
    async with two(server) as (client, other):
        made = await create(client, kind)
        for each in (client, other):
            await subscribed(each, made)
        name = TYPES[kind]
        item = await add(client, made, "a")
        await done(client, "POST", item["url"], {"data": {"n": 1}})
        timed = await done(client, "POST", item["url"], {"ttl": 60})
        removed = await done(client, "DELETE", item["url"])
        own = [await client.event() for _ in range(4)]
        assert [each["event_type"] for each in own] == [
            f"{name}_item_added",
            f"{name}_item_updated",
            f"{name}_echo",
            f"{name}_echo",
        ]
        for echo, written in ((own[2], timed), (own[3], removed)):
            assert echo["event"] == {
                "id": written["last_event_id"],
                f"{name}_sid": made["sid"],
                f"{name}_revision": written["revision"],
            }
        others = [await other.event() for _ in range(4)]
        assert [each["event_type"] for each in others] == [
            f"{name}_item_added",
            f"{name}_item_updated",
            f"{name}_item_updated",
            f"{name}_item_removed",
        ]
        assert others[2]["event"]["date_expires"] == timed["date_expires"]
        assert others[2]["event"]["item_data"] == {"n": 1}


@kinds
async def test_reply_comes_before_the_event(server: RunningServer, kind: str) -> None:
    """Else the SDK reports its own change as another's."""
    async with twilsock_client(server) as client:
        made = await create(client, kind)
        await subscribed(client, made)
        for n in range(20):
            item = await add(client, made, f"k{n}")
            assert client.unread == []
            assert (await client.event())["event"]["id"] == item["last_event_id"]


async def test_message_comes_to_its_publisher_only_where_its_sdk_waits_for_it(
    server: RunningServer,
) -> None:
    async with two(server) as (javascript, kotlin):
        made = await create(javascript, "Streams")
        for each in (javascript, kotlin):
            request = {**wanted(made), "last_event_id": None}
            await client_subscribes(each, request)
        messages = below(made["links"]["messages"])
        sids = []
        for each, n in ((javascript, 1), (kotlin, 2)):
            status, published = await each.call("POST", messages, {"data": {"n": n}})
            assert status == 201
            sids.append(published["sid"])
        first, second = [await kotlin.event() for _ in range(2)]
        assert first["event"] == {
            "stream_sid": made["sid"],
            "message_sid": sids[0],
            "message_data": {"n": 1},
        }
        assert second["event"]["message_sid"] == sids[1]
        only = await javascript.event()
        assert only["event_type"] == "stream_message_published"
        assert only["event"]["message_sid"] == sids[1]
        await done(kotlin, "DELETE", made["url"])
        assert (await javascript.event())["event_type"] == "stream_removed"


async def client_subscribes(client: TwilsockClient, request: Any) -> None:
    await client.subscribe("establish", 1, request)
    event = await client.event()
    assert event["event_type"] == "subscription_established"
    assert event["events"][0]["replay_status"] == "completed"


@kinds
async def test_what_changed_meanwhile_comes_once_for_each_item(
    server: RunningServer, kind: str
) -> None:
    async with two(server) as (client, writer):
        made = await create(writer, kind)
        items = [await add(writer, made, f"k{n}") for n in range(4)]
        known = items[-1]["last_event_id"]
        await done(writer, "POST", items[0]["url"], {"data": {"n": 1}})
        await done(writer, "DELETE", items[1]["url"])
        await done(writer, "POST", items[0]["url"], {"data": {"n": 2}})
        await add(writer, made, "new")
        # Unknown to the client, so of no use to it.
        brief = await add(writer, made, "brief")
        await done(writer, "DELETE", brief["url"])
        await client.subscribe("establish", 1, wanted(made, known))
        name = TYPES[kind]
        events = [await client.event() for _ in range(4)]
        assert [each["event_type"] for each in events] == [
            f"{name}_item_removed",
            f"{name}_item_updated",
            f"{name}_item_added",
            "subscription_established",
        ]
        ids = [each["event"]["id"] for each in events[:3]]
        assert ids == sorted(ids)
        assert events[1]["event"]["item_data"] == {"n": 2}
        assert events[3]["events"][0]["last_event_id"] > ids[-1]


async def test_long_absence_is_replayed_in_portions(server: RunningServer) -> None:
    async with two(server) as (client, writer):
        made = await create(writer, "Lists")
        for _ in range(2 * PORTION + 1):
            await add(writer, made, "")
        indexes, known, statuses = list[int](), made["last_event_id"], list[str]()
        while True:
            await client.subscribe("establish", len(statuses) + 1, wanted(made, known))
            while "events" not in (event := await client.event()):
                known = event["event"]["id"]
                indexes.append(id_of(event))
                assert event["correlation_id"] == len(statuses) + 1
            statuses.append(event["events"][0]["replay_status"])
            if statuses[-1] == "completed":
                break
            assert event["events"][0]["last_event_id"] == known
        assert indexes == list(range(2 * PORTION + 1))
        assert statuses == ["interrupted", "interrupted", "completed"]


async def test_interrupted_replay_has_no_subscription(server: RunningServer) -> None:
    async with two(server) as (client, writer):
        made = await create(writer, "Lists")
        for _ in range(PORTION + 1):
            await add(writer, made, "")
        await client.subscribe("establish", 1, wanted(made))
        while "events" not in (event := await client.event()):
            pass
        assert event["events"][0]["replay_status"] == "interrupted"
        item = await add(writer, made, "")
        await client.ask("ping")
        # Only from the id that it has reached, when it asks again.
        await client.subscribe("establish", 2, wanted(made, event["events"][0]["last_event_id"]))
        events = [await client.event() for _ in range(3)]
        assert [each.get("correlation_id") for each in events] == [2, 2, 2]
        assert events[1]["event"]["id"] == item["last_event_id"]


async def replayed(client: TwilsockClient, made: Any, known: int) -> list[tuple[str, str]]:
    """Type and key of each event of a replay, in all its portions."""
    found: list[tuple[str, str]] = []
    while True:
        await client.subscribe("establish", 1, wanted(made, known))
        while "events" not in (event := await client.event()):
            known = event["event"]["id"]
            if event["event_type"] != "map_echo":
                found.append((event["event_type"], id_of(event)))
        if event["events"][0]["replay_status"] == "completed":
            return found


async def test_portions_together_are_as_one_replay(server: RunningServer) -> None:
    """A later portion knows what the client had before the first."""
    async with two(server) as (client, writer):
        made = await create(writer, "Maps")
        old = [await add(writer, made, f"old{n}") for n in range(2)]
        known = old[-1]["last_event_id"]
        # In the first portion: items that stay. In the second: what happened to others meanwhile.
        brief, changed = await add(writer, made, "brief"), await add(writer, made, "changed")
        for n in range(PORTION):
            await add(writer, made, f"stays{n}")
        await done(writer, "DELETE", brief["url"])
        await done(writer, "DELETE", old[0]["url"])
        await done(writer, "POST", changed["url"], {"data": {"n": 1}})
        await done(writer, "POST", old[1]["url"], {"data": {"n": 1}})
        found = await replayed(client, made, known)
        assert found[PORTION:] == [
            ("map_item_removed", "old0"),
            ("map_item_added", "changed"),
            ("map_item_updated", "old1"),
        ]


async def test_item_that_is_removed_between_portions_is_removed(server: RunningServer) -> None:
    async with two(server) as (client, writer):
        made = await create(writer, "Maps")
        first = await add(writer, made, "first")
        for n in range(PORTION):
            await add(writer, made, f"stays{n}")
        await client.subscribe("establish", 1, wanted(made))
        events = [await client.event() for _ in range(PORTION + 1)]
        assert events[-1]["events"][0]["replay_status"] == "interrupted"
        assert id_of(events[0]) == "first"
        await done(writer, "DELETE", first["url"])
        found = await replayed(client, made, events[-2]["event"]["id"])
        assert found[-1] == ("map_item_removed", "first")


async def test_portion_without_events_moves_the_client_on(server: RunningServer) -> None:
    """An SDK asks again from the newest id that it received: it would ask without end."""
    async with two(server) as (client, writer):
        made = await create(writer, "Maps")
        for n in range(PORTION + 1):
            item = await add(writer, made, f"k{n}")
            await done(writer, "DELETE", item["url"])
        await client.subscribe("establish", 1, wanted(made))
        echo, outcome = [await client.event() for _ in range(2)]
        assert echo["event_type"] == "map_echo"
        assert echo["correlation_id"] == 1
        assert outcome["events"][0]["replay_status"] == "interrupted"
        assert echo["event"]["id"] == outcome["events"][0]["last_event_id"]
        await client.subscribe("establish", 2, wanted(made, echo["event"]["id"]))
        assert (await client.event())["events"][0]["replay_status"] == "completed"


@kinds
async def test_reader_from_before_the_horizon_must_open_again(
    fresh_server: StartServer, kind: str
) -> None:
    server = fresh_server("--tombstones=1")
    async with two(server) as (client, writer):
        made = await create(writer, kind)
        items = [await add(writer, made, f"k{n}") for n in range(4)]
        known = items[-1]["last_event_id"]
        for item in items[:3]:
            await done(writer, "DELETE", item["url"])
        await client.subscribe("establish", 1, wanted(made, known))
        failed = await client.event()
        assert failed["event_type"] == "subscription_failed"
        assert failed["events"][0]["error"]["status"] == 404
        assert scrape(server).total("syncline_resets_total", wire="twilsock") == 1
        # It has no subscription; opened again, it has.
        again = await done(client, "GET", made["url"])
        await add(writer, made, "x")
        await client.subscribe("establish", 2, wanted(again))
        events = [await client.event() for _ in range(2)]
        assert [each["event_type"] for each in events] == [
            f"{TYPES[kind]}_item_added",
            "subscription_established",
        ]


@kinds
async def test_client_without_an_id_gets_what_changed_since_it_read_items(
    server: RunningServer, kind: str
) -> None:
    """After a page reload the JavaScript SDK opens a collection from the storage of its window."""
    async with two(server) as (client, writer):
        made = await create(writer, kind)
        item = await add(writer, made, "a")
        await add(writer, made, "b")
        request = {**wanted(made), "last_event_id": None}
        page = await done(client, "GET", made["links"]["items"])
        assert len(page["items"]) == 2
        await done(writer, "POST", item["url"], {"data": {"n": 1}})
        await client.subscribe("establish", 1, request)
        events = [await client.event() for _ in range(2)]
        assert [each["event_type"] for each in events] == [
            f"{TYPES[kind]}_item_updated",
            "subscription_established",
        ]
        await client.subscribe("cancel", 2, request)
        assert (await client.event())["event_type"] == "subscription_canceled"
        await done(writer, "POST", item["url"], {"data": {"n": 2}})
        # Nothing was read since: there is nothing to replay.
        await client_subscribes(client, request)


@kinds
async def test_item_that_expires_is_removed_for_everybody(server: RunningServer, kind: str) -> None:
    async with two(server) as (client, writer):
        made = await create(client, kind)
        for each in (client, writer):
            await subscribed(each, made)
        item = await add(client, made, "a", ttl=1)
        for each in (client, writer):
            events = [await each.event() for _ in range(2)]
            assert events[1]["event_type"] == f"{TYPES[kind]}_item_removed"
            assert events[1]["event"]["id"] > item["last_event_id"]
            assert events[1]["event"]["item_data"] == {"k": "a"}


@kinds
async def test_ttl_of_a_collection_is_no_event(server: RunningServer, kind: str) -> None:
    async with two(server) as (client, writer):
        made = await create(writer, kind)
        await subscribed(client, made)
        await done(writer, "POST", made["url"], {"ttl": 60})
        item = await add(writer, made, "a")
        assert (await client.event())["event"]["id"] == item["last_event_id"]
        await done(writer, "POST", made["url"], {"ttl": 1})
        assert (await client.event())["event_type"] == f"{TYPES[kind]}_removed"


@pytest.mark.parametrize("kind", list(TYPES))
async def test_what_does_not_exist_fails(server: RunningServer, kind: str) -> None:
    async with two(server) as (client, _):
        made = await create(client, kind)
        await done(client, "DELETE", made["url"])
        for request in (
            wanted(made, 5),
            {**wanted(made), "object_sid": unique()},
            {**wanted(made), "object_type": "document"},
            {**wanted(made), "object_type": "live_query"},
        ):
            await client.subscribe("establish", 1, request)
            failed = await client.event()
            assert failed["event_type"] == "subscription_failed"
            assert failed["events"][0]["error"]["status"] == 404


async def test_batch_of_all_types_has_an_outcome_for_each_object(server: RunningServer) -> None:
    async with two(server) as (client, writer):
        objects = [await create(writer, kind) for kind in TYPES]
        requests = [wanted(each) for each in objects]
        gone = {"object_sid": "MP" + "0" * 32, "object_type": "map", "last_event_id": 1}
        await client.subscribe("establish", 1, *requests, gone)
        outcomes = [await client.event() for _ in range(4)]
        assert all(len(each["events"]) == 1 for each in outcomes)
        found = {each["events"][0]["object_sid"]: each["event_type"] for each in outcomes}
        assert found == {
            **{each["sid"]: "subscription_established" for each in objects},
            gone["object_sid"]: "subscription_failed",
        }


@kinds
@pytest.mark.parametrize("deflate", [False, True])
async def test_commit_of_several_items_comes_as_several_events(
    server: RunningServer, fresh_server: StartServer, kind: str, deflate: bool
) -> None:
    if deflate:
        server = fresh_server("--deflate")
    with Account(server) as account:
        async with two(server) as (client, writer):
            made = await create(writer, kind)
            await subscribed(client, made)
            operations = [
                {
                    "op": "add",
                    "data": {"s": "x" * 400},
                    **({"key": f"k{n}"} if kind == "Maps" else {}),
                }
                for n in range(3)
            ]
            path = f"/v1/Services/{made['service_sid']}/{kind}/{made['sid']}/Batch"
            reply = account.http.post(f"{server.url}{path}", json={"operations": operations})
            assert reply.status_code == 200, reply.text
            events = [await client.event() for _ in range(3)]
            assert {each["event_type"] for each in events} == {f"{TYPES[kind]}_item_added"}
            ids = [each["event"]["id"] for each in events]
            assert ids == sorted(set(ids))


@kinds
async def test_right_that_is_taken_away_ends_the_collection(
    server: RunningServer, kind: str
) -> None:
    with Account(server) as account:
        service = account.service(AclEnabled="true")
        made = account.ok("POST", service, kind, data={"UniqueName": unique()})
        right = (service, kind, made["sid"], "Permissions", "alice")
        allowed = {"Read": "true", "Write": "true", "Manage": "false"}
        account.ok("POST", *right, data=allowed)
        async with twilsock_client(server, server.token("alice", service=service)) as client:
            found = await done(client, "GET", f"http://x/v3/{kind}/{made['sid']}")
            await subscribed(client, found)
            account.ok("DELETE", *right)
            removed = await client.event()
            assert removed["event_type"] == f"{TYPES[kind]}_removed"
            account.ok("POST", service, kind, made["sid"], data={"Ttl": "60"})
            # As for a document: on 403 an SDK would keep what it has.
            await client.subscribe("establish", 2, wanted(found))
            failed = await client.event()
            assert failed["event_type"] == "subscription_failed"
            assert failed["events"][0]["error"]["status"] == 404
            items = below(found["links"]["items"])
            for method, path in (("GET", items), ("PUT", f"{items}/0"), ("POST", f"{items}/0")):
                if (kind, method) == ("Lists", "PUT"):
                    continue
                status, refusal = await client.call(method, path, {"data": {}})
                assert (status, refusal["code"]) == (403, 54007)
