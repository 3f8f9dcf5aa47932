"""Fixtures for the tests of what two languages do alike."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.javascript import Twin


@pytest.fixture(scope="module")
def twin() -> Iterator[Twin]:
    """The browser client's half, in Node."""
    with Twin() as twin:
        yield twin
