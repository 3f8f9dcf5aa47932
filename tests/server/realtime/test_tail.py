"""`/v1/Events`: the events of all objects, for operators."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx2
import pytest

import syncline
from support.api import DocumentsApi, unique
from support.keys import KeysApi
from support.limits import WAIT_LIMIT
from support.metrics import scrape
from support.server import RunningServer, StartServer, StartSharedServer
from support.stream import StreamEvent, stream_at


def rest(
    server: RunningServer,
    path: str,
    body: dict[str, Any],
    *,
    headers: dict[str, str] | None = None,
    expected: int | None = None,
) -> Any:
    """POST; `expected` is the status, any success by default."""
    url = f"{server.url}/v1/Services/default/{path}"
    reply = httpx2.post(url, json=body, auth=server.basic, headers=headers)
    assert reply.status_code in ([expected] if expected else range(200, 300)), reply.text
    return reply.json()


def tail(server: RunningServer, query: str = "", login: tuple[str, str] | None = None) -> Any:
    return stream_at(f"{server.url}/v1/Events{query}", login=login or server.basic)


async def following(stream: Any, sid: str) -> StreamEvent:
    """The next event of an object."""
    while True:
        event: StreamEvent = await stream.next()
        about = [value.get("sid") for value in event.data.values() if isinstance(value, dict)]
        if sid in about:
            return event


async def test_it_shows_the_events_of_every_type_as_their_own_streams_do(
    server: RunningServer,
) -> None:
    document = rest(server, "Documents", {"UniqueName": unique(), "Data": {"a": 1}})
    map_, stream_ = (rest(server, each, {"UniqueName": unique()}) for each in ("Maps", "Streams"))
    async with tail(server) as stream:
        assert (await stream.next()).name == "open"
        rest(server, f"Documents/{document['sid']}", {"Data": {"a": 2}})
        rest(server, f"Maps/{map_['sid']}/Items", {"Key": "k", "Data": {"b": 1}})
        rest(server, f"Maps/{map_['sid']}/Permissions/eve", {"Read": True})
        rest(server, f"Streams/{stream_['sid']}/Messages", {"Data": {"c": 1}})
        updated = await following(stream, document["sid"])
        assert updated.name == "updated"
        assert updated.data["service_sid"] == document["service_sid"]
        assert updated.data["document"]["data"] == {"a": 2}
        items = await following(stream, map_["sid"])
        assert (items.name, items.data["changes"][0]["key"]) == ("items", "k")
        permission = await following(stream, map_["sid"])
        assert (permission.name, permission.data["identity"]) == ("permission", "eve")
        assert (permission.data["read"], permission.data["write"]) == (True, False)
        message = await following(stream, stream_["sid"])
        assert (message.name, message.data["message"]["data"]) == ("message", {"c": 1})


async def test_it_shows_what_other_workers_and_token_holders_write(
    shared_server: StartSharedServer, engine: list[str]
) -> None:
    server = await asyncio.to_thread(shared_server, "--workers=2", *engine)
    sid = rest(server, "Documents", {"UniqueName": unique()})["sid"]
    async with tail(server, f"?Object={sid}") as stream:
        with DocumentsApi(server, server.token("ada")) as api:
            for number in range(8):  # new connections, so that both workers get some
                assert api.call("POST", sid, json={"Data": {"n": number}}).status_code == 200
        await stream.next()
        events = [await stream.next() for _ in range(8)]
        assert [each.data["document"]["data"]["n"] for each in events] == list(range(8))
        assert {each.data["document"]["updated_by"] for each in events} == {"ada"}


async def test_it_shows_what_was_created(server: RunningServer) -> None:
    plurals = {"document": "Documents", "list": "Lists", "map": "Maps", "stream": "Streams"}
    async with (
        tail(server, "?Service=default") as stream,
        syncline.connect(server.url, token=server.token("ada")) as client,
    ):
        assert (await stream.next()).name == "open"
        made = {
            name: rest(server, plural, {"UniqueName": unique(), "Ttl": 3600})
            for name, plural in plurals.items()
        }
        for name, resource in made.items():
            event = await following(stream, resource["sid"])
            assert event.name == "created"
            assert event.data["service_sid"] == resource["service_sid"]
            shown = event.data[name]
            dates = {"date_created", "date_expires"}
            assert {"unique_name", "revision", "created_by"} | dates <= set(shown)
            # Dates of REST are in whole seconds.
            for key in shown.keys() & resource.keys() - dates:
                assert shown[key] == resource[key]
        document = await client.document(unique(), data={"n": 1})
        await document.set({"n": 2})
        await document.remove()
        events = [await following(stream, document.sid) for _ in range(3)]
        assert [each.name for each in events] == ["created", "updated", "removed"]
        created = events[0].data["document"]
        assert (created["data"], created["created_by"]) == ({"n": 1}, "ada")
        # An object that was there is not created again.
        again = rest(server, "Maps", {"UniqueName": made["map"]["unique_name"]}, expected=409)
        rest(server, f"Maps/{made['map']['sid']}/Items", {"Key": "k", "Data": {}})
        assert (await following(stream, made["map"]["sid"])).name == "items", again


async def test_a_creation_that_is_committed_again_is_shown_once(server: RunningServer) -> None:
    body, key = {"UniqueName": unique(), "Data": {}}, {"Idempotency-Key": unique()}
    async with tail(server) as stream:
        assert (await stream.next()).name == "open"
        for _ in range(2):
            sid = rest(server, "Documents", body, headers=key)["sid"]
        rest(server, f"Documents/{sid}", {"Data": {"n": 1}})
        events = [await following(stream, sid) for _ in range(2)]
        assert [each.name for each in events] == ["created", "updated"]


async def test_filters_by_service_type_and_object(server: RunningServer) -> None:
    other = httpx2.post(f"{server.url}/v1/Services", auth=server.basic).json()["sid"]
    wanted, unwanted = (rest(server, "Documents", {"UniqueName": unique()}) for _ in range(2))
    map_ = rest(server, "Maps", {"UniqueName": unique()})
    async with (
        tail(server, f"?Object={wanted['sid']}") as of_one,
        tail(server, "?Service=default&Type=maps") as of_maps,
        tail(server, f"?Service={other}") as of_other,
    ):
        for stream in (of_one, of_maps, of_other):
            assert (await stream.next()).name == "open"
        rest(server, f"Documents/{unwanted['sid']}", {"Data": {}})
        rest(server, f"Maps/{map_['sid']}/Items", {"Key": "k", "Data": {}})
        rest(server, f"Documents/{wanted['sid']}", {"Data": {"last": True}})
        assert (await of_one.next()).data["document"]["sid"] == wanted["sid"]
        assert "map" in (await of_maps.next()).data
        url = f"{server.url}/v1/Services/{other}/Documents"
        sid = httpx2.post(url, auth=server.basic).json()["sid"]
        httpx2.post(f"{url}/{sid}", json={"Data": {"x": 1}}, auth=server.basic)
        assert (await of_other.next()).data["service_sid"] == other


async def test_events_beyond_the_rate_are_counted(fresh_server: StartServer) -> None:
    server = await asyncio.to_thread(fresh_server, "--tail-rate=1")
    sid = rest(server, "Streams", {})["sid"]
    async with tail(server) as stream:
        assert (await stream.next()).name == "open"
        for number in range(20):
            rest(server, f"Streams/{sid}/Messages", {"Data": {"n": number}})
        shown = missed = 0
        while shown + missed < 20:
            event = await stream.next()
            if event.name == "missed":
                missed += event.data["count"]
            else:
                shown += 1
        assert missed > 0
    scraped = scrape(server)
    assert scraped.value("syncline_bound_hits_total", bound="tail_rate") == missed


async def test_the_number_of_tails_is_limited(fresh_server: StartServer) -> None:
    server = await asyncio.to_thread(fresh_server, "--max-tails=1")
    async with tail(server) as first:
        assert (await first.next()).name == "open"
        async with tail(server) as second:
            assert second.response.status_code == 429
    async with asyncio.timeout(WAIT_LIMIT):
        while True:
            async with tail(server) as third:
                if third.response.status_code == 200:
                    break


async def test_only_the_account_and_its_keys_may(server: RunningServer) -> None:
    url = f"{server.url}/v1/Events"
    token = {"Authorization": f"Bearer {server.token()}"}
    assert httpx2.get(url).status_code == 401
    assert httpx2.get(url, auth=("x", "y")).status_code == 401
    assert httpx2.get(url, headers=token).status_code == 403


async def test_it_ends_with_the_key_that_opened_it(server: RunningServer) -> None:
    with KeysApi(server) as keys:
        key = await asyncio.to_thread(keys.add)
        async with tail(server, login=key.login) as stream:
            assert (await stream.next()).name == "open"
            await asyncio.to_thread(keys.ok, "DELETE", key.sid)
            last = (await stream.rest())[-1]
            assert (last.name, last.data["code"]) == ("closing", 20003)


async def test_it_does_not_hold_up_the_end_of_the_server(fresh_server: StartServer) -> None:
    server = await asyncio.to_thread(fresh_server)
    async with tail(server) as stream:
        assert (await stream.next()).name == "open"
        ending = asyncio.create_task(asyncio.to_thread(server.stop))
        last = (await stream.rest())[-1]
        assert (last.name, last.data["code"]) == ("closing", 20503)
        assert await ending == 0


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("?Type=cards", 400, 20422),
        ("?Object=lobby", 400, 20422),
        ("?Object=*", 400, 20422),
        (f"?Object=IS{0:032x}", 400, 20422),
        ("?Service=nowhere", 404, 54050),
        ("?Typ=maps", 400, 20001),
    ],
)
def test_what_is_refused(server: RunningServer, query: str, status: int, code: int) -> None:
    reply = httpx2.get(f"{server.url}/v1/Events{query}", auth=server.basic)
    assert (reply.status_code, reply.json()["code"]) == (status, code)
