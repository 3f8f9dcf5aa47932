"""Decoder of the native protocol: requests of clients."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import orjson

from syncline_protocol import fields, jsondata
from syncline_protocol.commands import Command, Get, Mode, Open, Remove, SetTtl, Unsubscribe
from syncline_protocol.documents import (
    Increment,
    MergePatch,
    OperationsPatch,
    Patch,
    PatchBody,
    Set,
)
from syncline_protocol.errors import Code, Refusal

from .messages import ID_LIMIT, Authenticate, Ping, ProtocolViolation, Request

__all__ = ["VERBS", "decode", "leading_id", "patch_body"]


def decode(text: str, data_limit: int) -> Request:
    """Decode the request in a text frame; `data_limit` is the maximum document size in bytes.

    Raises:
        ProtocolViolation: the message has no id to reply to.
    """
    try:
        message = jsondata.parse(text, "The request", jsondata.values_limit(data_limit))
    except Refusal as refusal:
        return Request(_salvage_id(text), refusal)
    if not isinstance(message, dict):
        raise ProtocolViolation("a message must be a JSON object")
    request_id = _check_id(message.get("id"))
    try:
        return Request(request_id, _command(message, data_limit))
    except Refusal as refusal:
        return Request(request_id, refusal)


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


_ID_FIRST = re.compile(r'\s*\{\s*"id"\s*:\s*([0-9]{1,16})\s*[,}]', re.ASCII)


def leading_id(head: bytes) -> int | None:
    """Read the id from the beginning of a request; None if the id is not its first member."""
    match = _ID_FIRST.match(head[:64].decode(errors="replace"))
    return int(match[1]) if match is not None and int(match[1]) < ID_LIMIT else None


def _salvage_id(text: str) -> int:
    """Find the id of a request whose JSON was refused.

    orjson accepts some texts that `jsondata` refuses. If it fails too, the id is read from the
    beginning of the text, where clients write it.
    """
    try:
        message = orjson.loads(text)
    except orjson.JSONDecodeError:
        match = _ID_FIRST.match(text)
        if match is None:
            raise ProtocolViolation("a message must be a JSON object with an id") from None
        return _check_id(int(match[1]))
    return _check_id(message.get("id") if isinstance(message, dict) else None)


def _check_id(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < ID_LIMIT:
        raise ProtocolViolation("a message must have an id, an integer from 0 to 2^53 - 1")
    return value


def _command(message: dict[str, Any], data_limit: int) -> Command | Authenticate | Ping:
    verb = message.get("do")
    build = VERBS.get(verb) if isinstance(verb, str) else None
    if build is None:
        raise Refusal(
            Code.UNKNOWN_PARAMETER,
            f"do must be one of {', '.join(VERBS)}; {fields.show(verb)} was given.",
        )
    return build(message, data_limit)


def _authenticate(message: dict[str, Any], _: int) -> Authenticate:
    token = fields.text(_required(message, "token"), "token")
    wants_deltas = message.get("deltas", False)
    if not isinstance(wants_deltas, bool):
        raise Refusal(
            Code.INVALID_PARAMETER,
            f"deltas must be true or false; {fields.show(wants_deltas)} was given.",
        )
    return Authenticate(token, wants_deltas)


def _ping(_: dict[str, Any], __: int) -> Ping:
    return Ping()


def _open(message: dict[str, Any], data_limit: int) -> Open:
    document = message.get("document")
    mode = message.get("mode", Mode.OPEN_OR_CREATE.value)
    try:
        checked_mode = Mode(mode)
    except ValueError:
        raise Refusal(
            Code.INVALID_PARAMETER,
            f"mode must be one of {', '.join(known.value for known in Mode)}; "
            f"{fields.show(mode)} was given.",
        ) from None
    return Open(
        None if document is None else fields.text(document, "document"),
        mode=checked_mode,
        data=jsondata.parse_object(message.get("data", {}), "data", data_limit),
        ttl=_ttl(message),
        revision=_revision(message, "revision"),
        op=_op(message),
    )


def _get(message: dict[str, Any], _: int) -> Get:
    return Get(_document(message))


def _set(message: dict[str, Any], data_limit: int) -> Set:
    data = jsondata.parse_object(_required(message, "data"), "data", data_limit)
    return Set(
        _document(message),
        data,
        ttl=_ttl(message),
        if_match=_revision(message, "if_match"),
        op=_op(message),
    )


def _set_ttl(message: dict[str, Any], _: int) -> SetTtl:
    ttl = fields.ttl(_required(message, "ttl"), "ttl")
    return SetTtl(_document(message), ttl, if_match=_revision(message, "if_match"), op=_op(message))


def _patch(message: dict[str, Any], _: int) -> Patch:
    kinds = [kind for kind in ("merge", "operations", "increment") if kind in message]
    if len(kinds) != 1:
        raise Refusal(
            Code.UNKNOWN_PARAMETER,
            f"patch takes exactly one of merge, operations and increment; {len(kinds)} were given.",
        )
    return Patch(
        _document(message),
        patch_body(kinds[0], message[kinds[0]]),
        ttl=_ttl(message),
        if_match=_revision(message, "if_match"),
        op=_op(message),
    )


def _remove(message: dict[str, Any], _: int) -> Remove:
    return Remove(_document(message), if_match=_revision(message, "if_match"), op=_op(message))


def _unsubscribe(message: dict[str, Any], _: int) -> Unsubscribe:
    return Unsubscribe(_document(message))


VERBS: dict[str, Callable[[dict[str, Any], int], Command | Authenticate | Ping]] = {
    "auth": _authenticate,
    "open": _open,
    "get": _get,
    "set": _set,
    "patch": _patch,
    "ttl": _set_ttl,
    "remove": _remove,
    "unsubscribe": _unsubscribe,
    "ping": _ping,
}
"""The requests by their verb, the member `do`."""


def _required(message: dict[str, Any], member: str) -> Any:
    if member not in message:
        raise Refusal(Code.UNKNOWN_PARAMETER, f"{message['do']} needs the member {member}.")
    return message[member]


def _document(message: dict[str, Any]) -> str:
    return fields.text(_required(message, "document"), "document")


def _ttl(message: dict[str, Any]) -> int | None:
    value = message.get("ttl")
    return None if value is None else fields.ttl(value, "ttl")


def _revision(message: dict[str, Any], member: str) -> int | None:
    value = message.get(member)
    return None if value is None else fields.revision(value, member)


def _op(message: dict[str, Any]) -> str | None:
    value = message.get("op")
    return None if value is None else fields.operation(value, "op")


def _number(value: Any, pointer: str) -> int | float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Refusal(
            Code.INVALID_PARAMETER,
            f"increment must give a number for {fields.show(pointer)}; "
            f"{fields.show(value)} was given.",
        )
    return value
