"""What the Redis user may do: looked at in time, and never the cause of a wrong answer."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

import syncline_server
from support.privileges import documented_rules
from support.store import WAIT_LIMIT, Service, Store, eventually, refused
from syncline_protocol.documents import Document
from syncline_protocol.errors import Code, Refusal
from syncline_server.observability.readiness import Readiness
from syncline_server.pubsub.feed import Feed
from syncline_server.storage.author import Author
from syncline_server.storage.objects import Objects
from syncline_server.storage.redis import inspection
from syncline_server.storage.redis.address import Address
from syncline_server.storage.redis.client import Redis
from syncline_server.storage.redis.connection import Connection
from syncline_server.storage.redis.engine import ExternalRedis
from syncline_server.storage.rights import Right
from syncline_server.storage.webhooks import WebhookPolicy

SOURCES = Path(syncline_server.__file__).parent

COMMANDS = [
    rule[1:] for rule in documented_rules() if re.fullmatch(r"\+[a-z]+(\|create|\|numpat)?", rule)
]
NOT_OF_SCRIPTS = ("ping", "select", "evalsha", "subscribe", "unsubscribe")
WRITING = [each for each in COMMANDS if each not in NOT_OF_SCRIPTS]

OTHER_CHANNELS = ["resetchannels", "&other:*"]
OTHER_KEYS = ["resetkeys", "~{syncline}*", "~{IS*:names"]

Limit = Callable[..., Awaitable[None]]


@pytest.fixture
async def user(admin: Connection, service_sid: str) -> AsyncIterator[str]:
    """A Redis user that may do what is documented."""
    await admin.execute("ACL", "SETUSER", service_sid, "on", ">pw", *documented_rules())
    yield service_sid
    await admin.execute("ACL", "DELUSER", service_sid)


@pytest.fixture
def limit(admin: Connection, user: str) -> Limit:
    """Changes the rights of the user."""

    async def limit(*rules: str) -> None:
        await admin.execute("ACL", "SETUSER", user, *rules)

    return limit


@asynccontextmanager
async def connected(
    store: Store, user: str, readiness: Readiness | None = None
) -> AsyncIterator[Redis]:
    url = store.url.replace("unix://", f"unix://{user}:pw@")
    redis = Redis(ExternalRedis(Address.parse(url)), WAIT_LIMIT, readiness=readiness)
    await redis.start()
    try:
        yield redis
    finally:
        await redis.stop()


def test_every_command_that_is_used_is_tried() -> None:
    scripts = list((SOURCES / "storage/scripts").rglob("*.lua"))
    probe = (SOURCES / "storage/scripts/privileges.lua").read_text()
    tried = set(re.findall(r"\{'([A-Z]+)'", probe))
    used = set()
    for script in scripts:
        used |= set(re.findall(r"(?:call\(|call, |also\()'([A-Z]+)'", script.read_text()))
    for layer in ("storage", "pubsub", "webhooks", "auth"):
        for module in (SOURCES / layer).rglob("*.py"):
            pattern = r"redis\.execute\(\s*\"([A-Z]+)\"|command = \(\"([A-Z]+)\","
            for groups in re.findall(pattern, module.read_text()):
                used |= {name for name in groups if name}
    # CONFIG is for the embedded Redis alone, whose user may do everything.
    assert used - {"EVALSHA", "CONFIG"} <= tried
    documented = {command.partition("|")[0].upper() for command in COMMANDS}
    assert tried <= documented


async def test_the_documented_rights_are_enough(
    store: Store, user: str, admin: Connection, service_sid: str
) -> None:
    readiness = Readiness()
    await admin.execute("ACL", "LOG", "RESET")
    async with connected(store, user, readiness) as redis:
        document = await Service(Objects(redis, 60), service_sid).create("prefs", ttl=60)
        assert document.unique_name == "prefs"
        assert readiness.problems == {}
    assert await admin.execute("ACL", "LOG") == []


@pytest.mark.parametrize("missing", [*([f"-{c}"] for c in WRITING), OTHER_CHANNELS, OTHER_KEYS])
async def test_a_missing_right_is_named_and_nothing_is_written(
    store: Store,
    user: str,
    limit: Limit,
    admin: Connection,
    missing: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(inspection, "INSPECTION_INTERVAL", 0.02)
    await limit(*missing)
    readiness = Readiness()
    async with connected(store, user, readiness) as redis:
        await eventually(lambda: "privileges" in readiness.problems)
        problem = readiness.problems["privileges"]
        assert "lacks rights" in problem and "\n" not in problem
        if len(missing) == 1:
            assert missing[0][1:].partition("|")[0].upper() in problem.upper()
        mine = Service(Objects(redis, 60), user)
        await refused(mine.find_or_create("prefs"), Code.UNAVAILABLE)
        assert await admin.execute("KEYS", f"{{{user}*") == []
        await limit("reset", "on", ">pw", *documented_rules())
        await eventually(lambda: readiness.problems == {} and redis.connected)
        await mine.create("prefs")


VERBS = ["create", "set", "remove"]


@pytest.mark.parametrize("taken", [*([f"-{c}"] for c in WRITING), OTHER_CHANNELS, OTHER_KEYS])
async def test_a_write_is_answered_as_what_it_was_when_a_right_is_taken_away(
    store: Store,
    user: str,
    limit: Limit,
    service: Service,
    taken: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Before anybody has looked at the rights again."""
    monkeypatch.setattr(inspection, "INSPECTION_INTERVAL", WAIT_LIMIT)
    for verb in VERBS:
        name = f"{verb}"
        if verb != "create":
            await service.create(name, b'{"n":0}')
        before = await service.get(name)
        async with connected(store, user) as redis:
            await limit(*taken)
            mine = Objects(redis, 60)
            try:
                await perform(Service(mine, user), verb, name)
                applied = True
            except Refusal as refusal:
                assert refusal.code is Code.UNAVAILABLE
                assert "nothing was changed" in refusal.message.lower()
                applied = False
        after = await service.get(name)
        assert shows(verb, before, after) is applied, (verb, taken)
        await limit("reset", "on", ">pw", *documented_rules())


async def perform(mine: Service, verb: str, name: str) -> None:
    op = f"op-{verb}"
    author = Author(identity="alice", webhooks=WebhookPolicy(limit=1, reports_write=True))
    if verb == "create":
        await mine.create(name, b'{"n":1}', 60, replace(author, needs=Right.READ), op)
    elif verb == "remove":
        await mine.remove(name, who=author, op=op)
    else:
        await mine.set(name, b'{"n":1}', ttl=60, who=author, op=op)


def shows(verb: str, before: Document | None, after: Document | None) -> bool:
    """Whether the write was applied."""
    if verb == "remove":
        return after is None
    if after == before:
        return False
    assert after is not None and after.data == b'{"n":1}'
    return True


async def test_who_may_not_subscribe_is_not_live_until_it_may(
    store: Store, user: str, limit: Limit
) -> None:
    await limit("-subscribe")
    readiness = Readiness()
    async with connected(store, user, readiness) as redis:
        feed = Feed(redis, WAIT_LIMIT, lambda event: None, lambda channels: None)
        feed.start()
        await eventually(lambda: "channels" in readiness.problems)
        assert "subscribe" in readiness.problems["channels"].lower()
        assert not feed.live
        await limit("+subscribe")
        await eventually(lambda: feed.live)
        assert readiness.problems == {}
        await feed.stop()
