"""The fallback, past the client: what it does by REST and event streams."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from support.api import DocumentsApi, unique
from support.http import Ask, HttpServer, Reply, json_reply
from support.limits import WAIT_LIMIT
from support.listening import EventRecorder
from support.proxy import Proxy
from support.server import RunningServer, StartServer
from syncline import (
    ClientClosed,
    Conflict,
    ConnectionLost,
    InvalidRequest,
    NotFound,
    TokenExpired,
    Unavailable,
)
from syncline.rest import OPEN_ATTEMPTS, RestTransport
from syncline.transport import Interrupted

TIMEOUT = WAIT_LIMIT
"""Seconds for the attempt to connect."""


REMOVE = dict.fromkeys(("list", "map"), "remove_collection")
"""The verb that removes an object, where it is not `remove`."""


class Fallback:
    """A transport, with everything that it reported.

    Attributes:
        recorder: events as the native protocol writes them.
    """

    def __init__(self, transport: RestTransport, recorder: EventRecorder) -> None:
        self.transport = transport
        self.recorder = recorder

    @classmethod
    async def open(cls, url: str, token: str) -> Fallback:
        recorder = EventRecorder()
        return cls(await RestTransport.open(url, token, TIMEOUT, recorder), recorder)

    async def ask(self, do: str, **members: Any) -> Any:
        """The `ok` of a reply."""
        return await self.transport.request({"do": do, **members}, lambda ok: ok)


@pytest.fixture
async def fallback(server: RunningServer) -> AsyncIterator[Fallback]:
    fallback = await Fallback.open(server.url, server.token("alice"))
    yield fallback
    await fallback.transport.close()


@pytest.fixture
def api(server: RunningServer) -> Iterator[DocumentsApi]:
    with DocumentsApi(server) as api:
        yield api


async def test_a_name_that_others_create_and_remove_is_not_tried_without_end() -> None:
    def answer(ask: Ask) -> Reply:
        status, code = (404, 54300) if ask.method == "GET" else (409, 54301)
        return json_reply(status, {"code": code, "message": "no", "status": status})

    with HttpServer(answer) as server:
        fallback = await Fallback.open(server.url, "t")
        with pytest.raises(Conflict):
            await fallback.ask("open", document="name")
        await fallback.transport.close()

    _, *methods = [ask.method for ask in server.asked]
    assert methods == ["GET", "POST"] * OPEN_ATTEMPTS


class TestRequests:
    async def test_replies_are_those_of_a_socket(self, fallback: Fallback) -> None:
        name = unique("a/é ")
        opened = await fallback.ask("open", document=name, data={"n": 1}, ttl=60)
        assert opened["created"] is True
        first = opened["document"]
        assert (first["unique_name"], first["data"], first["created_by"]) == (
            name,
            {"n": 1},
            "alice",
        )

        again = await fallback.ask("open", document=name, data={"n": 9})
        assert again == {"created": False, "document": first}
        written = (await fallback.ask("set", document=name, data={"n": 2}))["document"]
        assert int(written["revision"]) > int(first["revision"])
        assert written["updated_by"] == "alice"
        patched = (await fallback.ask("patch", document=name, increment={"/n": 1}, ttl=30))[
            "document"
        ]
        assert patched["data"] == {"n": 3}
        assert patched["date_expires"] < first["date_expires"]
        await fallback.ask("ttl", document=name, ttl=0)
        read = (await fallback.ask("get", document=name))["document"]
        assert (read["data"], read["date_expires"]) == ({"n": 3}, None)
        await fallback.ask("remove", document=name)
        with pytest.raises(NotFound):
            await fallback.ask("get", document=name)

    @pytest.mark.parametrize("name", [".", ".."])
    async def test_names_that_no_url_can_carry_mean_nothing_else(
        self, fallback: Fallback, name: str
    ) -> None:
        with pytest.raises(InvalidRequest):
            await fallback.ask("open", document=name)
        for do in ("get", "remove"):
            with pytest.raises(NotFound):
                await fallback.ask(do, document=name)

    @pytest.mark.parametrize("name", ["...", "a/../b", "?", "#", "%2F", "+ ;&=", "☃"])
    async def test_every_name_can_be_addressed(self, fallback: Fallback, name: str) -> None:
        document = (await fallback.ask("open", document=name))["document"]
        assert document["unique_name"] == name
        written = await fallback.ask("set", document=name, data={"n": 1})
        event = await fallback.recorder.next()

        assert event["document"]["revision"] == written["document"]["revision"]
        await fallback.ask("remove", document=name)

    async def test_modes_of_opening(self, fallback: Fallback) -> None:
        name = unique()
        with pytest.raises(NotFound):
            await fallback.ask("open", document=name, mode="open_existing")
        assert (await fallback.ask("open", document=name, mode="create_new"))["created"]
        with pytest.raises(Conflict):
            await fallback.ask("open", document=name, mode="create_new")
        with pytest.raises(NotFound):
            await fallback.ask("open", document="ET" + "0" * 32, mode="create_new")
        first = await fallback.ask("open", data={"n": 1})
        assert first["document"]["unique_name"] is None

    async def test_those_that_name_one_document_take_turns(self, fallback: Fallback) -> None:
        document = (await fallback.ask("open"))["document"]
        replies = await asyncio.gather(
            *(fallback.ask("set", document=document["sid"], data={"n": n}) for n in range(20))
        )
        revisions = [int(reply["document"]["revision"]) for reply in replies]

        assert revisions == sorted(set(revisions))

    async def test_opening_after_a_break_does_not_wait_for_writes(
        self, server: RunningServer
    ) -> None:
        async with Proxy(server) as proxy:
            fallback = await Fallback.open(proxy.url, server.token())
            document = (await fallback.ask("open", op=unique()))["document"]
            sid, revision = document["sid"], document["revision"]
            await fallback.ask("get", document=sid)  # its connection is the one for the write
            proxy.freeze()
            writing = asyncio.create_task(fallback.ask("set", document=sid, data={"n": 1}))
            await asyncio.sleep(0)  # the write takes its turn
            reopening = {"document": sid, "mode": "open_existing", "revision": revision}
            opened = await fallback.ask("open", **reopening)

            assert opened["document"]["revision"] == revision
            assert not writing.done()
            await fallback.transport.close()
            with pytest.raises(Interrupted):
                await writing

    async def test_what_was_applied_is_not_applied_again(self, fallback: Fallback) -> None:
        sid = (await fallback.ask("open", data={"n": 0}))["document"]["sid"]
        request = {"document": sid, "increment": {"/n": 1}, "op": unique()}
        first = await fallback.ask("patch", **request)
        again = await fallback.ask("patch", **request)

        assert again["document"]["revision"] == first["document"]["revision"]
        assert (await fallback.ask("get", document=sid))["document"]["data"] == {"n": 1}

    async def test_it_is_no_socket(self, fallback: Fallback) -> None:
        with pytest.raises(ValueError, match="ping"):
            await fallback.ask("ping")


class TestEvents:
    async def test_opening_again_reports_nothing_twice(
        self, fallback: Fallback, api: DocumentsApi
    ) -> None:
        sid = (await fallback.ask("open"))["document"]["sid"]
        await fallback.ask("open", document=sid)
        api.call("POST", sid, data={"Data": '{"n":1}'})
        api.call("DELETE", sid)
        events = [await fallback.recorder.next() for _ in range(2)]

        assert [event["event"] for event in events] == ["updated", "removed"]

    async def test_unsubscribe_ends_them(self, fallback: Fallback, api: DocumentsApi) -> None:
        one, two = [(await fallback.ask("open"))["document"]["sid"] for _ in range(2)]
        await fallback.ask("unsubscribe", document=one)
        await fallback.ask("unsubscribe", document=one)
        api.call("POST", one, data={"Data": '{"n":1}'})
        api.call("POST", two, data={"Data": '{"n":2}'})
        event = await fallback.recorder.next()

        assert event["document"]["sid"] == two

    @pytest.mark.parametrize("kind", ["document", "list", "stream"])
    async def test_what_was_removed_between_two_streams_is_gone_and_the_others_go_on(
        self, fallback: Fallback, server: RunningServer, kind: str
    ) -> None:
        async with Proxy(server) as proxy:
            cut = await Fallback.open(proxy.url, server.token())
            gone = (await cut.ask("open", **{kind: unique()}))[kind]["sid"]
            kept = (await cut.ask("open", document=unique()))["document"]["sid"]
            proxy.stall()
            await fallback.ask(REMOVE.get(kind, "remove"), **{kind: gone})
            await proxy.until_stalled()
            proxy.cut()
            proxy.release()

            assert await cut.recorder.next() == {"event": "removed", kind: {"sid": gone}}
            await fallback.ask("set", document=kept, data={"n": 1})
            event = await cut.recorder.next()
            assert (event["document"]["sid"], event["document"]["data"]) == (kept, {"n": 1})
            assert not cut.transport.ended.done()
            await cut.transport.close()

    @pytest.mark.parametrize("kind", ["document", "map"])
    async def test_a_name_that_was_given_to_another_object_between_two_streams(
        self, fallback: Fallback, server: RunningServer, kind: str
    ) -> None:
        name = unique()
        async with Proxy(server) as proxy:
            cut = await Fallback.open(proxy.url, server.token())
            await fallback.ask("open", **{kind: name})
            gone = (await cut.ask("open", **{kind: name}))[kind]["sid"]
            proxy.stall()
            await fallback.ask(REMOVE.get(kind, "remove"), **{kind: gone})
            await fallback.ask("open", **{kind: name})
            await proxy.until_stalled()
            proxy.cut()
            proxy.release()

            assert await cut.recorder.next() == {"event": "removed", kind: {"sid": gone}}
            await cut.transport.close()


class TestEnd:
    async def test_a_server_that_stops_ends_it(self, fresh_server: StartServer) -> None:
        server = fresh_server()
        fallback = await Fallback.open(server.url, server.token())
        await fallback.ask("open")
        await asyncio.to_thread(server.stop)
        async with asyncio.timeout(TIMEOUT):
            reason = await fallback.transport.ended

        assert isinstance(reason, ConnectionLost)
        assert reason.retry
        with pytest.raises(Interrupted):
            await fallback.ask("open")
        await fallback.transport.close()

    async def test_a_token_that_runs_out_ends_it(self, fresh_server: StartServer) -> None:
        server = fresh_server("--token-leeway=0")
        fallback = await Fallback.open(server.url, server.token(ttl=2))
        await fallback.ask("open")
        async with asyncio.timeout(TIMEOUT):
            assert isinstance(await fallback.transport.ended, TokenExpired)
        await fallback.transport.close()

    async def test_a_stream_that_cannot_be_opened_again_ends_it(
        self, server: RunningServer
    ) -> None:
        async with Proxy(server) as proxy:
            fallback = await Fallback.open(proxy.url, server.token())
            await fallback.ask("open")
            proxy.reachable = False
            proxy.cut()
            async with asyncio.timeout(TIMEOUT):
                assert isinstance(await fallback.transport.ended, ConnectionLost)
            await fallback.transport.close()

    async def test_closing_interrupts_what_is_under_way(self, server: RunningServer) -> None:
        async with Proxy(server) as proxy:
            fallback = await Fallback.open(proxy.url, server.token())
            sid = (await fallback.ask("open"))["document"]["sid"]
            proxy.stall()
            asked = [
                asyncio.create_task(fallback.ask("set", document=sid, data={})),
                asyncio.create_task(fallback.ask("open", document=sid)),
                asyncio.create_task(fallback.ask("open", document=unique())),
            ]
            await proxy.until_stalled()
            await fallback.transport.close()
            await fallback.transport.close()
            for each in asked:
                with pytest.raises(Interrupted):
                    await each
            assert isinstance(fallback.transport.ended.result(), ClientClosed)

    async def test_a_store_that_is_away_does_not(
        self, tmp_path: Path, request: pytest.FixtureRequest
    ) -> None:
        options = "--redis-url=unix:///nonexistent", "--redis-timeout=0.2"
        server = RunningServer.waiting(tmp_path / "data", *options)
        request.addfinalizer(server.stop)
        await asyncio.to_thread(server.await_accepting)
        fallback = await Fallback.open(server.url, server.token())
        with pytest.raises(Unavailable):
            await fallback.ask("open")
        assert not fallback.transport.ended.done()
        await fallback.transport.close()
