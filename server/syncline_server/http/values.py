"""The values of parameters, where a caller could send several of one name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from syncline_protocol import fields
from syncline_protocol.errors import Code, Refusal

from .unknown_names import refuse_unknown

__all__ = ["by_name", "flag", "only", "query_value"]


def only(values: Sequence[str], name: str, code: Code) -> str | None:
    """The one value, None if there is none. Raises `code` for several: none is the right one."""
    if len(values) > 1:
        raise Refusal(code, f"{name} must be given once; it was given {len(values)} times.")
    return values[0] if values else None


def query_value(query: Sequence[tuple[str, str]], name: str, code: Code) -> str | None:
    """The one value of a parameter of a query; as `only`."""
    return only([value for key, value in query if key == name], name, code)


def by_name(
    given: Iterable[tuple[str, Any]], spellings: Mapping[str, str], *, is_strict: bool = True
) -> dict[str, Any]:
    """Each parameter that was given, once.

    Args:
        given: names and values, in their order.
        spellings: the parameter that each name means.
        is_strict: False ignores names that no parameter has.

    Raises:
        Refusal: `UNKNOWN_PARAMETER` for a name that no parameter has; `INVALID_PARAMETER` where
            one stands twice.
    """
    values: dict[str, Any] = {}
    for spelling, value in given:
        name = spellings.get(spelling)
        if name is None and is_strict:
            raise refuse_unknown(spelling, spellings.values())
        if name in values:
            raise Refusal(Code.INVALID_PARAMETER, f"{name} must be given once; it was given twice.")
        if name is not None:
            values[name] = value
    return values


def flag(value: Any, name: str) -> bool:
    """A JSON boolean, or `true` or `false` as a form has it. Raises `INVALID_PARAMETER`."""
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    if not isinstance(value, bool):
        raise Refusal(
            Code.INVALID_PARAMETER, f"{name} must be true or false; {fields.show(value)} was given."
        )
    return value
