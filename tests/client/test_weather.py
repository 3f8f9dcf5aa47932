"""What gateways, captive portals and dying networks do to a client, which comes back by itself."""

from __future__ import annotations

import asyncio
import re
import time
from typing import Any

import orjson
import pytest
from websockets.asyncio.server import ServerConnection
from websockets.frames import Frame, Opcode

from support.api import DocumentsApi, unique
from support.listening import EventRecorder, record_events, state
from support.peer import document, peer
from support.proxy import Proxy, page
from support.server import RunningServer, StartServer
from syncline import (
    Client,
    ConnectionLost,
    ConnectionState,
    NotFound,
    RequestTimeout,
    SynclineError,
    TokenDenied,
    TokenUnavailable,
    Unauthorized,
    Unavailable,
    connect,
)
from syncline_protocol.backoff import Backoff

FAST: dict[str, Any] = {"backoff_initial": 0.01, "backoff_limit": 0.05}

PROBING: dict[str, Any] = {"probe_after": 0.2, "probe_timeout": 0.2, **FAST}

WEATHER = [
    page("404 Not Found"),
    page("403 Forbidden", "Blocked", "Content-Type: text/plain"),
    page("401 Unauthorized", "", "WWW-Authenticate: Basic"),
    page("429 Too Many Requests"),
    page("500 Internal Server Error", '{"message":"oops"}', "Content-Type: application/json"),
    page("502 Bad Gateway", '{"code":502,"message":"no","status":502}'),
    page("503 Service Unavailable", "", "Retry-After: 0"),
    page("520 Unknown", ""),
    page("530 Origin DNS Error"),
    page("302 Found", "", "Location: http://127.0.0.1:1/login"),
    page("200 OK", "<html>Please log in"),
    page("200 OK", "{}", "Content-Type: application/json"),
    page("200 OK", '[{"sid":"ET"}]', "Content-Type: application/json"),
    page("204 No Content", ""),
    # The code is Syncline's, the status is not.
    page("404 Not Found", '{"code":20101,"message":"no","status":401}'),
    page("401 Unauthorized", '{"code":true,"message":"no","status":401}'),
    b"\x15\x03\x01\x00\x02\x02\x28",
    b"",
]


@pytest.fixture(params=["websocket", "rest"])
def transport(request: pytest.FixtureRequest) -> Any:
    return request.param


