"""Every operation on every wire under the grants of a provider's token: what comes of it."""

from __future__ import annotations

from typing import Any

import pytest

from support.account import Account
from support.api import unique
from support.callers import WIRES
from support.matrix import SECRET, Target, left_by, may_see, outcome_on, pairs, rows
from support.provider import OpenIdProvider
from support.server import RunningServer

RIGHTS = {
    "none": [],
    "read": ["read"],
    "write": ["write"],
    "manage": ["manage"],
    "read and write": ["read", "write"],
    "all": ["read", "write", "manage"],
}
"""What each column of the table grants."""

ROWS = rows("""
operation      | none      | read      | write     | manage    | read and write | all
create         | 403/54007 | 403/54007 | ok        | 403/54007 | ok             | ok
create taken   | 403/54007 | 403/54007 | 409/54301 | 403/54007 | 409/54301      | 409/54301
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
""")
"""Where permissions do not count, with grants on the name of the document alone."""

OPENING = {("native", "create"), ("native", "create taken")}
"""Where what is created is opened too, which needs the right to read."""

PAIRS = pairs(ROWS)

CELLS = [
    (wire, operation, column, by)
    for wire, operation in PAIRS
    for column in RIGHTS
    for by in ("name", "SID")
    # Twilsock subscribes to SIDs only; what is created has none yet.
    if not (by == "SID" and operation in ("create", "create taken", "list"))
    if not (by == "name" and (wire, operation) == ("twilsock", "open"))
]


NAMING = [
    pair
    for pair in PAIRS
    if pair[1] not in ("list", "permissions", "permit") and pair != ("twilsock", "open")
]
"""Those that take a unique name, and are not for the account alone."""

USING = [pair for pair in PAIRS if "create" not in pair[1]]
"""Those that make nothing."""


def outcome_of(wire: str, operation: str, column: str) -> str:
    if (wire, operation) in OPENING and "read" not in RIGHTS[column]:
        return "403/54007"
    return outcome_on(wire, operation, ROWS[operation][column])


@pytest.fixture(scope="module")
def server(granting_server: RunningServer) -> RunningServer:
    return granting_server


@pytest.fixture(scope="module")
def service(account: Account) -> str:
    """A service in which permissions do not count."""
    return account.service()


@pytest.fixture(scope="module")
def strict_service(account: Account) -> str:
    """A service in which they do."""
    return account.service(AclEnabled="true")


def grant(pattern: str, rights: list[str]) -> dict[str, Any]:
    return {"documents": pattern, "rights": rights}


def token(provider: OpenIdProvider, service: str, *grants: dict[str, Any]) -> str:
    """Alice's, with these grants."""
    return provider.token(service=service, sync_grants=list(grants))


def granting(provider: OpenIdProvider, target: Target, column: str, *addresses: str) -> str:
    """A token with the rights of a column on the target, and all rights on others."""
    names = {target.name, *addresses} if RIGHTS[column] else set()
    grants = [grant(name, RIGHTS[column]) for name in names]
    return token(provider, target.service, grant(f"other-{target.name}*", RIGHTS["all"]), *grants)


def address_of(target: Target, operation: str, by: str) -> str:
    if operation == "create":
        return target.address
    return target.sid if by == "SID" else target.name


@pytest.mark.parametrize(("wire", "operation", "column", "by"), CELLS)
async def test_what_grants_allow(
    server: RunningServer,
    provider: OpenIdProvider,
    account: Account,
    service: str,
    wire: str,
    operation: str,
    column: str,
    by: str,
) -> None:
    target = Target(account, service, operation)
    address = address_of(target, operation, by)
    created = [address] if operation == "create" else []
    granted_token = granting(provider, target, column, *created)
    async with WIRES[wire](server, service, granted_token) as caller:
        found, text = await caller.do(operation, address)

    outcome = outcome_of(wire, operation, column)
    assert found == outcome
    letters = "".join(right[0] for right in RIGHTS[column])
    if not may_see(operation, letters, outcome):
        assert SECRET not in text
    assert target.data() == left_by(operation, outcome)
    if operation == "create":
        reply = account.call("GET", service, "Documents", address)
        assert reply.status_code == (200 if outcome == "ok" else 404)


