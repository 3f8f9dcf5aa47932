"""A Redis Cluster, and servers on it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.cluster import Cluster
from support.server import IMPATIENT, RunningServer


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """Three masters with a replica each, of the test's own."""
    made = Cluster(tmp_path)
    try:
        asyncio.run(made.start())
        yield made
    finally:
        made.stop()


@pytest.fixture
def clustered(cluster: Cluster, tmp_path: Path) -> Iterator[RunningServer]:
    """A server on the Cluster, which acknowledges what a replica has too."""
    options = ("--redis-url", cluster.url, "--durability", "replicated", IMPATIENT)
    with RunningServer(tmp_path / "data", *options) as server:
        yield server
