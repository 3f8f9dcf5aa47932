"""One value, where a caller could send several."""

from __future__ import annotations

from collections.abc import Sequence

from syncline_protocol.errors import Code, Refusal

__all__ = ["only", "query_value"]


def only(values: Sequence[str], name: str, code: Code) -> str | None:
    """The one value, None if there is none. Raises `code` for several: none is the right one."""
    if len(values) > 1:
        raise Refusal(code, f"{name} must be given once; it was given {len(values)} times.")
    return values[0] if values else None


def query_value(query: Sequence[tuple[str, str]], name: str, code: Code) -> str | None:
    """The one value of a parameter of a query; as `only`."""
    return only([value for key, value in query if key == name], name, code)
