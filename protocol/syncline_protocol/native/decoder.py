"""Decoder of the native protocol: requests of clients."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import orjson

from syncline_protocol import fields, jsondata
from syncline_protocol.commands import Command
from syncline_protocol.errors import Code, Refusal
from syncline_protocol.objects import DOCUMENT, LIST, MAP, STREAM, TYPES, ObjectType

from . import document_requests, item_requests, stream_requests
from .members import Members
from .messages import ID_LIMIT, Authenticate, Limits, Ping, ProtocolViolation, Request
from .object_requests import Build

__all__ = ["VERBS", "VERBS_BY_TYPE", "decode", "leading_id"]


def decode(text: str, limits: Limits) -> Request:
    """Decode the request in a text frame.

    Raises:
        ProtocolViolation: the message has no id to reply to.
    """
    try:
        message = jsondata.parse(text, "The request", limits.values)
    except Refusal as refusal:
        return Request(_salvage_id(text), refusal)
    if not isinstance(message, dict):
        raise ProtocolViolation("a message must be a JSON object")
    request_id = _check_id(message.get("id"))
    try:
        return Request(request_id, _command(message, limits))
    except Refusal as refusal:
        return Request(request_id, refusal)


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


def _command(given: dict[str, Any], limits: Limits) -> Command | Authenticate | Ping:
    verb = given.get("do")
    plain = _PLAIN_VERBS.get(verb) if isinstance(verb, str) else None
    if plain is not None:
        return plain(Members(given, limits))
    if verb not in VERBS:
        raise Refusal(
            Code.UNKNOWN_PARAMETER,
            f"do must be one of {', '.join(VERBS)}; {fields.show(verb)} was given.",
        )
    members = Members(given, limits, _object_type(given))
    build = VERBS_BY_TYPE[members.type.name].get(given["do"])
    if build is None:
        raise Refusal(
            Code.UNKNOWN_PARAMETER,
            f"A {members.type.name} has no {fields.show(verb)}; what it has is "
            f"{', '.join(VERBS_BY_TYPE[members.type.name])}.",
        )
    return build(members)


def _object_type(given: dict[str, Any]) -> ObjectType:
    """The type of the object that a request names."""
    named = [each for each in TYPES if each.name in given]
    if len(named) == 1:
        return named[0]
    if not named and given["do"] == "open":
        return DOCUMENT  # a new one, without a name
    names = [each.name for each in named or TYPES]
    if not named:
        message = f"{given['do']} needs one of the members {', '.join(names)}."
    else:
        message = f"{given['do']} names one object; {' and '.join(names)} were given."
    raise Refusal(Code.UNKNOWN_PARAMETER, message)


def _authenticate(members: Members) -> Authenticate:
    return Authenticate(members.text("token"), members.flag("deltas"))


def _ping(_: Members) -> Ping:
    return Ping()


_PLAIN_VERBS: Mapping[str, Callable[[Members], Authenticate | Ping]] = {
    "auth": _authenticate,
    "ping": _ping,
}
"""Requests that name no object, by the member `do`."""

VERBS_BY_TYPE: Mapping[str, Mapping[str, Build]] = {
    DOCUMENT.name: document_requests.VERBS,
    LIST.name: item_requests.VERBS,
    MAP.name: item_requests.VERBS,
    STREAM.name: stream_requests.VERBS,
}
"""By the name of the type: its requests, by the member `do`."""

VERBS = tuple(dict.fromkeys([*_PLAIN_VERBS, *(v for each in VERBS_BY_TYPE.values() for v in each)]))
"""All values of the member `do`."""
