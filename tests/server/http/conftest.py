"""Fixtures for the tests of REST."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.api import DocumentsApi
from support.server import RunningServer


@pytest.fixture(scope="session")
def api(server: RunningServer) -> Iterator[DocumentsApi]:
    """The documents of the shared server, through Basic credentials."""
    with DocumentsApi(server) as api:
        yield api


@pytest.fixture(scope="session")
def alices(server: RunningServer) -> Iterator[DocumentsApi]:
    """The same documents, for a token holder."""
    with DocumentsApi(server, server.token("alice")) as api:
        yield api
