"""The parameters of a create or an update, from whichever form they came in."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from syncline_protocol import fields, jsondata
from syncline_protocol.commands import Set
from syncline_protocol.errors import Code, Refusal

from .values import by_name

__all__ = ["Parameters"]

_SPELLINGS = {
    "UniqueName": "UniqueName",
    "unique_name": "UniqueName",
    "Data": "Data",
    "data": "Data",
    "Ttl": "Ttl",
    "ttl": "Ttl",
}
"""The vendor's parameters, and the names of the properties that they set."""


@dataclass(frozen=True, slots=True)
class Parameters:
    """Checked parameters; None for each that was not given.

    Attributes:
        unique_name: what the new document is to be called.
        data: compact JSON within the limits.
        ttl: seconds; 0 for "never expires".
    """

    unique_name: str | None
    data: bytes | None
    ttl: int | None

    @classmethod
    def of(cls, given: Iterable[tuple[str, Any]], data_limit: int) -> Parameters:
        """Check the fields of a form, or the members of a JSON object.

        Names that no parameter has are ignored. JSON null leaves `UniqueName` and `Ttl` out; for
        `Data` it is an error.

        Args:
            given: names and values, in their order.
            data_limit: the largest document, in bytes.

        Raises:
            Refusal: with the code of the parameter that is wrong; `INVALID_PARAMETER` where one
                stands twice.
        """
        values = by_name(given, _SPELLINGS)
        name, ttl = values.get("UniqueName"), values.get("Ttl")
        return cls(
            None if name is None else fields.unique_name(name, "UniqueName"),
            _data(values["Data"], data_limit) if "Data" in values else None,
            None if ttl is None else fields.ttl(ttl, "Ttl"),
        )

    def update(self, document: str, if_match: int | None, op: str | None) -> Set:
        """The command that applies them to a document. Raises `NO_PARAMETERS`."""
        if self.data is None and self.ttl is None:
            raise Refusal(Code.NO_PARAMETERS, "An update needs Data or Ttl; neither was given.")
        return Set(document, self.data, self.ttl, if_match, op)


def _data(value: Any, limit: int) -> bytes:
    parsed = (
        jsondata.parse(value, "Data", jsondata.values_limit(limit))
        if isinstance(value, str)
        else value
    )
    return jsondata.parse_object(parsed, "Data", limit)
