"""A server that takes the tokens of an OpenID provider: on every wire, and while it is away."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from support.account import Account
from support.api import unique
from support.callers import WIRES
from support.limits import WAIT_LIMIT
from support.provider import CONFIGURATION, JWKS, OpenIdProvider, SigningKey
from support.server import RunningServer, StartServer
from support.socket import NativeSocket, native_socket
from support.twilsock import TwilsockClient, twilsock_client

CLAIMS = ["--oidc-grants-claim=sync_grants", "--token-leeway=0"]


@pytest.fixture(scope="module")
def provider() -> Iterator[OpenIdProvider]:
    with OpenIdProvider(SigningKey.make("elliptic"), SigningKey.make("rsa", "RS256")) as provider:
        yield provider


@pytest.fixture(scope="module")
def server(
    tmp_path_factory: pytest.TempPathFactory, engine: list[str], provider: OpenIdProvider
) -> Iterator[RunningServer]:
    """One that takes the provider's tokens."""
    data_dir = tmp_path_factory.mktemp("provider") / "data"
    with RunningServer(data_dir, *provider.options, *CLAIMS, *engine) as running:
        yield running


@pytest.fixture
def own_provider() -> Iterator[OpenIdProvider]:
    """A provider of the test's own."""
    with OpenIdProvider() as provider:
        yield provider


def grants(**rights: str) -> list[dict[str, Any]]:
    """Grants by pattern, each with the rights that its words name."""
    return [
        {"documents": f"{pattern}-*", "rights": names.split()} for pattern, names in rights.items()
    ]


def token(provider: OpenIdProvider, *, ttl: int = 3600, **rights: str) -> str:
    return provider.token(sync_grants=grants(**rights), exp=int(time.time()) + ttl)


def get_with_token(server: RunningServer, token: str) -> httpx2.Response:
    """The reply to a request of a document that is not there."""
    return httpx2.get(
        f"{server.url}/v1/Services/default/Documents/room-0",
        headers={"Authorization": f"Bearer {token}"},
        timeout=WAIT_LIMIT,
    )


class TestWires:
    @pytest.mark.parametrize("kid", ["elliptic", "rsa"])
    @pytest.mark.parametrize("wire", WIRES)
    async def test_a_token_is_taken(
        self,
        server: RunningServer,
        account: Account,
        provider: OpenIdProvider,
        wire: str,
        kid: str,
    ) -> None:
        sid = account.document("default", unique("room"))
        key = next(key for key in provider.keys if key.kid == kid)
        made = key.sign(provider.claims(sync_grants=grants(room="read")))
        async with WIRES[wire](server, "default", made) as caller:
            operation = "open" if "open" in caller.operations else "get"
            assert (await caller.do(operation, sid))[0] == "ok"

    @pytest.mark.parametrize(
        ("claims", "code", "close"),
        [
            ({"exp": 1}, 20104, 4001),
            ({"aud": "other"}, 20103, 4501),
            ({"sub": 5}, 20106, 4501),
            ({"sync_grants": 5}, 20106, 4501),
        ],
    )
    async def test_a_token_is_refused(
        self,
        server: RunningServer,
        provider: OpenIdProvider,
        claims: dict[str, Any],
        code: int,
        close: int,
    ) -> None:
        refused = provider.key.sign(provider.claims(sync_grants=[]) | claims)
        reply = get_with_token(server, refused)
        assert (reply.status_code, reply.json()["code"]) == (401, code)
        assert "invalid_token" in reply.headers["WWW-Authenticate"]
        async with WIRES["sse"](server, "default", refused) as caller:
            assert (await caller.do("open", "room-0"))[0] == f"401/{code}"
        async with native_socket(server, auth=False) as socket:
            assert (await socket.error("auth", token=refused))["code"] == code
            assert (await socket.closed())[0] == close
        async with twilsock_client(server, init=False) as client:
            status = (await client.init(refused))["status"]
            assert (status["code"], status["errorCode"]) == (401, 20104 if code == 20104 else 20101)

    async def test_its_holder_writes_under_its_identity(
        self, server: RunningServer, provider: OpenIdProvider
    ) -> None:
        made = provider.token(sub="bob", sync_grants=grants(room="read write"))
        async with native_socket(server, made) as socket:
            assert socket.welcome["identity"] == "bob"
            document = await socket.document("open", document=unique("room"))
            assert document["created_by"] == "bob"

    async def test_what_is_for_the_account_is_not_for_it(
        self, server: RunningServer, provider: OpenIdProvider
    ) -> None:
        with Account(server, token(provider, room="read write manage")) as alice:
            replies = [
                alice.call("GET"),
                alice.call("GET", "default"),
                alice.call("POST", "default", data={"AclEnabled": "true"}),
                alice.call("DELETE", "default"),
                alice.call("GET", "default", "Documents", "room-0", "Permissions"),
            ]
        assert {(reply.status_code, reply.json()["code"]) for reply in replies} == {(403, 20403)}

    async def test_it_is_for_one_service(
        self, server: RunningServer, account: Account, provider: OpenIdProvider
    ) -> None:
        with Account(server, token(provider, room="read")) as alice:
            reply = alice.call("GET", account.service(), "Documents", "room-0")
        assert (reply.status_code, reply.json()["code"]) == (403, 54056)

    async def test_a_session_ends_with_its_token(
        self, server: RunningServer, provider: OpenIdProvider
    ) -> None:
        async with native_socket(server, token(provider, ttl=3, room="read")) as socket:
            assert (await socket.closed())[0] == 4001
            assert [message["event"] for message in socket.unread] == ["token_about_to_expire"]

    def test_no_token_stands_in_the_log(
        self, server: RunningServer, provider: OpenIdProvider
    ) -> None:
        for made in (token(provider, room="read"), provider.token(), provider.token(aud="x")):
            get_with_token(server, made)
            assert made.split(".")[2] not in server.log.read_text()


