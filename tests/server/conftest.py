"""Fixtures for tests of parts of the server on a real Redis, without a running server."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Iterator, Mapping

import pytest
import uvloop

from support.account import Account
from support.limits import WAIT_LIMIT
from support.provider import OpenIdProvider
from support.server import RunningServer
from support.store import Clock, Elapse, Publications, Service, Store, elapsing
from syncline_server.config.settings import Settings
from syncline_server.storage import commit
from syncline_server.storage.items import Items
from syncline_server.storage.objects import Objects
from syncline_server.storage.redis import clock as redis_clock
from syncline_server.storage.redis.client import Redis
from syncline_server.storage.redis.connection import Connection
from syncline_server.storage.redis.embedded import EmbeddedRedis
from syncline_server.storage.redis.engine import SHARD

OPERATION_MEMORY = 120


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run async tests on the event loop that the server uses."""
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """One Redis for all tests that do not stop or configure it; each test uses its own service."""
    engine = EmbeddedRedis(tmp_path_factory.mktemp("store"), "no")
    with asyncio.Runner() as runner:
        yield runner.run(_started(engine))
        runner.run(engine.stop())


async def _started(engine: EmbeddedRedis) -> Store:
    url = f"unix://{await engine.address(SHARD)}"
    async with Store(url, 0).connected() as connection:
        info = (await connection.execute("INFO", "server")).decode()
    [process_id] = [line[11:] for line in info.split() if line.startswith("process_id:")]
    return Store(url, int(process_id))


@pytest.fixture
def service_sid() -> str:
    """The SID of a service that no other test uses."""
    return f"IS{secrets.token_hex(16)}"


@pytest.fixture
async def admin(store: Store) -> AsyncIterator[Connection]:
    """A direct connection to Redis, to inspect stored data or change it without the server."""
    async with store.connected() as connection:
        yield connection


@pytest.fixture
async def redis(store: Store) -> AsyncIterator[Redis]:
    """A started client of Redis."""
    redis = Redis(store.engine, WAIT_LIMIT)
    await redis.start()
    yield redis
    await redis.stop()


@pytest.fixture
def objects(redis: Redis) -> Objects:
    return Objects(redis, OPERATION_MEMORY)


@pytest.fixture
def items(redis: Redis, objects: Objects) -> Items:
    return Items(redis, objects, Settings())


@pytest.fixture
def service(objects: Objects, service_sid: str) -> Service:
    return Service(objects, service_sid)


@pytest.fixture
async def published(store: Store, service_sid: str) -> AsyncIterator[Publications]:
    """The events that are published in the service of this test."""
    async with Publications.of(store, service_sid) as publications:
        yield publications


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The server's clock; a test may set it wrong."""
    clock = Clock(redis_clock.now_ms)
    for module in (commit, redis_clock):
        monkeypatch.setattr(module, "now_ms", clock)
    return clock


@pytest.fixture
def elapse(admin: Connection, service_sid: str) -> Elapse:
    """A function that lets milliseconds pass: it moves all expiries in the service nearer."""
    return elapsing(admin, service_sid)


@pytest.fixture(scope="module")
def account(server: RunningServer) -> Iterator[Account]:
    """The account of the server that the tests of a module share."""
    with Account(server) as account:
        yield account


@pytest.fixture(scope="module")
def provider() -> Iterator[OpenIdProvider]:
    with OpenIdProvider() as provider:
        yield provider


@pytest.fixture(scope="module")
def granting_server(
    tmp_path_factory: pytest.TempPathFactory, engine: list[str], provider: OpenIdProvider
) -> Iterator[RunningServer]:
    """A server that takes the tokens of the provider, with the grants in them."""
    claims = ["--oidc-grants-claim=sync_grants", "--oidc-service-claim=service"]
    data_dir = tmp_path_factory.mktemp("granting") / "data"
    with RunningServer(data_dir, *provider.options, *claims, *engine) as running:
        yield running
