"""Parameters of a create or an update of a document, from a form or from JSON."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from syncline_protocol import fields, jsondata
from syncline_protocol.commands import SetTtl
from syncline_protocol.documents import Set
from syncline_protocol.errors import Code, Refusal
from syncline_protocol.objects import DOCUMENT

from .values import by_name, chosen_sid

__all__ = ["DocumentParameters"]

_SPELLINGS = {
    "UniqueName": "UniqueName",
    "unique_name": "UniqueName",
    "Data": "Data",
    "data": "Data",
    "Ttl": "Ttl",
    "ttl": "Ttl",
    "Sid": "Sid",
    "sid": "Sid",
}
"""Accepted spellings: the vendor's parameters, and the names of the properties that they set."""


@dataclass(frozen=True, slots=True)
class DocumentParameters:
    """Checked parameters; None for each that was not given.

    Attributes:
        unique_name: unique name of the new document.
        data: compact JSON within the limits.
        ttl: seconds; 0 means that the document never expires.
        sid: SID of the new document.
    """

    unique_name: str | None
    data: bytes | None
    ttl: int | None
    sid: str | None = None

    @classmethod
    def of(
        cls,
        given: Iterable[tuple[str, Any]],
        data_limit: int,
        *,
        is_strict: bool = True,
    ) -> DocumentParameters:
        """Check the fields of a form, or the members of a JSON object.

        JSON null counts as missing for `UniqueName` and `Ttl`; for `Data` it is an error. An empty
        `Data` counts as missing: the vendor's helpers send their language's null that way.

        Args:
            given: names and values, in their order.
            data_limit: maximum bytes of a document.
            is_strict: False ignores unknown names.

        Raises:
            Refusal: with the code of the parameter that is wrong; `UNKNOWN_PARAMETER` for an
                unknown name; `INVALID_PARAMETER` for a parameter given twice.
        """
        values = by_name(given, _SPELLINGS, is_strict=is_strict)
        name, ttl = values.get("UniqueName"), values.get("Ttl")
        data = values.get("Data", "")
        return cls(
            None if name is None else fields.unique_name(name, "UniqueName"),
            None if data == "" else _data(data, data_limit),
            None if ttl is None else fields.ttl(ttl, "Ttl"),
            chosen_sid(values["Sid"], DOCUMENT) if "Sid" in values else None,
        )

    def update(self, document: str, if_match: int | None, op: str | None) -> Set | SetTtl:
        """The command that applies these parameters to a document.

        Raises:
            Refusal: `NO_PARAMETERS`; `INVALID_PARAMETER` if a SID was given.
        """
        if self.sid is not None:
            raise Refusal(
                Code.INVALID_PARAMETER,
                "Sid is accepted only when a document is created; a document keeps its SID.",
            )
        if self.data is not None:
            return Set(document, self.data, ttl=self.ttl, if_match=if_match, op=op)
        if self.ttl is not None:
            return SetTtl(document, self.ttl, if_match=if_match, op=op)
        raise Refusal(Code.NO_PARAMETERS, "An update needs Data or Ttl; neither was given.")


def _data(value: Any, limit: int) -> bytes:
    parsed = (
        jsondata.parse(value, "Data", jsondata.values_limit(limit))
        if isinstance(value, str)
        else value
    )
    return jsondata.parse_object(parsed, "Data", limit)