class TestGateway:
    @pytest.mark.parametrize("reply", WEATHER, ids=lambda reply: reply[9:12].decode("latin-1"))
    async def test_what_it_answers_for_a_while_ends_no_client(
        self, server: RunningServer, transport: Any, reply: bytes
    ) -> None:
        options = {"transport": transport, **FAST}
        async with (
            Proxy(server, keeps_alive=False) as gateway,
            connect(gateway.url, token=server.token(), **options) as client,
        ):
            handle = await client.document(data={"n": 0})
            recorder = record_events(handle)
            gateway.reply = reply
            gateway.cut()
            seen = len(gateway.heads)
            write = asyncio.create_task(handle.increment("/n"))
            opening = asyncio.create_task(client.document(unique()))
            await gateway.came(seen + 4)
            gateway.reply = None
            assert await write == {"n": 1}
            await (await opening).remove()
            assert (await recorder.next()).data == {"n": 1}
            assert client.state is ConnectionState.CONNECTED

    @pytest.mark.parametrize("reply", WEATHER[:6], ids=lambda reply: reply[9:12].decode("latin-1"))
    async def test_nor_one_that_may_choose_its_way(
        self, server: RunningServer, reply: bytes
    ) -> None:
        async with (
            Proxy(server, keeps_alive=False) as gateway,
            connect(gateway.url, token=server.token(), **FAST) as client,
        ):
            handle = await client.document(data={"n": 0})
            gateway.reply = reply
            gateway.cut()
            write = asyncio.create_task(handle.increment("/n"))
            await gateway.came(len(gateway.heads) + 4)
            gateway.reply = None
            assert await write == {"n": 1}

    @pytest.mark.parametrize("choice", ["auto", "websocket", "rest"])
    async def test_the_first_connection_waits_for_it(
        self, server: RunningServer, choice: Any
    ) -> None:
        async with Proxy(server, keeps_alive=False) as gateway:
            gateway.reply = lambda _: WEATHER[4] if len(gateway.heads) < 5 else None
            async with connect(
                gateway.url, token=server.token(), transport=choice, **FAST
            ) as client:
                assert (await client.document()).data == {}

    @pytest.mark.parametrize("choice", ["auto", "websocket", "rest"])
    async def test_a_first_connection_that_is_not_made_names_what_was_seen_last(
        self, server: RunningServer, choice: Any
    ) -> None:
        async with Proxy(server, keeps_alive=False) as gateway:
            gateway.reply = page("502 Bad Gateway")
            seen = "no answer"
            while "no answer" in seen:  # a busy machine may not have answered in time
                with pytest.raises(ConnectionLost) as lost:
                    await connect(
                        gateway.url, token="t", transport=choice, open_timeout=0.3, **FAST
                    )
                seen = str(lost.value)
        assert re.search("HTTP 502.*not Syncline", seen)

    async def test_a_request_that_times_out_names_what_was_seen_last(
        self, server: RunningServer, transport: Any
    ) -> None:
        options = {"transport": transport, "request_timeout": 0.3, **FAST}
        async with (
            Proxy(server, keeps_alive=False) as gateway,
            connect(gateway.url, token=server.token(), **options) as client,
        ):
            gateway.reply = page("521 Web Server Is Down")
            gateway.cut()
            seen = ""
            while "HTTP 521" not in seen:  # a busy machine may not have answered in time
                with pytest.raises(RequestTimeout) as late:
                    await client.document()
                seen = str(late.value)
            assert re.search("no connection: .*HTTP 521", seen)
            assert late.value.retry

    async def test_a_request_does_not_time_out_while_the_client_only_pauses(
        self, server: RunningServer, transport: Any
    ) -> None:
        """As after a restart of some seconds, when pauses have grown long."""
        options: dict[str, Any] = {"backoff_initial": 10_000, "backoff_limit": 10_000}
        options |= {"transport": transport, "request_timeout": 4}
        async with (
            Proxy(server, keeps_alive=False) as gateway,
            connect(gateway.url, token=server.token(), **options) as client,
        ):
            handle = await client.document(data={"n": 0})
            gateway.reply = page("502 Bad Gateway")
            gateway.cut()
            await state(client, ConnectionState.WAITING)
            gateway.reply = None
            assert await handle.increment("/n") == {"n": 1}

    @pytest.mark.parametrize("choice", ["auto", "websocket", "rest"])
    async def test_nor_does_the_first_connection(self, server: RunningServer, choice: Any) -> None:
        options: dict[str, Any] = {"backoff_initial": 10_000, "open_timeout": 4}
        async with Proxy(server, keeps_alive=False) as gateway:
            gateway.reply = lambda _: None if len(gateway.heads) > 2 else page("502 Bad Gateway")
            async with connect(
                gateway.url,
                token=server.token(),
                transport=choice,
                backoff_limit=10_000,
                **options,
            ) as client:
                assert (await client.document()).data == {}

    @pytest.mark.parametrize(
        ("code", "status", "kind"), [(20101, 401, Unauthorized), (54056, 403, SynclineError)]
    )
    async def test_the_servers_own_word_is_final(
        self, server: RunningServer, code: int, status: int, kind: type[Exception]
    ) -> None:
        """The body is what counts, not who carries it."""
        body = orjson.dumps({"code": code, "message": "No.", "more_info": "", "status": status})
        async with (
            Proxy(server, keeps_alive=False) as gateway,
            connect(gateway.url, token=server.token(), transport="rest", **FAST) as client,
        ):
            handle = await client.document()
            gateway.reply = page(f"{status} No", body.decode(), "Content-Type: application/json")
            gateway.cut()
            with pytest.raises(kind) as refused:
                while True:
                    await handle.set({})
            assert (refused.value.code, refused.value.status) == (code, status)  # type: ignore[attr-defined]

    async def test_a_path_before_the_servers_own_is_kept(
        self, server: RunningServer, transport: Any
    ) -> None:
        async with Proxy(server, keeps_alive=False) as gateway:
            gateway.prefix = "/sync/v2"
            url = f"{gateway.url}/sync/v2/"
            async with connect(url, token=server.token(), transport=transport) as client:
                handle = await client.document()
                recorder = record_events(handle)
                await handle.set({"n": 1})
                assert (await recorder.next()).data == {"n": 1}
        assert all(head.split(" ")[1].startswith("/sync/v2/v") for head in gateway.heads)


