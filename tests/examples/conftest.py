"""Fixtures for the tests of the examples."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.back_end import open_service
from support.browser_fixtures import browsing, chromium, chromium_path
from support.examples import environ_for
from support.server import RunningServer
from syncline import Service

__all__ = ["browsing", "chromium", "chromium_path", "environ", "service"]


@pytest.fixture(scope="module")
def service(server: RunningServer) -> Iterator[Service]:
    """A service that only the example of this file uses: examples choose the names of objects."""
    account: Service = open_service("blocking", server)
    with account:
        made = account.services.create(friendly_name="an example")
        yield account.for_service(made.sid)
        account.services.remove(made.sid)


@pytest.fixture(scope="module")
def environ(server: RunningServer, service: Service) -> dict[str, str]:
    """The environment of the example."""
    return environ_for(server, service.service)
