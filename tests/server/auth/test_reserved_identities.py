"""`system` is for the account alone, in every spelling and under every issuer of tokens."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator

import jwt
import pytest

from support.api import DocumentsApi
from support.provider import OpenIdProvider
from support.server import RunningServer, StartServer
from support.socket import native_socket
from support.twilsock import twilsock_client
from syncline_protocol.errors import Code, Refusal
from syncline_protocol.identities import is_reserved
from syncline_server.auth.authenticator import identity_of, mint_token

LIKE_SYSTEM = [
    "system",
    "System",
    "SYSTEM",
    " system",
    "system\n",
    "sys tem",
    "sys\u200btem",
    "\ufeffsystem",
    "ｓｙｓｔｅｍ",
    "𝐬𝐲𝐬𝐭𝐞𝐦",
    "ⓢⓨⓢⓣⓔⓜ",
    "\u017fystem",
    "\u0455ystem",
    "s\u0443stem",
    "SYS\u0422\u0415\u041c",
    "SYS\u03a4\u0395\u039c",
    "s\u0301ystem",
]

OTHERS = ["systems", "system1", "system:alice", "ecosystem", "alice", "сустем2", "é/文", " ", "sys"]


@pytest.mark.parametrize("identity", LIKE_SYSTEM)
def test_what_looks_like_it_is_refused(identity: str) -> None:
    assert is_reserved(identity)
    with pytest.raises(Refusal) as caught:
        identity_of(identity)
    assert caught.value.code is Code.TOKEN_GRANTS
    assert "reserved" in caught.value.message


@pytest.mark.parametrize("identity", OTHERS)
def test_other_identities_are_taken(identity: str) -> None:
    assert identity_of(identity) == identity


def made_by_hand(server: RunningServer, identity: str) -> str:
    """A token as a back end can sign it with its own library."""
    known = server.credentials
    key, secret = next(iter(known.api_keys.items()))
    claims = {
        "iss": key,
        "sub": known.account_sid,
        "exp": int(time.time()) + 600,
        "grants": {"identity": identity, "data_sync": {"service_sid": "default"}},
    }
    return jwt.encode(claims, secret, "HS256", headers={"cty": "twilio-fpa;v=1"})


def test_nobody_mints_one(server: RunningServer) -> None:
    with pytest.raises(ValueError, match="reserved"):
        mint_token(server.credentials, "System", 60)
    with DocumentsApi(server) as api:
        reply = api.http.get(f"{server.url}/demo/token?identity=system")
    assert (reply.status_code, reply.json()["code"]) == (400, 20422)


@pytest.mark.parametrize("identity", ["system", "SYSTEM", "\u0455ystem"])
class TestWires:
    def test_rest(self, server: RunningServer, identity: str) -> None:
        token = made_by_hand(server, identity)
        with DocumentsApi(server) as api:
            for path in ("", "/ET" + "0" * 32, "/ET" + "0" * 32 + "/Events"):
                url = f"{server.url}/v1/Services/default/Documents{path}"
                reply = api.http.get(url, headers={"Authorization": f"Bearer {token}"}, auth=None)
                assert (reply.status_code, reply.json()["code"]) == (401, 20106)

    async def test_the_native_protocol(self, server: RunningServer, identity: str) -> None:
        async with native_socket(server, auth=False) as socket:
            error = await socket.error("auth", token=made_by_hand(server, identity))
        assert (error["status"], error["code"]) == (401, 20106)

    async def test_twilsock(self, server: RunningServer, identity: str) -> None:
        async with twilsock_client(server, init=False) as client:
            status = (await client.init(made_by_hand(server, identity)))["status"]
        assert (status["code"], status["errorCode"]) == (401, 20101)


@pytest.fixture
async def provided(fresh_server: StartServer) -> AsyncIterator[tuple[RunningServer, str]]:
    with OpenIdProvider() as provider:
        yield fresh_server(*provider.options), provider.token(sub="system")


async def test_a_provider_of_identities_gives_it_to_nobody(
    provided: tuple[RunningServer, str],
) -> None:
    server, token = provided
    error = {"code": 20503}
    while error["code"] == 20503:  # until the provider's keys are there
        async with native_socket(server, auth=False) as socket:
            error = await socket.error("auth", token=token)
    assert (error["status"], error["code"]) == (401, 20106)
