"""Fixtures for the tests of the wires, over real sockets."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.server import RunningServer

LIMITS = (
    "--token-leeway=0",
    "--auth-timeout=1.5",
    "--slow-reader-timeout=1",
    "--max-subscriptions=3",
    "--output-mark=16384",
    "--sse-heartbeat=1",
    "--ping-interval=1",
    "--ping-timeout=1",
)


@pytest.fixture(scope="session")
def strict_server(
    tmp_path_factory: pytest.TempPathFactory, engine: list[str]
) -> Iterator[RunningServer]:
    """One server whose limits are low enough to be reached; shared as `server` is."""
    with RunningServer(tmp_path_factory.mktemp("strict") / "data", *LIMITS, *engine) as running:
        yield running
