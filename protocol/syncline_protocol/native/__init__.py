"""Codec of the native protocol `syncline.v1`: decodes requests, encodes replies and events.

docs/protocol.md specifies it; the section numbers below refer to that document.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import orjson

from syncline_protocol import deltas, fields, jsondata
from syncline_protocol.commands import (
    Command,
    Get,
    Increment,
    MergePatch,
    Mode,
    Open,
    OperationsPatch,
    Patch,
    PatchBody,
    Remove,
    Set,
    Unsubscribe,
)
from syncline_protocol.dates import format_milliseconds
from syncline_protocol.documents import Document, Updated
from syncline_protocol.errors import Code, Refusal
from syncline_protocol.objects import Event, Removed

__all__ = [
    "FINAL_CLOSE_CODES",
    "ID_LIMIT",
    "SUBPROTOCOL",
    "Authenticate",
    "Close",
    "Ping",
    "ProtocolViolation",
    "Request",
    "decode",
    "document_body",
    "encode_delta",
    "encode_error",
    "encode_event",
    "encode_notice",
    "encode_ok",
    "error_body",
    "event_body",
    "event_name",
    "leading_id",
    "patch_body",
]

SUBPROTOCOL = "syncline.v1"

ID_LIMIT = 2**53
"""Request ids are below this limit, so that JavaScript can represent them as numbers."""


class Close(IntEnum):
    """Close codes (section 8)."""

    GOING_AWAY = 4000
    TOKEN_EXPIRED = 4001
    TOO_SLOW = 4003
    NOT_AUTHENTICATED_IN_TIME = 4004
    PROTOCOL_VIOLATION = 4500
    TOKEN_REFUSED = 4501


FINAL_CLOSE_CODES = range(4500, 5000)
"""After these a client does not connect again (rule C4)."""


class ProtocolViolation(Exception):
    """A message to which no reply is possible; the server closes with `Close.PROTOCOL_VIOLATION`.

    The text is the reason in the close frame.
    """


@dataclass(frozen=True, slots=True)
class Authenticate:
    """The first request, or a fresh token later; `deltas` only has an effect in the first."""

    token: str
    deltas: bool = False


@dataclass(frozen=True, slots=True)
class Ping:
    """Sign of life; the server replies at once."""


@dataclass(frozen=True, slots=True)
class Request:
    """One message of a client.

    Attributes:
        id: id that the reply must repeat.
        command: the command; a `Refusal` if the request has an id but is invalid.
    """

    id: int
    command: Command | Authenticate | Ping | Refusal


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


def document_body(document: Document, *, data: bool = True) -> dict[str, Any]:
    """Make the `document` member of a reply (section 2); without `data` if the client has it."""
    body: dict[str, Any] = {
        "sid": document.sid,
        "unique_name": document.unique_name,
        "revision": str(document.revision),
        "date_created": format_milliseconds(document.created_ms),
        "date_updated": format_milliseconds(document.updated_ms),
        "date_expires": _date_or_none(document.expires_ms),
        "created_by": document.created_by,
        "updated_by": document.updated_by,
    }
    if data:
        body["data"] = orjson.Fragment(document.data)
    return body


def event_body(event: Event, instead: dict[str, Any] | None = None) -> dict[str, Any]:
    """Make the `document` member of an event (section 5); `instead` replaces `data`."""
    body: dict[str, Any] = {
        "sid": event.sid,
        "unique_name": event.unique_name,
        "revision": str(event.revision),
        "previous_revision": str(event.previous),
    }
    if isinstance(event, Updated):
        body |= {"data": orjson.Fragment(event.data)} if instead is None else instead
        body["date_updated"] = format_milliseconds(event.at_ms)
        body["date_expires"] = _date_or_none(event.expires_ms)
        body["updated_by"] = event.by
    elif isinstance(event, Removed):
        body["date_removed"] = format_milliseconds(event.at_ms)
        body["removed_by"] = event.by
        body["expired"] = event.expired
    return body


def error_body(refusal: Refusal) -> dict[str, Any]:
    """Make the `error` member of a reply (section 7)."""
    body: dict[str, Any] = {
        "code": int(refusal.code),
        "status": refusal.code.status,
        "message": refusal.message,
        "retry": refusal.code.retry,
    }
    if refusal.document is not None:
        body["document"] = document_body(refusal.document)
    return body


def event_name(event: Event) -> str:
    """`updated` or `removed`."""
    return "updated" if isinstance(event, Updated) else "removed"


def encode_event(event: Event, instead: dict[str, Any] | None = None) -> bytes:
    """Encode the text frame of an event. Use `Event.encoded`, which encodes only once."""
    return orjson.dumps({"event": event_name(event), "document": event_body(event, instead)})


def encode_delta(event: Updated) -> bytes | None:
    """Encode an event with a delta, for clients at `event.previous`; None if not worth it."""
    base = event.base
    delta = None if base is None else deltas.between(base.data, event.data)
    event.has_delta = delta is not None
    if base is not None:
        base.note(event.has_delta)
    if delta is None:
        return None
    operations = orjson.Fragment(delta.operations)
    return encode_event(event, {"delta": {"operations": operations, "digest": delta.digest}})


def encode_ok(request_id: int, body: dict[str, Any]) -> bytes:
    """Encode the reply to a request that succeeded."""
    return orjson.dumps({"id": request_id, "ok": body})


def encode_error(request_id: int, refusal: Refusal) -> bytes:
    """Encode the reply to a request that was refused."""
    return orjson.dumps({"id": request_id, "error": error_body(refusal)})


def encode_notice(name: str, **members: Any) -> bytes:
    """Encode a message of the server that is not about a document."""
    return orjson.dumps({"event": name, **members})


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
    build = _VERBS.get(verb) if isinstance(verb, str) else None
    if build is None:
        raise Refusal(
            Code.UNKNOWN_PARAMETER,
            f"do must be one of {', '.join(_VERBS)}; {fields.show(verb)} was given.",
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
        checked_mode,
        jsondata.parse_object(message.get("data", {}), "data", data_limit),
        _ttl(message),
        _revision(message, "revision"),
        _op(message),
    )


def _get(message: dict[str, Any], _: int) -> Get:
    return Get(_document(message))


def _set(message: dict[str, Any], data_limit: int) -> Set:
    data = jsondata.parse_object(_required(message, "data"), "data", data_limit)
    return Set(
        _document(message), data, _ttl(message), _revision(message, "if_match"), _op(message)
    )


def _set_ttl(message: dict[str, Any], _: int) -> Set:
    ttl = fields.ttl(_required(message, "ttl"), "ttl")
    return Set(_document(message), None, ttl, _revision(message, "if_match"), _op(message))


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
        _ttl(message),
        _revision(message, "if_match"),
        _op(message),
    )


def _remove(message: dict[str, Any], _: int) -> Remove:
    return Remove(_document(message), _revision(message, "if_match"), _op(message))


def _unsubscribe(message: dict[str, Any], _: int) -> Unsubscribe:
    return Unsubscribe(_document(message))


_VERBS: dict[str, Callable[[dict[str, Any], int], Command | Authenticate | Ping]] = {
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


def _date_or_none(ms: int | None) -> str | None:
    return None if ms is None else format_milliseconds(ms)


def _number(value: Any, pointer: str) -> int | float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Refusal(
            Code.INVALID_PARAMETER,
            f"increment must give a number for {fields.show(pointer)}; "
            f"{fields.show(value)} was given.",
        )
    return value
