"""Codec of Twilsock V3, the protocol of the vendor's SDKs: frames to packets and back.

A frame is `TWILSOCK V3.0 <bytes of header>`, CRLF, the header as JSON, CRLF, the payload. There are
two dialects. The JavaScript SDK always sends `payload_size`. The Kotlin and iOS SDKs omit it if
there is no payload, append a CRLF to a payload that `payload_size` does not count, and send the
parameters and headers of a request as arrays. This module reads both; its frames suit both.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from . import fields
from .errors import Code, Refusal

__all__ = [
    "HEADER_LIMIT",
    "ID_LENGTH",
    "OK",
    "HeaderTooLarge",
    "HttpRequest",
    "MalformedFrame",
    "Packet",
    "Status",
    "beginning",
    "decode",
    "encode",
    "encode_client_update",
    "encode_close",
    "encode_notification",
    "encode_ping",
    "encode_reply",
    "http_request",
]

HEADER_LIMIT = 65_536
"""Maximum size of a header in bytes: several times a token of 8 KiB and the SDK's own data."""

ID_LENGTH = 256
"""Maximum number of characters in the id of a packet; a reply repeats the id."""

JSON = "application/json"

_PREFIX = re.compile(rb"TWILSOCK V3\.0 ([0-9]{1,8})\r\n")
_LINE_END = b"\r\n"


class MalformedFrame(Exception):
    """A frame without a readable packet, so no reply is possible. The text says why."""


class HeaderTooLarge(MalformedFrame):
    """A frame whose header exceeds `HEADER_LIMIT`; `beginning` may still find its method and id."""


@dataclass(frozen=True, slots=True)
class Packet:
    """One message, from the client or the server.

    Attributes:
        method: kind of the packet: `init`, `message`, `reply`, …
        id: id that the reply must repeat.
        header: all members of the header, including `method` and `id`.
        payload: unparsed payload, b"" if there is none.
    """

    method: str
    id: str
    header: Mapping[str, Any]
    payload: bytes


@dataclass(frozen=True, slots=True)
class Status:
    """Result of a packet, or reason for the end of a connection.

    Attributes:
        code: HTTP status; below 300 is success.
        name: name of that status.
        error: the vendor's error code; None for success.
        description: a sentence for a human reader; None if there is none.
    """

    code: int
    name: str
    error: int | None = None
    description: str | None = None

    def body(self) -> dict[str, Any]:
        """The `status` member of a header."""
        body: dict[str, Any] = {"code": self.code, "status": self.name}
        if self.error is not None:
            body["errorCode"] = self.error
        if self.description is not None:
            body["description"] = self.description
        return body


OK = Status(200, "OK")


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpRequest:
    """HTTP request inside a `message` packet.

    Attributes:
        method: `GET`, `POST`, …
        host: the authority that the client addresses.
        path: percent-encoded, without a query.
        params: percent-encoded names and values of the query, in order.
        headers: names, in the case that the client sent, and values.
    """

    method: str
    host: str
    path: str
    params: tuple[tuple[str, str], ...]
    headers: tuple[tuple[str, str], ...]


_START = re.compile(rb'\{"(?:method|id)":"[^"\\]{1,256}","(?:method|id)":"[^"\\]{1,256}"')

_REPLY = re.compile(rb'TWILSOCK V3\.0 \d+\r\n\{(?:"id":"[^"\\]*",)?"method":"reply"[,}]')


def is_reply(frame: bytes) -> bool:
    """Return True for a `reply` frame as the vendor's SDKs write it.

    The SDKs confirm each notification with such a frame. The server ignores it, so it need not be
    decoded.
    """
    return _REPLY.match(frame) is not None


def decode(frame: bytes) -> Packet:
    """Decode the packet in a frame.

    Raises:
        MalformedFrame: the frame has no readable packet.
        HeaderTooLarge: the header is larger than `HEADER_LIMIT`.
    """
    prefix = _PREFIX.match(frame)
    if prefix is None:
        raise MalformedFrame("a frame must begin with TWILSOCK V3.0 and the size of its header")
    size, begin = int(prefix[1]), prefix.end()
    if size > HEADER_LIMIT:
        raise HeaderTooLarge(f"the header has {size} bytes; at most {HEADER_LIMIT} are allowed")
    rest = frame[begin + size :]
    if len(frame) < begin + size or (rest and not rest.startswith(_LINE_END)):
        raise MalformedFrame("the header must be as long as the frame says, and end with CRLF")
    header = _header(frame[begin : begin + size])
    payload = _payload(header.get("payload_size"), rest[len(_LINE_END) :])
    return Packet(_word(header, "method"), _word(header, "id"), header, payload)


