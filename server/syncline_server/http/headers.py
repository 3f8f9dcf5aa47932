"""Headers of a request, straight from its scope.

Starlette's `Headers` decodes and compares all names for each look-up, and raises and catches an
error for an absent one: half a dozen look-ups of a request cost as much as its JSON.
"""

from __future__ import annotations

from starlette.types import Scope

__all__ = ["header"]


def header(scope: Scope, name: bytes) -> str | None:
    """The first value of a header; None without one. `name` in lower case, as ASGI has names."""
    for each, value in scope["headers"]:
        if each == name:
            text: str = value.decode("latin-1")
            return text
    return None
