"""Rights that are taken away from those who are connected, by this process and by another."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from support.account import Account
from support.api import unique
from support.callers import WIRES, Caller
from support.matrix import outcome_on
from support.server import RunningServer
from support.socket import NativeSocket, native_socket
from support.store import WAIT_LIMIT
from support.stream import event_stream
from syncline_server.storage import keys
from syncline_server.storage.redis.address import Address
from syncline_server.storage.redis.connection import connect

LIVE_WIRES = ["sse", "native", "twilsock"]

Revoke = Callable[[Account, str, str], object]
"""Takes the right to read from `alice`, of a document in a service."""

REVOCATIONS: dict[str, Revoke] = {
    "permission removed": lambda account, service, sid: account.revoke(service, sid, "alice"),
    "permission without read": lambda account, service, sid: account.permit(
        service, sid, "alice", "wm"
    ),
    "permissions switched on": lambda account, service, sid: account.set_acl(service, True),
}


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """The process that is notified."""
    with RunningServer(tmp_path_factory.mktemp("revocation") / "data") as server:
        yield server


@pytest.fixture(scope="module")
def second(first: RunningServer) -> Iterator[RunningServer]:
    """Another process, on the same Redis and with the same credentials."""
    redis = f"--redis-url=unix://{first.data_dir}/redis/redis.sock"
    with RunningServer(beside(first.data_dir), redis) as server:
        yield server


def beside(data_dir: Path) -> Path:
    """Another data directory with the same credentials."""
    made = data_dir.with_name("second")
    made.mkdir(mode=0o700)
    kept = (data_dir / "credentials.json").read_bytes()
    (made / "credentials.json").touch(mode=0o600)
    (made / "credentials.json").write_bytes(kept)
    return made


@pytest.fixture(scope="module")
def account(first: RunningServer) -> Iterator[Account]:
    with Account(first) as account:
        yield account


@pytest.fixture(params=["the same process", "another process"])
def server(request: pytest.FixtureRequest, first: RunningServer) -> RunningServer:
    """The process that the subscribers are connected to."""
    if request.param == "the same process":
        return first
    other: RunningServer = request.getfixturevalue("second")
    return other


class Scene:
    """A document that `bob` may do everything with and keeps open.

    Attributes:
        service, sid: where it is; permissions count there unless they are switched on later.
        bob: his socket.
    """

    def __init__(self, account: Account, service: str, sid: str, bob: NativeSocket) -> None:
        self.account = account
        self.service = service
        self.sid = sid
        self.bob = bob

    async def nobody_else_noticed(self) -> None:
        """Bob's subscription goes on: the next event that he receives is the next write."""
        revision = (await self.bob.document("set", document=self.sid, data={"n": 2}))["revision"]
        assert await self.bob.updates(revision) == [revision]


async def scene(
    stack: AsyncExitStack, account: Account, server: RunningServer, *, acl: bool = True
) -> Scene:
    service = account.service(AclEnabled=str(acl).lower())
    sid = account.document(service, unique())
    account.permit(service, sid, "bob", "rwm")
    if acl:
        account.permit(service, sid, "alice", "rwm")
    bob = await stack.enter_async_context(
        native_socket(server, server.token("bob", service=service))
    )
    await bob.ok("open", document=sid)
    return Scene(account, service, sid, bob)


async def alice(stack: AsyncExitStack, scene: Scene, server: RunningServer, wire: str) -> Caller:
    """Her connection on a wire, with the document open."""
    token = server.token("alice", service=scene.service)
    caller = await stack.enter_async_context(WIRES[wire](server, scene.service, token))
    assert (await caller.do("open", scene.sid))[0] == "ok"
    return caller


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


@pytest.mark.parametrize("revocation", REVOCATIONS)
@pytest.mark.parametrize("wire", LIVE_WIRES)
async def test_a_reader_whose_right_is_gone_receives_a_removal(
    stack: AsyncExitStack, account: Account, server: RunningServer, wire: str, revocation: str
) -> None:
    acl = revocation != "permissions switched on"
    stage = await scene(stack, account, server, acl=acl)
    caller = await alice(stack, stage, server, wire)
    assert caller.removed is not None

    REVOCATIONS[revocation](account, stage.service, stage.sid)
    removed = await caller.removed()

    assert removed.get("sid", removed.get("document_sid")) == stage.sid
    assert (await caller.do("open", stage.sid))[0] == outcome_on(wire, "open", "403/54007")
    await stage.nobody_else_noticed()
    if "get" in caller.operations:
        # And she did not receive what bob wrote: the answer is the next that comes.
        assert (await caller.do("get", stage.sid))[0] == "403/54007"


async def test_the_removed_that_is_received_is_like_any_other(
    stack: AsyncExitStack, account: Account, server: RunningServer
) -> None:
    stage = await scene(stack, account, server)
    async with native_socket(server, server.token("alice", service=stage.service)) as socket:
        opened = await socket.document("open", document=stage.sid)
        account.revoke(stage.service, stage.sid, "alice")
        event = await socket.event()
        assert event["event"] == "removed"
        removed = event["document"]
        assert removed["unique_name"] == opened["unique_name"]
        assert removed["previous_revision"] == opened["revision"]
        assert int(removed["revision"]) > int(opened["revision"])
        assert (removed["removed_by"], removed["expired"]) == ("system", False)

        # Given the right again, she can open the document again.
        account.permit(stage.service, stage.sid, "alice", "r")
        again = await socket.document("open", document=stage.sid)
        assert again["revision"] == opened["revision"]
        await stage.nobody_else_noticed()
        assert (await socket.event())["event"] == "updated"
        assert socket.unread == []


