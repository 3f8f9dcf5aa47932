"""Fixtures for the tests of identity from elsewhere."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.provider import OpenIdProvider


@pytest.fixture
def provider() -> Iterator[OpenIdProvider]:
    """A provider of the test's own."""
    with OpenIdProvider() as provider:
        yield provider
