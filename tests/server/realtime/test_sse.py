"""Event streams over real connections (docs/protocol.md, section 9)."""

from __future__ import annotations

import asyncio
import socket as sockets
from collections.abc import Iterator
from contextlib import AsyncExitStack, suppress
from io import BufferedReader
from typing import Any

import httpx2
import orjson
import pytest

from support.api import DocumentsApi, unique
from support.server import RunningServer, StartServer, StartSharedServer
from support.socket import native_socket
from support.stream import event_stream, events_url

STREAMS = 100


@pytest.fixture
def api(server: RunningServer) -> Iterator[DocumentsApi]:
    with DocumentsApi(server) as api:
        yield api


class TestEvents:
    async def test_the_state_comes_first_as_the_native_protocol_writes_it(
        self, server: RunningServer
    ) -> None:
        async with native_socket(server) as socket:
            document = await socket.document("open", document=unique(), data={"é": [1]}, ttl=60)
        async with event_stream(server, document["sid"], token=server.token()) as stream:
            state = await stream.next()

            assert stream.response.status_code == 200
            assert stream.response.headers["content-type"] == "text/event-stream; charset=utf-8"
            assert stream.response.headers["cache-control"] == "no-store"
        assert (state.name, state.id, state.data) == ("state", document["revision"], document)

    async def test_updates_and_the_removal_follow(self, server: RunningServer) -> None:
        async with native_socket(server) as socket:
            await socket.ok("open", document=(name := unique("a/é ")))
            async with event_stream(server, name) as stream:
                assert (await stream.next()).name == "state"
                await socket.ok("set", document=name, data={"n": 1})
                await socket.ok("ttl", document=name, ttl=60)
                await socket.ok("remove", document=name)
                received = await stream.rest()
            expected = [await socket.event() for _ in range(3)]

        assert [(event.name, event.data, event.id) for event in received] == [
            (event["event"], event["document"], event["document"]["revision"]) for event in expected
        ]

    async def test_a_stream_resumes_from_the_last_event(
        self, server: RunningServer, api: DocumentsApi
    ) -> None:
        name = api.create(UniqueName=unique(), Data='{"n":1}')["unique_name"]
        async with event_stream(server, name) as stream:
            first = await stream.next()
        async with event_stream(server, name, last_event_id=first.id) as stream:
            api.call("POST", name, data={"Data": '{"n":2}'})
            second = await stream.next()
        assert second.name == "updated"
        assert second.data["previous_revision"] == first.id

        async with event_stream(server, name, last_event_id=first.id) as stream:
            state = await stream.next()
        assert (state.name, state.id) == ("state", second.id)

    async def test_an_expiry_ends_the_stream(
        self, server: RunningServer, api: DocumentsApi
    ) -> None:
        sid = api.create(Ttl="1")["sid"]
        async with event_stream(server, sid) as stream:
            state, removed = await stream.rest()

        assert state.name == "state"
        assert (removed.name, removed.data["expired"]) == ("removed", True)
        assert removed.data["date_removed"] >= state.data["date_expires"]

    async def test_every_one_of_many_streams_is_notified(
        self, server: RunningServer, api: DocumentsApi
    ) -> None:
        name = api.create(UniqueName=unique())["unique_name"]
        async with AsyncExitStack() as stack:
            streams = await asyncio.gather(
                *(stack.enter_async_context(event_stream(server, name)) for _ in range(STREAMS))
            )
            states = await asyncio.gather(*(stream.next() for stream in streams))
            api.call("DELETE", name)
            ends = await asyncio.gather(*(stream.rest() for stream in streams))

        assert {state.name for state in states} == {"state"}
        assert [[event.name for event in end] for end in ends] == [["removed"]] * STREAMS

    async def test_comments_keep_it_alive(self, strict_server: RunningServer) -> None:
        with DocumentsApi(strict_server) as api:
            name = api.create(UniqueName=unique(), Ttl="2")["unique_name"]
            async with event_stream(strict_server, name) as stream:
                assert [event.name for event in await stream.rest()] == ["state", "removed"]
                assert stream.comments >= 1


class TestRefusals:
    @pytest.mark.parametrize("address", ["ET" + "0" * 32, "there is no such document"])
    async def test_a_missing_document_is_404_before_any_event(
        self, server: RunningServer, address: str
    ) -> None:
        async with event_stream(server, address) as stream:
            body = orjson.loads(await stream.response.aread())

        assert stream.response.status_code == body["status"] == 404
        assert stream.response.headers["content-type"].startswith("application/json")

    @pytest.mark.parametrize("last_event_id", ["abc", "-1", "1.5", "9" * 17])
    async def test_an_id_that_is_none_of_ours_is_refused(
        self, server: RunningServer, api: DocumentsApi, last_event_id: str
    ) -> None:
        sid = api.create()["sid"]
        async with event_stream(server, sid, last_event_id=last_event_id) as stream:
            body = orjson.loads(await stream.response.aread())

        assert (body["status"], body["code"]) == (400, 54003)

    async def test_it_takes_the_same_logins_as_rest(
        self, server: RunningServer, api: DocumentsApi
    ) -> None:
        sid = api.create()["sid"]
        async with httpx2.AsyncClient() as http:
            for headers, status, code in (
                ({}, 401, 20003),
                ({"Authorization": "Bearer forged"}, 401, 20101),
                ({"Authorization": f"Bearer {server.token(ttl=-60)}"}, 401, 20104),
            ):
                reply = await http.get(events_url(server, sid), headers=headers)
                assert (reply.status_code, reply.json()["code"]) == (status, code)
            reply = await http.get(events_url(server, sid, "IS" + "0" * 32), auth=server.basic)
            assert (reply.status_code, reply.json()["code"]) == (404, 54050)
            reply = await http.post(events_url(server, sid), auth=server.basic)
            assert reply.status_code == 405


