"""Handles of documents, on a real server and over both transports."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from support.api import unique
from support.listening import record_events
from support.server import RunningServer
from syncline import (
    Client,
    Conflict,
    Document,
    DocumentClosed,
    InvalidRequest,
    NotFound,
    Removed,
    RevisionMismatch,
    TooLarge,
    Updated,
    connect,
)

CROWD = 12
"""Clients: so many that those who wait for their turns are sent the newest state only."""
CHANGES = 4


@pytest.fixture
async def document(client: Client) -> Document:
    return await client.document(unique(), data={"a": 1})


@pytest.fixture
async def theirs(rival: Client, document: Document) -> Document:
    """The same document in other hands."""
    return await rival.document(document.sid)


class TestState:
    async def test_it_is_known_from_the_opening(self, client: Client) -> None:
        name = unique("a/é ")
        document = await client.document(name, data={"é": [1, None]}, ttl=60)

        assert document.unique_name == name
        assert document.data == {"é": [1, None]}
        assert document.created_by == document.updated_by == "alice"
        assert document.date_created == document.date_updated
        assert document.date_expires == document.date_created + timedelta(seconds=60)
        assert abs(datetime.now(UTC) - document.date_created) < timedelta(minutes=1)
        assert not document.removed
        assert repr(document) == f"<Document {name} at revision {document.revision}>"

    async def test_the_data_is_a_copy(self, document: Document) -> None:
        document.data["a"] = 2

        assert document.data == {"a": 1}

    async def test_it_follows_what_others_write(self, document: Document, theirs: Document) -> None:
        recorder = record_events(document)
        await theirs.set({"b": 2}, ttl=60)
        await recorder.next()

        assert document.data == {"b": 2}
        assert document.updated_by == "bob"
        assert document.revision == theirs.revision
        assert document.date_expires == theirs.date_expires is not None


class TestSet:
    async def test_it_replaces_the_data(self, document: Document, theirs: Document) -> None:
        first = document.revision

        assert await document.set({"b": 2}) == document.data == {"b": 2}
        assert int(document.revision) > int(first)
        with pytest.raises(RevisionMismatch):
            await theirs.set({}, if_match=first)

    async def test_a_mismatch_brings_the_newest_state(
        self, document: Document, theirs: Document
    ) -> None:
        first = document.revision
        await theirs.set({"b": 2})
        with pytest.raises(RevisionMismatch) as refused:
            await document.set({"c": 3}, if_match=first)

        newest = refused.value.document
        assert newest is not None
        assert (newest.data, newest.updated_by) == ({"b": 2}, "bob")
        assert (refused.value.code, refused.value.status) == (54103, 412)
        assert document.data == {"b": 2}
        assert await document.set({"c": 3}, if_match=document.revision) == {"c": 3}

    @pytest.mark.parametrize(
        "data", [[1], None, {"a": float("nan")}, {"a": object()}, {"a": "\ud800"}]
    )
    async def test_what_is_no_json_object_is_refused(self, document: Document, data: Any) -> None:
        with pytest.raises(InvalidRequest):
            await document.set(data)
        assert document.data == {"a": 1}

    async def test_what_is_too_large_is_refused(self, document: Document) -> None:
        fits = {"text": "x" * (16_384 - len('{"text":""}'))}
        assert await document.set(fits) == fits
        with pytest.raises(TooLarge) as refused:
            await document.set({"text": fits["text"] + "x"})
        assert (refused.value.code, refused.value.status) == (54006, 413)

    @pytest.mark.parametrize("ttl", [-1, 31_536_001, 1.5])
    async def test_a_time_to_live_out_of_range_is_refused(
        self, document: Document, ttl: Any
    ) -> None:
        with pytest.raises(InvalidRequest) as refused:
            await document.set({}, ttl=ttl)
        assert refused.value.code == 54011


class TestUpdate:
    async def test_it_sets_top_level_keys_and_leaves_the_others(self, document: Document) -> None:
        assert await document.update({"b": {"c": 1}, "x/y~z": 2, "": None}) == {
            "a": 1,
            "b": {"c": 1},
            "x/y~z": 2,
            "": None,
        }
        assert (await document.update({"b": {"d": 1}}, ttl=60))["b"] == {"d": 1}
        assert document.date_expires is not None

    async def test_it_does_not_conflict(self, document: Document, theirs: Document) -> None:
        await asyncio.gather(
            *(document.update({f"mine{n}": n}) for n in range(10)),
            *(theirs.update({f"theirs{n}": n}) for n in range(10)),
        )

        assert len(await document.update({})) == 21

    async def test_more_keys_than_a_patch_takes(self, document: Document) -> None:
        changes = {str(n): n for n in range(1001)}

        assert await document.update(changes) == {"a": 1, **changes}

    @pytest.mark.parametrize("size", [20_000, 300_000])
    async def test_too_much_is_refused_and_the_client_lives(
        self, document: Document, size: int
    ) -> None:
        with pytest.raises(TooLarge):
            await document.update({"text": "x" * size})
        assert await document.update({"b": 2}) == {"a": 1, "b": 2}


class TestMutate:
    async def test_it_writes_what_the_function_returns(self, document: Document) -> None:
        def increment(data: dict[str, Any]) -> dict[str, Any]:
            data["a"] += 1
            return data

        async def later(data: dict[str, Any]) -> dict[str, Any]:
            await asyncio.sleep(0)
            return increment(data)

        assert await document.mutate(increment) == {"a": 2}
        assert await document.mutate(later, ttl=60) == document.data == {"a": 3}
        assert document.date_expires is not None

    async def test_none_leaves_the_document_as_it_is(self, document: Document) -> None:
        first = document.revision

        assert await document.mutate(lambda data: data.clear()) == {"a": 1}
        assert document.revision == first

    async def test_it_is_called_again_with_what_others_wrote(
        self, document: Document, theirs: Document
    ) -> None:
        seen: list[int] = []

        async def slow(data: dict[str, Any]) -> dict[str, Any]:
            seen.append(data["a"])
            if len(seen) < 3:
                await theirs.increment("/a", 10)
            return {"a": data["a"] + 1}

        assert await document.mutate(slow) == {"a": 22}
        assert seen == [1, 11, 21]

    async def test_what_it_raises_is_raised(self, document: Document) -> None:
        with pytest.raises(KeyError):
            await document.mutate(lambda data: data["missing"])
        assert await document.mutate(lambda data: {}) == {}

    async def test_it_gives_up_in_time(self, server: RunningServer, theirs: Document) -> None:
        async with connect(server.url, token=server.token(), mutate_timeout=0.05) as client:
            document = await client.document(theirs.sid)

            async def always_late(data: dict[str, Any]) -> dict[str, Any]:
                await theirs.increment("/a")
                return {}

            with pytest.raises(RevisionMismatch):
                await document.mutate(always_late)

    async def test_handles_do_not_disturb_each_other(
        self, client: Client, document: Document, theirs: Document
    ) -> None:
        handles = [document, await client.document(document.sid), theirs]
        await asyncio.gather(
            *(handle.mutate(lambda data: {"a": data["a"] + 1}) for handle in handles * 10)
        )

        assert await theirs.increment("/a", 0) == {"a": 31}
        assert await document.mutate(lambda data: {"a": data["a"] + 1}) == {"a": 32}

    async def test_a_crowd_loses_nothing_and_all_end_at_the_newest_state(
        self, server: RunningServer
    ) -> None:
        async with AsyncExitStack() as stack:
            handles = []
            for _ in range(CROWD):
                other = await stack.enter_async_context(connect(server.url, token=server.token()))
                handles.append(await other.document("crowd", mode="open_or_create"))
            seen = [record_events(handle) for handle in handles]

            async def add_often(handle: Document) -> None:
                for _ in range(CHANGES):
                    await handle.mutate(lambda data: {"n": data.get("n", 0) + 1})

            await asyncio.gather(*map(add_often, handles))
            last = await handles[0].patch(increment={"/n": 0})
            assert last == {"n": CROWD * CHANGES}
            for events in seen:
                taken = await events.until(lambda event: event.revision == handles[0].revision)
                numbers = [event.revision for event in taken]
                assert numbers == sorted(set(numbers), key=int)


class TestPatch:
    async def test_each_rule(self, document: Document) -> None:
        assert await document.patch(merge={"b": {"c": 1}}) == {"a": 1, "b": {"c": 1}}
        assert await document.patch(merge={"a": None}) == {"b": {"c": 1}}
        assert await document.patch(operations=[{"op": "remove", "path": "/b"}]) == {}
        assert await document.patch(increment={"/n": 2}, ttl=60) == document.data == {"n": 2}
        assert await document.increment("/n") == {"n": 3}
        assert await document.increment("/n", -0.5) == {"n": 2.5}
        assert document.date_expires is not None

    async def test_exactly_one_rule_is_taken(self, document: Document) -> None:
        with pytest.raises(TypeError):
            await document.patch()
        with pytest.raises(TypeError):
            await document.patch(merge={}, increment={"/a": 1})

    async def test_one_that_does_not_fit_is_refused(self, document: Document) -> None:
        await document.set({"text": "x"})
        with pytest.raises(Conflict) as refused:
            await document.increment("/text")
        assert (refused.value.code, refused.value.status) == (20409, 409)

    async def test_with_if_match_it_is_tried_once(
        self, document: Document, theirs: Document
    ) -> None:
        first = document.revision
        await theirs.increment("/a")
        with pytest.raises(RevisionMismatch):
            await document.patch(increment={"/a": 1}, if_match=first)
        assert document.data == {"a": 2}


class TestSetTtl:
    async def test_it_sets_the_expiry_alone(self, document: Document, theirs: Document) -> None:
        recorder = record_events(theirs)
        await document.set_ttl(60)
        event = await recorder.next()

        assert document.date_expires == event.date_expires is not None
        assert document.data == event.data == {"a": 1}
        await document.set_ttl(0, if_match=document.revision)
        assert document.date_expires is None

    async def test_its_own_event_is_reported_once(self, document: Document) -> None:
        recorder = record_events(document)
        await document.set_ttl(60)
        await document.set({"b": 2})
        events = await recorder.until(lambda event: event.data == {"b": 2})

        assert [event.is_local for event in events] == [True, True]


class TestRemove:
    async def test_everybody_receives_it(self, document: Document, theirs: Document) -> None:
        mine, others = record_events(document), record_events(theirs)
        last = document.revision
        await document.remove()
        received = [await mine.next(), await others.next()]

        assert [event.is_local for event in received] == [True, False]
        for event in received:
            assert isinstance(event, Removed)
            assert event.previous_data == {"a": 1}
            assert (event.removed_by, event.expired) == ("alice", False)
            assert event.revision is not None and int(event.revision) > int(last)
            assert event.date_removed is not None
        assert document.removed and theirs.removed

    async def test_nothing_can_be_done_to_it_afterwards(self, document: Document) -> None:
        await document.remove()
        calls: list[Callable[[], Awaitable[object]]] = [
            lambda: document.set({}),
            lambda: document.update({}),
            lambda: document.mutate(lambda data: data),
            lambda: document.increment("/a"),
            lambda: document.set_ttl(1),
            lambda: document.remove(),
        ]
        for call in calls:
            with pytest.raises(NotFound):
                await call()

    async def test_only_at_a_revision(self, document: Document, theirs: Document) -> None:
        first = document.revision
        await theirs.increment("/a")
        with pytest.raises(RevisionMismatch):
            await document.remove(if_match=first)
        await document.remove(if_match=theirs.revision)

    async def test_an_expiry_is_reported(self, client: Client) -> None:
        document = await client.document(unique(), ttl=1)
        event = await record_events(document).next()

        assert isinstance(event, Removed)
        assert (event.expired, event.removed_by, event.is_local) == (True, "system", False)


class TestEvents:
    async def test_each_reports_data_before_and_after(
        self, document: Document, theirs: Document
    ) -> None:
        recorder = record_events(document)
        await theirs.set({"b": 2})
        await recorder.until(lambda event: not event.is_local)
        await document.set({"c": 3})
        event = await recorder.next()

        assert isinstance(event, Updated)
        assert (event.previous_data, event.data, event.is_local) == ({"b": 2}, {"c": 3}, True)
        assert (event.revision, event.updated_by) == (document.revision, "alice")
        event.data.clear()
        assert event.data == {"c": 3}

    async def test_every_own_write_is_local_exactly_once(
        self, client: Client, document: Document, theirs: Document
    ) -> None:
        other = await client.document(document.sid)
        recorder = [record_events(document), record_events(other)]
        for n in range(10):
            await asyncio.gather(
                document.increment("/mine"),
                other.update({"other": n}),
                theirs.increment("/theirs"),
            )
        await theirs.set({"end": True})
        for each in recorder:
            events = await each.until(lambda event: event.data == {"end": True})
            revisions = [int(event.revision) for event in events]
            assert revisions == sorted(set(revisions))
            # Theirs may be joined with what waited with them.
            assert 20 < len(events) <= 31
            assert sum(event.is_local for event in events) == 20
            assert all(event.is_local == (event.updated_by == "alice") for event in events)

    async def test_callbacks_of_every_kind_are_called(
        self, document: Document, theirs: Document, caplog: pytest.LogCaptureFixture
    ) -> None:
        async def slow(event: Updated) -> None:
            await asyncio.sleep(0)
            received.append(event.data["n"])

        def fail(event: Updated) -> None:
            raise RuntimeError("a defect of the application")

        received: list[int] = []
        document.on("updated", slow)
        document.on("updated", fail)
        recorder = record_events(document)
        for n in range(3):
            await theirs.set({"n": n})
            await recorder.next()
        await document.set({"n": 3})
        await recorder.next()
        while len(received) < 4:
            await asyncio.sleep(0)

        assert received == [0, 1, 2, 3]
        failures = [record for record in caplog.records if record.levelno == logging.ERROR]
        assert len(failures) == 4

    async def test_one_that_was_removed_is_called_no_more(
        self, document: Document, theirs: Document
    ) -> None:
        received: list[Any] = []
        off, recorder = document.on("updated", received.append), record_events(document)
        off()
        off()
        await theirs.set({})
        await recorder.next()

        assert received == []

    def test_there_is_no_other_event(self, document: Document) -> None:
        with pytest.raises(ValueError, match="updated, removed"):
            document.on("changed", print)  # type: ignore[call-overload]

    async def test_an_iterator_ends_after_the_removal(
        self, document: Document, theirs: Document
    ) -> None:
        events = document.events()
        await theirs.set({"b": 2})
        await theirs.remove()

        assert [type(event) async for event in events] == [Updated, Removed]
        assert [event async for event in document.events()] == []


class TestNumbers:
    async def test_integers_beyond_64_bits_are_doubles(
        self, document: Document, theirs: Document
    ) -> None:
        padding = "x" * 500  # enough for deltas
        recorder = record_events(theirs)
        await document.set({"n": 10**20, "m": [-(2**70)], "padding": padding})
        assert (await recorder.next()).data["n"] == 1e20

        await document.patch(merge={"o": 2**64})
        await document.patch(operations=[{"op": "add", "path": "/m/-", "value": 10**21}])
        await document.increment("/n", 10**20)
        await document.mutate(lambda data: data | {"done": True})
        expected = {
            "n": 2e20,
            "m": [-(2.0**70), 1e21],
            "o": 2.0**64,
            "padding": padding,
            "done": True,
        }
        while theirs.data != expected:
            await recorder.next()
        assert document.data == expected

    async def test_an_integer_that_would_lose_digits_is_refused_at_once(
        self, document: Document
    ) -> None:
        with pytest.raises(InvalidRequest, match=r"n\[0\]: the integer 100000000000000000001"):
            await document.set({"n": [10**20 + 1]})
        with pytest.raises(InvalidRequest, match=r"\['/n'\]: the integer"):
            await document.increment("/n", 10**20 + 1)

        assert document.data == {"a": 1}

    async def test_an_update_names_the_place_in_the_changes(self, document: Document) -> None:
        with pytest.raises(InvalidRequest, match="b.c: nan is not a JSON number"):
            await document.update({"b": {"c": float("nan")}})

    async def test_a_name_with_half_of_an_emoji_is_refused(self, client: Client) -> None:
        with pytest.raises(InvalidRequest, match="half of a surrogate pair") as caught:
            await client.document("a\ud83d")
        assert caught.value.code == 54302


class TestClose:
    async def test_a_closed_handle_does_nothing(self, document: Document) -> None:
        events = document.events()
        await document.close()
        await document.close()

        assert [event async for event in events] == []
        calls: list[Callable[[], Awaitable[object]]] = [
            lambda: document.set({}),
            lambda: document.update({}),
            lambda: document.mutate(lambda data: data),
            lambda: document.increment("/a"),
            lambda: document.set_ttl(1),
            lambda: document.remove(),
        ]
        for call in calls:
            with pytest.raises(DocumentClosed):
                await call()
        assert document.data == {"a": 1}

    async def test_others_of_the_same_document_stay(
        self, client: Client, document: Document, theirs: Document
    ) -> None:
        other = await client.document(document.unique_name)
        recorder = record_events(other)
        await document.close()
        await theirs.set({"b": 2})

        assert (await recorder.next()).data == {"b": 2}

    async def test_it_can_be_opened_again_at_once(
        self, client: Client, document: Document, theirs: Document
    ) -> None:
        for n in range(10):
            _, again = await asyncio.gather(document.close(), client.document(document.sid))
            recorder = record_events(again)
            await theirs.set({"n": n})
            assert (await recorder.next()).data == {"n": n}
            document = again
