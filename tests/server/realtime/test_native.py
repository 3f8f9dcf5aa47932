"""Connections of the native protocol over real sockets (docs/protocol.md, sections 1, 7 and 8)."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import orjson
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from support.api import unique
from support.server import RunningServer, StartServer
from support.socket import native_socket, websocket_url


class TestConnection:
    async def test_a_client_that_offers_only_other_sub_protocols_is_refused(
        self, server: RunningServer
    ) -> None:
        with pytest.raises(InvalidStatus) as refused:
            await connect(websocket_url(server), subprotocols=[Subprotocol("mqtt")])

        assert refused.value.response.status_code == 400

    @pytest.mark.parametrize(
        ("offered", "chosen"), [(None, None), (["mqtt", "syncline.v1"], "syncline.v1")]
    )
    async def test_others_are_served(
        self, server: RunningServer, offered: list[Subprotocol] | None, chosen: str | None
    ) -> None:
        async with native_socket(server, subprotocols=offered) as socket:
            assert socket.connection.subprotocol == chosen
            assert await socket.ok("ping") == {}

    async def test_the_first_message_after_authentication_may_have_its_full_size(
        self, server: RunningServer
    ) -> None:
        name = unique()
        async with native_socket(server) as socket:
            # More bytes than a stranger's message may have, for less data than a document may.
            await socket.ok("open", document=name, data={"text": "é" * 8000}, padding="x" * 20_000)
            assert await socket.ok("ping") == {}

    async def test_there_is_no_other_socket(self, server: RunningServer) -> None:
        with pytest.raises(InvalidStatus) as refused:
            await connect(websocket_url(server) + "/other")

        assert refused.value.response.status_code == 404

    @pytest.mark.parametrize("request_id", [0, 2**53 - 1])
    async def test_a_reply_carries_the_id(self, server: RunningServer, request_id: int) -> None:
        async with native_socket(server) as socket:
            await socket.connection.send(orjson.dumps({"id": request_id, "do": "ping"}), text=True)

            assert await socket.receive() == {"id": request_id, "ok": {}}

    async def test_members_without_a_meaning_are_ignored(self, server: RunningServer) -> None:
        async with native_socket(server) as socket:
            assert await socket.ok("ping", event="updated", ok={}, data=1) == {}

    async def test_a_request_that_cannot_be_parsed_is_answered_by_its_id(
        self, server: RunningServer
    ) -> None:
        async with native_socket(server) as socket:
            await socket.connection.send('{"id": 7, "do": "set", "data": {"a": NaN')

            error = (await socket.reply(7))["error"]
            assert (error["status"], error["code"], error["retry"]) == (400, 54008, False)
            assert await socket.ok("ping") == {}

    async def test_a_message_may_come_in_fragments(self, server: RunningServer) -> None:
        async with native_socket(server) as socket:
            await socket.connection.send(iter(['{"id":9,"do"', ':"pi', 'ng"}']))

            assert await socket.reply(9) == {"id": 9, "ok": {}}

    async def test_pings_of_the_client_are_answered(self, server: RunningServer) -> None:
        async with native_socket(server) as socket:
            await (await socket.connection.ping())

    async def test_a_client_that_answers_pings_stays(self, strict_server: RunningServer) -> None:
        async with native_socket(strict_server, ping_interval=None) as socket:
            # A socket that never authenticates marks the time: it is ended after the first pings.
            async with native_socket(strict_server, auth=False) as other:
                await other.closed()
            assert await socket.ok("ping") == {}

    @pytest.mark.parametrize(
        "message",
        [
            b'{"id":1,"do":"ping"}',
            "[]",
            '"ping"',
            "{",
            "",
            '{"do":"ping"}',
            '{"id":-1,"do":"ping"}',
            '{"id":1.5,"do":"ping"}',
            '{"id":true,"do":"ping"}',
            '{"id":"1","do":"ping"}',
            '{"id":9007199254740992,"do":"ping"}',
            '{"do":"ping","id":3,"data":{"a":NaN}}',
        ],
    )
    async def test_a_violation_closes(self, server: RunningServer, message: str | bytes) -> None:
        async with native_socket(server) as socket:
            await socket.connection.send(message)

            code, reason = await socket.closed()
            assert code == 4500
            assert reason

    async def test_a_client_that_sends_on_receives_the_reason_of_its_closure(
        self, server: RunningServer
    ) -> None:
        async with native_socket(server) as socket:
            await socket.connection.send("{}")
            with suppress(ConnectionClosed):
                for _ in range(2000):
                    await socket.send("ping", text="x" * 1000)

            assert (await socket.closed())[0] == 4500

    async def test_what_follows_a_violation_is_not_executed(self, server: RunningServer) -> None:
        name = unique()
        async with native_socket(server) as socket:
            await socket.connection.send("{}")
            await socket.send("open", document=name)
            assert (await socket.closed())[0] == 4500
        async with native_socket(server) as socket:
            assert (await socket.error("get", document=name))["status"] == 404

    @pytest.mark.parametrize("excess", [1, 3_000_000])
    async def test_a_request_above_the_limit_is_refused_alone(
        self, server: RunningServer, excess: int
    ) -> None:
        async with native_socket(server) as socket:
            head, tail = '{"id":7,"do":"ping","x":"', '"}'
            size = socket.welcome["message_limit"] - len(head) - len(tail)
            await socket.connection.send(head + "x" * size + tail)
            assert await socket.reply(7) == {"id": 7, "ok": {}}
            await socket.connection.send(head + "x" * (size + excess) + tail)
            error = (await socket.reply(7))["error"]
            assert (error["status"], error["code"], error["retry"]) == (413, 54006, False)
            await socket.ok("ping")

    async def test_a_message_above_the_limit_that_does_not_begin_with_its_id_closes_with_1009(
        self, server: RunningServer
    ) -> None:
        async with native_socket(server) as socket:
            size = socket.welcome["message_limit"]
            with suppress(ConnectionClosed):  # it may be closed before all is sent
                await socket.connection.send('{"do":"ping","x":"' + "x" * size + '","id":7}')
            assert (await socket.closed())[0] == 1009

    async def test_text_that_is_not_utf_8_closes_with_1007(self, server: RunningServer) -> None:
        async with native_socket(server) as socket:
            await socket.connection.send(b'{"id":1,"do":"\xff"}', text=True)

            assert (await socket.closed())[0] == 1007


class TestAuthentication:
    async def test_the_reply_says_who_where_how_long_and_how_much(
        self, server: RunningServer
    ) -> None:
        async with native_socket(server, server.token("bob", ttl=600)) as socket:
            welcome = socket.welcome

        assert welcome["identity"] == "bob"
        assert re.fullmatch("IS[0-9a-f]{32}", welcome["service_sid"])
        assert 590 <= welcome["expires_in"] <= 600
        assert welcome["data_limit"] == 16_384
        assert welcome["message_limit"] == 262_144

    async def test_it_must_come_first(self, server: RunningServer) -> None:
        async with native_socket(server, auth=False) as socket:
            await socket.send("ping")

            assert (await socket.closed())[0] == 4500

    async def test_it_must_come_in_time(self, strict_server: RunningServer) -> None:
        async with native_socket(strict_server, auth=False) as socket:
            assert await socket.closed() == (4004, "no auth within 1.5 s")

    @pytest.mark.parametrize(
        ("make_token", "error_code", "close_code"),
        [
            (lambda server: "no token at all", 20101, 4501),
            (lambda server: server.token() + "A", 20107, 4501),
            (lambda server: server.token(service="IS" + "0" * 32), 54050, 4501),
            (lambda server: server.token(ttl=-60), 20104, 4001),
            (lambda server: server.token(ttl=100_000), 20157, 4501),
        ],
    )
    async def test_a_refused_token_is_answered_and_closes(
        self,
        server: RunningServer,
        make_token: Callable[[RunningServer], str],
        error_code: int,
        close_code: int,
    ) -> None:
        async with native_socket(server, auth=False) as socket:
            error = await socket.error("auth", token=make_token(server))

            assert (error["code"], error["retry"]) == (error_code, False)
            assert await socket.closed() == (close_code, error["message"])

    async def test_nothing_is_executed_after_a_refused_token(self, server: RunningServer) -> None:
        name = unique()
        async with native_socket(server, auth=False) as socket:
            await socket.send("auth", token="forged")
            await socket.send("auth", token=server.token())
            await socket.send("open", document=name)
            assert (await socket.closed())[0] == 4501
        async with native_socket(server) as socket:
            assert (await socket.error("get", document=name))["status"] == 404

    async def test_requests_may_follow_without_waiting_for_the_reply(
        self, server: RunningServer
    ) -> None:
        async with native_socket(server, auth=False) as socket:
            await socket.send("auth", token=server.token())
            ids = [await socket.send("open", document=unique()) for _ in range(3)]

            for request_id in ids:
                assert (await socket.reply(request_id))["ok"]["created"]

    async def test_a_token_of_another_identity_leaves_the_old_one_in_force(
        self, server: RunningServer
    ) -> None:
        async with native_socket(server, server.token("alice")) as socket:
            for token, code in {
                server.token("bob"): 51215,
                server.token("alice", ttl=-60): 20104,
                "forged": 20101,
            }.items():
                error = await socket.error("auth", token=token)
                assert (error["status"], error["code"]) == (401, code)
            document = await socket.document("open")

        assert document["created_by"] == "alice"

    async def test_the_end_is_announced_and_comes_unless_the_token_is_renewed(
        self, strict_server: RunningServer
    ) -> None:
        short = strict_server.token(ttl=2)
        async with (
            native_socket(strict_server, short) as one,
            native_socket(strict_server, short) as two,
        ):
            assert one.welcome["expires_in"] <= 2
            assert await one.event() == {"event": "token_about_to_expire", "expires_in": 0}
            assert (await two.event())["event"] == "token_about_to_expire"
            renewed = await two.ok("auth", token=strict_server.token(ttl=3600))
            assert renewed["expires_in"] > 3500

            assert await one.closed() == (4001, "the token has expired")
            assert await two.ok("ping") == {}
            assert one.unread == two.unread == []


class TestErrors:
    @pytest.mark.parametrize(
        ("do", "members", "status", "code"),
        [
            ("dance", {}, 400, 20001),
            ("get", {}, 400, 20001),
            ("set", {"document": "x"}, 400, 20001),
            ("ttl", {"document": "x"}, 400, 20001),
            ("patch", {"document": "x"}, 400, 20001),
            ("patch", {"document": "x", "merge": {}, "increment": {"/a": 1}}, 400, 20001),
            ("auth", {}, 400, 20001),
            ("get", {"document": 5}, 400, 20422),
            ("open", {"document": "x", "mode": "maybe"}, 400, 20422),
            ("set", {"document": "x", "data": {}, "op": ""}, 400, 20422),
            ("set", {"document": "x", "data": {}, "op": "o" * 65}, 400, 20422),
            ("set", {"document": "x", "data": {}, "if_match": "abc"}, 400, 54003),
            ("open", {"document": "x", "revision": 5}, 400, 54003),
            ("set", {"document": "x", "data": [1]}, 400, 54008),
            ("set", {"document": "x", "data": {}, "ttl": -1}, 400, 54011),
            ("open", {"document": "x", "ttl": 31_536_001}, 400, 54011),
            ("ttl", {"document": "x", "ttl": 1.5}, 400, 54011),
            ("set", {"document": "x", "data": None}, 400, 54101),
            ("open", {"document": ""}, 400, 54302),
            ("open", {"document": "n" * 321}, 400, 54302),
            ("set", {"document": "ET" + "0" * 32, "data": {}}, 404, 54100),
            ("remove", {"document": "there is no such document"}, 404, 54300),
            ("set", {"document": "x", "data": {"a": "x" * 16_384}}, 413, 54006),
        ],
    )
    async def test_it_is_a_reply_and_the_connection_stays(
        self, server: RunningServer, do: str, members: dict[str, Any], status: int, code: int
    ) -> None:
        async with native_socket(server) as socket:
            error = await socket.error(do, **members)

            assert (error["status"], error["code"], error["retry"]) == (status, code, False)
            assert error["message"]
            assert "document" not in error
            assert await socket.ok("ping") == {}

    async def test_patches_too_many_to_fit_between_must_retry(
        self, fresh_server: StartServer
    ) -> None:
        server = fresh_server("--patch-attempts=1")
        async with native_socket(server) as one, native_socket(server) as two:
            name = unique()
            await one.ok("open", document=name)
            # Patches take turns, but `set` asks nobody.
            patches = [
                await one.send("patch", document=name, increment={"/n": 1}) for _ in range(100)
            ]
            sets = [await two.send("set", document=name, data={"n": 0}) for _ in range(100)]
            replies = [await one.reply(request_id) for request_id in patches]
            assert all(["ok" in await two.reply(request_id) for request_id in sets])
            errors = [reply["error"] for reply in replies if "error" in reply]

        assert {(error["status"], error["code"], error["retry"]) for error in errors} == {
            (429, 54009, True)
        }