class TestEnd:
    async def test_a_token_that_runs_out_closes_the_stream(
        self, strict_server: RunningServer
    ) -> None:
        with DocumentsApi(strict_server) as api:
            sid = api.create()["sid"]
        token = strict_server.token(ttl=2)
        async with (
            event_stream(strict_server, sid, token=token) as stream,
            event_stream(strict_server, sid) as basic,
        ):
            state, closing = await stream.rest()
            await basic.next()
            with DocumentsApi(strict_server) as api:
                api.call("DELETE", sid)
            assert [event.name for event in await basic.rest()] == ["removed"]

        assert state.name == "state"
        assert (closing.name, closing.id) == ("closing", None)
        assert closing.data == {
            "code": 20104,
            "message": "The access token has expired.",
            "retry": False,
        }

    async def test_nothing_is_reported_after_a_token_has_run_out(
        self, fresh_server: StartServer
    ) -> None:
        """Not even what a slow reader has not taken by then."""
        server = fresh_server("--token-leeway=0")
        async with native_socket(server) as writer:
            first = await writer.document("open", document=unique())
            reader = _SlowStream(server, first["sid"], server.token(ttl=2))
            async with native_socket(server, server.token(ttl=2)) as mark:
                for n in range(300):
                    await writer.ok("set", document=first["sid"], data=_large(n))
                assert (await mark.closed())[0] == 4001
            last = await writer.document("set", document=first["sid"], data=_large(-1))
            names, revisions = await asyncio.to_thread(reader.rest)

        assert names[-1] == "closing"
        assert names.count("closing") == 1
        assert last["revision"] not in revisions
        assert revisions == sorted(set(revisions), key=int)

    async def test_a_reader_that_takes_nothing_is_cut_off(
        self, strict_server: RunningServer
    ) -> None:
        async with native_socket(strict_server) as writer:
            first = await writer.document("open", document=unique())
            reader = _SlowStream(strict_server, first["sid"], strict_server.token())
            for n in range(300):
                await writer.ok("set", document=first["sid"], data=_large(n))
            # A socket that never authenticates marks the time: it is ended later.
            async with native_socket(strict_server, auth=False) as mark:
                await mark.closed()
            names, _ = await asyncio.to_thread(reader.rest)

        assert set(names) == {"state", "updated"}

    async def test_a_slow_reader_gets_the_newest_state(
        self, shared_server: StartSharedServer
    ) -> None:
        # On a busy machine, the writes take longer than the default of this limit.
        server = shared_server("--slow-reader-timeout=600")
        async with native_socket(server) as writer:
            first = await writer.document("open", document=unique())
            reader = _SlowStream(server, first["sid"], server.token())
            for n in range(600):
                last = await writer.document("set", document=first["sid"], data=_large(n))
            await writer.ok("remove", document=first["sid"])
            names, revisions = await asyncio.to_thread(reader.rest)

        assert names[-1] == "removed"
        assert revisions[-2] == last["revision"]
        assert revisions == sorted(set(revisions), key=int)
        assert len(revisions) < 300

    async def test_a_client_that_leaves_with_another_request_waiting_logs_no_error(
        self, server: RunningServer
    ) -> None:
        logged = server.log.stat().st_size
        async with native_socket(server) as writer:
            document = (await writer.document("open", document=unique()))["sid"]
            url = httpx2.URL(events_url(server, document)).raw_path
            head = b"Host: test\r\nAuthorization: Bearer " + server.token().encode() + b"\r\n\r\n"
            reading, sending = await asyncio.open_connection("127.0.0.1", server.port)
            sending.write(b"GET %b HTTP/1.1\r\n%b" % (url, head) * 2)
            await reading.readuntil(b"event: state")
            sending.close()
            await sending.wait_closed()
            for n in range(20):
                await writer.ok("set", document=document, data={"n": n})

        assert b"Traceback" not in server.log.read_bytes()[logged:]


def _large(n: int) -> dict[str, Any]:
    return {"n": n, "text": "x" * 16_000}


class _SlowStream:
    """A stream of which nothing is read until `rest`."""

    def __init__(self, server: RunningServer, sid: str, token: str) -> None:
        self._socket = sockets.socket()
        self._socket.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 4096)
        self._socket.connect(("127.0.0.1", server.port))
        url = httpx2.URL(events_url(server, sid))
        self._socket.sendall(
            b"GET %b HTTP/1.1\r\nHost: test\r\nConnection: close\r\n"
            b"Authorization: Bearer %b\r\n\r\n" % (url.raw_path, token.encode())
        )
        assert self._socket.recv(12) == b"HTTP/1.1 200"

    def rest(self) -> tuple[list[str], list[str]]:
        """Names and ids of all events, read to the end."""
        with self._socket, self._socket.makefile("rb") as file:
            lines = _read_all(file).split(b"\n")
        names = [line[7:].decode() for line in lines if line.startswith(b"event: ")]
        ids = [line[4:].decode() for line in lines if line.startswith(b"id: ")]
        return names, ids


def _read_all(file: BufferedReader) -> bytes:
    """What comes until the end, also where that is a reset."""
    read = bytearray()
    with suppress(ConnectionResetError):
        while chunk := file.read1():
            read += chunk
    return bytes(read)
