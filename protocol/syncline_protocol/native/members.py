"""The members of a request, checked one by one (docs/protocol.md, section 3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from syncline_protocol import fields, jsondata
from syncline_protocol.documents import Increment, MergePatch, OperationsPatch, PatchBody
from syncline_protocol.errors import Code, Refusal
from syncline_protocol.objects import DOCUMENT, ObjectType

from .messages import Limits

__all__ = ["Members", "patch_body"]

_Choice = TypeVar("_Choice")

_PATCHES = ("merge", "operations", "increment")


# Not frozen: creating a frozen one takes several times as long.
@dataclass(slots=True)
class Members:
    """The members of a request, and the type of the object that it names.

    A method returns None for an optional member that is missing or null. All raise `Refusal`.
    """

    given: Mapping[str, Any]
    limits: Limits
    type: ObjectType = DOCUMENT

    def has(self, name: str) -> bool:
        """True if the member is given, even as null."""
        return name in self.given

    def required(self, name: str) -> Any:
        """The value of a member that must be given. Raises `UNKNOWN_PARAMETER`."""
        if name not in self.given:
            raise Refusal(Code.UNKNOWN_PARAMETER, f"{self.given['do']} needs the member {name}.")
        return self.given[name]

    def address(self) -> str:
        """SID or unique name of the object."""
        return fields.text(self.required(self.type.name), self.type.name)

    def address_or_none(self) -> str | None:
        """As `address`; None for a new object without a name."""
        return None if self.given.get(self.type.name) is None else self.address()

    def text(self, name: str) -> str:
        """A string that must be given."""
        return fields.text(self.required(name), name)

    def flag(self, name: str) -> bool:
        """True or false; false if it is missing. Raises `INVALID_PARAMETER`."""
        value = self.given.get(name, False)
        if not isinstance(value, bool):
            raise Refusal(
                Code.INVALID_PARAMETER,
                f"{name} must be true or false; {fields.show(value)} was given.",
            )
        return value

    def choice(
        self,
        name: str,
        choices: Mapping[str, _Choice],
        default: _Choice,
        code: Code = Code.INVALID_PARAMETER,
    ) -> _Choice:
        """What a string stands for; `default` if it is missing. Raises `code`."""
        value = self.given.get(name)
        if value is None:
            return default
        if not isinstance(value, str) or value not in choices:
            raise Refusal(
                code,
                f"{name} must be one of {', '.join(choices)}; {fields.show(value)} was given.",
            )
        return choices[value]

    def ttl(self, name: str = "ttl") -> int | None:
        """Seconds to live."""
        value = self.given.get(name)
        return None if value is None else fields.ttl(value, name)

    def required_ttl(self) -> int:
        """Seconds to live, which must be given."""
        return fields.ttl(self.required("ttl"), "ttl")

    def revision(self, name: str) -> int | None:
        """A revision."""
        value = self.given.get(name)
        return None if value is None else fields.revision(value, name)

    def op(self) -> str | None:
        """An operation id."""
        value = self.given.get("op")
        return None if value is None else fields.operation(value, "op")

    def data(self, limit: int, null: Code = Code.INVALID_DATA) -> bytes:
        """The JSON object `data`, which must be given, as compact JSON. Raises `null` for null."""
        value = self.required("data")
        if value is None:
            raise Refusal(null, "data must be a JSON object; null was given.")
        return jsondata.parse_object(value, "data", limit)

    def patch(self) -> PatchBody:
        """The one patch that must be given."""
        kinds = [kind for kind in _PATCHES if kind in self.given]
        if len(kinds) != 1:
            raise Refusal(
                Code.UNKNOWN_PARAMETER,
                f"patch takes exactly one of merge, operations and increment; {len(kinds)} were "
                "given.",
            )
        return patch_body(kinds[0], self.given[kinds[0]])


def patch_body(kind: str, value: Any) -> PatchBody:
    """Check the JSON value of a patch; `kind` is the name of its member (section 3).

    Raises:
        Refusal: `INVALID_PARAMETER`.
    """
    match kind, value:
        case "merge", dict():
            return MergePatch(value)
        case "operations", list():
            return OperationsPatch(value)
        case "increment", dict() if value:
            return Increment({pointer: _number(by, pointer) for pointer, by in value.items()})
        case "increment", _:
            allowed = "a JSON object from one or more JSON pointers to numbers"
        case "operations", _:
            allowed = "an array of JSON patch operations"
        case _:
            allowed = "a JSON object"
    raise Refusal(
        Code.INVALID_PARAMETER, f"{kind} must be {allowed}; {fields.show(value)} was given."
    )


def _number(value: Any, pointer: str) -> int | float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Refusal(
            Code.INVALID_PARAMETER,
            f"increment must give a number for {fields.show(pointer)}; "
            f"{fields.show(value)} was given.",
        )
    return value
