"""Fixtures for all tests."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import ssl
from collections.abc import Generator, Iterator, Mapping
from contextlib import ExitStack
from functools import cache
from itertools import chain, count, islice
from pathlib import Path

import httpcore2
import httpx2._config
import hypothesis
import pytest

from support.certificates import CertificateAuthority
from support.cluster import Cluster
from support.limits import WAIT_LIMIT
from support.server import RunningServer, StartServer, StartSharedServer

LONG = (
    "tests/tools",
    "tests/cluster",
    "tests/browser",
    "tests/examples/test_pages",
    "tests/server/runtime",
    "tests/server/http/conformance",
    "tests/client/",
)
"""Where tests take longest: their files begin early, but not all at once."""

# A shell starts a background job with SIGINT ignored, and child processes inherit this. Without
# this line, a test that interrupts a child would wait until its timeout.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Without its compiled modules, each server that a test starts would compile all of them.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


# The same examples in each run, and few, to keep runs short. On a busy machine, each may take any
# time.
hypothesis.settings.register_profile(
    "syncline",
    max_examples=100,
    derandomize=True,
    deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("syncline")


SERVERS = frozenset({"server", "secure_server", "shared_server", "fresh_server"})
"""Fixtures that start a server."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option of `make check`."""
    parser.addoption("--units", action="store_true", help="run only tests that start no server")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Drop what `--units` excludes, and order the rest."""
    if config.getoption("--units"):
        kept = [item for item in items if SERVERS.isdisjoint(_fixtures(item))]
        config.hook.pytest_deselected(items=[item for item in items if item not in set(kept)])
        items[:] = kept
    _order_files(items)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Look for no garbage among the tests: nearly all that is made here stays."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def _fixtures(item: pytest.Item) -> list[str]:
    return item.fixturenames if isinstance(item, pytest.Function) else []


def _order_files(items: list[pytest.Item]) -> None:
    """Order the files so that each long one is followed by two others; keep the order within each.

    Long files at the end would leave all processes but one idle, and long files side by side would
    compete for the processor.
    """
    files: dict[Path, list[pytest.Item]] = {}
    for item in items:
        files.setdefault(item.path, []).append(item)
    is_long = {path: group[0].nodeid.startswith(LONG) for path, group in files.items()}
    long = [group for path, group in files.items() if is_long[path]]
    others = iter([group for path, group in files.items() if not is_long[path]])
    ordered = [group for first in long for group in (first, *islice(others, 2))]
    items[:] = chain.from_iterable((*ordered, *others))


@pytest.fixture(scope="session", autouse=True)
def authorities() -> Iterator[None]:
    """Load the authorities of this machine once: each HTTP client would take 25 ms for it."""
    load = httpcore2.default_ssl_context

    @cache
    def context(_file: str | None, _directory: str | None, trust_env: bool) -> ssl.SSLContext:
        return load(_trust_env=trust_env)

    def default_ssl_context(*, _trust_env: bool = True) -> ssl.SSLContext:
        names = "SSL_CERT_FILE", "SSL_CERT_DIR"  # a test may set them
        return context(*map(os.environ.get, names), _trust_env)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(httpcore2, "default_ssl_context", default_ssl_context)
        yield


@pytest.fixture(scope="session", autouse=True)
def http_timeout() -> Iterator[None]:
    """Let HTTP clients of tests wait as long as all else does, where a test sets no timeout."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("connect", "read", "write", "pool"):
            patch.setattr(httpx2._config.DEFAULT_TIMEOUT_CONFIG, name, WAIT_LIMIT)
        yield


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str]]:
    """Redis options of the shared servers: none (embedded), or a Cluster if `ON_CLUSTER=1`."""
    if not os.environ.get("ON_CLUSTER"):
        yield []
        return
    cluster = Cluster(tmp_path_factory.mktemp("cluster"))
    try:
        asyncio.run(cluster.start())
        yield _ClusterOptions(["--redis-url", cluster.url])
    finally:
        cluster.stop()


class _ClusterOptions(list[str]):
    """Options that differ each time they are unpacked: each server has an account of its own, and
    so needs keys of its own."""

    _numbers = count()

    def __iter__(self) -> Iterator[str]:
        yield from super().__iter__()
        yield f"--redis-prefix=server{next(self._numbers)}:"


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory, engine: list[str]) -> Iterator[RunningServer]:
    """One server, with the demo, shared by all tests that neither stop nor configure it.

    Its documents are shared as well: a test uses unique names, and counts only its own documents.
    """
    with RunningServer(tmp_path_factory.mktemp("server") / "data", "--demo", *engine) as running:
        yield running


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> CertificateAuthority:
    """The authority that signs the certificates of test servers."""
    return CertificateAuthority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="session")
def secure_server(
    tmp_path_factory: pytest.TempPathFactory, engine: list[str], authority: CertificateAuthority
) -> Iterator[RunningServer]:
    """One server with TLS, shared as `server` is."""
    directory = tmp_path_factory.mktemp("secure")
    options = *authority.issue(directory).options, "--demo", *engine
    with RunningServer(directory / "data", *options) as running:
        yield running


@pytest.fixture(scope="session")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartSharedServer]:
    """A function that starts a server with the given options once, for all tests that name them.

    For tests that neither stop it nor count what it counts over all its life.
    """
    with ExitStack() as running:

        @cache
        def start(*options: str) -> RunningServer:
            data_dir = tmp_path_factory.mktemp("shared") / "data"
            return running.enter_context(RunningServer(data_dir, *options))

        yield start


@pytest.fixture
def installed_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """Servers that start in this test run the installed command, as users do."""
    monkeypatch.setattr(RunningServer, "is_installed", True)


@pytest.fixture
def fresh_server(tmp_path: Path) -> Iterator[StartServer]:
    """A function that starts servers for one test; they are stopped when the test ends."""
    with ExitStack() as running:

        def start(
            *options: str,
            environ: Mapping[str, str] | None = None,
            data_dir: Path | None = None,
            open_files: int | None = None,
        ) -> RunningServer:
            made = data_dir or tmp_path / f"data{next(numbers)}"
            return running.enter_context(
                RunningServer(made, *options, environ=environ, open_files=open_files)
            )

        numbers = count()
        yield start
