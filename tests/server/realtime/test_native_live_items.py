"""Collections and streams that change while they are open (docs/protocol.md, sections 4 and 5)."""

from __future__ import annotations

import asyncio
from typing import Any

from support.api import unique
from support.metrics import scrape
from support.server import RunningServer
from support.socket import Message, NativeSocket, native_socket, slow_socket

SHORT_MEMORY = "--tombstones=0"
SMALL_QUEUE = ("--waiting-messages=5", "--output-mark=16384", "--waiting-items=20")


async def opened(socket: NativeSocket, sid: str, **members: Any) -> Message:
    return await socket.ok("open", map=sid, **members)


async def put(socket: NativeSocket, sid: str, *keys: str, data: Any = None) -> Message:
    """Put items by one commit."""
    operations = [{"op": "put", "key": key, "data": data or {"at": key}} for key in keys]
    return await socket.ok("batch", map=sid, operations=operations)


class Replica:
    """Items as a client keeps them: those of pages, and what events make of them."""

    def __init__(self, *pages: Message) -> None:
        self.items = {each["key"]: each for page in pages for each in page["items"]}
        self.revision = ""

    def apply(self, message: Message) -> None:
        """Apply an `items` event, or a reply with changes."""
        for change in message["changes"]:
            if change["kind"] == "removed":
                self.items.pop(change["key"], None)
            else:
                self.items[change["key"]] = {n: v for n, v in change.items() if n != "kind"}
        self.revision = message["map"]["revision"]

    async def follow(self, socket: NativeSocket, revision: str) -> list[Message]:
        """Apply events up to a revision."""
        events: list[Message] = []
        while not self.revision or int(self.revision) < int(revision):
            event = await socket.event()
            if events:
                assert int(event["map"]["revision"]) > int(events[-1]["map"]["revision"])
            if event["event"] == "expiry":
                self.revision = event["map"]["revision"]
                continue
            assert event["event"] == "items", event
            self.apply(event)
            events.append(event)
        return events


async def all_items(socket: NativeSocket, sid: str) -> dict[str, Message]:
    pages = [await socket.ok("items", map=sid, limit=500)]
    while (after := pages[-1]["next"]) is not None:
        pages.append(await socket.ok("items", map=sid, limit=500, after=after))
    return Replica(*pages).items


class TestOpening:
    async def test_the_reply_has_a_first_page(self, server: RunningServer) -> None:
        async with native_socket(server) as socket:
            sid = await socket.created("map")
            await put(socket, sid, *(f"k{n:02d}" for n in range(60)))
            whole = await opened(socket, sid)
            some = await opened(socket, sid, items={"limit": 2, "order": "desc"})
            none = await opened(socket, sid, items=False)

        assert whole["created"] is False
        assert len(whole["items"]) == 50 and whole["next"] == "k49"
        assert [each["key"] for each in some["items"]] == ["k59", "k58"]
        assert some["next"] == "k58"
        assert none.keys() == {"created", "map"}

    async def test_who_resumes_may_ask_for_a_page_beside_the_changes(
        self, server: RunningServer
    ) -> None:
        async with native_socket(server) as socket:
            sid = await socket.created("map")
            await put(socket, sid, "a1", "a2", "b1")
            first = await opened(socket, sid, items=False)
            since = first["map"]["revision"]
            nothing = await opened(socket, sid, revision=since, items={"limit": 2})
            await put(socket, sid, "a2", data={"n": 1})
            changed = await opened(socket, sid, revision=since, items={"limit": 2}, prefix="a")
            plain = await opened(socket, sid, revision=since)
            also_plain = await opened(socket, sid, revision=since, items=True)
            older = await opened(socket, sid, revision="1", items={"limit": 1})

        assert (nothing["changes"], nothing["more_since"]) == ([], None)
        assert [each["key"] for each in nothing["items"]] == ["a1", "a2"]
        assert nothing["next"] == "a2"
        assert [each["key"] for each in changed["changes"]] == ["a2"]
        assert [each["data"] for each in changed["items"]] == [{"at": "a1"}, {"n": 1}]
        assert changed["next"] is None
        assert "items" not in plain and "items" not in also_plain
        assert [each["key"] for each in older["items"]] == ["a1"]
        assert "changes" in older or older["reset"] is True

    async def test_a_new_collection_is_empty(self, server: RunningServer) -> None:
        async with native_socket(server) as socket:
            ok = await socket.ok("open", list=unique())
            assert (ok["created"], ok["items"], ok["next"]) == (True, [], None)

    async def test_nothing_is_missed_between_the_page_and_the_events(
        self, server: RunningServer
    ) -> None:
        async def write(sid: str) -> None:
            async with native_socket(server) as writer:
                for n in range(120):
                    await writer.ok("set", map=sid, key=f"k{n:03d}", data={"n": n})

        async def read(sid: str, patience: int) -> None:
            async with native_socket(server) as reader:
                for _ in range(patience):
                    await reader.ok("ping")
                ok = await opened(reader, sid, items={"limit": 500})
                replica = Replica(ok)
                while len(replica.items) < 120:
                    event = await reader.event()
                    assert int(event["map"]["revision"]) > int(ok["map"]["revision"])
                    [change] = event["changes"]
                    assert change["kind"] == "added"
                    assert change["key"] not in replica.items
                    replica.apply(event)
                assert replica.items == await all_items(reader, sid)

        async with native_socket(server) as socket:
            sid = await socket.created("map")
            await asyncio.gather(write(sid), *(read(sid, 5 * n) for n in range(8)))

    async def test_every_bad_page_or_part_is_refused_and_opens_nothing(
        self, server: RunningServer
    ) -> None:
        async with native_socket(server) as socket, native_socket(server) as writer:
            sid = await socket.created("map")
            bad: list[Message] = [
                {"items": 5},
                {"keys": []},
                {"prefix": ""},
                {"items": {"limit": 0}},
            ]
            for members in bad:
                assert (await socket.error("open", map=sid, **members))["status"] == 400
            await put(writer, sid, "a")
            await socket.ok("ping")
            assert socket.unread == []


