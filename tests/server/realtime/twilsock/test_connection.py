"""The connection itself: introductions, tokens, signs of life and endings."""

from __future__ import annotations

import asyncio

import orjson
import pytest

from support.server import RunningServer, StartServer
from support.twilsock import DIALECTS, Dialect, kotlin, twilsock_client

both = pytest.mark.parametrize("dialect", DIALECTS)


class TestInit:
    @both
    async def test_client_learns_what_it_asks_for(
        self, server: RunningServer, dialect: Dialect
    ) -> None:
        async with twilsock_client(server, dialect=dialect, init=False) as client:
            welcome = await client.init(server.token("ada"), continuation_token=None)

        assert welcome["status"] == {"code": 200, "status": "OK"}
        assert welcome["capabilities"] == [
            "client_update",
            "offline_storage",
            "telemetry.v1",
            "account_descriptor",
        ]
        descriptor = welcome["account_descriptor"]
        assert descriptor["account_sid"] == server.credentials.account_sid
        assert descriptor["identity"] == "ada"
        assert descriptor["instance_sids"]["data_sync"].startswith("IS")
        assert welcome["continuation_token_status"]["reissued"] is True

    async def test_only_known_capabilities_are_confirmed(self, server: RunningServer) -> None:
        async with twilsock_client(server, init=False) as client:
            welcome = await client.init(server.token(), capabilities=["client_update", "x", 1])
        assert welcome["capabilities"] == ["client_update"]
        async with twilsock_client(server, init=False) as client:
            assert (await client.init(server.token(), capabilities=None))["capabilities"] == []

    async def test_what_a_client_keeps_is_named_by_identity_and_service(
        self, server: RunningServer
    ) -> None:
        async def storage(identity: str) -> tuple[str, str]:
            async with twilsock_client(server, server.token(identity)) as client:
                stored = client.welcome["offline_storage"]["data_sync"]["storage_id"]
                return stored, client.welcome["continuation_token"]

        ada, again, bob = await storage("ada"), await storage("ada"), await storage("bob")

        assert ada == again
        assert not set(ada) & set(bob)

    async def test_continuation_token_of_the_same_identity_is_kept(
        self, server: RunningServer
    ) -> None:
        async with twilsock_client(server, server.token("ada")) as client:
            first_token = client.welcome["continuation_token"]
        for identity, reissued in [("ada", False), ("bob", True)]:
            async with twilsock_client(server, init=False) as client:
                welcome = await client.init(server.token(identity), continuation_token=first_token)
            assert welcome["continuation_token_status"]["reissued"] is reissued
            assert (welcome["continuation_token"] == first_token) is not reissued

    @pytest.mark.parametrize(
        ("token", "error"),
        [("nonsense", 20101), (None, 20101), (["x"], 20101), ("x" * 9000, 20101)],
    )
    async def test_bad_token_is_refused_and_the_connection_ends(
        self, server: RunningServer, token: object, error: int
    ) -> None:
        async with twilsock_client(server, init=False) as client:
            status = (await client.ask("init", token=token))["status"]
            assert (status["code"], status["status"]) == (401, "UNAUTHORIZED")
            assert status["errorCode"] == error
            assert status["description"]
            assert await client.closed() == (None, 1000)

    async def test_expired_token_has_a_code_of_its_own(self, server: RunningServer) -> None:
        async with twilsock_client(server, init=False) as client:
            status = (await client.ask("init", token=server.token(ttl=-60)))["status"]
        assert (status["code"], status["errorCode"]) == (401, 20104)

    async def test_anything_before_init_ends_the_connection(self, server: RunningServer) -> None:
        for method in ("message", "update", "ping", "put_notification_ctx", "telemetry.v1", "?"):
            async with twilsock_client(server, init=False) as client:
                await client.send(method)
                close, code = await client.closed()
                assert close is not None
                assert close.header["status"]["code"] == 406
                assert close.header["status"]["errorCode"] == 51214
                assert code == 1000

    async def test_client_that_says_nothing_is_not_waited_for(
        self, fresh_server: StartServer
    ) -> None:
        server = fresh_server("--auth-timeout=0.3")
        async with twilsock_client(server, init=False) as client:
            close, _ = await client.closed()
        assert close is not None
        assert close.header["status"]["code"] == 408

    async def test_those_who_come_too_fast_learn_when_to_come_back(
        self, fresh_server: StartServer
    ) -> None:
        server = fresh_server("--connect-rate=1")
        async with twilsock_client(server):
            async with twilsock_client(server, init=False) as late:
                reply = await late.reply(await late.send("init", token=server.token()))
                assert reply.header["status"]["code"] == 429
                assert reply.header["status"]["errorCode"] == 51202
                policy = orjson.loads(reply.payload)["backoff_policy"]
                assert 0 < policy["reconnect_min_ms"] < policy["reconnect_max_ms"]
                assert await late.closed() == (None, 1013)


