"""Parameters of a create or an update of a list, map or stream, from a form or from JSON."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from syncline_protocol import fields
from syncline_protocol.errors import Code, Refusal
from syncline_protocol.objects import ObjectType

from .values import by_name, chosen_sid

__all__ = ["ObjectParameters"]

_NAME = {"UniqueName": "UniqueName", "unique_name": "UniqueName"}
_SID = {"Sid": "Sid", "sid": "Sid"}
_TTL = {"Ttl": "Ttl", "ttl": "Ttl"}
_COLLECTION_TTL = {"CollectionTtl": "CollectionTtl", "collection_ttl": "CollectionTtl"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectParameters:
    """Checked parameters; None for each that was not given.

    Attributes:
        ttl: seconds; 0 means that the object never expires.
        sid: SID of the new object.
    """

    unique_name: str | None
    ttl: int | None
    sid: str | None = None

    @classmethod
    def of_new(
        cls, given: Iterable[tuple[str, Any]], type_: ObjectType, *, is_strict: bool = True
    ) -> ObjectParameters:
        """Check the fields of a form, or the members of a JSON object, that create an object.

        JSON null counts as missing.

        Args:
            given: names and values, in their order.
            type_: of the object; if it has items, the vendor's alias `CollectionTtl` is a parameter
                too.
            is_strict: False ignores unknown names.

        Raises:
            Refusal: with the code of the parameter that is wrong; `UNKNOWN_PARAMETER` for an
                unknown name; `INVALID_PARAMETER` for a parameter given twice.
        """
        values = by_name(given, {**_NAME, **_ttl_names(type_), **_SID}, is_strict=is_strict)
        name, sid = values.get("UniqueName"), values.get("Sid")
        return cls(
            unique_name=None if name is None else fields.unique_name(name, "UniqueName"),
            ttl=_ttl(values),
            sid=None if sid is None else chosen_sid(sid, type_),
        )

    @classmethod
    def ttl_of(
        cls, given: Iterable[tuple[str, Any]], type_: ObjectType, *, is_strict: bool = True
    ) -> int:
        """The time to live in an update, which changes nothing else.

        Raises:
            Refusal: as `of_new`; `NO_PARAMETERS`.
        """
        names = _ttl_names(type_)
        ttl = _ttl(by_name(given, names, is_strict=is_strict))
        if ttl is None:
            allowed = " or ".join(dict.fromkeys(names.values()))
            raise Refusal(Code.NO_PARAMETERS, f"An update needs {allowed}; none was given.")
        return ttl


def _ttl_names(type_: ObjectType) -> dict[str, str]:
    return {**_TTL, **_COLLECTION_TTL} if type_.has_items else _TTL


def _ttl(values: dict[str, Any]) -> int | None:
    # The vendor's rule: where both are given, `Ttl` is ignored.
    for name in ("CollectionTtl", "Ttl"):
        if values.get(name) is not None:
            return fields.ttl(values[name], name)
    return None
