"""What one process keeps of services, and how it notices what another one changed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from support.store import Store, eventually, refused
from syncline_protocol.errors import Code
from syncline_server.storage import change_watcher, data_set_poll
from syncline_server.storage.redis.client import Redis
from syncline_server.storage.services import Service, Services

LIMIT = 10_000


@pytest.fixture
def services(redis: Redis) -> Services:
    return Services(redis)


@pytest.fixture
async def elsewhere(store: Store) -> AsyncIterator[Services]:
    """Those of another process."""
    redis = Redis(store.engine, 2.0)
    await redis.start()
    yield Services(redis)
    await redis.stop()


class Changes:
    """What a listener received."""

    def __init__(self, services: Services) -> None:
        self.changes_seen: list[tuple[Service, Service | None]] = []
        services.on_change(lambda before, after: self.changes_seen.append((before, after)))


async def test_many_who_ask_at_once_agree_on_the_default_service(
    services: Services, elsewhere: Services
) -> None:
    asked = [each.find("default") for each in (services, elsewhere) for _ in range(20)]
    found = {None if each is None else each.sid for each in await asyncio.gather(*asked)}
    assert len(found) == 1
    assert None not in found


async def test_a_service_is_known_by_its_sid_elsewhere(
    services: Services, elsewhere: Services
) -> None:
    made = await services.create({"friendly_name": "n", "acl_enabled": True}, LIMIT)
    assert await elsewhere.find(made.sid) == made
    assert elsewhere.known(made.sid) == made


async def test_a_change_elsewhere_is_noticed_by_looking(
    services: Services, elsewhere: Services
) -> None:
    made = await services.create({}, LIMIT)
    assert await services.find(made.sid) == made
    changes = Changes(services)
    updated = await elsewhere.update(made.sid, {"acl_enabled": True})
    assert await services.find(made.sid) == made
    await services.refresh()
    assert await services.find(made.sid) == updated
    assert changes.changes_seen == [(made, updated)]
    await services.refresh()
    assert len(changes.changes_seen) == 1


async def test_a_change_of_ones_own_is_noticed_at_once(services: Services) -> None:
    made = await services.create({}, LIMIT)
    await services.find(made.sid)
    changes = Changes(services)
    updated = await services.update(made.sid, {"friendly_name": "n"})
    assert services.known(made.sid) == updated
    await services.delete(made.sid)
    assert services.known(made.sid) is None
    assert await services.find(made.sid) is None
    assert changes.changes_seen == [(made, updated), (updated, None)]


async def test_once_started_it_looks_by_itself(
    services: Services, elsewhere: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data_set_poll, "POLL_INTERVAL", 0.02)
    made = await services.create({}, LIMIT)
    await services.find(made.sid)
    services.start()
    await elsewhere.delete(made.sid)
    await eventually(lambda: services.known(made.sid) is None)
    await services.stop()


async def test_what_was_not_looked_after_for_long_is_not_trusted(
    services: Services, elsewhere: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await services.create({}, LIMIT)
    await services.find(made.sid)
    await elsewhere.delete(made.sid)
    assert await services.find(made.sid) == made
    monkeypatch.setattr(change_watcher, "STALE_AFTER", -1.0)
    assert await services.find(made.sid) is None


async def test_looking_goes_on_when_redis_comes_back(
    store: Store, services: Services, elsewhere: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data_set_poll, "POLL_INTERVAL", 0.02)
    made = await services.create({}, LIMIT)
    await services.find(made.sid)
    services.start()
    await store.cut("normal")
    await eventually(lambda: elsewhere._redis.connected)
    updated = await elsewhere.update(made.sid, {"friendly_name": "n"})
    await eventually(lambda: services.known(made.sid) == updated)
    await services.stop()


async def test_members_that_do_not_change_are_kept_as_they_are(services: Services) -> None:
    members: dict[str, Any] = {
        "friendly_name": 'é/"\\\0日',
        "webhook_url": "http://example.com/",
        "reachability_debouncing_window": 30_000,
        "reachability_webhooks_enabled": True,
    }
    made = await services.create(members, LIMIT)
    updated = await services.update(made.sid, {"webhook_url": None})
    assert {name: getattr(updated, name) for name in members} == {**members, "webhook_url": None}
    assert updated.created_ms == made.created_ms
    assert updated.updated_ms >= made.updated_ms
    assert await services.find(made.sid) == updated


async def test_what_is_not_there_and_what_must_stay(services: Services) -> None:
    missing = "IS" + "0" * 32
    await refused(services.update(missing, {}), Code.SERVICE_NOT_FOUND)
    await refused(services.delete(missing), Code.SERVICE_NOT_FOUND)
    await refused(services.delete("default"), Code.FORBIDDEN)


async def test_two_who_delete_at_once(services: Services, elsewhere: Services) -> None:
    made = await services.create({}, LIMIT)
    await services.find(made.sid)
    await elsewhere.find(made.sid)
    await elsewhere.delete(made.sid)
    await refused(services.delete(made.sid), Code.SERVICE_NOT_FOUND)
    await refused(services.update(made.sid, {"friendly_name": "n"}), Code.SERVICE_NOT_FOUND)