class TestEvents:
    async def test_each_kind_of_change(self, server: RunningServer) -> None:
        async with native_socket(server) as reader, native_socket(server) as writer:
            sid = await reader.created("map")
            ok = await opened(reader, sid)
            await writer.ok("add", map=sid, key="k", data={"n": 1})
            await writer.ok("patch", map=sid, key="k", increment={"/n": 1})
            await writer.ok("ttl", map=sid, key="k", ttl=60)
            last = await writer.ok("remove", map=sid, key="k")
            events = await Replica().follow(reader, last["map"]["revision"])

        changes = [change for event in events for change in event["changes"]]
        assert [each["kind"] for each in changes] == ["added", "updated", "updated", "removed"]
        assert [each["data"] for each in changes] == [{"n": 1}, {"n": 2}, {"n": 2}, {"n": 2}]
        assert changes[2]["date_expires"] is not None
        assert (changes[3]["removed_by"], changes[3]["expired"]) == ("alice", False)
        before = [ok["map"]["revision"], *(event["map"]["revision"] for event in events)]
        for event, previous in zip(events, before, strict=False):
            assert event["map"]["previous_revision"] == previous
            assert event["changes"][-1]["revision"] == event["map"]["revision"]
            assert event["map"]["updated_by"] == "alice"

    async def test_a_batch_is_one_event(self, server: RunningServer) -> None:
        async with native_socket(server) as reader, native_socket(server) as writer:
            sid = await reader.created("map")
            await opened(reader, sid)
            ok = await put(writer, sid, "a", "b", "c")
            event = await reader.event()

        assert [each["key"] for each in event["changes"]] == ["a", "b", "c"]
        assert event["map"]["revision"] == ok["map"]["revision"]

    async def test_an_item_and_a_collection_expire(self, server: RunningServer) -> None:
        async with native_socket(server) as reader, native_socket(server) as writer:
            sid = await reader.created("map")
            await opened(reader, sid)
            await writer.ok("set", map=sid, key="k", data={}, ttl=1)
            added, removed = await reader.event(), await reader.event()
            ttl = await writer.ok("ttl_collection", map=sid, ttl=1)
            expiry, end = await reader.event(), await reader.event()

        assert added["changes"][0]["kind"] == "added"
        [change] = removed["changes"]
        assert (change["kind"], change["expired"], change["removed_by"]) == (
            "removed",
            True,
            "system",
        )
        assert expiry["event"] == "expiry"
        assert expiry["map"]["date_expires"] == ttl["map"]["date_expires"]
        assert (end["event"], end["map"]["expired"]) == ("removed", True)

    async def test_the_reply_comes_before_the_own_event(self, server: RunningServer) -> None:
        async with native_socket(server) as socket:
            sid = await socket.created("map")
            await opened(socket, sid)
            for n in range(50):
                await socket.send("set", map=sid, key=f"k{n % 3}", data={"n": n})
            await socket.send("batch", map=sid, operations=[{"op": "remove", "key": "k0"}])
            await socket.send("remove", map=sid, key="k1")
            await socket.send("patch", map=sid, key="k2", increment={"/n": 1})
            await socket.send("ttl_collection", map=sid, ttl=60)
            messages = [await socket.receive() for _ in range(2 * 54)]

        replied: list[str] = []
        received: list[str] = []
        for message in messages:
            if "id" in message:
                replied.append(message["ok"]["map"]["revision"])
            else:
                received.append(message["map"]["revision"])
                assert message["map"]["revision"] in replied
        assert received == replied == sorted(replied, key=int)

    async def test_with_deltas_the_writer_receives_its_own_change_without_data(
        self, server: RunningServer
    ) -> None:
        async with native_socket(server, auth=False) as socket, native_socket(server) as other:
            await socket.ok("auth", token=server.token(), deltas=True)
            sid = await socket.created("map")
            await opened(socket, sid)
            await socket.ok("set", map=sid, key="k", data={"n": 1})
            own = await socket.event()
            await other.ok("set", map=sid, key="k", data={"n": 2})
            foreign = await socket.event()
            await put(socket, sid, "a", "b")
            batch = await socket.event()

        assert "data" not in own["changes"][0]
        assert foreign["changes"][0]["data"] == {"n": 2}
        assert all("data" in each for each in batch["changes"])

    async def test_the_removal_of_a_collection_ends_the_subscription(
        self, server: RunningServer
    ) -> None:
        async with native_socket(server) as reader, native_socket(server) as writer:
            name = unique()
            ok = await reader.ok("open", list=name)
            await writer.ok("add", list=name, data={})
            await writer.ok("remove_collection", list=name)
            added, removed = await reader.event(), await reader.event()
            again = await reader.ok("open", list=name)

        assert added["event"] == "items"
        assert removed["event"] == "removed"
        assert removed["list"]["sid"] == ok["list"]["sid"] != again["list"]["sid"]
        assert again["items"] == []


