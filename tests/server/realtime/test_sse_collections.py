"""Event streams of lists, maps and streams, over real connections."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Any
from urllib.parse import quote

import orjson
import pytest

from support.api import unique
from support.collections import CollectionsApi
from support.server import RunningServer
from support.stream import EventStream, StreamEvent, event_stream


@pytest.fixture
def maps(server: RunningServer) -> Iterator[CollectionsApi]:
    with CollectionsApi(server, "Maps") as api:
        yield api


@pytest.fixture
def map_sid(maps: CollectionsApi) -> str:
    sid: str = maps.create(UniqueName=unique("a/é "))["sid"]
    return sid


def stream_of(
    server: RunningServer, sid: str, query: str = "", **options: Any
) -> AbstractAsyncContextManager[EventStream]:
    return event_stream(server, sid, plural="Maps", query=query, **options)


def changed(event: StreamEvent) -> list[tuple[str, str]]:
    assert event.name == "items", event
    return [(each["kind"], each["key"]) for each in event.data["changes"]]


class TestMaps:
    async def test_a_page_comes_first_and_then_every_change(
        self, server: RunningServer, maps: CollectionsApi, map_sid: str
    ) -> None:
        for key in "abc":
            maps.add(map_sid, key=key)
        async with stream_of(server, map_sid, "?Items=2") as stream:
            state = await stream.next()
            maps.add(map_sid, key="d")
            maps.call("DELETE", map_sid, "Items", "a")
            maps.call("POST", map_sid, json={"ttl": 600})
            maps.call("DELETE", map_sid)
            *changes, expiry, removed = await stream.rest()

        assert state.name == "state" and set(state.data) == {"map", "items", "next"}
        assert [each["key"] for each in state.data["items"]] == ["a", "b"]
        assert (state.data["next"], state.id) == ("b", state.data["map"]["revision"])
        assert [changed(each) for each in changes] == [[("added", "d")], [("removed", "a")]]
        assert changes[0].data["map"]["previous_revision"] == state.id
        assert [each.id for each in changes] == [each.data["map"]["revision"] for each in changes]
        assert (expiry.name, removed.name) == ("expiry", "removed")
        assert expiry.data["map"]["date_expires"] is not None
        assert int(removed.id or 0) > int(expiry.id or 0) > int(changes[-1].id or 0)

    async def test_without_items_there_is_only_the_header(
        self, server: RunningServer, maps: CollectionsApi, map_sid: str
    ) -> None:
        maps.add(map_sid, key="a")
        async with stream_of(server, map_sid) as stream:
            state = await stream.next()
        assert list(state.data) == ["map"]
        assert state.data["map"]["sid"] == map_sid

    async def test_a_write_of_an_item_reports_the_new_expiry_of_its_map(
        self, server: RunningServer, maps: CollectionsApi, map_sid: str
    ) -> None:
        def expiries(*events: StreamEvent) -> list[str | None]:
            return [each.data["map"]["date_expires"] for each in events]

        item = {"key": "a", "collection_ttl": 600}
        async with stream_of(server, map_sid) as stream:
            state = await stream.next()
            maps.add(map_sid, **item)
            set_to = maps.fetch(map_sid)["date_expires"]
            maps.add(map_sid, key="b")
            maps.call("POST", map_sid, "Items", "b", json={"data": {}, "collection_ttl": 0})
            added, kept, cleared = [await stream.next() for _ in range(3)]
        assert expiries(state, cleared) == [None, None]
        [first, second] = expiries(added, kept)
        # REST names no milliseconds.
        assert first is not None and first[:19] == set_to[:19] and second == first

    async def test_a_stream_by_name_does_not_resume_from_an_earlier_map(
        self, server: RunningServer, maps: CollectionsApi
    ) -> None:
        """Which had that name: its items are gone, and no change says so."""
        name = unique("resumed")
        maps.create(UniqueName=name)
        maps.add(name, key="old")
        async with stream_of(server, name) as stream:
            first = await stream.next()
        maps.call("DELETE", name)
        maps.create(UniqueName=name)
        maps.add(name, key="new")
        async with stream_of(server, name, last_event_id=first.id) as stream:
            state = await stream.next()
            maps.add(name, key="newer")
            assert changed(await stream.next()) == [("added", "newer")]
        assert state.data["reset"] is True and "changes" not in state.data

    async def test_a_stream_resumes_with_an_expiry_that_has_changed(
        self, server: RunningServer, maps: CollectionsApi, map_sid: str
    ) -> None:
        async with stream_of(server, map_sid) as stream:
            first = await stream.next()
        maps.call("POST", map_sid, json={"ttl": 600})
        async with stream_of(server, map_sid, last_event_id=first.id) as stream:
            state = await stream.next()
        assert state.name == "state" and state.data["map"]["date_expires"] is not None
        assert (state.data["changes"], state.data["more_since"]) == ([], None)
        assert state.id == state.data["map"]["revision"]
        async with stream_of(server, map_sid, last_event_id=state.id) as stream:
            maps.add(map_sid, key="a")
            assert changed(await stream.next()) == [("added", "a")]

    async def test_a_stream_resumes_with_what_has_changed(
        self, server: RunningServer, maps: CollectionsApi, map_sid: str
    ) -> None:
        for key in "abc":
            maps.add(map_sid, key=key)
        async with stream_of(server, map_sid) as stream:
            first = await stream.next()
        maps.call("DELETE", map_sid, "Items", "a")
        maps.add(map_sid, key="d")
        async with stream_of(server, map_sid, last_event_id=first.id) as stream:
            state = await stream.next()
            maps.add(map_sid, key="e")
            live = await stream.next()
        assert state.name == "state" and state.data["more_since"] is None
        kinds = [(each["kind"], each["key"]) for each in state.data["changes"]]
        assert kinds == [("removed", "a"), ("added", "d")]
        assert changed(live) == [("added", "e")]
        async with stream_of(server, map_sid, last_event_id=live.id) as stream:
            maps.add(map_sid, key="f")
            assert changed(await stream.next()) == [("added", "f")]

    async def test_a_long_absence_is_replayed_in_portions(
        self, server: RunningServer, maps: CollectionsApi, map_sid: str
    ) -> None:
        async with stream_of(server, map_sid) as stream:
            first = await stream.next()
        keys = [f"{n:03}" for n in range(350)]
        for start in range(0, len(keys), 50):
            puts = [{"put": {"key": key, "data": {}}} for key in keys[start : start + 50]]
            operations = [{"op": "put", **each["put"]} for each in puts]
            maps.ok("POST", map_sid, "Batch", json={"operations": operations})
        async with stream_of(server, map_sid, last_event_id=first.id) as stream:
            state = await stream.next()
            assert state.id == state.data["more_since"]
            found = [each["key"] for each in state.data["changes"]]
            revisions = [int(state.id or 0)]
            while len(found) < len(keys):
                event = await stream.next()
                revisions.append(int(event.id or 0))
                if event.name == "items":
                    found += [each["key"] for each in event.data["changes"]]
            maps.add(map_sid, key="live")
            assert ("added", "live") in changed(await stream.next())
        assert found == keys
        assert revisions == sorted(set(revisions)) and len(revisions) >= 4

    @pytest.mark.parametrize("query", ["?Prefix=a%2F", "?Key=a%2F1&Key=b%2F1"])
    async def test_a_part_receives_only_its_items(
        self, server: RunningServer, maps: CollectionsApi, map_sid: str, query: str
    ) -> None:
        for key in ("a/1", "a/2", "b/1", "b/2"):
            maps.add(map_sid, key=key)
        async with stream_of(server, map_sid, f"{query}&Items=10") as stream:
            state = await stream.next()
            for key in ("b/1", "b/2", "a/1", "a/2"):
                maps.call("POST", map_sid, "Items", key, json={"data": {"n": 1}})
            events = [await stream.next(), await stream.next()]
        wanted = ["a/1", "a/2"] if "Prefix" in query else ["a/1", "b/1"]
        assert [each["key"] for each in state.data["items"]] == wanted
        received = [key for event in events for _, key in changed(event)]
        assert received == (["a/1", "a/2"] if "Prefix" in query else ["b/1", "a/1"])

    @pytest.mark.parametrize(
        ("query", "code"),
        [
            ("?Items=0", 54454),
            ("?Items=501", 54454),
            ("?Items=many", 54454),
            ("?Items=1&Items=2", 54454),
            ("?Prefix=", 54209),
            (f"?Prefix={'p' * 321}", 54209),
            ("?Prefix=a&Prefix=b", 20422),
            ("?Prefix=a&Key=b", 20422),
            ("?Key=", 54209),
            ("?" + "&".join(f"Key={n}" for n in range(257)), 20422),
            ("?Itms=3", 20422),
        ],
    )
    async def test_bad_parameters_are_refused_before_any_event(
        self, server: RunningServer, map_sid: str, query: str, code: int
    ) -> None:
        async with stream_of(server, map_sid, query) as stream:
            body = orjson.loads(await stream.response.aread())
        assert (stream.response.status_code, body["status"]) == (400, 400)
        assert body["code"] in (code, 20001), body

    async def test_a_map_that_is_not_there_is_404(self, server: RunningServer) -> None:
        async with stream_of(server, "none") as stream:
            assert stream.response.status_code == 404


async def test_a_list_names_its_items_by_index(server: RunningServer) -> None:
    with CollectionsApi(server, "Lists") as lists:
        sid = lists.create()["sid"]
        lists.add(sid)
        opened = partial(event_stream, server, sid, plural="Lists")
        async with opened(query="?Items=5") as stream:
            state = await stream.next()
            lists.add(sid)
            event = await stream.next()
        assert [each["index"] for each in state.data["items"]] == [0]
        assert [each["index"] for each in event.data["changes"]] == [1]
        async with opened(query="?Index=1&Items=5") as stream:
            state = await stream.next()
        assert [each["index"] for each in state.data["items"]] == [1]
        for query in ("?Prefix=1", "?Index=-1"):
            async with opened(query=query) as stream:
                assert stream.response.status_code == 400


async def test_messages_have_no_id(server: RunningServer) -> None:
    with CollectionsApi(server, "Streams") as streams:
        sid = streams.create()["sid"]
        async with event_stream(server, sid, plural="Streams") as stream:
            state = await stream.next()
            sent = streams.ok("POST", sid, "Messages", json={"data": {"n": 1}})
            message = await stream.next()
            streams.call("DELETE", sid)
            [removed] = await stream.rest()
        assert list(state.data) == ["stream"] and state.id == state.data["stream"]["revision"]
        assert (message.name, message.id) == ("message", None)
        assert message.data["message"]["sid"] == sent["sid"]
        assert message.data["message"]["data"] == {"n": 1}
        assert removed.name == "removed"
        async with event_stream(
            server, quote("gone"), plural="Streams", last_event_id=state.id
        ) as stream:
            assert stream.response.status_code == 404
