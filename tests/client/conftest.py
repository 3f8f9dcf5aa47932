"""Fixtures for the tests of the client against a real server."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from support.server import RunningServer
from syncline import Client, connect


@pytest.fixture(params=["websocket", "rest"])
async def client(request: pytest.FixtureRequest, server: RunningServer) -> AsyncIterator[Client]:
    """A client of `alice`: every test that uses it is made on both transports."""
    token = server.token("alice")
    async with connect(server.url, token=token, transport=request.param) as client:
        yield client


@pytest.fixture
async def rival(server: RunningServer) -> AsyncIterator[Client]:
    """A client of `bob`, over a WebSocket."""
    async with connect(server.url, token=server.token("bob")) as client:
        yield client
