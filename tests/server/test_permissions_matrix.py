"""Every operation on every wire, with every right and without: what comes of it."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache

import httpx2
import jwt
import pytest

from support.account import Account
from support.api import unique
from support.callers import NATIVE_REQUESTS, WIRES
from support.keys import Key, KeysApi
from support.matrix import SECRET, Target, left_by, may_see, outcome_on, pairs, rows
from support.server import RunningServer
from support.socket import native_socket
from support.twilsock import twilsock_client

RIGHTS = {
    "none": "",
    "read": "r",
    "write": "w",
    "manage": "m",
    "read and write": "rw",
    "all": "rwm",
}
"""The letters of each column of the table."""

TABLE = """
operation      | none      | read      | write     | manage    | read and write | all
create         | ok        | ok        | ok        | ok        | ok             | ok
create taken   | 409/54301 | 409/54301 | 409/54301 | 409/54301 | 409/54301      | 409/54301
get            | 403/54007 | ok        | 403/54007 | 403/54007 | ok             | ok
open           | 403/54007 | ok        | 403/54007 | 403/54007 | ok             | ok
open or create | 403/54007 | ok        | 403/54007 | 403/54007 | ok             | ok
set            | 403/54007 | 403/54007 | ok        | 403/54007 | ok             | ok
set stale      | 403/54007 | 403/54007 | 412/54103 | 403/54007 | 412/54103      | 412/54103
ttl            | 403/54007 | 403/54007 | ok        | 403/54007 | ok             | ok
merge          | 403/54007 | 403/54007 | 403/54007 | 403/54007 | ok             | ok
operations     | 403/54007 | 403/54007 | 403/54007 | 403/54007 | ok             | ok
increment      | 403/54007 | 403/54007 | 403/54007 | 403/54007 | ok             | ok
remove         | 403/54007 | 403/54007 | 403/54007 | ok        | 403/54007      | ok
remove stale   | 403/54007 | 403/54007 | 403/54007 | 412/54103 | 403/54007      | 412/54103
list           | 403/54007 | 403/54007 | 403/54007 | 403/54007 | 403/54007      | 403/54007
permissions    | 403/20403 | 403/20403 | 403/20403 | 403/20403 | 403/20403      | 403/20403
permit         | 403/20403 | 403/20403 | 403/20403 | 403/20403 | 403/20403      | 403/20403
"""
"""With a token, where permissions count."""

REFUSED_ACCOUNT = {
    "create taken": "409/54301",
    "set stale": "412/54103",
    "remove stale": "412/54103",
}
"""What the account is refused, whatever the permissions are; the rest it may do."""

ROWS = rows(TABLE)

PAIRS = pairs(ROWS)

OVER_HTTP = [pair for pair in PAIRS if pair[0] in ("rest", "v3", "sse")]
OVER_SOCKETS = [pair for pair in PAIRS if pair not in OVER_HTTP]

CELLS = [
    (wire, operation, column, outcome_on(wire, operation, outcome))
    for wire, operation in PAIRS
    for column, outcome in ROWS[operation].items()
]


@pytest.fixture(scope="module")
def service(account: Account) -> str:
    """A service in which permissions count."""
    return account.service(AclEnabled="true")


@pytest.fixture(scope="module")
def other_service(account: Account) -> str:
    return account.service()


class TestRights:
    @pytest.mark.parametrize(("wire", "operation", "column", "outcome"), CELLS)
    async def test_of_a_token_holder(
        self,
        server: RunningServer,
        account: Account,
        service: str,
        wire: str,
        operation: str,
        column: str,
        outcome: str,
    ) -> None:
        target = Target(account, service, operation)
        account.permit(service, target.sid, "alice", RIGHTS[column])
        account.permit(service, target.sid, "bob", "rwm")
        token = server.token("alice", service=service)
        async with WIRES[wire](server, service, token) as caller:
            assert operation in caller.operations
            found, text = await caller.do(operation, target.address)

        assert found == outcome
        if not may_see(operation, RIGHTS[column], outcome):
            assert SECRET not in text
        assert target.data() == left_by(operation, outcome)

    @pytest.mark.parametrize(("wire", "operation"), PAIRS)
    async def test_of_a_token_holder_without_any_permission(
        self, server: RunningServer, account: Account, service: str, wire: str, operation: str
    ) -> None:
        target = Target(account, service, operation)
        token = server.token("alice", service=service)
        async with WIRES[wire](server, service, token) as caller:
            found, text = await caller.do(operation, target.address)
        assert found == outcome_on(wire, operation, ROWS[operation]["none"])
        assert SECRET not in text
        assert target.data() == {"secret": SECRET}

    @pytest.mark.parametrize(("wire", "operation"), PAIRS)
    async def test_of_all_where_permissions_do_not_count(
        self, server: RunningServer, account: Account, other_service: str, wire: str, operation: str
    ) -> None:
        target = Target(account, other_service, operation)
        token = server.token("alice", service=other_service)
        async with WIRES[wire](server, other_service, token) as caller:
            found, _ = await caller.do(operation, target.address)
        only_account = operation in ("permissions", "permit")
        assert found == ("403/20403" if only_account else REFUSED_ACCOUNT.get(operation, "ok"))

    @pytest.mark.parametrize(("wire", "operation"), OVER_HTTP)
    async def test_of_the_account(
        self, server: RunningServer, account: Account, service: str, wire: str, operation: str
    ) -> None:
        target = Target(account, service, operation)
        account.permit(service, target.sid, "system", "")
        async with WIRES[wire](server, service, None) as caller:
            found, text = await caller.do(operation, target.address)
        assert found == REFUSED_ACCOUNT.get(operation, "ok")
        # A write by v3 is answered without the data.
        if operation in ("get", "open", "set stale") or (wire, operation) == ("rest", "ttl"):
            assert SECRET in text

    @pytest.mark.parametrize(("wire", "operation"), PAIRS)
    async def test_of_a_token_holder_whose_permission_is_taken_away(
        self, server: RunningServer, account: Account, service: str, wire: str, operation: str
    ) -> None:
        """On a connection that stood before, and had been allowed to read."""
        target = Target(account, service, operation)
        account.permit(service, target.sid, "alice", "rwm")
        token = server.token("alice", service=service)
        async with WIRES[wire](server, service, token) as caller:
            reading = "get" if "get" in caller.operations else "open"
            found, text = await caller.do(reading, target.sid)
            assert (found, SECRET in text) == ("ok", True)
            account.revoke(service, target.sid, "alice")
            found, text = await caller.do(operation, target.address)
        assert found == outcome_on(wire, operation, ROWS[operation]["none"])
        assert SECRET not in text
        assert target.data() == {"secret": SECRET}


async def test_what_a_writer_who_may_not_read_is_answered(
    server: RunningServer, account: Account, service: str
) -> None:
    target = Target(account, service, "set")
    account.permit(service, target.sid, "alice", "w")
    token = server.token("alice", service=service)
    async with WIRES["rest"](server, service, token) as caller:
        _, text = await caller.do("set", target.name)
        assert '"data":{"new":1}' in text
        _, text = await caller.do("ttl", target.name)
        assert '"data"' not in text
        _, text = await caller.do("set stale", target.name)
        assert "details" not in text
    async with native_socket(server, token) as socket:
        error = await socket.error("set", document=target.name, data={}, if_match="1")
        assert "document" not in error
        first = await socket.ok("set", document=target.sid, data={"a": 1}, op="op")
        again = await socket.ok("set", document=target.sid, data={"a": 1}, op="op")
        assert again["repeated"] is True
        assert again["document"]["revision"] == first["document"]["revision"]


def expired(server: RunningServer, service: str) -> str:
    return server.token("alice", ttl=-60, service=service)


def forged(server: RunningServer, service: str) -> str:
    token = server.token("alice", service=service)
    claims = jwt.decode(token, options={"verify_signature": False})
    return jwt.encode(claims, "x" * 32, headers={"cty": jwt.get_unverified_header(token)["cty"]})


def unsigned(server: RunningServer, service: str) -> str:
    return forged(server, service).rpartition(".")[0] + "."


def of_a_revoked_key(server: RunningServer, service: str) -> str:
    with KeysApi(server) as keys:
        key = keys.add()
        token = key.token(server, service=service)
        keys.revoke(key.sid)
    return token


def by_the_account(server: RunningServer, service: str) -> str:
    """Signed with the secret of its login, which is no key."""
    sid, auth_token = server.basic
    return Key(sid, auth_token).token(server, service=service)


@cache
def another_key(server: RunningServer, login_only: bool) -> Key:
    with KeysApi(server) as keys:
        return keys.add(login_only=login_only)


def by_another_key(server: RunningServer, service: str) -> str:
    """In the name of the first one."""
    first = next(iter(server.credentials.api_keys))
    return Key(first, another_key(server, False).secret).token(server, service=service)


def of_a_key_for_logins(server: RunningServer, service: str) -> str:
    return another_key(server, True).token(server, service=service)


BAD_TOKENS: dict[str, tuple[Callable[[RunningServer, str], str], str]] = {
    "no token": (lambda server, service: "", "401/20101"),
    "expired": (expired, "401/20104"),
    "forged": (forged, "401/20107"),
    "unsigned": (unsigned, "401/20107"),
    "by another key": (by_another_key, "401/20107"),
    "of a key for logins only": (of_a_key_for_logins, "401/20103"),
    "of a revoked key": (of_a_revoked_key, "401/20103"),
    "of the account's own secret": (by_the_account, "401/20103"),
    "of another service": (lambda server, service: server.token("alice"), "403/54056"),
    "of no service": (
        lambda server, service: server.token("alice", service="IS" + "0" * 32),
        "403/54056",
    ),
}


PROVING_NOTHING = [token for token, (_, outcome) in BAD_TOKENS.items() if outcome[:3] == "401"]
"""What is no token of this server; the rest are good for another service."""


class TestTokens:
    """All rights are there; the token is what is wrong."""

    @pytest.mark.parametrize("token", BAD_TOKENS)
    @pytest.mark.parametrize(("wire", "operation"), OVER_HTTP)
    async def test_over_http(
        self,
        server: RunningServer,
        account: Account,
        service: str,
        token: str,
        wire: str,
        operation: str,
    ) -> None:
        target = Target(account, service, operation)
        account.permit(service, target.sid, "alice", "rwm")
        make, outcome = BAD_TOKENS[token]
        if token == "no token":
            outcome = "401/20003"
        elif operation in ("permissions", "permit") and outcome.startswith("403"):
            outcome = "403/20403"
        async with WIRES[wire](server, service, make(server, service)) as caller:
            found, text = await caller.do(operation, target.address)
        assert found == outcome
        assert SECRET not in text
        assert target.data() == {"secret": SECRET}

    @pytest.mark.parametrize("token", PROVING_NOTHING)
    async def test_over_the_native_socket(
        self, server: RunningServer, service: str, token: str
    ) -> None:
        make, outcome = BAD_TOKENS[token]
        async with native_socket(server, auth=False) as socket:
            error = await socket.error("auth", token=make(server, service))
            assert f"{error['status']}/{error['code']}" == outcome
            code, _ = await socket.closed()
            assert code == (4001 if token == "expired" else 4501)

    @pytest.mark.parametrize("operation", NATIVE_REQUESTS)
    async def test_nothing_goes_before_it_on_the_native_socket(
        self, server: RunningServer, account: Account, service: str, operation: str
    ) -> None:
        target = Target(account, service, operation)
        async with native_socket(server, auth=False) as socket:
            await socket.send(**NATIVE_REQUESTS[operation], document=target.address)
            assert (await socket.closed())[0] == 4500
        assert target.data() == {"secret": SECRET}

    @pytest.mark.parametrize("token", PROVING_NOTHING)
    async def test_over_twilsock(self, server: RunningServer, service: str, token: str) -> None:
        make, outcome = BAD_TOKENS[token]
        async with twilsock_client(server, init=False) as client:
            status = (await client.init(make(server, service)))["status"]
            # The SDKs know no other code for a token that is not good.
            expected = outcome if token == "expired" else "401/20101"
            assert f"{status['code']}/{status['errorCode']}" == expected
        async with twilsock_client(server, init=False) as client:
            await client.send("message")
            close, _ = await client.closed()
            assert close is not None
            assert close.header["status"]["code"] == 406

    @pytest.mark.parametrize(("wire", "operation"), OVER_SOCKETS)
    async def test_of_another_service_over_a_socket(
        self,
        server: RunningServer,
        account: Account,
        service: str,
        other_service: str,
        wire: str,
        operation: str,
    ) -> None:
        """A socket is in its token's service: there the document does not exist."""
        target = Target(account, service, operation)
        account.permit(service, target.sid, "alice", "rwm")
        token = server.token("alice", service=other_service)
        async with WIRES[wire](server, other_service, token) as caller:
            for address in (target.sid, target.name):
                if operation == "open" and address == target.name:
                    continue  # it takes SIDs only
                found, text = await caller.do(operation, address)
                assert found == elsewhere(wire, operation, address)
                assert SECRET not in text
        assert target.data() == {"secret": SECRET}


