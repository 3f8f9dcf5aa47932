"""What a client of a list or map receives of the changes that it missed."""

from __future__ import annotations

from typing import Any

import pytest

from support.account import Account
from support.metrics import scrape
from support.server import RunningServer, StartServer
from support.store import eventually
from support.twilsock import TwilsockClient
from support.v3_collections import TYPES, add, create, done, id_of, subscribed, two, wanted

PORTION = 100

kinds = pytest.mark.parametrize("kind", ["Lists", "Maps"])


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
        await subscribed(client, made, last_event_id=None)


async def test_reader_that_stalls_comes_to_the_state_of_the_server(
    fresh_server: StartServer,
) -> None:
    """Far more waits for it than the server keeps for one reader."""
    server = fresh_server("--output-mark=16384", "--slow-reader-timeout=60")
    with Account(server) as account:
        async with two(server) as (client, writer):
            made = await create(writer, "Maps")
            await subscribed(client, made)
            client.connection.transport.pause_reading()
            path = f"{server.url}/v1/Services/{made['service_sid']}/Maps/{made['sid']}/Batch"

            def write(verb: str, numbers: range, **members: Any) -> None:
                operations = [{"op": verb, "key": f"k{n:03}", **members} for n in numbers]
                reply = account.http.post(path, json={"operations": operations})
                assert reply.status_code == 200, reply.text

            for start in range(0, 800, 25):
                write("put", range(start, start + 25), data={"s": "x" * 15_000})
            for start in range(0, 800, 100):
                write("put", range(start, start + 100), data={"n": start})
            write("remove", range(100))
            last = await add(writer, made, "last")
            await eventually(
                lambda: scrape(server).total("syncline_conflated_events_total", wire="twilsock") > 0
            )
            client.connection.transport.resume_reading()
            found: dict[str, Any] = {}
            known = 0
            while known < last["last_event_id"]:
                event = await client.event()
                assert event["event"]["id"] > known, "ids of one map only grow"
                known = event["event"]["id"]
                if event["event_type"] == "map_item_removed":
                    found.pop(id_of(event), None)
                else:
                    found[id_of(event)] = event["event"]["item_data"]
            expected = {f"k{n:03}": {"n": n // 100 * 100} for n in range(100, 800)}
            assert found == {**expected, "last": {"k": "last"}}
