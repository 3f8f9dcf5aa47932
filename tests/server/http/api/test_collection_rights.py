"""What a token holder may do with a list or map where the service has `acl_enabled`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.account import Account
from support.api import unique
from support.collection_matrix import (
    OPERATIONS,
    RIGHTS,
    SECRET,
    WITH_ITEMS,
    make_target,
    operations_of,
)
from support.collections import CollectionsApi, error
from support.server import RunningServer


@pytest.fixture(scope="module")
def service(account: Account) -> str:
    return account.service(AclEnabled="true")


@pytest.fixture(scope="module", params=WITH_ITEMS)
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


@pytest.mark.parametrize(
    ("plural", "name"),
    [(plural, name) for plural in WITH_ITEMS for name in operations_of(plural)],
    indirect=["plural"],
    scope="module",
)
def test_each_operation_needs_its_rights(
    account: Account,
    service: str,
    plural: str,
    owner: CollectionsApi,
    alice: CollectionsApi,
    name: str,
) -> None:
    operation = OPERATIONS[name]
    for rights in RIGHTS:
        target = make_target(owner, plural)
        account.permit(service, target.sid, "alice", rights, plural=plural)
        before = owner.fetch(target.sid), owner.item(target.sid, target.item)
        reply = operation.send(alice, target)
        if set(operation.needs) <= set(rights):
            assert operation.succeeds(reply), (rights, reply.text)
        else:
            assert error(reply) == (403, 54007), rights
            assert (owner.fetch(target.sid), owner.item(target.sid, target.item)) == before
        if "r" not in rights:
            assert SECRET not in reply.text
            assert target.revision not in reply.text


def test_a_token_reads_and_sets_no_permissions(
    account: Account, service: str, plural: str, owner: CollectionsApi, alice: CollectionsApi
) -> None:
    sid = owner.create()["sid"]
    account.permit(service, sid, "alice", "rwm", plural=plural)
    own = (sid, "Permissions", "alice")
    for reply in (
        alice.call("GET", sid, "Permissions"),
        alice.call("GET", *own),
        alice.call("POST", *own, data={"Read": "true"}),
        alice.call("DELETE", *own),
    ):
        assert error(reply) == (403, 20403)


def test_rights_count_for_one_object_and_one_identity_until_they_are_taken_away(
    account: Account, service: str, plural: str, owner: CollectionsApi, alice: CollectionsApi
) -> None:
    target, other = make_target(owner, plural), make_target(owner, plural)
    account.permit(service, target.sid, "alice", "rwm", plural=plural)
    account.permit(service, other.sid, "bob", "rwm", plural=plural)
    assert alice.call("GET", target.sid, "Items", target.item).status_code == 200
    assert error(alice.call("GET", other.sid, "Items", other.item)) == (403, 54007)
    account.ok("DELETE", service, plural, target.sid, "Permissions", "alice")
    assert error(alice.call("GET", target.sid, "Items", target.item)) == (403, 54007)


def test_a_mismatch_shows_nothing_to_those_who_may_not_read(
    account: Account, service: str, plural: str, owner: CollectionsApi, alice: CollectionsApi
) -> None:
    target = make_target(owner, plural)
    sid, item_id = target.sid, target.item
    account.permit(service, sid, "alice", "w", plural=plural)
    stale = {"If-Match": "1"}
    hidden = alice.call("POST", sid, "Items", item_id, json={"data": {}}, headers=stale)
    assert hidden.status_code == 412
    assert "details" not in hidden.json()
    account.permit(service, sid, "alice", "rw", plural=plural)
    shown = alice.call("POST", sid, "Items", item_id, json={"data": {}}, headers=stale)
    assert shown.json()["details"]["item"]["data"] == {"secret": SECRET}


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


def test_a_stream_may_be_used_by_all_and_changed_by_its_creator_and_the_account(
    server: RunningServer, service: str
) -> None:
    tokens = [server.token(identity, service=service) for identity in ("alice", "bob")]
    with (
        CollectionsApi(server, "Streams", tokens[0], service) as alice,
        CollectionsApi(server, "Streams", tokens[1], service) as bob,
        CollectionsApi(server, "Streams", service=service) as owner,
    ):
        name = unique()
        sid = alice.create(UniqueName=name)["sid"]
        others = owner.create()["sid"]
        for api in (alice, bob, owner):
            for address in (sid, name, others):
                assert api.call("GET", address).status_code == 200
                assert api.call("POST", address, "Messages", data={"Data": "{}"}).is_success
        for address in (sid, name):
            assert error(bob.call("POST", address, data={"Ttl": "60"})) == (403, 54007)
            assert error(bob.call("DELETE", address)) == (403, 54007)
        assert error(alice.call("DELETE", others)) == (403, 54007)
        assert alice.fetch(sid)["date_expires"] is None
        assert alice.ok("POST", name, data={"Ttl": "60"})["date_expires"] is not None
        assert owner.ok("POST", name, data={"Ttl": "0"})["date_expires"] is None
        assert error(alice.call("GET")) == (403, 54007)
        assert error(bob.call("DELETE", unique())) == (404, 20404)
        assert alice.call("DELETE", name).status_code == 204
        # Somebody else's now, although it has the name of Alice's.
        bob.create(UniqueName=name)
        assert error(alice.call("DELETE", name)) == (403, 54007)


def test_the_removal_of_a_stream_is_answered_again_under_its_operation_id(
    server: RunningServer, service: str
) -> None:
    token = server.token("alice", service=service)
    with CollectionsApi(server, "Streams", token, service) as alice:
        sid = alice.create()["sid"]
        for _ in range(2):
            reply = alice.call("DELETE", sid, headers={"Idempotency-Key": f"remove {sid}"})
            assert reply.status_code == 204
        assert error(alice.call("DELETE", sid)) == (404, 20404)