class TestParts:
    async def test_a_reader_of_some_keys_receives_these_alone(self, server: RunningServer) -> None:
        async with native_socket(server) as reader, native_socket(server) as writer:
            sid = await reader.created("map")
            await put(writer, sid, "a", "b", "c")
            ok = await opened(reader, sid, keys=["a", "new"])
            await put(writer, sid, "b", "c")
            await put(writer, sid, "c", "a", "b", "new")
            await writer.ok("remove", map=sid, key="b")
            last = await writer.ok("remove", map=sid, key="a")
            events = await Replica().follow(reader, last["map"]["revision"])

        assert [each["key"] for each in ok["items"]] == ["a"]
        seen = [[(each["kind"], each["key"]) for each in event["changes"]] for event in events]
        assert seen == [[("updated", "a"), ("added", "new")], [("removed", "a")]]

    async def test_a_reader_of_a_prefix(self, server: RunningServer) -> None:
        async with native_socket(server) as reader, native_socket(server) as writer:
            sid = await reader.created("map")
            await put(writer, sid, "a/1", "b/1")
            ok = await opened(reader, sid, prefix="b/")
            await put(writer, sid, "a/2", "b/2", "b", "b/3")
            event = await reader.event()

        assert [each["key"] for each in ok["items"]] == ["b/1"]
        assert [each["key"] for each in event["changes"]] == ["b/2", "b/3"]

    async def test_a_writer_beside_its_part_receives_no_event(self, server: RunningServer) -> None:
        async with native_socket(server) as socket:
            sid = await socket.created("map")
            await opened(socket, sid, keys=["a"])
            await put(socket, sid, "b")
            await put(socket, sid, "a")
            event = await socket.event()
            assert [each["key"] for each in event["changes"]] == ["a"]

    async def test_another_opening_replaces_the_part(self, server: RunningServer) -> None:
        async with native_socket(server) as reader, native_socket(server) as writer:
            sid = await reader.created("map")
            await opened(reader, sid, keys=["a"])
            await opened(reader, sid, keys=["b"])
            await put(writer, sid, "a", "b")
            narrow = await reader.event()
            await opened(reader, sid)
            await put(writer, sid, "a", "b")
            wide = await reader.event()

        assert [each["key"] for each in narrow["changes"]] == ["b"]
        assert [each["key"] for each in wide["changes"]] == ["a", "b"]


