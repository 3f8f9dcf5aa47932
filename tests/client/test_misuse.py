"""What an application can do wrong: one clear error at once, and nothing ends in silence."""

from __future__ import annotations

import asyncio
import math
import threading
from collections.abc import Callable
from typing import Any, Literal

import pytest

from support.api import unique
from support.limits import WAIT_LIMIT
from support.listening import EventRecorder, record_events
from support.server import RunningServer
from syncline import Client, Document, InvalidRequest, SynclineError, UsageError, connect

USES: dict[str, Callable[[Client, Document], Any]] = {
    "document": lambda client, document: client.document("x"),
    "close": lambda client, document: client.close(),
    "set": lambda client, document: document.set({}),
    "patch": lambda client, document: document.patch(merge={}),
    "mutate": lambda client, document: document.mutate(lambda data: data),
    "remove": lambda client, document: document.remove(),
    "close a handle": lambda client, document: document.close(),
}


class TestOtherLoop:
    @pytest.mark.parametrize("name", USES)
    async def test_each_use_is_refused_at_once(self, client: Client, name: str) -> None:
        document = await client.document()

        async def use() -> None:
            await USES[name](client, document)

        with pytest.raises(UsageError, match="belongs to the event loop"):
            await asyncio.to_thread(asyncio.run, use())
        assert await document.set({"n": 1}) == {"n": 1}

    async def test_lists_maps_streams_and_replicas_too(self, client: Client) -> None:
        cards, stream = await client.map(), await client.stream()
        async with cards.replica() as replica:
            uses: list[Callable[[], Any]] = [
                lambda: cards.set("a", {}),
                lambda: cards["a"],
                lambda: cards.page(),
                lambda: cards.wait_for("a", lambda data: True),
                lambda: stream.publish({}),
                lambda: replica.ready(),
                lambda: replica.wait_for(lambda items: True),
                lambda: replica.close(),
            ]
            for use in uses:

                async def run(use: Callable[[], Any] = use) -> None:
                    await use()

                with pytest.raises(UsageError, match="belongs to the event loop"):
                    await asyncio.to_thread(asyncio.run, run())

    async def test_listening_too(self, client: Client) -> None:
        document = await client.document()
        events = document.events()
        for use in (
            lambda: document.on("updated", print),
            lambda: document.events(),
            lambda: client.on("state", print),
            lambda: asyncio.run(anext(events)),
        ):
            with pytest.raises(UsageError):
                await asyncio.to_thread(use)

    def test_a_loop_that_has_ended(self, server: RunningServer) -> None:
        kept: list[Any] = []

        async def open_one() -> None:
            async with connect(server.url, token=server.token()) as client:
                kept.append(await client.document())

        async def write() -> None:
            await kept[0].set({})

        asyncio.run(open_one())
        with pytest.raises(UsageError):
            asyncio.run(write())

    async def test_another_thread_can_hand_its_work_over(self, client: Client) -> None:
        document, loop = await client.document(), asyncio.get_running_loop()
        written: list[Any] = []

        def work() -> None:
            future = asyncio.run_coroutine_threadsafe(document.set({"n": 1}), loop)
            written.append(future.result(20))

        thread = threading.Thread(target=work)
        thread.start()
        await asyncio.to_thread(thread.join)
        assert written == [{"n": 1}]


class TestNestedMutate:
    async def test_it_is_refused_at_once(self, client: Client) -> None:
        first = await client.document(data={"n": 0})
        second = await client.document(first.sid)

        async def nest(data: Any) -> Any:
            return await second.mutate(lambda inner: {**inner, "m": 1})

        async def nest_in_a_task(data: Any) -> Any:
            await asyncio.gather(second.update({str(n): n for n in range(1001)}))

        for fn in (nest, nest_in_a_task):
            with pytest.raises(UsageError, match="mutate was called inside mutate"):
                await first.mutate(fn)
        assert await first.mutate(lambda data: {"n": data["n"] + 1}) == {"n": 1}

    async def test_another_document_may_be_changed(self, client: Client) -> None:
        first, second = await client.document(), await client.document()

        async def both(data: Any) -> Any:
            return await second.mutate(lambda _: {"n": 1})

        assert await first.mutate(both) == {"n": 1}
        assert second.data == {"n": 1}

    async def test_a_task_that_outlives_it_may_change_the_document(self, client: Client) -> None:
        document = await client.document()
        started: list[asyncio.Task[Any]] = []
        ended = asyncio.Event()

        async def later() -> Any:
            await ended.wait()
            return await document.mutate(lambda data: {**data, "later": True})

        def start(data: Any) -> Any:
            started.append(asyncio.create_task(later()))
            return {"n": 1}

        await document.mutate(start)
        ended.set()
        assert await started[0] == {"n": 1, "later": True}


