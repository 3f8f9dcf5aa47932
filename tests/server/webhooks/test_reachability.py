"""Who is connected, reported across processes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from support.limits import WAIT_LIMIT
from support.rig import Rig
from syncline_server.storage import keys
from syncline_server.storage.redis.connection import Connection
from syncline_server.storage.services import Service
from syncline_server.webhooks import reachability
from syncline_server.webhooks.queue import NEW
from syncline_server.webhooks.reachability import Reachability

WINDOW_MS = 1000
"""The shortest that a service can have."""


@pytest.fixture(autouse=True)
def quick_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reachability, "CHECK_INTERVAL", 0.05)
    monkeypatch.setattr(reachability, "LIFE_MS", 300)


@asynccontextmanager
async def process(rig: Rig) -> AsyncIterator[Reachability]:
    """The endpoints of a process, until it stops in order."""
    made = Reachability(rig.redis, rig.services, rig.queue, rig.limit)
    made.start()
    try:
        yield made
    finally:
        await made.stop()


async def service_of(rig: Rig, **members: Any) -> Service:
    """A service with reachability webhooks, which is known."""
    made = await rig.service(
        "http://127.0.0.1:9/", **{"reachability_webhooks_enabled": True, **members}
    )
    await rig.services.find(made.sid)
    return made


def debounced(window_ms: int = WINDOW_MS) -> dict[str, Any]:
    return {
        "reachability_debouncing_enabled": True,
        "reachability_debouncing_window": window_ms,
    }


class DeliveredReports:
    """What was queued so far: `+` or `-`, and the endpoint."""

    def __init__(self, rig: Rig, service: Service) -> None:
        self.events: list[str] = []
        self._rig = rig
        self._service = service

    async def until(self, *expected: str) -> None:
        """Return when just these were reported, in that order."""
        async with asyncio.timeout(WAIT_LIMIT):
            while len(self.events) < len(expected):
                await self.read()
                await asyncio.sleep(0.01)
        assert self.events == list(expected)

    async def read(self) -> None:
        for bucket in (await self._rig.queue.buckets()).get(self._service.sid, {}):
            taken = await self._rig.queue.read_batch(self._service.sid, bucket, NEW, 100)
            for event in taken.events:
                assert event.subject == event.identity == "alice"
                sign = {"endpoint_connected": "+", "endpoint_disconnected": "-"}[event.kind]
                self.events.append(f"{sign}{event.endpoint}")


async def test_each_endpoint_is_reported(rig: Rig) -> None:
    service = await service_of(rig)
    reports = DeliveredReports(rig, service)
    async with process(rig) as here:
        here.arrive(service.sid, "alice", "EP1")
        await reports.until("+EP1")
        here.arrive(service.sid, "alice", "EP2")
        await reports.until("+EP1", "+EP2")
        here.leave("EP1")
        await reports.until("+EP1", "+EP2", "-EP1")
        here.leave("EP2")
        await reports.until("+EP1", "+EP2", "-EP1", "-EP2")


async def test_who_comes_and_goes_at_once_is_reported_in_order(rig: Rig) -> None:
    service = await service_of(rig)
    reports = DeliveredReports(rig, service)
    async with process(rig) as here:
        here.arrive(service.sid, "alice", "EP1")
        here.leave("EP1")
        await reports.until("+EP1", "-EP1")


@pytest.mark.parametrize(
    "members", [{"reachability_webhooks_enabled": False}, {"webhook_url": None}]
)
async def test_nothing_is_reported_or_kept_unless_it_is_wanted(
    rig: Rig, admin: Connection, members: dict[str, Any]
) -> None:
    service = await service_of(rig)
    await rig.services.update(service.sid, members)
    async with process(rig) as here:
        here.arrive(service.sid, "alice", "EP1")
        here.arrive("IS of nobody", "alice", "EP2")
        for endpoint in ("EP1", "EP2", "EP3"):
            here.leave(endpoint)
    assert await rig.queue.buckets() == {}
    assert await admin.execute("KEYS", "*endpoints*") == []


async def test_a_break_within_the_window_is_not_reported(
    rig: Rig, another: Callable[[], Any]
) -> None:
    """Nor which process the client comes back to."""
    service = await service_of(rig, **debounced(window_ms=2000))
    other: Rig = await another()
    await other.services.find(service.sid)
    reports = DeliveredReports(rig, service)
    async with process(rig) as here, process(other) as there:
        here.arrive(service.sid, "alice", "EP1")
        await reports.until("+EP1")
        here.leave("EP1")
        there.arrive(service.sid, "alice", "EP2")
        there.leave("EP2")
        here.arrive(service.sid, "alice", "EP3")
        # The windows of the first two pass, and the third begins.
        await asyncio.sleep(3.0)
        await reports.until("+EP1")
        here.leave("EP3")
        await reports.until("+EP1", "-EP3")


async def test_an_identity_has_gone_with_its_last_endpoint(rig: Rig) -> None:
    service = await service_of(rig, **debounced())
    reports = DeliveredReports(rig, service)
    async with process(rig) as here:
        for endpoint in ("EP1", "EP2"):
            here.arrive(service.sid, "alice", endpoint)
            await reports.until("+EP1")
        here.leave("EP1")
        await asyncio.sleep(1.5 * WINDOW_MS / 1000)
        await reports.until("+EP1")
        here.leave("EP2")
        await reports.until("+EP1", "-EP2")


async def test_those_of_a_process_that_died_are_reported_by_another(
    rig: Rig, another: Callable[[], Any], admin: Connection
) -> None:
    service = await service_of(rig)
    other: Rig = await another()
    reports = DeliveredReports(rig, service)
    dying = Reachability(other.redis, other.services, other.queue, other.limit)
    await other.services.find(service.sid)
    dying.start()
    async with process(rig):
        dying.arrive(service.sid, "alice", "EP1")
        await reports.until("+EP1")
        await dying._watcher.stop()  # it gives no sign of life any more
        await reports.until("+EP1", "-EP1")
        while await admin.execute("SCARD", keys.ENDPOINTS) > 1:
            await asyncio.sleep(0.02)
    assert await admin.execute("KEYS", f"*{service.sid}*endpoints*") == []


async def test_a_rolling_restart_is_not_reported_where_breaks_are_not(
    rig: Rig, another: Callable[[], Any]
) -> None:
    """The process that stops leaves its endpoints to the others, windows and all."""
    service = await service_of(rig, **debounced(window_ms=3000))
    other: Rig = await another()
    await other.services.find(service.sid)
    reports = DeliveredReports(rig, service)
    async with process(other) as there:
        async with process(rig) as here:
            here.arrive(service.sid, "alice", "EP1")
            here.arrive(service.sid, "alice", "EP2")
            await reports.until("+EP1")
            here.leave("EP1")
            here.leave("EP2")
        there.arrive(service.sid, "alice", "EP3")
        await asyncio.sleep(4.5)
        await reports.until("+EP1")
        there.leave("EP3")
        await reports.until("+EP1", "-EP3")


async def test_a_process_that_lives_loses_none_when_redis_was_away(
    rig: Rig, another: Callable[[], Any], admin: Connection
) -> None:
    """Its sign of life is missing until it has given another."""
    service = await service_of(rig)
    other: Rig = await another()
    reports = DeliveredReports(rig, service)
    async with process(rig) as here, process(other):
        here.arrive(service.sid, "alice", "EP1")
        await reports.until("+EP1")
        await admin.execute("DEL", *(await admin.execute("KEYS", "*:alive")))
        await asyncio.sleep(0.5)
        await reports.until("+EP1")
        here.leave("EP1")
        await reports.until("+EP1", "-EP1")