class TestResuming:
    async def test_nothing_has_changed(self, server: RunningServer) -> None:
        async with native_socket(server) as socket:
            sid = await socket.created("map")
            ok = await put(socket, sid, "a")
            again = await opened(socket, sid, revision=ok["map"]["revision"])
            assert again == {
                "created": False,
                "map": ok["map"],
                "changes": [],
                "more_since": None,
            }

    async def test_each_changed_item_comes_once(self, server: RunningServer) -> None:
        async with native_socket(server) as writer, native_socket(server) as reader:
            sid = await writer.created("map")
            await put(writer, sid, "same", "updated", "gone")
            since = (await writer.ok("get", map=sid))["map"]["revision"]
            await put(writer, sid, "updated", "new", "short-lived")
            await put(writer, sid, "updated", data={"n": 2})
            await writer.ok("remove", map=sid, key="gone")
            await writer.ok("remove", map=sid, key="short-lived")
            ok = await opened(reader, sid, revision=since)
            part = await opened(reader, sid, revision=since, keys=["new", "same"])
            newest = await writer.ok("set", map=sid, key="same", data={})
            event = await reader.event()

        assert [(each["kind"], each["key"]) for each in ok["changes"]] == [
            ("added", "new"),
            ("updated", "updated"),
            ("removed", "gone"),
        ]
        assert ok["changes"][1]["data"] == {"n": 2}
        assert ok["more_since"] is None
        assert "items" not in ok
        assert [each["key"] for each in part["changes"]] == ["new"]
        assert event["map"]["revision"] == newest["map"]["revision"]

    async def test_many_changes_come_in_portions(self, server: RunningServer) -> None:
        async with native_socket(server) as writer, native_socket(server) as reader:
            sid = await writer.created("map")
            keys = [f"k{n:03d}" for n in range(350)]
            await put(writer, sid, *keys[:100])
            since = (await writer.ok("get", map=sid))["map"]["revision"]
            replica = Replica(await writer.ok("items", map=sid, limit=500))
            for begin in range(50, 350, 100):
                await put(writer, sid, *keys[begin : begin + 100], data={"n": begin})
            await writer.ok("remove", map=sid, key=keys[0])
            ok = await opened(reader, sid, revision=since)
            assert len(ok["changes"]) == 100
            assert int(since) < int(ok["more_since"]) < int(ok["map"]["revision"])
            replica.apply({**ok, "map": {"revision": ok["more_since"]}})
            last = await writer.ok("set", map=sid, key="last", data={})
            events = await replica.follow(reader, last["map"]["revision"])
            assert replica.items == await all_items(writer, sid)

        assert all(len(event["changes"]) <= 100 for event in events)
        kinds = {change["kind"] for event in events for change in event["changes"]}
        assert kinds == {"added", "removed"}

    async def test_beyond_what_is_remembered_all_is_read_again(self, shared_server: Any) -> None:
        server: RunningServer = shared_server(SHORT_MEMORY)
        async with native_socket(server) as writer, native_socket(server) as reader:
            sid = await writer.created("map")
            first = await put(writer, sid, "a", "b")
            await writer.ok("remove", map=sid, key="a")
            ok = await opened(reader, sid, revision=first["map"]["revision"])
            assert ok["reset"] is True
            assert "changes" not in ok and "items" not in ok
            page = await reader.ok("items", map=sid)
            await put(writer, sid, "c")
            event = await reader.event()

        assert [each["key"] for each in page["items"]] == ["b"]
        assert [each["key"] for each in event["changes"]] == ["c"]

    async def test_a_revision_from_the_future_is_a_reset(self, server: RunningServer) -> None:
        async with native_socket(server) as socket:
            sid = await socket.created("map")
            ok = await put(socket, sid, "a")
            future = str(int(ok["map"]["revision"]) + 1_000_000)
            again = await opened(socket, sid, revision=future)
            assert again["reset"] is True
            assert int(again["map"]["revision"]) > int(future)


class TestSlowReaders:
    async def test_what_does_not_fit_the_queue_comes_from_the_store(
        self, shared_server: Any
    ) -> None:
        server: RunningServer = shared_server(*SMALL_QUEUE)
        async with native_socket(server) as writer, slow_socket(server) as reader:
            sid = await writer.created("map")
            replica = Replica(await opened(reader, sid))
            data = {"filler": "x" * 15_000}
            for n in range(400):
                await writer.ok("set", map=sid, key=f"k{n % 100}", data={**data, "n": n})
            last = await writer.ok("remove", map=sid, key="k0")
            events = await replica.follow(reader, last["map"]["revision"])
            assert replica.items == await all_items(writer, sid)

        assert len(events) < 401

    async def test_pages_that_nobody_reads_do_not_pile_up(self, server: RunningServer) -> None:
        count = 60
        async with native_socket(server) as writer, slow_socket(server) as reader:
            sid = await writer.created("map")
            data = {"filler": "x" * 15_000}
            for n in range(0, 60, 12):
                await put(writer, sid, *(f"k{m:02d}" for m in range(n, n + 12)), data=data)
            ids = [await reader.send("items", map=sid, limit=60) for _ in range(count)]
            # Replies have begun, and the others wait unread in the system, not in the server.
            page = await reader.reply(ids[0])
            waiting = scrape(server).total("syncline_outbox_bytes", wire="native")
            for request_id in ids[1:]:
                assert (await reader.reply(request_id))["ok"] == page["ok"]

        assert len(page["ok"]["items"]) == 60
        assert waiting < 8 * 2**20
