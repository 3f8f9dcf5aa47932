"""The verbs of the native protocol over real sockets (docs/protocol.md, sections 3 and 5)."""

from __future__ import annotations

from typing import Any

import pytest

from support.api import unique
from support.server import RunningServer
from support.socket import native_socket

REVISION_IN_THE_FUTURE = str(2**53 - 1)


class TestOpen:
    async def test_a_missing_document_is_created(self, server: RunningServer) -> None:
        name = unique()
        async with native_socket(server) as socket:
            ok = await socket.ok("open", document=name, data={"a": [1, None]}, ttl=60)

        document = ok["document"]
        assert ok["created"] is True
        assert (document["unique_name"], document["data"]) == (name, {"a": [1, None]})
        assert document["created_by"] == document["updated_by"] == "alice"
        assert document["date_expires"] > document["date_created"] == document["date_updated"]

    async def test_an_existing_one_is_fetched_and_keeps_its_data(
        self, server: RunningServer
    ) -> None:
        name = unique()
        async with native_socket(server) as socket, native_socket(server) as other:
            first = await socket.document("open", document=name, data={"a": 1})
            again = await other.ok("open", document=name, data={"a": 2}, ttl=60)

        assert again == {"created": False, "document": first}

    async def test_data_is_empty_unless_given(self, server: RunningServer) -> None:
        async with native_socket(server) as socket:
            document = await socket.document("open", document=unique())

        assert (document["data"], document["date_expires"]) == ({}, None)

    async def test_without_an_address_one_without_a_name_is_made(
        self, server: RunningServer
    ) -> None:
        async with native_socket(server) as socket:
            first = await socket.ok("open", data={"a": 1})
            second = await socket.ok("open", mode="create_new")

            assert first["created"] and second["created"]
            assert first["document"]["unique_name"] is None
            assert first["document"]["sid"] != second["document"]["sid"]
            assert (await socket.document("get", document=first["document"]["sid"]))["data"] == {
                "a": 1
            }

    async def test_open_existing_does_not_create(self, server: RunningServer) -> None:
        name = unique()
        async with native_socket(server) as socket:
            error = await socket.error("open", document=name, mode="open_existing")
            assert (error["status"], error["code"]) == (404, 54300)
            first = await socket.document("open", document=name)
            ok = await socket.ok("open", document=first["sid"], mode="open_existing")

        assert ok == {"created": False, "document": first}

    async def test_create_new_does_not_fetch(self, server: RunningServer) -> None:
        name = unique()
        async with native_socket(server) as socket:
            assert (await socket.ok("open", document=name, mode="create_new"))["created"]
            error = await socket.error("open", document=name, mode="create_new")

        assert (error["status"], error["code"]) == (409, 54301)

    @pytest.mark.parametrize("mode", ["open_or_create", "open_existing", "create_new"])
    async def test_a_sid_is_never_created(self, server: RunningServer, mode: str) -> None:
        async with native_socket(server) as socket:
            missing = await socket.error("open", document="ET" + "0" * 32, mode=mode)
            document = await socket.document("open", document=unique())
            found = await socket.ok("open", document=document["sid"], mode=mode)

        assert (missing["status"], missing["code"]) == (404, 54100)
        assert found == {"created": False, "document": document}

    async def test_data_is_omitted_only_for_the_newest_revision(
        self, server: RunningServer
    ) -> None:
        async with native_socket(server) as socket:
            first = await socket.document("open", document=unique(), data={"n": 1})
            sid = first["sid"]
            second = await socket.document("set", document=sid, data={"n": 2})
            newest = await socket.document("open", document=sid, revision=second["revision"])
            older = await socket.document("open", document=sid, revision=first["revision"])
            other = await socket.document("open", document=sid, revision=REVISION_IN_THE_FUTURE)

        assert newest == second
        assert "data" not in newest
        assert older == other == {**second, "data": {"n": 2}}

    async def test_at_most_so_many_on_one_connection(self, strict_server: RunningServer) -> None:
        names = [unique() for _ in range(4)]
        async with native_socket(strict_server) as socket:
            for name in names[:3]:
                await socket.ok("open", document=name)
            error = await socket.error("open", document=names[3])
            assert (error["status"], error["code"]) == (400, 54419)
            assert (await socket.error("get", document=names[3]))["status"] == 404
            await socket.ok("open", document=names[0])
            await socket.ok("unsubscribe", document=names[1])
            await socket.ok("open", document=names[3])

    async def test_at_most_so_many_also_when_they_are_asked_for_at_once(
        self, strict_server: RunningServer
    ) -> None:
        async with native_socket(strict_server) as socket:
            ids = [await socket.send("open", document=unique()) for _ in range(8)]
            replies = [await socket.reply(request_id) for request_id in ids]

        assert sum("ok" in reply for reply in replies) == 3