async def test_every_connection_of_the_identity_is_notified(
    stack: AsyncExitStack, account: Account, server: RunningServer
) -> None:
    stage = await scene(stack, account, server)
    callers = [await alice(stack, stage, server, wire) for wire in LIVE_WIRES * 3]
    account.revoke(stage.service, stage.sid, "alice")
    for caller in callers:
        assert caller.removed is not None
        await caller.removed()


@pytest.mark.parametrize("wire", ["native", "twilsock"])
async def test_the_right_to_write_ends_with_the_next_request(
    stack: AsyncExitStack, account: Account, server: RunningServer, wire: str
) -> None:
    stage = await scene(stack, account, server)
    caller = await alice(stack, stage, server, wire)
    account.permit(stage.service, stage.sid, "alice", "r")
    for operation in ("set", "ttl", "remove"):
        assert (await caller.do(operation, stage.sid))[0] == "403/54007"
    assert (await caller.do("get", stage.sid))[0] == "ok"
    await stage.nobody_else_noticed()


async def test_a_right_that_is_given_counts_at_once(
    stack: AsyncExitStack, account: Account, server: RunningServer
) -> None:
    stage = await scene(stack, account, server)
    async with native_socket(server, server.token("carol", service=stage.service)) as socket:
        assert (await socket.error("open", document=stage.sid))["code"] == 54007
        account.permit(stage.service, stage.sid, "carol", "r")
        await socket.ok("open", document=stage.sid)
        await stage.nobody_else_noticed()
        assert (await socket.event())["event"] == "updated"


async def test_switched_off_permissions_hinder_nobody(
    stack: AsyncExitStack, account: Account, server: RunningServer
) -> None:
    stage = await scene(stack, account, server)
    async with native_socket(server, server.token("carol", service=stage.service)) as socket:
        assert (await socket.error("get", document=stage.sid))["code"] == 54007
        account.set_acl(stage.service, False)
        await until_allowed(socket, stage.sid)
        await socket.ok("set", document=stage.sid, data={"n": 1})
        await socket.ok("remove", document=stage.sid)


async def until_allowed(socket: NativeSocket, sid: str) -> None:
    """Return when what the account switched is known to the process of the socket."""
    async with asyncio.timeout(WAIT_LIMIT):
        while "error" in await socket.ask("get", document=sid):
            await asyncio.sleep(0.05)


async def test_the_account_keeps_its_streams(
    stack: AsyncExitStack, account: Account, server: RunningServer
) -> None:
    stage = await scene(stack, account, server, acl=False)
    async with event_stream(server, stage.sid, service=stage.service) as stream:
        assert (await stream.next()).name == "state"
        caller = await alice(stack, stage, server, "native")
        account.set_acl(stage.service, True)
        assert caller.removed is not None
        await caller.removed()
        await stage.nobody_else_noticed()
        assert (await stream.next()).name == "updated"


async def test_a_right_that_is_taken_away_while_the_document_is_opened(
    stack: AsyncExitStack, account: Account, server: RunningServer
) -> None:
    """Whatever comes first, she never keeps a subscription without the right."""
    stage = await scene(stack, account, server)
    async with native_socket(server, server.token("alice", service=stage.service)) as socket:
        for _ in range(10):
            account.permit(stage.service, stage.sid, "alice", "r")
            asked = await socket.send("open", document=stage.sid)
            await asyncio.to_thread(account.revoke, stage.service, stage.sid, "alice")
            reply = await socket.reply(asked)
            if "ok" in reply:
                assert (await socket.event())["event"] == "removed"
            else:
                assert reply["error"]["code"] == 54007
            await stage.nobody_else_noticed()
            assert (await socket.error("get", document=stage.sid))["code"] == 54007
            assert socket.unread == []


@pytest.mark.parametrize("wire", LIVE_WIRES)
async def test_a_revocation_that_nobody_received_is_found_after_a_break_of_the_feed(
    stack: AsyncExitStack, account: Account, first: RunningServer, wire: str
) -> None:
    stage = await scene(stack, account, first)
    caller = await alice(stack, stage, first, wire)
    assert caller.removed is not None
    redis = Address(path=str(first.data_dir / "redis" / "redis.sock"))
    connection = await connect(redis, WAIT_LIMIT)
    await connection.execute("HDEL", keys.permissions(stage.service, stage.sid), "alice")
    await connection.execute("CLIENT", "KILL", "TYPE", "pubsub")
    connection.abort()
    await caller.removed()
    await stage.nobody_else_noticed()


@pytest.mark.parametrize("wire", LIVE_WIRES)
async def test_a_deleted_service_ends_what_is_open_in_it(
    stack: AsyncExitStack, account: Account, server: RunningServer, wire: str
) -> None:
    stage = await scene(stack, account, server)
    caller = await alice(stack, stage, server, wire)
    assert caller.removed is not None
    account.ok("DELETE", stage.service)
    removed: Any = await caller.removed()
    assert removed.get("sid", removed.get("document_sid")) == stage.sid
    assert (await stage.bob.event())["event"] == "removed"
