"""The vendor's Python helper with API keys that were made while the server ran."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from twilio.base.exceptions import TwilioRestException
from twilio.jwt.access_token import AccessToken
from twilio.jwt.access_token.grants import SyncGrant

from support.keys import Key, KeysApi
from support.server import RunningServer
from support.socket import native_socket


@pytest.fixture(params=[False, True], ids=["signing", "login only"])
def key(request: pytest.FixtureRequest, server: RunningServer) -> Iterator[Key]:
    with KeysApi(server) as keys:
        made = keys.add(login_only=request.param)
        yield made
        keys.call("DELETE", made.sid)


def test_a_key_logs_in_until_it_is_revoked(login: Any, server: RunningServer, key: Key) -> None:
    client = login(*key.login, account_sid=server.credentials.account_sid)
    documents = client.sync.v1.services("default").documents
    assert documents(documents.create().sid).fetch().created_by == "system"
    with KeysApi(server) as keys:
        keys.revoke(key.sid)
    with pytest.raises(TwilioRestException) as caught:
        documents.create()
    assert (caught.value.status, caught.value.code) == (401, 20003)


async def test_the_helpers_tokens_open_sockets_if_the_key_may_sign(
    server: RunningServer, key: Key, request: pytest.FixtureRequest
) -> None:
    minted = AccessToken(server.credentials.account_sid, *key.login, identity="alice")
    minted.add_grant(SyncGrant("default"))
    async with native_socket(server, auth=False) as socket:
        reply = await socket.ask("auth", token=minted.to_jwt())
    if "login only" in request.node.name:
        assert reply["error"]["code"] == 20103
        assert "serves logins only" in reply["error"]["message"]
    else:
        assert reply["ok"]["identity"] == "alice"
