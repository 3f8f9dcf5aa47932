"""Fixtures for all tests."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from itertools import count
from pathlib import Path

import pytest

from support.certificates import CertificateAuthority
from support.cluster import Cluster
from support.server import RunningServer, StartServer

LONG = (
    "tests/tools",
    "tests/cluster",
    "tests/browser",
    "tests/server/runtime",
    "tests/server/cli",
    "tests/client",
    "tests/vendor",
    "tests/server/test_",
    "tests/server/http",
    "tests/server/realtime",
)
"""Where tests wait longest, longest first: files that begin last should be short ones."""

# A shell starts a background job with SIGINT ignored, and child processes inherit this. Without
# this line, a test that interrupts a child would wait until its timeout.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Order the files by `LONG`, and leave the order within each."""

    def rank(item: pytest.Item) -> int:
        ranks = (rank for rank, prefix in enumerate(LONG) if item.nodeid.startswith(prefix))
        return next(ranks, len(LONG))

    items.sort(key=rank)


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str]]:
    """Redis options of the shared servers: none (embedded), or a Cluster if `ON_CLUSTER=1`."""
    if not os.environ.get("ON_CLUSTER"):
        yield []
        return
    cluster = Cluster(tmp_path_factory.mktemp("cluster"))
    try:
        asyncio.run(cluster.start())
        yield ["--redis-url", cluster.url]
    finally:
        cluster.stop()


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