class TestHalfOpen:
    async def test_a_write_goes_on_with_the_next_connection_and_is_applied_once(
        self, server: RunningServer, transport: Any
    ) -> None:
        options = {"transport": transport, **PROBING}
        async with (
            Proxy(server, keeps_alive=False) as gateway,
            connect(gateway.url, token=server.token(), **options) as client,
        ):
            gateway.keeps_alive = True
            handle = await client.document(data={"n": 0})
            for n in range(3):
                gateway.freeze()
                assert await handle.increment("/n") == {"n": n + 1}
            with DocumentsApi(server) as api:
                assert api.fetch(handle.sid)["data"] == {"n": 3}

    async def test_so_do_all_other_requests(self, server: RunningServer, transport: Any) -> None:
        options = {"transport": transport, **PROBING}
        async with (
            Proxy(server, keeps_alive=False) as gateway,
            connect(gateway.url, token=server.token(), **options) as client,
        ):
            gateway.keeps_alive = True
            first = await client.document()
            gateway.freeze()
            second = await client.document(unique(), data={"n": 1})
            gateway.freeze()
            await second.set_ttl(60)
            gateway.freeze()
            await first.close()
            recorder = record_events(second)
            await second.mutate(lambda data: {"n": data["n"] + 1})
            assert (await recorder.until(lambda event: event.data == {"n": 2}))[-1].is_local

    async def test_a_write_is_not_sent_again_when_the_server_may_have_forgotten_it(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """As after a sleep, in which the event loop's clock stands still."""
        async with peer() as server, connect(server.url, token="t", **FAST) as client:
            connection = await server.next()
            opening = asyncio.create_task(client.document("name"))
            await connection.receive()
            await connection.ok(created=False, document=document(1))
            handle = await opening
            write = asyncio.create_task(handle.increment("/at"))
            assert (await connection.receive())["do"] == "patch"
            woken_at = time.time() + 101
            monkeypatch.setattr("time.time", lambda: woken_at)
            await connection.socket.close(1012)
            with pytest.raises(RequestTimeout, match="outcome is unknown"):
                await write
            connection = await server.next()
            assert (await connection.receive())["do"] == "open"

    @pytest.mark.parametrize("timeout", [0.5, 2.3])
    async def test_a_sleep_of_the_process_uses_up_no_time_out(self, timeout: float) -> None:
        options: dict[str, Any] = {"request_timeout": timeout, **FAST}
        async with peer() as server, connect(server.url, token="t", **options) as client:
            connection = await server.next()
            opening = asyncio.create_task(client.document("name"))
            await connection.receive()
            await connection.ok(created=False, document=document(1))
            time.sleep(2.5)  # noqa: ASYNC251 - what stops the event loop, as SIGSTOP would
            assert (await opening).data == {"at": 1}

    async def test_a_server_that_takes_its_time_is_left_alone(self) -> None:
        async with peer() as server, connect(server.url, token="t", **PROBING) as client:
            connection = await server.next()
            pings = count_pings(connection.socket)
            opening = asyncio.create_task(client.document("name"))
            assert (await connection.receive())["do"] == "open"
            for _ in range(3):
                await pings.next()
            await connection.ok(created=False, document=document(1))
            assert (await opening).data == {"at": 1}
            assert client.state is ConnectionState.CONNECTED


class TestToken:
    async def test_a_function_that_fails_for_a_while_is_asked_again(
        self, server: RunningServer, transport: Any
    ) -> None:
        answers: list[Any] = ["<html>", None, LookupError("no"), "hang", b"x", server.token()]
        asked: list[Any] = []

        async def fetch() -> Any:
            asked.append(answers[min(len(asked), len(answers) - 1)])
            if isinstance(asked[-1], Exception):
                raise asked[-1]
            if asked[-1] == "hang":
                await asyncio.Event().wait()
            return asked[-1]

        options = {"transport": transport, "token_timeout": 0.05, **FAST}
        async with (
            Proxy(server, keeps_alive=False) as gateway,
            connect(gateway.url, token=fetch, **options) as client,
        ):
            handle = await client.document()
            asked.clear()
            gateway.reply = b""
            gateway.cut()
            await state(client, ConnectionState.WAITING)
            gateway.reply = None
            assert await handle.increment("/n") == {"n": 1}
        assert asked == answers

    @pytest.mark.parametrize(
        ("returned", "expected"),
        [("<html>", "no JWT but str of length 6"), ("hang", "did not return")],
    )
    async def test_the_first_connection_reports_what_it_returned(
        self, returned: str, expected: str
    ) -> None:
        async def fetch() -> str:
            if returned == "hang":
                await asyncio.Event().wait()
            return returned

        with pytest.raises(TokenUnavailable, match=expected):
            await connect(
                "http://127.0.0.1:1", token=fetch, open_timeout=0.3, token_timeout=0.1, **FAST
            )

    async def test_the_application_can_end_the_client(self) -> None:
        tokens = iter(["e30.e30.e30"])

        def fetch() -> str:
            for token in tokens:
                return token
            raise TokenDenied("signed out")

        async with peer() as server, connect(server.url, token=fetch, **FAST) as client:
            await (await server.next()).socket.close(4000)
            await state(client, ConnectionState.CLOSED)
            with pytest.raises(TokenDenied, match="signed out"):
                await client.document()

    async def test_a_renewal_is_tried_again(self) -> None:
        tokens = iter(["e30.e30.first", None, "<html>", "e30.e30.second"])
        async with (
            peer() as server,
            connect(server.url, token=lambda: next(tokens), **FAST),  # type: ignore[arg-type, return-value]
        ):
            connection = await server.next()
            await connection.send(event="token_about_to_expire", expires_in=5)
            assert await connection.receive() == {"do": "auth", "token": "e30.e30.second"}
            await connection.ok()

    async def test_it_may_close_the_client(self) -> None:
        calls: list[Client] = []

        async def fetch() -> str:
            for client in calls:
                await client.close()
            return "e30.e30.e30"

        async with peer() as server:
            client = await connect(server.url, token=fetch, **FAST)
            calls.append(client)
            await (await server.next()).socket.close(4000)
            await state(client, ConnectionState.CLOSED)
            await client.close()
        assert len(calls) == 1


class TestHerd:
    @pytest.mark.parametrize("choice", ["auto", "rest"])
    async def test_all_who_come_at_once_get_in(
        self, fresh_server: StartServer, choice: Any
    ) -> None:
        server = fresh_server("--connect-rate=6")

        async def come() -> str | None:
            async with connect(server.url, token=server.token(), transport=choice) as client:
                await client.document("shared")
                return client.transport

        kinds = await asyncio.gather(*(come() for _ in range(12)))
        assert set(kinds) == {"websocket" if choice == "auto" else "rest"}

    async def test_one_more_than_there_is_room_for_waits(self, fresh_server: StartServer) -> None:
        server = fresh_server("--max-connections=1")
        client = await connect(server.url, token=server.token())
        waiting = asyncio.ensure_future(_document(server.url, server.token()))
        done, _ = await asyncio.wait({waiting}, timeout=0.5)
        assert not done
        await client.close()
        assert await waiting == "websocket"

    @pytest.mark.parametrize(("code", "status"), [(20503, 503), (20429, 429)])
    async def test_a_refusal_for_now_of_an_open_is_waited_for(self, code: int, status: int) -> None:
        async with peer() as server, connect(server.url, token="t", **FAST) as client:
            connection = await server.next()
            opening = asyncio.create_task(client.document("name"))
            asked = [await connection.receive()]
            for _ in range(2):
                await connection.refuse(code, status, retry=True)
                asked.append(await connection.receive())
            await connection.ok(created=False, document=document(1))
            handle = await opening
            assert asked == [asked[0]] * 3  # with one `op`
            write = asyncio.create_task(handle.set({"at": 2}))
            await connection.receive()
            await connection.refuse(code, status, retry=True)
            with pytest.raises(Unavailable):
                await write

    async def test_one_that_does_not_end_is_the_error(self) -> None:
        options: dict[str, Any] = {"request_timeout": 0.3, **FAST, "backoff_initial": 10_000}
        options["backoff_limit"] = 10_000
        async with peer() as server, connect(server.url, token="t", **options) as client:
            connection = await server.next()
            opening = asyncio.create_task(client.document("name"))
            await connection.receive()
            await connection.refuse(20503, 503, retry=True)
            with pytest.raises(Unavailable):
                await opening

    async def test_a_time_out_reports_why(self, fresh_server: StartServer) -> None:
        server = fresh_server("--max-connections=1")
        async with connect(server.url, token=server.token()):
            with pytest.raises(ConnectionLost, match="lets nobody in now: HTTP 503"):
                await connect(server.url, token=server.token(), open_timeout=0.5)
            async with connect(
                server.url, token=server.token(), transport="rest", request_timeout=0.5
            ) as client:
                with pytest.raises(RequestTimeout, match="already has 1 connections"):
                    await client.document("name")


class TestFallback:
    async def test_it_serves_behind_a_proxy_that_swallows_upgrades_and_cuts_replies(
        self, server: RunningServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("syncline.dialer.REST_BESIDE_AFTER", 0.05)
        monkeypatch.setattr("syncline.event_streams.STOOD_AFTER", 0.01)
        async with Proxy(server, keeps_alive=False) as gateway:
            with DocumentsApi(server) as api:
                gateway.swallows_upgrades = True
                gateway.cut_after = 0.3
                async with connect(gateway.url, token=server.token(), **FAST) as client:
                    assert client.transport == "rest"
                    states = EventRecorder()
                    client.on("state", states)
                    handle = await client.document(data={"n": 0})
                    recorder = record_events(handle)
                    for n in range(1, 5):
                        await gateway.came(n, "/Events")
                        api.call("POST", handle.sid, data={"Data": f'{{"n":{n}}}'})
                        assert (await recorder.next()).data == {"n": n}
                        assert await handle.update({"mine": n}) == {"n": n, "mine": n}
                        assert (await recorder.next()).is_local
                    revision = handle.revision
                    await gateway.came(1, f"Last-Event-ID: {revision}")
                    assert client.state is ConnectionState.CONNECTED
                    gateway.swallows_upgrades = False
                    await states.until(lambda change: change.transport == "websocket")
                    assert await handle.update({"mine": 5}) == {"n": 4, "mine": 5}

    async def test_streams_that_end_at_once_are_not_opened_without_pause(
        self, server: RunningServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ceilings: list[float] = []

        grow = Backoff.pause

        def pause(backoff: Backoff) -> float:
            ceilings.append(backoff.ceiling)
            grow(backoff)
            return 0

        monkeypatch.setattr(Backoff, "pause", pause)
        async with (
            Proxy(server, keeps_alive=False) as gateway,
            connect(gateway.url, token=server.token(), transport="rest") as client,
        ):
            await client.document()
            gateway.reply = page("200 OK", "", "Content-Type: text/event-stream")
            gateway.cut()
            await gateway.came(8, "/Events")
        assert ceilings[:6] == [0.25, 0.5, 1, 2, 4, 5]

    async def test_a_document_that_was_removed_between_two_streams_is_reported(
        self, server: RunningServer
    ) -> None:
        async with (
            Proxy(server, keeps_alive=False) as gateway,
            connect(gateway.url, token=server.token(), transport="rest", **FAST) as client,
        ):
            handle = await client.document()
            recorder = record_events(handle)
            gateway.reply = b""
            gateway.cut()
            with DocumentsApi(server) as api:
                api.call("DELETE", handle.sid)
            gateway.reply = None
            assert (await recorder.next()).name == "removed"
            with pytest.raises(NotFound):
                await handle.set({})


async def _document(url: str, token: str) -> str | None:
    async with connect(url, token=token) as client:
        await client.document()
        return client.transport


def count_pings(socket: ServerConnection) -> EventRecorder:
    """Each ping that comes from now on."""
    recorder = EventRecorder()
    process = socket.process_event

    def note(event: Any) -> None:
        if isinstance(event, Frame) and event.opcode is Opcode.PING:
            recorder(event)
        process(event)

    socket.process_event = note  # type: ignore[method-assign]
    return recorder