class TestNarrowerGrants:
    """What a newer token on the same connection changes."""

    async def test_over_the_native_socket(
        self, server: RunningServer, provider: OpenIdProvider
    ) -> None:
        room, hall = unique("room"), unique("hall")
        wide = token(provider, room="read write", hall="read write manage")
        async with native_socket(server, wide) as socket, native_socket(server, wide) as other:
            for each in (socket, other):
                first = await each.document("open", document=room)
                await each.ok("open", document=hall)
            await socket.ok("auth", token=token(provider, hall="read"))

            removed = await socket.event()
            assert removed["event"] == "removed"
            assert removed["document"]["sid"] == first["sid"]
            for address in (room, first["sid"]):
                for do in ("get", "open", "remove"):
                    assert (await socket.error(do, document=address))["code"] == 54007
                assert (await socket.error("set", document=address, data={}))["code"] == 54007
            assert (await socket.error("set", document=hall, data={}))["code"] == 54007

            await other.ok("set", document=room, data={"n": 1})
            revision = (await other.document("set", document=hall, data={"n": 1}))["revision"]
            assert await socket.updates(revision) == [revision]
            assert (await other.event())["document"]["data"] == {"n": 1}

            await socket.ok("auth", token=wide)
            assert (await socket.document("open", document=room))["data"] == {"n": 1}

    async def test_over_twilsock(
        self, server: RunningServer, account: Account, provider: OpenIdProvider
    ) -> None:
        sids = {name: account.document("default", unique(name)) for name in ("room", "hall")}
        wide = token(provider, room="read", hall="read")
        client: TwilsockClient
        async with twilsock_client(server, wide) as client:
            for number, sid in enumerate(sids.values()):
                wanted = {"object_sid": sid, "object_type": "document"}
                await client.subscribe("establish", number, wanted)
                assert (await client.event())["event_type"] == "document_updated"
                await client.event()
            update = await client.ask("update", token=token(provider, hall="read"))
            assert update["status"]["code"] == 200
            removed = await client.event()
            assert removed["event_type"] == "document_removed"
            assert removed["event"]["document_sid"] == sids["room"]
            status, body = await client.call("GET", f"/v3/Documents/{sids['room']}")
            assert (status, body["code"]) == (403, 54007)
            for sid in sids.values():
                account.ok("POST", "default", "Documents", sid, data={"Data": '{"n":1}'})
            assert (await client.event())["event"]["document_sid"] == sids["hall"]

    async def test_a_refused_token_changes_nothing(
        self, server: RunningServer, provider: OpenIdProvider
    ) -> None:
        name = unique("room")
        async with native_socket(server, token(provider, room="read write")) as socket:
            await socket.ok("open", document=name)
            for claims, code in (({"sub": "bob"}, 51215), ({"exp": 1}, 20104)):
                refused = provider.token(**{"sync_grants": [], **claims})
                assert (await socket.error("auth", token=refused))["code"] == code
            revision = (await socket.document("set", document=name, data={}))["revision"]
            assert await socket.updates(revision) == [revision]

    async def test_the_token_of_an_api_key_takes_the_limits_away(
        self, server: RunningServer, account: Account, provider: OpenIdProvider
    ) -> None:
        sid = account.document("default", unique("hall"))
        async with native_socket(server, token(provider, room="read")) as socket:
            assert (await socket.error("open", document=sid))["code"] == 54007
            await socket.ok("auth", token=server.token("alice"))
            await socket.ok("open", document=sid)
            await socket.ok("auth", token=token(provider, room="read"))
            assert (await socket.event())["event"] == "removed"