class TestListeners:
    @pytest.mark.parametrize("how", ["raises", "cancels itself", "awaits what is cancelled"])
    async def test_one_that_is_cancelled_within_goes_on(
        self, client: Client, how: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        document = await client.document()
        recorder = EventRecorder()

        async def listen(event: Any) -> None:
            recorder(event)
            if how == "raises":
                raise asyncio.CancelledError
            task = (
                asyncio.current_task()
                if how == "cancels itself"
                else asyncio.ensure_future(asyncio.sleep(60))
            )
            assert task is not None
            task.cancel()
            await (asyncio.sleep(0) if how == "cancels itself" else task)

        document.on("updated", listen)
        for n in range(3):
            await document.set({"n": n})
            assert (await recorder.next()).data == {"n": n}
        assert "was cancelled" in caplog.text

    async def test_a_sync_one_too(self, client: Client) -> None:
        document = await client.document()
        recorder = EventRecorder()

        def listen(event: Any) -> None:
            recorder(event)
            raise asyncio.CancelledError

        document.on("updated", listen)
        for n in range(2):
            await document.set({"n": n})
            assert (await recorder.next()).data == {"n": n}


class TestArguments:
    @pytest.mark.parametrize(
        "use",
        [
            lambda client, document: client.document("\ud800"),
            lambda client, document: client.document(5),
            lambda client, document: client.document(b"x"),
            lambda client, document: client.document(unique(), mode="no such mode"),
            lambda client, document: client.document(unique(), ttl="soon"),
            lambda client, document: client.document(unique(), data=[]),
            lambda client, document: document.set({}, if_match="a\nb"),
            lambda client, document: document.set({}, if_match="\u00e9"),
            lambda client, document: document.set({}, if_match=5),
            lambda client, document: document.set({}, ttl=-1),
            lambda client, document: document.set({"x": {1, 2}}),
            lambda client, document: document.set({"x": "\ud800"}),
            lambda client, document: document.update({"\ud800": 1}),
            lambda client, document: document.increment(5),
            lambda client, document: document.increment("/x", "y"),
            lambda client, document: document.set_ttl(1.5),
            lambda client, document: document.remove(if_match="x"),
        ],
    )
    async def test_a_wrong_one_is_a_documented_error_and_ends_nothing(
        self, client: Client, use: Callable[[Client, Document], Any]
    ) -> None:
        document = await client.document()
        recorder = record_events(document)
        with pytest.raises(InvalidRequest):
            async with asyncio.timeout(WAIT_LIMIT):
                await use(client, document)
        await document.set({"n": 1})
        assert (await recorder.next()).data == {"n": 1}


def test_all_that_is_raised_on_purpose_is_one_family() -> None:
    assert issubclass(UsageError, SynclineError)


UNSENDABLE: dict[str, Callable[[Any, Any], Any]] = {
    "ttl cannot be sent: inf": lambda document, cards: document.set({}, ttl=math.inf),
    "ttl cannot be sent: nan": lambda document, cards: cards.set("a", {}, ttl=math.nan),
    "ttl cannot be sent: the integer": lambda document, cards: document.set_ttl(10**30),
    "if_match cannot be sent: -inf": lambda document, cards: document.set({}, if_match=-math.inf),
    "key cannot be sent: it has half": lambda document, cards: cards.get("card \ud83c"),
    "from cannot be sent: it has half": lambda document, cards: cards.page("card \ud83c"),
}


@pytest.mark.parametrize("transport", ["websocket", "rest"])
async def test_values_that_no_request_can_have_are_refused_and_break_no_connection(
    server: RunningServer, transport: Literal["websocket", "rest"]
) -> None:
    async with connect(server.url, token=server.token("alice"), transport=transport) as client:
        document = await client.document(data={"n": 1})
        cards = await client.map()
        for reason, use in UNSENDABLE.items():
            with pytest.raises(InvalidRequest, match=reason):
                await use(document, cards)
        assert document.data == {"n": 1}
        assert document.date_expires is None
        assert client.state == "connected"


async def test_a_mutator_that_changes_its_copy_and_returns_none_is_warned_of(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    document = await client.document(data={"tags": []})
    cards = await client.map()
    await cards.set("a", {"n": 1})
    await document.mutate(lambda data: data["tags"].append("new"))
    await cards.mutate("a", lambda data: (data or {}).update(n=2))
    assert await document.mutate(lambda data: None) == {"tags": []}
    assert [each.message[-27:] for each in caplog.records] == ["return the data to write it"] * 2


async def test_a_batch_takes_nothing_after_its_block(client: Client) -> None:
    cards = await client.map()
    async with cards.batch() as batch:
        batch.set("a", {})
    with pytest.raises(UsageError, match="the block of this batch has ended"):
        batch.set("b", {})
    assert await cards.get("b") is None
