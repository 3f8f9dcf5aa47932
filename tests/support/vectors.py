"""The vectors that drive the tests of both clients and of the protocol (protocol/vectors)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

__all__ = ["each", "vectors"]

FOLDER = Path(__file__).parents[2] / "protocol/vectors"


def vectors(name: str) -> list[dict[str, Any]]:
    """The vectors of one file."""
    found: list[dict[str, Any]] = orjson.loads((FOLDER / f"{name}.json").read_bytes())
    return found


def each(name: str) -> pytest.MarkDecorator:
    """Run a test with each vector of one file, as its argument `vector`."""
    return pytest.mark.parametrize("vector", vectors(name), ids=lambda vector: vector["name"])