def elsewhere(wire: str, operation: str, address: str) -> str:
    """What comes of an operation in a service that has not got the document."""
    is_sid = re.fullmatch("ET[0-9a-f]{32}", address) is not None
    if not is_sid and operation in ("create", "create taken", "open or create"):
        return "ok"
    if wire == "twilsock" and operation.startswith("create"):
        return "400/54302"
    return "404/54100" if is_sid else "404/54300"


class TestIsolation:
    """Two services that hold a document of the same name."""

    async def test_a_path_that_names_another_service(
        self, server: RunningServer, account: Account, service: str, other_service: str
    ) -> None:
        target = Target(account, service, "get")
        account.permit(service, target.sid, "alice", "rwm")
        token = server.token("alice", service=other_service)
        async with twilsock_client(server, token) as client:
            for address in (target.sid, target.name):
                path = f"/v3/Services/{service}/Documents/{address}"
                for method in ("GET", "POST", "DELETE"):
                    status, body = await client.call(method, path)
                    assert (status, body["code"]) == (403, 54056)
        for version in ("v1", "v3"):
            url = f"{server.url}/{version}/Services/{service}/Documents/{target.sid}"
            reply = httpx2.get(url, headers={"Authorization": f"Bearer {token}"})
            assert (reply.status_code, reply.json()["code"]) == (403, 54056)
        assert target.data() == {"secret": SECRET}

    def test_the_account_finds_nothing_under_another_service_either(
        self, account: Account, service: str, other_service: str
    ) -> None:
        target = Target(account, service, "get")
        account.permit(service, target.sid, "alice", "rwm")
        for address in (target.sid, target.name):
            for path in ((), ("Permissions",), ("Permissions", "alice"), ("Events",)):
                reply = account.call("GET", other_service, "Documents", address, *path)
                assert (reply.status_code, reply.json()["code"]) == (404, 20404)
        listed = account.ok("GET", other_service, "Documents", params={"PageSize": 100})
        assert target.sid not in [each["sid"] for each in listed["documents"]]

    def test_a_page_token_of_one_service_opens_nothing_of_it_in_another(
        self, account: Account, service: str
    ) -> None:
        account.document(service)
        account.document(service)
        page = account.ok("GET", service, "Documents", params={"PageSize": 1})
        token = page["meta"]["next_page_url"].partition("PageToken=")[2]
        empty = account.service()
        elsewhere = account.ok("GET", empty, "Documents", params={"PageToken": token})
        assert elsewhere["documents"] == []

    async def test_names_and_events_are_each_services_own(
        self, server: RunningServer, account: Account, service: str, other_service: str
    ) -> None:
        name = unique()
        tokens = [server.token("alice", service=each) for each in (service, other_service)]
        async with native_socket(server, tokens[0]) as one, native_socket(server, tokens[1]) as two:
            first = await one.document("open", document=name, data={"secret": SECRET})
            second = await two.document("open", document=name)
            assert first["sid"] != second["sid"]
            assert second["data"] == {}
            await one.ok("set", document=name, data={"secret": SECRET})
            await one.ok("remove", document=name)
            assert [(await one.event())["event"] for _ in range(2)] == ["updated", "removed"]
            await two.ok("ping")
            assert two.unread == []
            assert (await two.document("get", document=name))["sid"] == second["sid"]