class TestWrites:
    async def test_set_replaces_the_data(self, server: RunningServer) -> None:
        async with native_socket(server) as socket:
            first = await socket.document("open", document=unique(), data={"a": 1})
            second = await socket.document("set", document=first["unique_name"], data={"b": 2})
            read = await socket.document("get", document=first["sid"])

        assert "data" not in second
        assert int(second["revision"]) > int(first["revision"])
        assert read == {**second, "data": {"b": 2}}

    async def test_a_failed_if_match_brings_the_newest_state(self, server: RunningServer) -> None:
        async with native_socket(server) as socket:
            first = await socket.document("open", document=unique(), data={"n": 1})
            sid, first_revision = first["sid"], first["revision"]
            await socket.ok("set", document=sid, data={"n": 2}, if_match=first_revision)
            newest = await socket.document("get", document=sid)
            writes: dict[str, dict[str, Any]] = {
                "set": {"data": {"n": 3}},
                "patch": {"merge": {"n": 3}},
                "ttl": {"ttl": 60},
                "remove": {},
            }
            for do, members in writes.items():
                error = await socket.error(do, document=sid, if_match=first_revision, **members)
                assert (error["status"], error["code"], error["retry"]) == (412, 54103, False)
                assert error["document"] == newest
            assert await socket.document("get", document=sid) == newest

    @pytest.mark.parametrize(
        ("rule", "expected"),
        [
            ({"merge": {"a": None, "b": {"c": 2}}}, {"b": {"c": 2}, "n": 1}),
            ({"operations": [{"op": "move", "from": "/a", "path": "/z"}]}, {"n": 1, "z": {}}),
            ({"increment": {"/n": 2, "/m": -0.5}}, {"a": {}, "n": 3, "m": -0.5}),
        ],
    )
    async def test_patch_replies_with_the_new_data(
        self, server: RunningServer, rule: dict[str, Any], expected: dict[str, Any]
    ) -> None:
        async with native_socket(server) as socket:
            first = await socket.document("open", document=unique(), data={"a": {}, "n": 1})
            patched = await socket.document("patch", document=first["sid"], ttl=60, **rule)
            read = await socket.document("get", document=first["sid"])

        assert patched == read
        assert read["data"] == expected
        assert read["date_expires"] is not None

    async def test_a_patch_that_does_not_fit_changes_nothing(self, server: RunningServer) -> None:
        async with native_socket(server) as socket:
            first = await socket.document("open", document=unique(), data={"a": "text"})
            for rule in (
                {"increment": {"/a": 1}},
                {"operations": [{"op": "add", "path": "/b", "value": 1}, {"op": "test"}]},
                {"operations": [{"op": "remove", "path": "/b"}]},
            ):
                error = await socket.error("patch", document=first["sid"], **rule)
                assert error["status"] in (400, 409), error
            assert await socket.document("get", document=first["sid"]) == first

    async def test_ttl_sets_the_expiry_alone(self, server: RunningServer) -> None:
        async with native_socket(server) as socket:
            first = await socket.document("open", document=unique(), data={"a": 1})
            sid = first["sid"]
            second = await socket.document("ttl", document=sid, ttl=60)
            event = await socket.event()
            third = await socket.document("set", document=sid, data={})
            fourth = await socket.document("ttl", document=sid, ttl=0)

        assert "data" not in second
        assert first["date_expires"] is None
        assert event["event"] == "updated"
        assert event["document"]["data"] == {"a": 1}
        assert event["document"]["date_expires"] == second["date_expires"] is not None
        assert third["date_expires"] == second["date_expires"]
        assert fourth["date_expires"] is None

    async def test_remove_ends_every_subscription(self, server: RunningServer) -> None:
        async with native_socket(server) as socket, native_socket(server) as other:
            first = await socket.document("open", document=unique(), data={"a": 1})
            await other.ok("open", document=first["sid"])
            removed = await other.document("remove", document=first["unique_name"])

            event = (await socket.event())["document"]
            assert (await other.event())["document"] == event
            missing = await socket.error("get", document=first["sid"])

        assert removed == {
            "sid": first["sid"],
            "unique_name": first["unique_name"],
            "revision": removed["revision"],
        }
        assert missing["code"] == 54100
        assert int(removed["revision"]) > int(first["revision"])
        assert event == {
            **removed,
            "previous_revision": first["revision"],
            "date_removed": event["date_removed"],
            "removed_by": "alice",
            "expired": False,
        }

    async def test_a_name_is_free_again_once_its_document_is_removed(
        self, server: RunningServer
    ) -> None:
        async with native_socket(server) as socket:
            first = await socket.document("open", document=unique())
            await socket.ok("remove", document=first["sid"])
            second = await socket.ok("open", document=first["unique_name"])

        assert second["created"]
        assert second["document"]["sid"] != first["sid"]

    async def test_unsubscribe_ends_the_events(self, server: RunningServer) -> None:
        name = unique()
        async with native_socket(server) as socket:
            assert await socket.ok("unsubscribe", document=name) == {}
            await socket.ok("open", document=name)
            assert await socket.ok("unsubscribe", document=name) == {}
            written = await socket.document("set", document=name, data={"n": 1})
            await socket.ok("open", document=name)
            newest = await socket.document("set", document=name, data={"n": 2})

            assert written["revision"] not in await socket.updates(newest["revision"])


class TestEvents:
    async def test_updated_says_what_who_and_when(self, server: RunningServer) -> None:
        bob = server.token("bob")
        async with native_socket(server) as socket, native_socket(server, bob) as other:
            first = await socket.document("open", document=unique())
            second = await other.document("set", document=first["sid"], data={"é": "✓"}, ttl=60)

            assert await socket.event() == {
                "event": "updated",
                "document": {
                    "sid": first["sid"],
                    "unique_name": first["unique_name"],
                    "revision": second["revision"],
                    "previous_revision": first["revision"],
                    "data": {"é": "✓"},
                    "date_updated": second["date_updated"],
                    "date_expires": second["date_expires"],
                    "updated_by": "bob",
                },
            }
            assert other.unread == []

    async def test_a_writer_receives_the_events_of_its_own_writes(
        self, server: RunningServer
    ) -> None:
        async with native_socket(server) as socket:
            await socket.ok("open", document=(name := unique()))
            written = await socket.document("set", document=name, data={})

            assert await socket.updates(written["revision"]) == [written["revision"]]
