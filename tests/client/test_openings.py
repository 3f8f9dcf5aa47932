"""What `client.document(…)` returns before it is awaited, `wait_for`, decorators and reprs."""

from __future__ import annotations

import asyncio
import gc
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from support.api import unique
from support.limits import WAIT_LIMIT
from support.listening import EventRecorder
from support.server import RunningServer
from syncline import (
    Client,
    ClientClosed,
    Document,
    DocumentClosed,
    HandleClosed,
    InvalidRequest,
    ItemAdded,
    MessagePublished,
    ModelMismatch,
    NotAwaited,
    NotFound,
    Updated,
    UsageError,
    connect,
)

OPENINGS = ["document", "map", "list", "stream"]


class TestOpening:
    @pytest.mark.parametrize("type_", OPENINGS)
    async def test_using_it_without_await_says_so_at_once(
        self, client: Client, type_: str, recwarn: pytest.WarningsRecorder
    ) -> None:
        opening = getattr(client, type_)("lobby")
        uses: list[Callable[[Any], Any]] = [
            lambda handle: handle.update({"a": 1}),
            lambda handle: handle.data,
            lambda handle: handle["a"],
            lambda handle: handle.on("updated", print),
        ]
        for use in uses:
            with pytest.raises(NotAwaited, match=rf"client.{type_}\('lobby'\) is not open .*await"):
                use(opening)
        with pytest.raises(NotAwaited, match="`with` must be `async with`"):
            with opening:
                pass
        with pytest.raises(NotAwaited):
            async for _ in opening:
                pass
        assert issubclass(NotAwaited, UsageError)
        assert getattr(opening, "data", None) is None and not hasattr(opening, "data")
        assert repr(opening) == f"<client.{type_}('lobby'): not open yet; await it>"
        del opening
        gc.collect()
        assert not recwarn.list

    async def test_one_that_is_dropped_warns(self, client: Client) -> None:
        with pytest.warns(RuntimeWarning, match=r"client.document\('x'\) was never awaited"):
            client.document("x")
            gc.collect()

    @pytest.mark.parametrize("type_", OPENINGS)
    async def test_it_is_awaited_entered_or_run_by_a_task(self, client: Client, type_: str) -> None:
        make, name = getattr(client, type_), unique()
        first = await make(name)
        async with make(name) as second, asyncio.timeout(WAIT_LIMIT):
            opening = asyncio.create_task(make(name))
            assert "Task pending" in repr(opening)
            third = await opening
            fourth, fifth = await asyncio.gather(make(name), asyncio.wait_for(make(name), 20))
            async with asyncio.TaskGroup() as group:
                task = group.create_task(make(name))
            handles = [first, second, third, fourth, fifth, task.result()]
            assert len({each.sid for each in handles}) == 1
        with pytest.raises(HandleClosed):
            await second.set_ttl(5)
        await first.set_ttl(5)

    async def test_it_opens_once(self, client: Client) -> None:
        opening = client.document()
        document = await opening
        with pytest.raises(NotAwaited, match="use the handle that `await`"):
            opening.data  # type: ignore[attr-defined]  # noqa: B018
        assert document.data == {}
        with pytest.raises(UsageError, match="was awaited already: call it again"):
            await opening
        with pytest.raises(UsageError, match="was awaited already"):
            async with opening:
                pass

    async def test_a_handle_closes_at_the_end_of_a_block_that_raises(self, client: Client) -> None:
        with pytest.raises(ZeroDivisionError):
            async with client.document() as document:
                raise ZeroDivisionError
        with pytest.raises(DocumentClosed):
            await document.set({})

    async def test_another_loop_is_refused(self, client: Client) -> None:
        async def use() -> None:
            async with client.map("x"):
                pass

        with pytest.raises(UsageError, match="belongs to the event loop"):
            await asyncio.to_thread(asyncio.run, use())

    async def test_one_that_fails_to_open_raises_in_both_ways(self, client: Client) -> None:
        with pytest.raises(NotFound):
            await client.document(unique(), mode="open_existing")
        with pytest.raises(NotFound):
            async with client.document(unique(), mode="open_existing"):
                pass


def test_connect_without_await_says_so_at_once(server: RunningServer) -> None:
    client: Any = connect(server.url, token="secret")
    with pytest.raises(NotAwaited, match="connect.* is no client, so it has no 'document'"):
        client.document("lobby")
    with pytest.raises(NotAwaited, match="`with` must be `async with`"):
        with client:
            pass
    assert "secret" not in repr(client)


