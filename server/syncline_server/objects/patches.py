"""Patches: changes to a document's data by a rule (docs/protocol.md, section 3).

Pure functions. Whatever a stranger's patch holds, it ends as new data or as a `Refusal`.
"""

from __future__ import annotations

import math
from typing import Any

import orjson
from jsonpatch import JsonPatch, JsonPatchException, JsonPointer, JsonPointerException

from syncline_protocol import fields, jsondata
from syncline_protocol.commands import Increment, MergePatch, OperationsPatch, PatchBody
from syncline_protocol.errors import Code, Refusal

__all__ = ["COPY_FACTOR", "OPERATIONS_LIMIT", "patched"]

OPERATIONS_LIMIT = 1_000
"""Operations in one patch, at most."""

COPY_FACTOR = 4
"""What the `copy` operations of one patch may copy in all, in largest documents.

Every other operation costs no more than its own text; a few copies of copies would grow without
end, and a thousand of the whole document would hold up everyone else.
"""

# The members that an operation needs beside `op` and `path` (RFC 6902, section 4).
_MEMBERS = {
    "add": ["value"],
    "copy": ["from"],
    "move": ["from"],
    "remove": [],
    "replace": ["value"],
    "test": ["value"],
}

_FIELD = "The patched data"


def patched(data: bytes, body: PatchBody, limit: int) -> bytes:
    """`data` changed by `body`, neither of which is altered.

    Args:
        data: a JSON object as it is stored.
        body: as `native.patch_body` makes it, from JSON that `jsondata.parse` accepted.
        limit: the largest result, in bytes.

    Returns:
        The new JSON object, compact.

    Raises:
        Refusal: `INVALID_PARAMETER` for a patch that is none whatever the data, `CONFLICT` for one
            that does not fit this data, `TOO_LARGE` and `INVALID_JSON` for a result that no
            document may hold.
    """
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
            Code.CONFLICT, "The patch would make the data something other than an object."
        )
    return jsondata.parse_object(value, _FIELD, limit)


def _merged(target: Any, patch: Any) -> Any:
    """RFC 7396, section 2. The result shares values with `patch`, which is why it is only read."""
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
    if len(operations) > OPERATIONS_LIMIT:
        raise Refusal(
            Code.INVALID_PARAMETER,
            f"operations may have at most {OPERATIONS_LIMIT} operations; "
            f"{len(operations)} were given.",
        )
    for index, operation in enumerate(operations):
        _check_operation(f"operations[{index}]", operation)
    to_copy = COPY_FACTOR * limit
    for index, operation in enumerate(operations):
        try:
            if operation["op"] == "copy":
                to_copy -= _size(JsonPointer(operation["from"]).resolve(value))
                if to_copy < 0:
                    raise Refusal(
                        Code.TOO_LARGE,
                        f"operations[{index}] (copy) is refused: the operations of one patch may "
                        f"copy {COPY_FACTOR * limit} bytes in all.",
                    )
            value = JsonPatch([operation]).apply(value, in_place=True)
        # RecursionError: the library's messages quote the data, however deep copies have made it.
        except (JsonPatchException, JsonPointerException, RecursionError):
            raise Refusal(Code.CONFLICT, _misfit(index, operation)) from None
    return value


def _check_operation(name: str, operation: Any) -> None:
    """Refuses what is no operation; `name` says where it stands."""
    if not isinstance(operation, dict):
        raise Refusal(
            Code.INVALID_PARAMETER,
            f"{name} must be a JSON object; {fields.show(operation)} was given.",
        )
    verb = operation.get("op")
    if not isinstance(verb, str) or verb not in _MEMBERS:
        raise Refusal(
            Code.INVALID_PARAMETER,
            f"{name}.op must be one of {', '.join(_MEMBERS)}; {fields.show(verb)} was given.",
        )
    for member in ("path", *_MEMBERS[verb]):
        if member not in operation:
            raise Refusal(Code.INVALID_PARAMETER, f"{name} ({verb}) needs the member {member}.")
        if member != "value":
            _pointer(operation[member], f"{name}.{member}")


def _misfit(index: int, operation: dict[str, Any]) -> str:
    verb, path = operation["op"], fields.show(operation["path"])
    if verb == "test":
        return f"operations[{index}] (test) failed: the data at {path} is not the value tested for."
    source = f"from {fields.show(operation['from'])} to " if "from" in _MEMBERS[verb] else "at "
    return f"operations[{index}] ({verb}) does not fit the data {source}{path}."


def _size(value: Any) -> int:
    """Bytes of `value` as compact JSON. Raises `JsonPatchException` for what cannot be copied."""
    try:
        return len(orjson.dumps(value))
    except orjson.JSONEncodeError:
        # Deeper than any document may be, or the element after an array's last ("-").
        raise JsonPatchException from None


def _incremented(value: Any, by: dict[str, int | float]) -> Any:
    for text, number in by.items():
        pointer = _pointer(text, "An increment's key")
        try:
            parent, last = pointer.to_last(value)
        except JsonPointerException:
            raise _not_a_number(text) from None
        parent[last] = _sum(_number_at(parent, last, text), number, text)
    return value


def _number_at(parent: Any, last: Any, text: str) -> int | float:
    """The number to add to; `last` is an index where `parent` is an array, None for the root."""
    if isinstance(parent, dict) and last is not None:
        number = parent.get(last, 0)
    elif isinstance(parent, list) and isinstance(last, int) and last < len(parent):
        number = parent[last]
    else:
        raise _not_a_number(text)
    if isinstance(number, bool) or not isinstance(number, int | float):
        raise _not_a_number(text)
    return number


def _sum(number: int | float, by: int | float, text: str) -> int | float:
    total = number + by
    if isinstance(total, int) and total not in jsondata.INTEGERS:
        total = float(total)  # as a literal of that size is read
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


def _pointer(text: Any, name: str) -> Any:
    """The JSON pointer in `text`; `name` says where it stands."""
    if isinstance(text, str):
        try:
            return JsonPointer(text)
        except JsonPointerException:
            pass
    raise Refusal(
        Code.INVALID_PARAMETER,
        f"{name} must be a JSON pointer, empty or beginning with a slash; "
        f"{fields.show(text)} was given.",
    )
