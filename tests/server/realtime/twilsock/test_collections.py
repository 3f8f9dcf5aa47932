"""Subscriptions to lists, maps and streams: what comes, and when."""

from __future__ import annotations

import pytest

from support.account import Account
from support.api import unique
from support.server import RunningServer, StartServer
from support.twilsock import DIALECTS, Dialect, twilsock_client
from support.v3 import below
from support.v3_collections import TYPES, add, create, done, subscribed, two, wanted

dialects = pytest.mark.parametrize("dialect", DIALECTS)
kinds = pytest.mark.parametrize("kind", ["Lists", "Maps"])
versions = pytest.mark.parametrize("version", [3, 4])


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
            outcome = await subscribed(each, made, last_event_id=None)
            assert outcome["replay_status"] == "completed"
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
