"""Values of parameters and headers, with refusals of those that are given more than once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from syncline_protocol import fields, jsondata
from syncline_protocol.errors import Code, Refusal
from syncline_protocol.objects import ObjectType
from syncline_protocol.sids import is_sid_of

from .unknown_names import refuse_unknown

__all__ = ["by_name", "chosen_sid", "flag", "json_object", "only", "query_value"]


def only(values: Sequence[str], name: str, code: Code) -> str | None:
    """The only value, or None without one. Raises `code` for several: no choice would be safe."""
    if len(values) > 1:
        raise Refusal(code, f"{name} must be given once; it was given {len(values)} times.")
    return values[0] if values else None


def query_value(query: Sequence[tuple[str, str]], name: str, code: Code) -> str | None:
    """The only value of a query parameter, as `only`."""
    return only([value for key, value in query if key == name], name, code)


def by_name(
    given: Iterable[tuple[str, Any]], spellings: Mapping[str, str], *, is_strict: bool = True
) -> dict[str, Any]:
    """The given values by parameter.

    Args:
        given: names and values, in their order.
        spellings: the parameter that each accepted name means.
        is_strict: False ignores unknown names.

    Raises:
        Refusal: `UNKNOWN_PARAMETER` for an unknown name; `INVALID_PARAMETER` for a parameter given
            twice.
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
    """A JSON boolean, or the text `true` or `false` of a form. Raises `INVALID_PARAMETER`."""
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    if not isinstance(value, bool):
        raise Refusal(
            Code.INVALID_PARAMETER, f"{name} must be true or false; {fields.show(value)} was given."
        )
    return value


def chosen_sid(value: Any, type_: ObjectType) -> str:
    """The SID that an object is to be created under. Raises `INVALID_PARAMETER`."""
    if isinstance(value, str) and is_sid_of(type_, value):
        return value
    raise Refusal(
        Code.INVALID_PARAMETER,
        f"Sid must be {type_.prefix} and 32 hexadecimal digits in lower case; "
        f"{fields.show(value)} was given.",
    )


def json_object(value: Any, name: str, limit: int, invalid: Code) -> bytes:
    """A JSON object, or its text in a form, as compact JSON.

    Args:
        limit: maximum bytes.
        invalid: the code for JSON null, and for a missing value.

    Raises:
        Refusal: `invalid`, `INVALID_JSON`, `TOO_LARGE`.
    """
    try:
        if isinstance(value, str):
            # The vendor's helpers send their language's null as an empty field.
            limits = jsondata.values_limit(limit)
            value = jsondata.parse(value, name, limits) if value else None
        return jsondata.parse_object(value, name, limit)
    except Refusal as refusal:
        if refusal.code is Code.INVALID_DATA:
            raise Refusal(invalid, refusal.message) from None
        raise