class TestProvider:
    async def test_one_that_is_away_at_the_start(
        self, fresh_server: StartServer, own_provider: OpenIdProvider
    ) -> None:
        own_provider.fail()
        server = fresh_server(*own_provider.options, "--oidc-refetch-interval=0.2")
        made = own_provider.token()
        reply = get_with_token(server, made)
        assert (reply.status_code, reply.json()["code"]) == (503, 20503)
        assert int(reply.headers["Retry-After"]) >= 1
        async with WIRES["sse"](server, "default", made) as caller:
            assert (await caller.do("open", "room-0"))[0] == "503/20503"
        assert get_with_token(server, server.token()).status_code == 404, (
            "an API key's tokens are good"
        )

        client: TwilsockClient
        socket: NativeSocket
        async with (
            twilsock_client(server, init=False) as client,
            native_socket(server, auth=False) as socket,
        ):
            assert (await client.init(made))["status"]["code"] == 503
            error = await socket.error("auth", token=made)
            assert (error["code"], error["retry"]) == (20503, True)
            own_provider.recover()
            await own_provider.asked(JWKS, 1)
            # The same sockets go on to be good.
            while "error" in await socket.ask("auth", token=made):
                pass
            assert (await client.init(made))["status"]["code"] == 200
            await socket.document("open", document=unique())

    async def test_one_that_takes_another_key(
        self, fresh_server: StartServer, own_provider: OpenIdProvider
    ) -> None:
        server = fresh_server(*own_provider.options, "--oidc-key-age=0.5")
        old = own_provider.token()
        assert get_with_token(server, old).status_code == 404
        async with native_socket(server, old) as socket:
            own_provider.rotate("second")
            assert get_with_token(server, own_provider.token()).status_code == 404
            await socket.ok("auth", token=own_provider.token())
            # By now the old key is known to be withdrawn.
            assert get_with_token(server, old).status_code in (401, 503)

    async def test_its_fetches_are_few_whatever_tokens_come(
        self, fresh_server: StartServer, own_provider: OpenIdProvider
    ) -> None:
        server = fresh_server(*own_provider.options)
        assert get_with_token(server, own_provider.token()).status_code == 404
        strange = [SigningKey.make(f"strange-{number}") for number in range(30)]
        replies = [get_with_token(server, key.sign(own_provider.claims())) for key in strange]
        codes = [reply.json()["code"] for reply in replies]
        assert codes[0] == 20107
        assert set(codes) <= {20107, 20503}
        # One at the start, and one each interval of ten seconds.
        assert own_provider.requests[JWKS] <= 2 + codes[1:].count(20107)
        assert codes[1:].count(20107) < 15
        assert get_with_token(server, own_provider.token()).status_code == 404
        metrics = httpx2.get(f"{server.url}/metrics", timeout=WAIT_LIMIT).text
        [line] = [each for each in metrics.splitlines() if 'bound="oidc_refetch_interval"' in each]
        assert float(line.rpartition(" ")[2]) == codes.count(20503)

    async def test_each_process_asks_for_itself(
        self, fresh_server: StartServer, own_provider: OpenIdProvider
    ) -> None:
        server = fresh_server(*own_provider.options, "--workers=2")
        await own_provider.asked(CONFIGURATION, 2)
        for _ in range(20):
            assert get_with_token(server, own_provider.token()).status_code == 404

    def test_the_server_stops_while_the_provider_is_asked(
        self, fresh_server: StartServer, own_provider: OpenIdProvider
    ) -> None:
        own_provider.fail()
        server = fresh_server(*own_provider.options)
        assert server.stop() == 0
        assert "Traceback" not in server.log.read_text()
