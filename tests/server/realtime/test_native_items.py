"""Requests for lists, maps and their items over real sockets (docs/protocol.md, section 3)."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from support.api import unique
from support.limits import WAIT_LIMIT
from support.server import RunningServer
from support.socket import NativeSocket, native_socket

REVISION_OF_NONE = "7"

ADD = {"op": "add", "key": "a", "data": {"n": 1}}


async def everything(socket: NativeSocket, **named: str) -> Any:
    """The header of a collection, and all its items."""
    return await socket.ok("items", **named, limit=500)


class TestMaps:
    async def test_an_item_is_added_replaced_patched_and_removed(
        self, server: RunningServer
    ) -> None:
        async with native_socket(server) as socket:
            sid = await socket.created("map")
            added = await socket.ok("add", map=sid, key="k", data={"n": 1}, ttl=60)
            put = await socket.ok("set", map=sid, key="k", data={"n": 2}, ttl=0)
            patched = await socket.ok("patch", map=sid, key="k", increment={"/n": 5})
            read = await socket.ok("item", map=sid, key="k")
            removed = await socket.ok("remove", map=sid, key="k")
            gone = await socket.error("item", map=sid, key="k")

        replies = [added, put, patched, removed]
        assert [each["kind"] for each in replies] == ["added", "updated", "updated", "removed"]
        # One clock: each write moves the item and the map to the same revision.
        for each in replies:
            assert each["item"]["revision"] == each["map"]["revision"]
        assert added["item"]["key"] == "k"
        assert "data" not in added["item"] and "data" not in put["item"]
        assert added["item"]["date_expires"] is not None and put["item"]["date_expires"] is None
        assert patched["item"]["data"] == {"n": 7}
        assert read == {"map": patched["map"], "item": patched["item"]}
        assert read["item"]["created_by"] == read["item"]["updated_by"] == "alice"
        assert removed["item"].keys() == {"key", "revision"}
        assert (gone["status"], gone["code"]) == (404, 54201)

    async def test_set_creates(self, server: RunningServer) -> None:
        async with native_socket(server) as socket:
            sid = await socket.created("map")
            ok = await socket.ok("set", map=sid, key="k", data={})
            assert ok["kind"] == "added"

    async def test_an_expiry_of_an_item_and_of_the_map(self, server: RunningServer) -> None:
        async with native_socket(server) as socket:
            sid = await socket.created("map")
            await socket.ok("add", map=sid, key="k", data={"n": 1})
            item = await socket.ok("ttl", map=sid, key="k", ttl=60)
            both = await socket.ok("set", map=sid, key="k", data={}, collection_ttl=90)
            never = await socket.ok("ttl_collection", map=sid, ttl=0)
            read = await socket.ok("get", map=sid)

        assert item["kind"] == "updated" and item["item"]["date_expires"] is not None
        assert "data" not in item["item"]
        assert both["map"]["date_expires"] > both["item"]["date_expires"]
        assert never["map"]["date_expires"] is None
        assert read == never
        assert "item" not in never

    async def test_a_key_that_exists_is_not_added(self, server: RunningServer) -> None:
        async with native_socket(server) as socket:
            sid = await socket.created("map")
            await socket.ok("add", map=sid, key="k", data={"n": 1})
            before = await socket.ok("item", map=sid, key="k")
            error = await socket.error("add", map=sid, key="k", data={"n": 2})
            assert (error["status"], error["code"], error["retry"]) == (409, 54208, False)
            assert error["item"] == before["item"]
            assert await socket.ok("item", map=sid, key="k") == before

    async def test_a_stale_condition_brings_the_newest_item(self, server: RunningServer) -> None:
        async with native_socket(server) as socket:
            sid = await socket.created("map")
            await socket.ok("add", map=sid, key="k", data={"n": 1})
            before = await socket.ok("item", map=sid, key="k")
            stale: dict[str, Any] = {"map": sid, "key": "k", "if_match": REVISION_OF_NONE}
            for do, rest in (
                ("set", {"data": {"n": 2}}),
                ("patch", {"increment": {"/n": 1}}),
                ("ttl", {"ttl": 60}),
                ("remove", {}),
            ):
                error = await socket.error(do, **stale, **rest)
                assert (error["status"], error["code"]) == (412, 54205)
                assert error["item"] == before["item"]
            assert await socket.ok("item", map=sid, key="k") == before
            fresh = stale | {"if_match": before["item"]["revision"]}
            assert (await socket.ok("set", **fresh, data={"n": 2}))["kind"] == "updated"

    async def test_a_condition_may_be_that_there_is_no_item(self, server: RunningServer) -> None:
        async with native_socket(server) as socket:
            sid = await socket.created("map")
            absent: dict[str, Any] = {"map": sid, "key": "k", "if_match": "-1"}
            assert (await socket.ok("set", **absent, data={"n": 1}))["kind"] == "added"
            error = await socket.error("set", **absent, data={"n": 2})
            assert (error["status"], error["code"]) == (412, 54205)
            assert error["item"]["data"] == {"n": 1}

            await socket.ok("remove", map=sid, key="k")
            error = await socket.error("set", **absent | {"if_match": "5"}, data={"n": 3})
            assert (error["code"], error["item"]) == (54205, None)

    async def test_what_changes_an_item_that_is_not_there(self, server: RunningServer) -> None:
        async with native_socket(server) as socket:
            sid = await socket.created("map")
            before = await everything(socket, map=sid)
            absent: dict[str, Any] = {"map": sid, "key": "k"}
            for do, rest in (
                ("item", {}),
                ("patch", {"merge": {"a": 1}}),
                ("ttl", {"ttl": 60}),
                ("remove", {}),
                ("remove", {"if_match": "5"}),
            ):
                error = await socket.error(do, **absent, **rest)
                assert (error["status"], error["code"]) == (404, 54201)
                assert "item" not in error
            assert await everything(socket, map=sid) == before

    async def test_an_expired_item_is_as_one_that_is_not_there(self, server: RunningServer) -> None:
        async with native_socket(server) as socket:
            sid = await socket.created("map")
            await socket.ok("set", map=sid, key="k", data={}, ttl=1)
            async with asyncio.timeout(WAIT_LIMIT):
                while (reply := await socket.ask("item", map=sid, key="k")).get("ok"):
                    await asyncio.sleep(0.05)
            assert reply["error"]["code"] == 54201
            assert (await socket.ok("add", map=sid, key="k", data={}))["kind"] == "added"

    async def test_a_repeated_write_is_applied_once(self, server: RunningServer) -> None:
        async with native_socket(server) as socket:
            sid = await socket.created("map")
            op = uuid4().hex
            first = await socket.ok("add", map=sid, key="k", data={"n": 1}, op=op)
            again = await socket.ok("add", map=sid, key="k", data={"n": 1}, op=op)
            assert again.pop("repeated") is True
            assert again["item"]["revision"] == first["item"]["revision"]
            other = await socket.error("add", map=sid, key="l", data={"n": 1}, op=op)
            assert (other["status"], other["code"]) == (409, 20409)
            read = await everything(socket, map=sid)
            assert [each["key"] for each in read["items"]] == ["k"]


class TestLists:
    async def test_items_are_appended_and_never_get_the_same_index(
        self, server: RunningServer
    ) -> None:
        async with native_socket(server) as socket:
            sid = await socket.created("list")
            added = [await socket.ok("add", list=sid, data={"n": n}) for n in range(3)]
            await socket.ok("remove", list=sid, index=2)
            last = await socket.ok("add", list=sid, data={})
            read = await everything(socket, list=sid)

        assert [each["item"]["index"] for each in added] == [0, 1, 2]
        assert last["item"]["index"] == 3
        assert [each["index"] for each in read["items"]] == [0, 1, 3]
        assert read["next"] is None

    async def test_set_replaces_and_does_not_create(self, server: RunningServer) -> None:
        async with native_socket(server) as socket:
            sid = await socket.created("list")
            await socket.ok("add", list=sid, data={"n": 1})
            assert (await socket.ok("set", list=sid, index=0, data={"n": 2}))["kind"] == "updated"
            patched = await socket.ok("patch", list=sid, index=0, increment={"/n": 1})
            assert patched["item"]["data"] == {"n": 3}
            error = await socket.error("set", list=sid, index=1, data={})
            assert (error["status"], error["code"]) == (404, 54151)
            error = await socket.error("set", list=sid, index=0, data={}, if_match="5")
            assert (error["status"], error["code"]) == (412, 54155)
            assert error["item"]["data"] == {"n": 3}


class TestPages:
    @pytest.mark.parametrize("order", ["asc", "desc"])
    async def test_a_walk_shows_each_item_once(self, server: RunningServer, order: str) -> None:
        keys = [f"k{n:02d}" for n in range(25)]
        async with native_socket(server) as socket:
            sid = await socket.created("map")
            operations = [{"op": "put", "key": key, "data": {}} for key in keys]
            await socket.ok("batch", map=sid, operations=operations)
            found: list[str] = []
            after: dict[str, str] = {}
            while True:
                page = await socket.ok("items", map=sid, order=order, limit=10, **after)
                found += [each["key"] for each in page["items"]]
                if page["next"] is None:
                    break
                after = {"after": page["next"]}
            first = await socket.ok("items", map=sid, order=order, limit=2, **{"from": "k07"})

        assert found == (keys if order == "asc" else keys[::-1])
        expected = ["k07", "k08"] if order == "asc" else ["k07", "k06"]
        assert [each["key"] for each in first["items"]] == expected
        assert first["map"]["sid"] == sid

    async def test_a_part_alone(self, server: RunningServer) -> None:
        async with native_socket(server) as socket:
            sid = await socket.created("map")
            for key in ("a", "b/1", "b/2", "c"):
                await socket.ok("set", map=sid, key=key, data={})
            by_prefix = await socket.ok("items", map=sid, prefix="b/")
            by_key = await socket.ok("items", map=sid, keys=["c", "never", "a"])
            of_list = await socket.created("list")
            for _ in range(3):
                await socket.ok("add", list=of_list, data={})
            by_index = await socket.ok("items", list=of_list, indexes=[2, 0, 9])

        assert [each["key"] for each in by_prefix["items"]] == ["b/1", "b/2"]
        assert [each["key"] for each in by_key["items"]] == ["a", "c"]
        assert [each["index"] for each in by_index["items"]] == [0, 2]
        assert by_prefix["next"] is by_key["next"] is by_index["next"] is None


class TestBatches:
    async def test_all_operations_are_one_commit(self, server: RunningServer) -> None:
        async with native_socket(server) as socket:
            sid = await socket.created("map")
            await socket.ok("set", map=sid, key="gone", data={})
            operations = [
                ADD,
                {"op": "put", "key": "b", "data": {}, "ttl": 60},
                {"op": "remove", "key": "gone"},
            ]
            ok = await socket.ok("batch", map=sid, operations=operations, collection_ttl=60)
            read = await everything(socket, map=sid)

        changes = ok["changes"]
        assert [(each["kind"], each["key"]) for each in changes] == [
            ("added", "a"),
            ("added", "b"),
            ("removed", "gone"),
        ]
        revisions = [int(each["revision"]) for each in changes]
        assert revisions == sorted(set(revisions))
        assert str(revisions[-1]) == ok["map"]["revision"]
        assert ok["map"]["date_expires"] is not None
        assert "data" not in changes[0] and "date_expires" in changes[0]
        assert changes[2].keys() == {"kind", "key", "revision"}
        assert read["map"] == ok["map"]
        assert [each["key"] for each in read["items"]] == ["a", "b"]

    async def test_a_batch_on_a_list_appends(self, server: RunningServer) -> None:
        async with native_socket(server) as socket:
            sid = await socket.created("list")
            operations = [{"op": "add", "data": {"n": n}} for n in range(3)]
            ok = await socket.ok("batch", list=sid, operations=operations)
            assert [each["index"] for each in ok["changes"]] == [0, 1, 2]

    async def test_one_refused_operation_refuses_all(self, server: RunningServer) -> None:
        async with native_socket(server) as socket:
            sid = await socket.created("map")
            await socket.ok("set", map=sid, key="b", data={"n": 1})
            before = await everything(socket, map=sid)
            for operation, status, code in (
                ({"op": "add", "key": "b", "data": {}}, 409, 54208),
                ({"op": "update", "key": "c", "data": {}}, 404, 54201),
                ({"op": "put", "key": "b", "data": {}, "if_match": "5"}, 412, 54205),
            ):
                error = await socket.error("batch", map=sid, operations=[ADD, operation])
                assert (error["status"], error["code"]) == (status, code)
                assert "operation 2 of 2" in error["message"]
                assert ("item" in error) is (status != 404)
            assert await everything(socket, map=sid) == before

    async def test_a_repeated_batch_is_applied_once(self, server: RunningServer) -> None:
        async with native_socket(server) as socket:
            sid = await socket.created("list")
            request: dict[str, Any] = {"list": sid, "operations": [{"op": "add", "data": {}}] * 2}
            op = uuid4().hex
            first = await socket.ok("batch", **request, op=op)
            again = await socket.ok("batch", **request, op=op)
            assert again.pop("repeated") is True
            assert [each["revision"] for each in again["changes"]] == [
                each["revision"] for each in first["changes"]
            ]
            assert len((await everything(socket, list=sid))["items"]) == 2

    async def test_a_batch_may_have_more_values_than_one_item(self, server: RunningServer) -> None:
        data = {"numbers": [0] * 7000}
        async with native_socket(server) as socket:
            sid = await socket.created("map")
            operations = [{"op": "put", "key": f"k{n}", "data": data} for n in range(6)]
            assert len((await socket.ok("batch", map=sid, operations=operations))["changes"]) == 6


class TestStreams:
    async def test_a_message_has_a_sid(self, server: RunningServer) -> None:
        async with native_socket(server) as socket:
            sid = await socket.created("stream")
            op = uuid4().hex
            first = await socket.ok("publish", stream=sid, data={"n": 1}, op=op)
            again = await socket.ok("publish", stream=sid, data={"n": 1}, op=op)
            other = await socket.ok("publish", stream=sid, data={"n": 1})

        assert first["message"]["sid"].startswith("TZ")
        assert again == first | {"repeated": True}
        assert other["message"]["sid"] != first["message"]["sid"]

    async def test_a_message_is_limited(self, server: RunningServer) -> None:
        async with native_socket(server) as socket:
            sid = await socket.created("stream")
            limit = socket.welcome["stream_message_limit"]
            error = await socket.error("publish", stream=sid, data={"a": "x" * limit})
            assert (error["status"], error["code"]) == (413, 54006)
            assert str(limit) in error["message"]


@pytest.mark.parametrize(("type_", "code"), [("list", 54150), ("map", 54200), ("stream", 54250)])
async def test_objects_of_every_type_are_created_fetched_and_removed(
    server: RunningServer, type_: str, code: int
) -> None:
    name = unique()
    async with native_socket(server) as socket:
        missing = await socket.error("get", **{type_: name})
        created = await socket.ok("open", **{type_: name}, ttl=60)
        taken = await socket.error("open", **{type_: name}, mode="create_new")
        fetched = await socket.ok("get", **{type_: created[type_]["sid"]})
        await socket.ok("unsubscribe", **{type_: name})
        of_whole = "" if type_ == "stream" else "_collection"
        ttl = await socket.ok(f"ttl{of_whole}", **{type_: name}, ttl=0)
        removed = await socket.ok(f"remove{of_whole}", **{type_: name})
        gone = await socket.error("get", **{type_: created[type_]["sid"]})
        document = await socket.ok("open", document=name)

    assert (missing["status"], missing["code"]) == (404, 54300)
    assert created["created"] is True and created[type_]["unique_name"] == name
    assert (taken["status"], taken["code"]) == (409, 54301)
    assert fetched == {type_: created[type_]}
    assert (
        ttl[type_]["date_expires"] is None and ttl[type_]["revision"] > fetched[type_]["revision"]
    )
    assert removed[type_].keys() == {"sid", "unique_name", "revision"}
    assert (gone["status"], gone["code"]) == (404, code)
    # A unique name is unique among the objects of one type.
    assert document["created"] is True


@pytest.mark.parametrize("type_", ["list", "map"])
async def test_every_request_for_a_collection_that_is_not_there(
    server: RunningServer, type_: str
) -> None:
    items: dict[str, dict[str, Any]] = {"map": {"key": "k"}, "list": {"index": 0}}
    item = items[type_]
    operation = {"op": "remove", **item}
    added = {"key": "k"} if type_ == "map" else {}
    requests: list[tuple[str, dict[str, Any]]] = [
        ("items", {}),
        ("item", item),
        ("add", {"data": {}, **added}),
        ("set", {"data": {}, **item}),
        ("patch", {"merge": {}, **item}),
        ("ttl", {"ttl": 5, **item}),
        ("remove", item),
        ("batch", {"operations": [operation]}),
        ("ttl_collection", {"ttl": 5}),
        ("remove_collection", {}),
        ("open", {"mode": "open_existing"}),
    ]
    async with native_socket(server) as socket:
        removed = await socket.created(type_)
        await socket.ok("remove_collection", **{type_: removed})
        for do, members in requests:
            for address, code in ((unique(), 54300), (removed, 54200 if type_ == "map" else 54150)):
                error = await socket.error(do, **{type_: address}, **members)
                assert (error["status"], error["code"]) == (404, code), do


async def test_a_sid_of_another_type_is_not_found(server: RunningServer) -> None:
    async with native_socket(server) as socket:
        sid = await socket.created("list")
        error = await socket.error("items", map=sid)
        assert error["status"] == 404


async def test_data_beyond_the_limit_changes_nothing(server: RunningServer) -> None:
    async with native_socket(server) as socket:
        sid = await socket.created("map")
        await socket.ok("set", map=sid, key="k", data={"a": "x"})
        before = await everything(socket, map=sid)
        large = {"a": "x" * socket.welcome["item_limit"]}
        for do, rest in (
            ("set", {"key": "k", "data": large}),
            ("add", {"key": "l", "data": large}),
            ("patch", {"key": "k", "merge": large}),
            ("batch", {"operations": [ADD, {"op": "put", "key": "k", "data": large}]}),
        ):
            error = await socket.error(do, map=sid, **rest)
            assert (error["status"], error["code"]) == (413, 54006), do
        assert await everything(socket, map=sid) == before


async def test_rivals_for_one_item_all_succeed_in_turn(server: RunningServer) -> None:
    async def count(socket: NativeSocket, sid: str) -> None:
        state = (await socket.ok("item", map=sid, key="k"))["item"]
        for _ in range(5):
            while True:
                data = {"n": state["data"]["n"] + 1}
                reply = await socket.ask(
                    "set", map=sid, key="k", data=data, if_match=state["revision"]
                )
                if "ok" in reply:
                    state = reply["ok"]["item"] | {"data": data}
                    break
                assert reply["error"]["code"] == 54205
                state = reply["error"]["item"]

    async with native_socket(server) as one, native_socket(server) as two:
        sid = await one.created("map")
        await one.ok("set", map=sid, key="k", data={"n": 0})
        await asyncio.gather(count(one, sid), count(two, sid))
        assert (await one.ok("item", map=sid, key="k"))["item"]["data"] == {"n": 10}
