from __future__ import annotations

import asyncio

import pytest

from support.api import unique
from support.limits import WAIT_LIMIT
from support.listening import EventRecorder, all_quiet, record_events
from support.peer import document, peer
from support.server import RunningServer, StartServer
from support.snapshots import SID
from syncline import (
    Client,
    ClientClosed,
    Conflict,
    ConnectionState,
    InvalidRequest,
    NotFound,
    RequestError,
    RequestTimeout,
    TooLarge,
    connect,
)


class TestDocument:
    async def test_a_missing_one_is_created_and_an_existing_one_fetched(
        self, client: Client, rival: Client
    ) -> None:
        name = unique()
        first = await client.document(name, data={"n": 1}, ttl=60)
        second = await rival.document(name, data={"n": 2})

        assert second.sid == first.sid
        assert second.data == {"n": 1}
        assert second.date_expires == first.date_expires is not None

    async def test_open_existing_does_not_create(self, client: Client) -> None:
        name = unique()
        with pytest.raises(NotFound) as missing:
            await client.document(name, mode="open_existing")
        assert missing.value.status == 404
        first = await client.document(name)
        assert (await client.document(name, mode="open_existing")).sid == first.sid

    async def test_create_new_does_not_fetch(self, client: Client) -> None:
        name = unique()
        await client.document(name, mode="create_new")
        with pytest.raises(Conflict) as taken:
            await client.document(name, mode="create_new")
        assert (taken.value.code, taken.value.status) == (54301, 409)

    async def test_a_sid_is_never_created(self, client: Client) -> None:
        with pytest.raises(NotFound):
            await client.document("ET" + "0" * 32)
        with pytest.raises(NotFound):
            await client.document("ET" + "0" * 32, mode="create_new")

    async def test_one_without_a_name(self, client: Client, rival: Client) -> None:
        first = await client.document(data={"n": 1})
        second = await client.document()

        assert first.unique_name is None
        assert first.sid != second.sid
        assert (await rival.document(first.sid)).data == {"n": 1}

    async def test_many_clients_create_one(self, client: Client, rival: Client) -> None:
        name = unique()
        handles = await asyncio.gather(
            *(each.document(name) for each in (client, rival) for _ in range(10))
        )

        assert len({handle.sid for handle in handles}) == 1

    @pytest.mark.parametrize(
        ("arguments", "code"),
        [
            ({"document": ""}, 54302),
            ({"document": "n" * 321}, 54302),
            ({"document": "IS" + "0" * 32}, 54100),
            ({"ttl": -1}, 54011),
            ({"data": [1]}, 54008),
        ],
    )
    async def test_what_is_not_allowed_is_refused(
        self, server: RunningServer, arguments: dict[str, str], code: int
    ) -> None:
        async with connect(server.url, token=server.token()) as client:
            with pytest.raises((InvalidRequest, NotFound)) as refused:
                await client.document(**arguments)  # type: ignore[call-overload]
            assert isinstance(refused.value, RequestError)
            assert refused.value.code in (code, 54300)
            assert await client.document()

    async def test_what_would_end_the_connection_is_refused_here(
        self, server: RunningServer
    ) -> None:
        async with connect(server.url, token=server.token()) as client:
            with pytest.raises(InvalidRequest):
                await client.document("\ud800")
            with pytest.raises(InvalidRequest):
                await client.document(ttl=2**70)
            with pytest.raises(TooLarge):
                await client.document("n" * 300_000)
            assert await client.document()

    async def test_too_many_on_one_connection(self, fresh_server: StartServer) -> None:
        server = fresh_server("--max-subscriptions=2")
        async with connect(server.url, token=server.token()) as client:
            first, _ = await client.document(), await client.document()
            with pytest.raises(InvalidRequest) as refused:
                await client.document()
            assert refused.value.code == 54419
            await client.document(first.sid)
            await first.close()

    async def test_a_newer_state_that_comes_with_a_second_handle_is_reported_to_the_first(
        self,
    ) -> None:
        async with peer() as server, connect(server.url, token="t") as client:
            connection = await server.next()
            opening = asyncio.create_task(client.document("name"))
            await connection.receive()
            await connection.ok(created=False, document=document(1))
            first = await opening
            recorder = record_events(first)

            opening = asyncio.create_task(client.document("name"))
            await connection.receive()
            # As no event follows that is not newer than this.
            await connection.ok(created=False, document=document(5))
            second = await opening
            event = await recorder.next()

        assert first.data == second.data == {"at": 5}
        assert (event.data, event.previous_data, event.is_local) == ({"at": 5}, {"at": 1}, False)