def beginning(frame: bytes) -> Packet | None:
    """Decode the packet at the beginning of a frame, without its payload; None if unreadable.

    If the header is incomplete or too large, only `method` and `id` are read: the SDKs write them
    first.
    """
    prefix = _PREFIX.match(frame)
    if prefix is None:
        return None
    size, begin = int(prefix[1]), prefix.end()
    try:
        if size <= HEADER_LIMIT and len(frame) >= begin + size:
            header = _header(frame[begin : begin + size])
        else:
            start = _START.match(frame, begin)
            header = {} if start is None else _header(start[0] + b"}")
        return Packet(_word(header, "method"), _word(header, "id"), header, b"")
    except MalformedFrame:
        return None


def encode(header: Mapping[str, Any], payload: bytes = b"") -> bytes:
    """Encode a frame; adds `payload_size` and `payload_type` to `header`. The payload is JSON."""
    described = {**header, "payload_size": len(payload)}
    if payload:
        described["payload_type"] = JSON
    text = orjson.dumps(described)
    return b"TWILSOCK V3.0 %d\r\n%b\r\n%b" % (len(text), text, payload)


def encode_reply(
    packet_id: str, status: Status = OK, payload: bytes = b"", **members: Any
) -> bytes:
    """Encode the reply to the packet `packet_id`; `members` are added to the header."""
    return encode({"method": "reply", "id": packet_id, "status": status.body(), **members}, payload)


def encode_notification(packet_id: str, message_type: str, payload: bytes) -> bytes:
    """Encode a notification; the client replies to it."""
    header = {"method": "notification", "id": packet_id, "message_type": message_type}
    return encode({**header, "notification_ctx_id": ""}, payload)


def encode_client_update(packet_id: str, update_type: str, message: str) -> bytes:
    """Encode a message about the connection itself."""
    header = {"method": "client_update", "id": packet_id, "client_update_type": update_type}
    return encode({**header, "client_update_message": message})


def encode_ping(packet_id: str) -> bytes:
    """Encode a ping; the client replies to it."""
    return encode({"method": "ping", "id": packet_id})


def encode_close(packet_id: str, status: Status, payload: bytes = b"") -> bytes:
    """Encode the last packet of a connection."""
    return encode({"method": "close", "id": packet_id, "status": status.body()}, payload)


def http_request(packet: Packet) -> HttpRequest:
    """Parse the HTTP request in a `message`.

    Raises:
        Refusal: `BAD_REQUEST` or `INVALID_PARAMETER` if the packet has no valid request.
    """
    given = packet.header.get("http_request")
    if not isinstance(given, dict):
        raise Refusal(
            Code.BAD_REQUEST, f"http_request must be an object; {fields.show(given)} was given."
        )
    return HttpRequest(
        method=_text(given, "method"),
        host=_text(given, "host"),
        path=_text(given, "path"),
        params=_pairs(given, "params"),
        headers=_pairs(given, "headers"),
    )


def _header(text: bytes) -> dict[str, Any]:
    try:
        header = orjson.loads(text)
    except orjson.JSONDecodeError:
        raise MalformedFrame("the header must be JSON") from None
    if not isinstance(header, dict):
        raise MalformedFrame("the header must be a JSON object")
    return header


def _payload(size: Any, rest: bytes) -> bytes:
    """Cut the payload out of `rest`; a final CRLF that `size` does not count is removed."""
    if size is None:
        return rest.removesuffix(_LINE_END)
    if isinstance(size, bool) or not isinstance(size, int) or not 0 <= size <= len(rest):
        raise MalformedFrame("payload_size must be the number of bytes that follow the header")
    if rest[size:] not in (b"", _LINE_END):
        raise MalformedFrame("more follows the header than payload_size says")
    return rest[:size]


def _word(header: Mapping[str, Any], name: str) -> str:
    value = header.get(name)
    if not isinstance(value, str) or not 1 <= len(value) <= ID_LENGTH:
        raise MalformedFrame(f"the header needs {name}, a string of 1 to {ID_LENGTH} characters")
    return value


def _text(given: Mapping[str, Any], name: str) -> str:
    return fields.text(given.get(name), f"http_request.{name}")


def _pairs(given: Mapping[str, Any], name: str) -> tuple[tuple[str, str], ...]:
    """Flatten an object of strings or of arrays of strings into pairs; () if it is missing."""
    values = given.get(name)
    if values is None:
        return ()
    if not isinstance(values, dict):
        raise Refusal(
            Code.BAD_REQUEST,
            f"http_request.{name} must be an object; {fields.show(values)} was given.",
        )
    return tuple(
        (key, fields.text(value, f"{key[:60]} in http_request.{name}"))
        for key, several in values.items()
        for value in (several if isinstance(several, list) else [several])
    )
