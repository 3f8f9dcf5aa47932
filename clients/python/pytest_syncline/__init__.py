"""The pytest plugin of `syncline.testing`: one real server, and a service for each test.

A package of its own, because pytest imports it in every run. Loading `syncline` would take a
quarter of a second, and most runs in an environment that has it start no server.
"""

from __future__ import annotations

import shlex
from collections.abc import AsyncIterator, Callable, Generator, Iterator, Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, cast

import pytest

if TYPE_CHECKING:
    from syncline import Client, connect
    from syncline.testing.clock import ServerClock
    from syncline.testing.server import LocalServer
    from syncline.testing.service import LocalService

__all__: list[str] = []

LOG_LENGTH = 20_000
"""Characters of the server's log that the report of a failed test shows, at most."""

_log_start = pytest.StashKey[int]()
_running = pytest.StashKey["LocalServer"]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the setting `syncline_options`."""
    parser.addini(
        "syncline_options",
        "options of `syncline serve` for the server of the tests, such as --item-limit 100",
        default="",
    )


@pytest.fixture(scope="session")
def syncline_server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LocalServer]:
    """The server of this test run, with a process, a port, a Redis and a directory of its own.

    With pytest-xdist, each worker has one.
    """
    from syncline.testing.command import ServerMissing
    from syncline.testing.server import LocalServer

    options = shlex.split(request.config.getini("syncline_options"))
    try:
        server = LocalServer(tmp_path_factory.mktemp("syncline"), options)
    except ServerMissing as error:
        pytest.fail(str(error), pytrace=False)
    with server:
        request.config.stash[_running] = server
        yield server
        del request.config.stash[_running]


@pytest.fixture
def syncline_service_settings() -> Mapping[str, Any]:
    """Settings of the service of a test, by their names in REST; override it."""
    return {}


@pytest.fixture
def syncline_service(
    syncline_server: LocalServer, syncline_service_settings: Mapping[str, Any]
) -> Iterator[LocalService]:
    """A new service for this test, removed afterwards."""
    service = syncline_server.create_service(syncline_service_settings)
    yield service
    service.remove()


@pytest.fixture
def syncline_clock(syncline_server: LocalServer) -> ServerClock:
    """The time of the server, whose `advance(seconds)` lets things expire without waiting."""
    return syncline_server.clock


@pytest.fixture
def syncline_connect(syncline_service: LocalService) -> Callable[..., connect]:
    """A function that connects a user, for `async with syncline_connect("bob") as client`."""
    return syncline_service.connect


@pytest.fixture
def syncline_identity() -> str:
    """The identity of `syncline_client`; override it."""
    return "alice"


async def _client(
    syncline_connect: Callable[..., connect], syncline_identity: str
) -> AsyncIterator[Client]:
    """A connected client of the service of this test, with the identity `syncline_identity`.

    Its event loop is that of the test, which pytest-asyncio or anyio runs.
    """
    async with syncline_connect(syncline_identity) as client:
        yield client


def _async_fixture() -> Any:
    """The decorator of async fixtures: in its strict mode, pytest-asyncio wants its own."""
    if find_spec("pytest_asyncio") is None:
        return pytest.fixture
    import pytest_asyncio

    return pytest_asyncio.fixture


syncline_client = _async_fixture()(name="syncline_client")(_client)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Remember where the part of the server's log begins that belongs to this test."""
    server = item.config.stash.get(_running, None)
    item.stash[_log_start] = 0 if server is None else server.log.stat().st_size


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add what the server logged during a test that failed."""
    report = yield
    server = item.config.stash.get(_running, None)
    if server is not None and report.failed and "syncline_server" in _fixtures(item):
        logged = server.log.read_bytes()[item.stash.get(_log_start, 0) :]
        if text := logged.decode(errors="replace")[-LOG_LENGTH:]:
            report.sections.append((f"Syncline server log {call.when}", text))
    return report


def _fixtures(item: pytest.Item) -> list[str]:
    return cast("list[str]", getattr(item, "fixturenames", []))
