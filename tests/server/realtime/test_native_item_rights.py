"""Rights on lists, maps and streams over the native protocol (docs/protocol.md, section 10)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from support.account import Account
from support.collections import CollectionsApi
from support.server import RunningServer
from support.socket import Message, NativeSocket, native_socket

SECRET = "what nobody may learn"

RIGHTS = ("", "r", "w", "m", "rw", "rm", "wm", "rwm")
"""Every combination, by first letters."""

PLURALS = {"list": "Lists", "map": "Maps"}


@pytest.fixture(scope="module")
def account(server: RunningServer) -> Iterator[Account]:
    with Account(server) as account:
        yield account


@pytest.fixture(scope="module")
def service(account: Account) -> str:
    """A service in which permissions count."""
    return account.service(AclEnabled="true")


class Target:
    """A collection of the account, with one item, which contains the secret."""

    def __init__(self, server: RunningServer, account: Account, service: str, type_: str) -> None:
        self.type, self.plural = type_, PLURALS[type_]
        self.account, self.service = account, service
        with CollectionsApi(server, self.plural, service=service) as owner:
            self.sid = owner.create()["sid"]
            key = {"key": "k"} if type_ == "map" else {}
            owner.add(self.sid, data={"secret": SECRET}, **key)
        self.item: Message = {"key": "k"} if type_ == "map" else {"index": 0}
        self.new: Message = {"key": "new"} if type_ == "map" else {}

    def permit(self, rights: str) -> None:
        self.account.permit(self.service, self.sid, "alice", rights, plural=self.plural)

    async def ask(self, socket: NativeSocket, do: str, members: Message) -> Message:
        return await socket.ask(do, **{self.type: self.sid}, **members)


def requests(target: Target) -> list[tuple[str, Message, str, int]]:
    """Each request with the rights that it needs, and the status of its reply; 200 for `ok`."""
    item, data = target.item, {"data": {"n": 1}}
    stale: Message = {**item, "if_match": "1"}
    found: list[tuple[str, Message, str, int]] = [
        ("get", {}, "r", 200),
        ("open", {"mode": "open_existing"}, "r", 200),
        ("open", {"revision": "1"}, "r", 200),
        ("items", {}, "r", 200),
        ("item", item, "r", 200),
        ("item", {"key": "no", "index": 9}, "r", 404),
        ("ttl_collection", {"ttl": 60}, "w", 200),
        ("ttl", {"ttl": 60, **item}, "w", 200),
        ("add", {**data, **target.new}, "w", 200),
        ("set", {**data, **item}, "w", 200),
        ("set", {**data, **stale}, "w", 412),
        ("ttl", {"ttl": 60, **stale}, "w", 412),
        ("remove", stale, "w", 412),
        ("patch", {"merge": {"n": 1}, **item}, "rw", 200),
        ("patch", {"merge": {"n": 1}, **stale}, "rw", 412),
        ("batch", {"operations": [{"op": "update", **data, **item}]}, "w", 200),
        ("batch", {"operations": [{"op": "update", **data, **stale}]}, "w", 412),
        ("remove", item, "w", 200),
        ("remove_collection", {}, "m", 200),
    ]
    if target.type == "map":
        found.append(("add", {**data, **item}, "w", 409))
        found.append(("set", {**data, **item, "if_match": "-1"}, "w", 412))
    return found


@pytest.mark.parametrize("rights", RIGHTS)
@pytest.mark.parametrize("type_", PLURALS)
async def test_each_request_needs_its_rights_and_shows_no_more(
    server: RunningServer, account: Account, service: str, type_: str, rights: str
) -> None:
    count = len(requests(Target(server, account, service, type_)))
    async with native_socket(server, server.token("alice", service=service)) as socket:
        for index in range(count):
            target = Target(server, account, service, type_)
            target.permit(rights)
            do, members, needs, status = requests(target)[index]
            reply = await target.ask(socket, do, members)
            if set(needs) <= set(rights):
                assert reply.get("error", {"status": 200})["status"] == status, (do, reply)
                if status in (409, 412):
                    assert ("item" in reply["error"]) is ("r" in rights), do
            else:
                assert (reply["error"]["status"], reply["error"]["code"]) == (403, 54007), do
                assert reply["error"].keys() == {"code", "status", "message", "retry"}
            if "r" not in rights:
                assert SECRET not in orjson.dumps(reply).decode(), do


@pytest.mark.parametrize("type_", PLURALS)
async def test_a_right_that_is_taken_away_ends_the_subscription_of_this_reader(
    server: RunningServer, account: Account, service: str, type_: str
) -> None:
    target = Target(server, account, service, type_)
    target.permit("rw")
    account.permit(service, target.sid, "bob", "rw", plural=target.plural)
    async with (
        native_socket(server, server.token("alice", service=service)) as alice,
        native_socket(server, server.token("bob", service=service)) as bob,
    ):
        for socket in (alice, bob):
            assert "ok" in await target.ask(socket, "open", {})
        target.permit("w")
        removed = await alice.event()
        written = await target.ask(alice, "add", {"data": {"secret": SECRET}, **target.new})
        received = await bob.event()
        again = await target.ask(alice, "open", {})
        await alice.ok("ping")
        assert alice.unread == []

    assert removed["event"] == "removed"
    assert removed[type_]["sid"] == target.sid
    assert (removed[type_]["removed_by"], removed[type_]["expired"]) == ("system", False)
    assert written["ok"]["kind"] == "added"
    assert received["changes"][0]["data"] == {"secret": SECRET}
    assert again["error"]["code"] == 54007


async def test_rights_taken_from_a_reader_of_a_part(
    server: RunningServer, account: Account, service: str
) -> None:
    target = Target(server, account, service, "map")
    target.permit("r")
    async with native_socket(server, server.token("alice", service=service)) as alice:
        assert "ok" in await target.ask(alice, "open", {"keys": ["k", "other"]})
        target.permit("")
        assert (await alice.event())["event"] == "removed"
        assert (await target.ask(alice, "open", {"revision": "1"}))["error"]["code"] == 54007


async def test_a_stream_may_be_opened_by_all_and_ended_by_its_creator(
    server: RunningServer, service: str
) -> None:
    async with (
        native_socket(server, server.token("alice", service=service)) as alice,
        native_socket(server, server.token("bob", service=service)) as bob,
    ):
        sid = await alice.created("stream")
        opened: Any = await bob.ok("open", stream=sid)
        await bob.ok("publish", stream=sid, data={"n": 1})
        message = await bob.event()
        ttl = await bob.error("ttl", stream=sid, ttl=60)
        remove = await bob.error("remove", stream=sid)
        await alice.ok("ttl", stream=sid, ttl=60)
        await alice.ok("remove", stream=sid)

    assert opened["created"] is False
    assert message["message"]["data"] == {"n": 1}
    assert ttl["code"] == remove["code"] == 54007