@pytest.mark.parametrize(("wire", "operation"), PAIRS)
async def test_grants_and_permissions_must_both_allow(
    server: RunningServer,
    provider: OpenIdProvider,
    account: Account,
    strict_service: str,
    wire: str,
    operation: str,
) -> None:
    refused = "403/20403" if operation in ("permissions", "permit") else "403/54007"
    refused = outcome_on(wire, operation, refused)
    target = Target(account, strict_service, operation)
    all_granted = granting(provider, target, "all", target.address)
    async with WIRES[wire](server, strict_service, all_granted) as caller:
        found, text = await caller.do(operation, target.address)
        # Making a document needs no permission.
        free = {"create": "ok", "create taken": "409/54301"}
        assert found == free.get(operation, refused)
        assert SECRET not in text
    account.permit(strict_service, target.sid, "alice", "rwm")
    none_granted = granting(provider, target, "none")
    async with WIRES[wire](server, strict_service, none_granted) as caller:
        found, text = await caller.do(operation, target.address)
        assert found == refused
        assert SECRET not in text
    if operation != "create":
        async with WIRES[wire](server, strict_service, all_granted) as caller:
            found, _ = await caller.do(operation, target.address)
            assert found == (refused if operation == "list" else ROWS[operation]["all"])


@pytest.mark.parametrize(("wire", "operation"), NAMING)
async def test_of_a_name_that_is_not_granted_nobody_learns_whether_it_is_there(
    server: RunningServer,
    provider: OpenIdProvider,
    service: str,
    wire: str,
    operation: str,
) -> None:
    granted_token = token(provider, service, grant("others-*", RIGHTS["all"]))
    async with WIRES[wire](server, service, granted_token) as caller:
        found, _ = await caller.do(operation, unique("nowhere"))
    assert found == "403/54007"


@pytest.mark.parametrize(("wire", "operation"), USING)
async def test_the_star_alone_is_for_documents_without_a_name_too(
    server: RunningServer,
    provider: OpenIdProvider,
    account: Account,
    service: str,
    wire: str,
    operation: str,
) -> None:
    sid = account.document(service, data='{"a":1}')
    expected = {"permissions": "403/20403", "permit": "403/20403"}
    for pattern, outcome in (("**", "403/54007"), ("*", ROWS[operation]["all"])):
        granted_token = token(provider, service, grant(pattern, RIGHTS["all"]))
        async with WIRES[wire](server, service, granted_token) as caller:
            found, _ = await caller.do(operation, sid)
        outcome = outcome_on(wire, operation, outcome)
        listed = "ok" if operation == "list" and pattern == "*" else outcome
        assert found == expected.get(operation, listed)


@pytest.mark.parametrize("wire", ["rest", "twilsock"])
async def test_only_who_may_write_everywhere_makes_a_document_without_a_name(
    server: RunningServer, provider: OpenIdProvider, account: Account, service: str, wire: str
) -> None:
    path = f"/v1/Services/{service}/Documents" if wire == "rest" else "/v3/Documents"
    for pattern, status in (("a*", 403), ("*", 201)):
        granted_token = token(provider, service, grant(pattern, ["write"]))
        with Account(server, granted_token) as alice:
            assert alice.http.post(f"{server.url}{path}", json={}).status_code == status


async def test_who_may_not_write_finds_but_makes_nothing(
    server: RunningServer, provider: OpenIdProvider, account: Account, service: str
) -> None:
    name = unique("room")
    reader = token(provider, service, grant("room-*", ["read"]))
    async with WIRES["native"](server, service, reader) as caller:
        assert (await caller.do("open or create", name))[0] == "403/54007"
        assert account.call("GET", service, "Documents", name).status_code == 404
        account.document(service, name)
        assert (await caller.do("open or create", name))[0] == "ok"


async def test_a_token_without_the_claim_is_refused(
    server: RunningServer, provider: OpenIdProvider, service: str
) -> None:
    for wire in ("rest", "sse"):
        async with WIRES[wire](server, service, provider.token(service=service)) as caller:
            operation = "open" if wire == "sse" else "get"
            assert (await caller.do(operation, "any"))[0] == "401/20106"


async def test_tokens_of_api_keys_are_not_limited_by_grants(
    server: RunningServer, account: Account, service: str
) -> None:
    target = Target(account, service, "get")
    own = server.token("alice", service=service)
    async with WIRES["rest"](server, service, own) as caller:
        found, text = await caller.do("get", target.name)
        assert (found, SECRET in text) == ("ok", True)
        assert (await caller.do("list", ""))[0] == "ok"
