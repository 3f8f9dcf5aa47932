"""Patches of a document's data: merge, JSON patch, increment (docs/protocol.md, section 3).

Pure functions. Every patch, however malformed, ends as new data or as a `Refusal`.
"""

from __future__ import annotations

import math
from typing import Any

import orjson

from syncline_protocol import fields, jsondata
from syncline_protocol.documents import Increment, MergePatch, OperationsPatch, PatchBody
from syncline_protocol.errors import Code, Refusal
from syncline_protocol.jsonfaults import INTEGERS

from .json_patch import (
    MEMBERS,
    POINTER_STEPS,
    Misfit,
    Operation,
    found,
    index_of,
    parent_of,
    parse_pointer,
)

__all__ = ["COPY_FACTOR", "OPERATIONS_LIMIT", "STEPS_LIMIT", "check_size", "patched"]

OPERATIONS_LIMIT = 1_000
"""Operations in one patch, at most."""

STEPS_LIMIT = 32_768
"""Default of `Settings.patch_steps`."""

COPY_FACTOR = 4
"""Bytes that all `copy` operations of one patch may copy, as a multiple of the largest document.

Every other operation costs no more than its own text. Copies of copies grow exponentially, and a
thousand copies of the whole document would block the event loop.
"""

_FIELD = "The patched data"


def check_size(body: PatchBody, steps_limit: int) -> None:
    """Refuse a patch that is too much work whatever the data, before it is parsed.

    Raises:
        Refusal: `INVALID_PARAMETER` for too many operations, `TOO_LARGE` for too many steps.
    """
    match body:
        case OperationsPatch(operations):
            if len(operations) > OPERATIONS_LIMIT:
                raise Refusal(
                    Code.INVALID_PARAMETER,
                    f"operations may have at most {OPERATIONS_LIMIT} operations; "
                    f"{len(operations)} were given.",
                )
            objects = [each for each in operations if isinstance(each, dict)]
            named = [each.get(name) for each in objects for name in ("path", "from")]
            pointers = [text for text in named if isinstance(text, str)]
        case Increment(by):
            pointers = list(by)
        case MergePatch():
            return
    steps = sum(POINTER_STEPS + text.count("/") for text in pointers)
    if steps > steps_limit:
        raise Refusal(
            Code.TOO_LARGE,
            f"The pointers of the patch have {steps} steps in all; at most {steps_limit} are "
            f"allowed. Each pointer counts {POINTER_STEPS}, and one more for each name in it.",
        )


def patched(data: bytes, body: PatchBody, limit: int, steps_limit: int = STEPS_LIMIT) -> bytes:
    """The data with a patch applied; neither argument is changed.

    Args:
        data: a JSON object as it is stored.
        body: as `native.patch_body` makes it, from JSON that `jsondata.parse` accepted.
        limit: bytes that the result may have.
        steps_limit: steps that all pointers of the patch together may have.

    Returns:
        The new JSON object, compact.

    Raises:
        Refusal: as `check_size`; `INVALID_PARAMETER` for a patch that is malformed, `CONFLICT` for
            one that does not fit this data, `TOO_LARGE` and `INVALID_JSON` for a result that no
            document may hold.
    """
    check_size(body, steps_limit)
    value = orjson.loads(data)
    match body:
        case MergePatch(merge):
            value = _merged(value, merge)
        case OperationsPatch(operations):
            value = _operated(value, operations, limit)
        case Increment(by):
            value = _incremented(value, by)
    if not isinstance(value, dict):
        raise Refusal(
            Code.CONFLICT, "The patch would turn the data into something other than an object."
        )
    return jsondata.parse_object(value, _FIELD, limit)


def _merged(target: Any, patch: Any) -> Any:
    """Merge as in RFC 7396, section 2. The result shares values with `patch`: only read it."""
    if not isinstance(patch, dict):
        return patch
    if not isinstance(target, dict):
        target = {}
    for key, value in patch.items():
        if value is None:
            target.pop(key, None)
        else:
            target[key] = _merged(target.get(key), value)
    return target