class TestWaitFor:
    async def test_a_document(self, client: Client, rival: Client) -> None:
        document = await client.document(unique(), data={"n": 0})
        theirs = await rival.document(document.sid)
        assert await document.wait_for(lambda data: data["n"] == 0) == {"n": 0}

        waiting = asyncio.create_task(document.wait_for(lambda data: data["n"] >= 3))
        for n in range(1, 5):
            await theirs.set({"n": n})
        assert await waiting == {"n": 3}

    async def test_a_document_that_ends(self, client: Client, rival: Client) -> None:
        ends: list[tuple[Callable[[Document, Document], Any], type[Exception]]] = [
            (lambda mine, theirs: theirs.remove(), NotFound),
            (lambda mine, theirs: mine.close(), DocumentClosed),
        ]
        for end, error in ends:
            document = await client.document(unique())
            theirs = await rival.document(document.sid)
            waiting = asyncio.create_task(document.wait_for(lambda data: False))
            await asyncio.sleep(0)
            await end(document, theirs)
            with pytest.raises(error):
                await waiting
            with pytest.raises(error):
                await document.wait_for(lambda data: False)

    async def test_a_client_that_is_closed(self, server: RunningServer) -> None:
        async with connect(server.url, token=server.token()) as client:
            document, cards = await client.document(), await client.map()
            waiting = [
                asyncio.create_task(document.wait_for(lambda data: False)),
                asyncio.create_task(cards.wait_for("a", lambda data: True)),
            ]
            await document.set({})
        for each in waiting:
            with pytest.raises(ClientClosed):
                await each

    async def test_a_timeout_says_what_was_awaited(self, client: Client) -> None:
        document, cards = await client.document(), await client.map()
        for waiting, what in (
            (document.wait_for(lambda data: False, timeout=0.01), "the document did not become"),
            (cards.wait_for("a", lambda data: True, timeout=0.01), "the item 'a' did not become"),
        ):
            with pytest.raises(TimeoutError, match=what):
                await waiting
        async with cards.replica() as replica:
            with pytest.raises(TimeoutError, match=r"the replica .* within 0.01 s"):
                await replica.wait_for(lambda items: len(items) > 0, timeout=0.01)

    async def test_an_item_and_a_replica(self, client: Client, rival: Client) -> None:
        cards = await client.map(unique(), model=Card)
        theirs = await rival.map(cards.sid, model=Card)
        async with cards.replica() as replica:
            item = asyncio.create_task(cards.wait_for("a", lambda card: card.column == "done"))
            three = asyncio.create_task(replica.wait_for(lambda cards: len(cards) == 3))
            for key in "abc":
                await theirs.set(key, Card("todo"))
            await theirs.update("a", {"column": "done"})
            assert (await item).data == Card("done")
            assert await three is replica
            assert (await cards.wait_for("b", lambda card: True)).key == "b"
            await theirs.remove_map()
            with pytest.raises(NotFound):
                await cards.wait_for("d", lambda card: True)
            with pytest.raises(NotFound):
                await replica.wait_for(lambda cards: False)

    async def test_what_cannot_work_is_refused(self, client: Client) -> None:
        async def predicate(data: Any) -> bool:
            return True

        document = await client.document()
        part = await client.map(unique(), keys=["a"])
        with pytest.raises(UsageError, match="must be a sync function"):
            await document.wait_for(predicate)
        with pytest.raises(InvalidRequest, match="does not belong to the part"):
            await part.wait_for("b", lambda data: True)
        typed = await client.document(document.sid, model=Card)
        with pytest.raises(ModelMismatch):
            await typed.wait_for(lambda card: True)


@dataclass
class Card:
    column: str


class TestDecorators:
    async def test_sync_and_async_functions_are_called_and_stay_what_they_are(
        self, client: Client
    ) -> None:
        document, cards = await client.document(), await client.map(model=Card)
        stream, seen = await client.stream(), EventRecorder()

        @document.on("updated")
        def updated(event: Updated) -> int:
            seen(event)
            return 5

        @cards.on("item_added")
        async def added(event: ItemAdded[Card, str]) -> None:
            seen(event)

        @stream.on("message_published")
        def published(event: MessagePublished) -> None:
            seen(event)

        await document.set({"a": 1})
        assert (await seen.next()).data == {"a": 1}
        await cards.set("a", Card("todo"))
        assert (await seen.next()).data == Card("todo")
        await stream.publish({"b": 2})
        assert (await seen.next()).data == {"b": 2}
        assert inspect.iscoroutinefunction(added) and updated.__name__ == "updated"

    async def test_what_is_no_function_is_refused(self, client: Client) -> None:
        document: Any = await client.document()

        async def handler() -> None: ...

        with pytest.raises(UsageError, match="takes a function, not coroutine: give the function"):
            document.on("updated", handler())
        with pytest.raises(ValueError, match="the events are updated, removed"):
            document.on("update")


class TestNestedMutateOfItems:
    async def test_it_is_refused_at_once(self, client: Client) -> None:
        cards = await client.map(unique(), model=Card)
        same = await client.map(cards.sid)
        await cards.set("a", Card("todo"))
        await cards.set("b", Card("todo"))

        async def nest(card: Card | None) -> Card | None:
            await same.mutate("a", lambda data: data)
            return card

        async def other(card: Card | None) -> Card:
            return (await cards.mutate("b", lambda card: Card("done"))).data

        with pytest.raises(UsageError, match="mutate was called inside mutate"):
            await cards.mutate("a", nest)
        assert (await cards.mutate("a", other)).data == Card("done")


class TestShown:
    async def test_it_is_short_escaped_and_without_secrets(self, server: RunningServer) -> None:
        token = server.token("alice")
        async with connect(server.url, token=token) as client:
            data = {"<b>&": "<script>" + "x" * 500, **{str(n): n for n in range(50)}}
            document = await client.document(unique("<i>"), data=data)
            cards = await client.map(unique())
            await cards.set("<a>", data)
            async with cards.replica() as replica:
                shown: list[Any] = [client, document, document.snapshot, cards, replica]
                shown += [replica["<a>"], await cards.page(), await client.stream()]
                for each in shown:
                    text = repr(each)
                    html = each._repr_html_() if each is not client else ""
                    assert len(text) < 250 and len(html) < 3000
                    assert token not in text + html
                    assert "<script>" not in html and "<b>" not in html and "<i>" not in html
                assert "&lt;script&gt;" in document._repr_html_()
                assert "<th>&lt;a&gt;</th>" in replica._repr_html_()
        assert repr(client) == f"<Client of {server.url}: closed>"
