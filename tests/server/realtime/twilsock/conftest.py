"""Fixtures for the tests of Twilsock."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from support.server import RunningServer
from support.v3 import TRANSPORTS, Call, Transport


@pytest.fixture(params=TRANSPORTS)
async def call(server: RunningServer, request: pytest.FixtureRequest) -> AsyncIterator[Call]:
    """Requests of `alice`, by each transport and dialect."""
    transport: Transport = request.param
    async with transport(server) as calling:
        yield calling