class TestConversation:
    async def test_text_frame_with_a_packet_is_as_good(self, server: RunningServer) -> None:
        async with twilsock_client(server) as client:
            await client.connection.send(kotlin({"method": "ping", "id": "T"}).decode(), text=True)
            assert (await client.reply("T")).header["status"]["code"] == 200

    async def test_every_method_is_answered(self, server: RunningServer) -> None:
        async with twilsock_client(server) as client:
            for method, code in [
                ("ping", 200),
                ("put_notification_ctx", 200),
                ("delete_notification_ctx", 200),
                ("telemetry.v1", 200),
                ("init", 406),
                ("notification", 406),
                ("no such method", 406),
            ]:
                assert (await client.ask(method))["status"]["code"] == code, method
            assert (await client.call("GET", "/v3/Configuration"))[0] == 200

    async def test_frame_that_is_none_ends_the_connection_with_a_reason(
        self, server: RunningServer
    ) -> None:
        async with twilsock_client(server) as client:
            await client.connection.send(b"TWILSOCK V3.0 2\r\n[]\r\n")
            close, _ = await client.closed()
        assert close is not None
        status = close.header["status"]
        assert (status["code"], status["errorCode"]) == (406, 51214)
        assert status["description"] == "the header must be a JSON object"

    async def test_client_may_say_goodbye(self, server: RunningServer) -> None:
        async with twilsock_client(server) as client:
            await client.send("close")
            assert await client.closed() == (None, 1000)

    async def test_silent_client_is_pinged(self, fresh_server: StartServer) -> None:
        server = fresh_server("--ping-interval=1")
        async with twilsock_client(server) as client:
            for _ in range(2):
                ping = await client.other("ping")
                await client.send("reply", id=ping.id, status={"code": 200, "status": "OK"})

    async def test_replies_of_the_client_are_not_answered(self, server: RunningServer) -> None:
        async with twilsock_client(server) as client:
            await client.send("reply", status={"code": 400, "status": "no"})
            await client.ask("ping")
            assert client.unread == []

    async def test_largest_batch_of_the_kotlin_sdk_fits_a_message(
        self, server: RunningServer
    ) -> None:
        missing = [
            {
                "type": "com.twilio.sync.subscriptions.Subscribe",
                "object_sid": f"ET{number:032x}",
                "object_type": "document",
                "last_event_id": 2**53 - 1,
            }
            for number in range(1000)
        ]
        async with twilsock_client(server, dialect=kotlin) as client:
            await client.subscribe("establish", 1, *missing)
            outcomes = [await client.event() for _ in missing]
        assert {outcome["event_type"] for outcome in outcomes} == {"subscription_failed"}
        assert {outcome["events"][0]["object_sid"] for outcome in outcomes} == {
            each["object_sid"] for each in missing
        }


class TestTokens:
    async def test_fresh_token_takes_the_place_of_the_first(
        self, fresh_server: StartServer
    ) -> None:
        server = fresh_server("--token-leeway=0")
        async with twilsock_client(server, server.token(ttl=2)) as client:
            await client.other("client_update")
            renewed = await client.ask("update", token=server.token(ttl=3))
            assert renewed["status"]["code"] == 200
            # The next word is of the second token's end.
            notice = await client.other("client_update")
            assert notice.header["client_update_type"] == "token_about_to_expire"
            # No `close` packet: the JavaScript SDK would not connect again after it.
            assert await client.closed() == (None, 1000)

    @pytest.mark.parametrize(
        ("identity", "ttl", "error"), [("bob", 60, 51215), ("alice", -60, 20104)]
    )
    async def test_token_that_is_refused_leaves_the_first_in_force(
        self, server: RunningServer, identity: str, ttl: int, error: int
    ) -> None:
        async with twilsock_client(server) as client:
            status = (await client.ask("update", token=server.token(identity, ttl)))["status"]
            assert (status["code"], status["status"]) == (401, "UNAUTHORIZED")
            assert status["errorCode"] == error
            assert (await client.ask("ping"))["status"]["code"] == 200


class TestEndings:
    async def test_stopping_server_answers_what_is_under_way_and_sends_clients_away(
        self, fresh_server: StartServer
    ) -> None:
        server = fresh_server()
        async with twilsock_client(server) as client:
            status, _ = await client.call("POST", "/v3/Documents", {})
            stopping = asyncio.create_task(asyncio.to_thread(server.stop))
            close, code = await client.closed()
            await stopping
        assert status == 201
        assert close is not None
        assert close.header["status"]["code"] == 308
        assert "errorCode" not in close.header["status"]
        policy = orjson.loads(close.payload)["backoff_policy"]
        assert 0 < policy["reconnect_min_ms"] < policy["reconnect_max_ms"]
        assert code == 1000
