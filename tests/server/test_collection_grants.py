"""Lists, maps and streams over REST under the grants of a provider's token."""

from __future__ import annotations

import pytest

from support.account import Account
from support.api import unique
from support.collection_matrix import (
    OPERATIONS,
    PLURALS,
    RIGHTS,
    SECRET,
    Operation,
    Target,
    make_target,
    operations_of,
)
from support.collections import CollectionsApi, error
from support.provider import OpenIdProvider
from support.server import RunningServer

WORDS = {"r": "read", "w": "write", "m": "manage"}

FORBIDDEN = (403, 54007)

PUBLISH = Operation(
    "w", lambda api, it: api.call("POST", it.address, "Messages", data={"Data": "{}"}), ("Streams",)
)

CELLS = [
    *((plural, name, OPERATIONS[name]) for plural in PLURALS for name in operations_of(plural)),
    ("Streams", "publish", PUBLISH),
]


@pytest.fixture(scope="module")
def server(granting_server: RunningServer) -> RunningServer:
    return granting_server


class World:
    """One service: its owner, and Alice with any grants."""

    def __init__(self, server: RunningServer, provider: OpenIdProvider, service: str) -> None:
        self.service = service
        self._server = server
        self._provider = provider

    def owner(self, plural: str) -> CollectionsApi:
        return CollectionsApi(self._server, plural, service=self.service)

    def alice(self, plural: str, *grants: tuple[str, str, str]) -> CollectionsApi:
        """Each grant: the type's plural, a pattern, and rights by first letters."""
        claim = [
            {type_.lower(): pattern, "rights": [WORDS[letter] for letter in rights]}
            for type_, pattern, rights in grants
            if rights
        ]
        token = self._provider.token(service=self.service, sync_grants=claim)
        return CollectionsApi(self._server, plural, token, self.service)


@pytest.fixture(scope="module")
def world(server: RunningServer, provider: OpenIdProvider, account: Account) -> World:
    """A service in which permissions do not count."""
    return World(server, provider, account.service())


@pytest.fixture(scope="module")
def strict_world(server: RunningServer, provider: OpenIdProvider, account: Account) -> World:
    """A service in which they do."""
    return World(server, provider, account.service(AclEnabled="true"))


def named(owner: CollectionsApi, plural: str, name: str, *, by_name: bool) -> Target:
    """A target with a unique name, by which or by whose SID it is addressed."""
    target = make_target(owner, plural, name)
    address = name if by_name else target.sid
    return Target(plural, target.sid, address, target.item, target.revision)


@pytest.mark.parametrize("by_name", [True, False])
@pytest.mark.parametrize(("plural", "name", "operation"), CELLS)
def test_each_operation_needs_its_grants(
    world: World, plural: str, name: str, operation: Operation, by_name: bool
) -> None:
    other = next(each for each in PLURALS if each != plural)
    with world.owner(plural) as owner:
        for rights in RIGHTS:
            word = unique("room")
            target = named(owner, plural, f"{word}-1", by_name=by_name)
            # All rights on the same name of another type, and on other names, give none.
            useless = [(other, "*", "rwm"), (plural, f"{word}-2*", "rwm")]
            with world.alice(plural, *useless, (plural, f"{word}-*", rights)) as alice:
                before = owner.fetch(target.sid)
                reply = operation.send(alice, target)
            if set(operation.needs) <= set(rights):
                assert operation.succeeds(reply), (rights, reply.text)
            else:
                assert error(reply) == FORBIDDEN, rights
                assert owner.fetch(target.sid) == before
            if "r" not in rights:
                assert SECRET not in reply.text
                assert not target.revision or target.revision not in reply.text


@pytest.mark.parametrize("plural", PLURALS)
def test_a_name_is_created_by_those_who_may_write_it(world: World, plural: str) -> None:
    word = unique("room")
    for rights in RIGHTS:
        with world.alice(plural, (plural, f"{word}-*", rights)) as alice:
            reply = alice.call("POST", data={"UniqueName": f"{word}-{rights}"})
            taken = alice.call("POST", data={"UniqueName": f"{word}-{rights}"})
            nameless = alice.call("POST")
        assert error(nameless) == FORBIDDEN
        if "w" in rights:
            assert reply.status_code == 201
            assert taken.status_code == 409
        else:
            assert error(reply) == error(taken) == FORBIDDEN
            with world.owner(plural) as owner:
                assert owner.call("GET", f"{word}-{rights}").status_code == 404


@pytest.mark.parametrize("plural", PLURALS)
def test_only_the_star_of_its_type_is_for_objects_without_a_name(world: World, plural: str) -> None:
    others = [(each, "*", "rwm") for each in (*PLURALS, "Documents") if each != plural]
    for pattern, may in (("**", False), ("*", True)):
        with world.owner(plural) as owner:
            target = make_target(owner, plural)
        with world.alice(plural, *others, (plural, pattern, "rwm")) as alice:
            replies = [
                alice.call("GET"),
                alice.call("POST"),
                alice.call("GET", target.sid),
                alice.call("POST", target.sid, data={"Ttl": "60"}),
                alice.call("DELETE", target.sid),
            ]
        if may:
            assert [each.status_code for each in replies] == [200, 201, 200, 200, 204]
        else:
            assert [error(each) for each in replies] == [FORBIDDEN] * len(replies)


@pytest.mark.parametrize("plural", PLURALS)
def test_nobody_learns_whether_a_name_that_is_not_granted_is_there(
    world: World, plural: str
) -> None:
    names = [unique("hall"), unique("hall")]
    with world.owner(plural) as owner, world.alice(plural, (plural, "room-*", "rwm")) as alice:
        owner.create(UniqueName=names[0])
        for name in names:
            assert error(alice.call("GET", name)) == FORBIDDEN
        # A SID is no secret: whether it exists is said.
        absent = owner.create()["sid"]
        owner.ok("DELETE", absent)
        assert error(alice.call("GET", absent)) == (404, 20404)


@pytest.mark.parametrize("plural", PLURALS)
def test_grants_and_permissions_must_both_allow(
    strict_world: World, account: Account, plural: str
) -> None:
    name = unique("room")
    with strict_world.owner(plural) as owner:
        target = named(owner, plural, name, by_name=True)
    for granted, permitted in (("rwm", ""), ("", "rwm"), ("rwm", "rwm")):
        if plural != "Streams":
            service = strict_world.service
            account.permit(service, target.sid, "alice", permitted, plural=plural)
        with strict_world.alice(plural, (plural, "room-*", granted)) as alice:
            read = alice.call("GET", name)
            removed = alice.call("DELETE", name)
        # Streams have no permissions: all may open them, their creator may remove them.
        may_read = bool(granted) and (bool(permitted) or plural == "Streams")
        may_remove = bool(granted and permitted) and plural != "Streams"
        assert (read.status_code, removed.status_code) == (
            200 if may_read else 403,
            204 if may_remove else 403,
        )


def test_a_creator_of_a_stream_needs_no_grant_to_read_to_change_it(strict_world: World) -> None:
    name = unique("room")
    with strict_world.alice("Streams", ("Streams", "room-*", "wm")) as alice:
        alice.ok("POST", data={"UniqueName": name})
        alice.ok("POST", name, data={"Ttl": "60"})
        assert error(alice.call("GET", name)) == FORBIDDEN
        alice.ok("DELETE", name)
