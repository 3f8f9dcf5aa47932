"""Chooses how frames are written to many connections: in C, where the extension was built."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from . import plain_outlets

if TYPE_CHECKING:
    from .plain_outlets import Outlet

__all__ = ["IN_C", "IN_PYTHON", "Calls", "choose"]


class Calls(Protocol):
    """The functions and the class of `plain_outlets`, which documents them."""

    Outlet: type[Outlet]

    def send_to_all(self, outlets: dict[Any, Any], frame: bytes) -> list[tuple[Any, bytes]]: ...
    def cork_all(self, outlets: dict[Any, Any], frame: bytes, waiting: list[Any]) -> list[Any]: ...
    def flush_all(self, outlets: list[Any]) -> list[Any]: ...


IN_PYTHON: Calls = plain_outlets

IN_C: Calls | None
"""None if the extension is not there: it is optional."""

try:
    from syncline_server import _speedups
except ImportError:
    IN_C = None
else:
    IN_C = _speedups


def choose(direct_writes: str) -> Calls:
    """The implementation for `Settings.direct_writes`."""
    return IN_PYTHON if IN_C is None or direct_writes == "python" else IN_C