class TestClient:
    async def test_it_names_what_it_is_connected_by(
        self, server: RunningServer, client: Client, rival: Client
    ) -> None:
        assert client.state is rival.state is ConnectionState.CONNECTED
        assert client.transport in ("websocket", "rest")
        assert rival.transport == "websocket"
        assert rival.data_limit == 16_384
        async with connect(server.url, token=server.token(), transport="rest") as over_rest:
            assert over_rest.transport == "rest"
            assert over_rest.data_limit is None

    async def test_it_can_be_awaited(self, server: RunningServer) -> None:
        client = await connect(server.url, token=server.token())
        await client.document()
        await client.close()

        assert client.state is ConnectionState.CLOSED
        assert client.transport is None

    def test_there_is_one_event(self, client: Client) -> None:
        with pytest.raises(ValueError, match="state"):
            client.on("updated", print)  # type: ignore[call-overload]

    async def test_a_request_without_a_reply_times_out(self) -> None:
        async with (
            peer() as server,
            connect(server.url, token="t", request_timeout=0.05) as client,
        ):
            connection = await server.next()
            with pytest.raises(RequestTimeout) as late:
                await client.document("name")
            assert (late.value.verb, late.value.seconds, late.value.retry) == ("open", 0.05, True)
            # The reply that comes after all is nobody's: the subscription is taken back.
            await connection.receive()
            await connection.ok(created=False, document=document(1))
            assert await connection.receive() == {"do": "unsubscribe", "document": SID}
            await connection.ok()


class TestClose:
    async def test_everything_ends(self, client: Client) -> None:
        states = EventRecorder()
        client.on("state", states)
        first, second = await client.document(), await client.document()
        events = first.events()
        waiting = asyncio.ensure_future(anext(events))
        await client.close()
        await client.close()

        with pytest.raises(StopAsyncIteration):
            await waiting
        assert [event async for event in second.events()] == []
        change = await states.next()
        assert (change.state, change.previous) == (
            ConnectionState.CLOSED,
            ConnectionState.CONNECTED,
        )
        assert isinstance(change.error, ClientClosed)
        for attempt in (client.document(), first.set({}), first.remove(), first.set_ttl(1)):
            with pytest.raises(ClientClosed):
                await attempt
        await first.close()

    @pytest.mark.parametrize("transport", ["websocket", "rest"])
    async def test_no_task_and_no_request_stays(
        self, server: RunningServer, transport: str, rival: Client
    ) -> None:
        before = asyncio.all_tasks()
        client = await connect(
            server.url,
            token=server.token(),
            transport=transport,  # type: ignore[arg-type]
        )
        handles = [await client.document() for _ in range(5)]
        for handle in handles:
            record_events(handle)
        await handles[0].close()
        await (await rival.document(handles[1].sid)).remove()
        pending = [asyncio.create_task(handle.increment("/n")) for handle in handles[2:]]
        await asyncio.sleep(0)
        await client.close()
        outcomes = await asyncio.gather(*pending, return_exceptions=True)
        await all_quiet(before)

        assert all(isinstance(outcome, dict | ClientClosed) for outcome in outcomes), outcomes

    async def test_it_ends_a_client_that_waits_to_connect_again(self) -> None:
        before = asyncio.all_tasks()
        async with peer() as server:
            client = await connect(server.url, token="t", backoff_initial=60)
            connection = await server.next()
            await connection.socket.close(4000)
            pending = asyncio.create_task(client.document("name"))
            while client.state is not ConnectionState.WAITING:
                await asyncio.sleep(0)
            await client.close()
            with pytest.raises(ClientClosed):
                await pending
        await all_quiet(before)

    async def test_it_can_be_called_from_a_callback(self, server: RunningServer) -> None:
        client = await connect(server.url, token=server.token())
        document, closed = await client.document(), asyncio.Event()

        async def leave(_: object) -> None:
            await client.close()
            closed.set()

        document.on("updated", leave)
        await document.set({"n": 1})
        async with asyncio.timeout(WAIT_LIMIT):
            await closed.wait()
        assert client.state is ConnectionState.CLOSED
