"""Fixtures for the tests of the clients of back ends."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from support.back_end import begun, now, open_service
from support.server import RunningServer


@pytest.fixture(params=["blocking", "async"])
def kind(request: pytest.FixtureRequest) -> str:
    """Each test that uses it is made with both clients."""
    return str(request.param)


@pytest.fixture
async def service(kind: str, server: RunningServer) -> AsyncIterator[Any]:
    """A client of a service that only this test uses."""
    async with begun(open_service(kind, server)) as account:
        made = await now(account.services.create(friendly_name="of a test"))
        yield account.for_service(made.sid)
        await now(account.services.remove(made.sid))