def _operated(value: Any, operations: list[Any], limit: int) -> Any:
    parsed = [_operation(f"operations[{n}]", each) for n, each in enumerate(operations)]
    to_copy = COPY_FACTOR * limit
    for index, operation in enumerate(parsed):
        try:
            if operation.verb == "copy":
                to_copy -= _size(value, operation)
                if to_copy < 0:
                    raise Refusal(
                        Code.TOO_LARGE,
                        f"operations[{index}] (copy) is refused: the operations of one patch may "
                        f"copy {COPY_FACTOR * limit} bytes in all.",
                    )
            value = operation.apply(value)
        except (Misfit, RecursionError):  # a `test` of data that moves have nested very deeply
            raise Refusal(Code.CONFLICT, _misfit(index, operations[index])) from None
    return value


def _operation(name: str, operation: Any) -> Operation:
    """The parsed operation. Raises `INVALID_PARAMETER`; `name` is its place in the patch."""
    if not isinstance(operation, dict):
        raise Refusal(
            Code.INVALID_PARAMETER,
            f"{name} must be a JSON object; {fields.show(operation)} was given.",
        )
    verb = operation.get("op")
    if not isinstance(verb, str) or verb not in MEMBERS:
        raise Refusal(
            Code.INVALID_PARAMETER,
            f"{name}.op must be one of {', '.join(MEMBERS)}; {fields.show(verb)} was given.",
        )
    for member in ("path", *MEMBERS[verb]):
        if member not in operation:
            raise Refusal(Code.INVALID_PARAMETER, f"{name} ({verb}) needs the member {member}.")
    path = _pointer(operation["path"], f"{name}.path")
    has_source = "from" in MEMBERS[verb]
    source = _pointer(operation["from"], f"{name}.from") if has_source else []
    return Operation(verb, path, source, operation.get("value"))


def _misfit(index: int, operation: dict[str, Any]) -> str:
    verb, path = operation["op"], fields.show(operation["path"])
    if verb == "test":
        return f"operations[{index}] (test) failed: the data at {path} is not the value tested for."
    source = f"from {fields.show(operation['from'])} to " if "from" in MEMBERS[verb] else "at "
    return f"operations[{index}] ({verb}) does not fit the data {source}{path}."


def _size(value: Any, operation: Operation) -> int:
    """Bytes that an operation copies, as compact JSON. Raises `Misfit` if it cannot copy."""
    try:
        return len(orjson.dumps(found(value, operation.source)))
    except orjson.JSONEncodeError:
        raise Misfit from None  # nested deeper than any document may be


def _incremented(value: Any, by: dict[str, int | float]) -> Any:
    pointers = {text: _pointer(text, "An increment's key") for text in by}
    for text, number in by.items():
        pointer = pointers[text]
        if not pointer:
            raise _not_a_number(text)
        try:
            parent = parent_of(value, pointer)
            place = pointer[-1] if isinstance(parent, dict) else index_of(pointer[-1], len(parent))
        except (Misfit, TypeError):
            raise _not_a_number(text) from None
        parent[place] = _sum(_number_at(parent, place, text), number, text)
    return value


def _number_at(parent: Any, place: Any, text: str) -> int | float:
    """The number that an increment adds to: 0 for a missing member of an object."""
    if not isinstance(parent, dict | list):
        raise _not_a_number(text)
    number = parent.get(place, 0) if isinstance(parent, dict) else parent[place]
    if isinstance(number, bool) or not isinstance(number, int | float):
        raise _not_a_number(text)
    return number


def _sum(number: int | float, by: int | float, text: str) -> int | float:
    total = number + by
    if isinstance(total, int) and total not in INTEGERS:
        total = float(total)  # the JSON parser, too, reads an integer of that size as a float
    if not math.isfinite(total):
        raise Refusal(
            Code.CONFLICT,
            f"The increment at {fields.show(text)} is too large: the sum must be finite.",
        )
    return total


def _not_a_number(text: str) -> Refusal:
    return Refusal(
        Code.CONFLICT,
        f"The increment at {fields.show(text)} does not fit: there must be a number, or no member "
        "yet in an object.",
    )


def _pointer(text: Any, name: str) -> list[str]:
    """The JSON pointer in `text`. Raises `INVALID_PARAMETER`; `name` is its place in the patch."""
    if isinstance(text, str):
        try:
            return parse_pointer(text)
        except ValueError:
            pass
    raise Refusal(
        Code.INVALID_PARAMETER,
        f"{name} must be a JSON pointer, empty or beginning with a slash; "
        f"{fields.show(text)} was given.",
    )
