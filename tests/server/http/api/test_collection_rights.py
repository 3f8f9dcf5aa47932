"""What a token holder may do with a list or map where the service has `acl_enabled`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product

import httpx2
import pytest

from support.account import Account
from support.api import unique
from support.collections import CollectionsApi, error
from support.server import RunningServer

MERGE = {"Content-Type": "application/merge-patch+json"}

Call = Callable[[CollectionsApi, str, str | int], httpx2.Response]


def batch(op: str, item_id: str | int) -> dict[str, object]:
    name = "key" if isinstance(item_id, str) else "index"
    data: dict[str, object] = {} if op == "remove" else {"data": {}}
    return {"operations": [{"op": op, name: item_id, **data}]}


OPERATIONS: dict[str, tuple[str, Call]] = {
    "fetch": ("r", lambda api, sid, _: api.call("GET", sid)),
    "list items": ("r", lambda api, sid, _: api.call("GET", sid, "Items")),
    "fetch item": ("r", lambda api, sid, id_: api.call("GET", sid, "Items", id_)),
    "set ttl": ("w", lambda api, sid, _: api.call("POST", sid, data={"Ttl": "0"})),
    "update item": (
        "w",
        lambda api, sid, id_: api.call("POST", sid, "Items", id_, json={"data": {}}),
    ),
    "patch item": (
        "rw",
        lambda api, sid, id_: api.call("PATCH", sid, "Items", id_, content="{}", headers=MERGE),
    ),
    "batch": ("w", lambda api, sid, id_: api.call("POST", sid, "Batch", json=batch("update", id_))),
    "delete item": ("w", lambda api, sid, id_: api.call("DELETE", sid, "Items", id_)),
    "delete": ("m", lambda api, sid, _: api.call("DELETE", sid)),
}
"""The rights that each operation needs, and its request."""


@pytest.fixture(scope="module")
def account(server: RunningServer) -> Iterator[Account]:
    with Account(server) as account:
        yield account


@pytest.fixture(scope="module")
def service(account: Account) -> str:
    return account.service(AclEnabled="true")


@pytest.fixture(scope="module", params=["Lists", "Maps"])
def plural(request: pytest.FixtureRequest) -> str:
    plural: str = request.param
    return plural


@pytest.fixture(scope="module")
def owner(server: RunningServer, service: str, plural: str) -> Iterator[CollectionsApi]:
    """The account."""
    with CollectionsApi(server, plural, service=service) as owner:
        yield owner


@pytest.fixture(scope="module")
def alice(server: RunningServer, service: str, plural: str) -> Iterator[CollectionsApi]:
    token = server.token("alice", service=service)
    with CollectionsApi(server, plural, token, service) as alice:
        yield alice


def new(owner: CollectionsApi, plural: str) -> tuple[str, str | int]:
    """A collection with one item: its SID, and the key or index."""
    sid = owner.create()["sid"]
    item = owner.add(sid, data={"n": 1}, **({"key": "a/b"} if plural == "Maps" else {}))
    return sid, item["key" if plural == "Maps" else "index"]


@pytest.mark.parametrize(
    ("name", "rights"), list(product(OPERATIONS, ["", "r", "w", "m", "rw", "rm", "wm", "rwm"]))
)
def test_each_operation_needs_its_rights(
    account: Account,
    service: str,
    plural: str,
    owner: CollectionsApi,
    alice: CollectionsApi,
    name: str,
    rights: str,
) -> None:
    needed, call = OPERATIONS[name]
    sid, item_id = new(owner, plural)
    account.permit(service, sid, "alice", rights, plural=plural)
    before = owner.fetch(sid)
    reply = call(alice, sid, item_id)
    if set(needed) <= set(rights):
        assert reply.is_success, reply.text
    else:
        assert error(reply) == (403, 54007)
        assert owner.fetch(sid) == before


def test_adding_needs_the_right_to_write(
    account: Account, service: str, plural: str, owner: CollectionsApi, alice: CollectionsApi
) -> None:
    sid, _ = new(owner, plural)
    body: dict[str, object] = {"data": {}} | ({"key": "new"} if plural == "Maps" else {})
    assert error(alice.call("POST", sid, "Items", json=body)) == (403, 54007)
    account.permit(service, sid, "alice", "w", plural=plural)
    assert alice.call("POST", sid, "Items", json=body).status_code == 201


def test_a_mismatch_shows_nothing_to_those_who_may_not_read(
    account: Account, service: str, plural: str, owner: CollectionsApi, alice: CollectionsApi
) -> None:
    sid, item_id = new(owner, plural)
    account.permit(service, sid, "alice", "w", plural=plural)
    stale = {"If-Match": "1"}
    hidden = alice.call("POST", sid, "Items", item_id, json={"data": {}}, headers=stale)
    assert hidden.status_code == 412
    assert "details" not in hidden.json()
    account.permit(service, sid, "alice", "rw", plural=plural)
    shown = alice.call("POST", sid, "Items", item_id, json={"data": {}}, headers=stale)
    assert shown.json()["details"]["item"]["data"] == {"n": 1}


def test_the_creator_may_do_everything(
    account: Account, service: str, plural: str, alice: CollectionsApi
) -> None:
    sid = alice.create()["sid"]
    permission = account.ok("GET", service, plural, sid, "Permissions", "alice")
    assert [permission[right] for right in ("read", "write", "manage")] == [True] * 3
    assert permission[f"{plural[:-1].lower()}_sid"] == sid
    alice.ok("DELETE", sid)


def test_lists_are_not_shown_to_token_holders(alice: CollectionsApi) -> None:
    assert error(alice.call("GET")) == (403, 54007)
    assert error(alice.call("GET", "none")) == (404, 20404)


def test_a_stream_may_be_used_by_all_and_removed_by_its_creator(
    server: RunningServer, service: str
) -> None:
    tokens = [server.token(identity, service=service) for identity in ("alice", "bob")]
    with (
        CollectionsApi(server, "Streams", tokens[0], service) as alice,
        CollectionsApi(server, "Streams", tokens[1], service) as bob,
    ):
        sid = alice.create(UniqueName=unique())["sid"]
        assert bob.fetch(sid)["created_by"] == "alice"
        assert bob.call("POST", sid, "Messages", data={"Data": "{}"}).status_code == 201
        assert error(bob.call("POST", sid, data={"Ttl": "60"})) == (403, 54007)
        assert error(bob.call("DELETE", sid)) == (403, 54007)
        assert alice.ok("POST", sid, data={"Ttl": "60"})["date_expires"] is not None
        assert alice.call("DELETE", sid).status_code == 204
