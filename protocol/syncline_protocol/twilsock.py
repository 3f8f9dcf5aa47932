"""Twilsock V3, which the vendor's SDKs speak: frames to packets, packets to frames.

A frame is `TWILSOCK V3.0 <bytes of header>`, CRLF, the header as JSON, CRLF, the payload. There are
two dialects: the JavaScript SDK counts its payload in `payload_size`; the Kotlin and iOS SDK leaves
`payload_size` out where there is no payload, puts a CRLF that it does not count behind one, and
sends the parameters and headers of a request as arrays. Both are read; what is written suits both.
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
"""Bytes in a header, at most: a token of 8 KiB, and what the SDK tells of itself, many times."""

ID_LENGTH = 256
"""Characters in the id of a packet, at most; it is sent back as it came."""

JSON = "application/json"

_PREFIX = re.compile(rb"TWILSOCK V3\.0 ([0-9]{1,8})\r\n")
_LINE_END = b"\r\n"


class MalformedFrame(Exception):
    """A frame that has no packet in it, so that nothing can be answered. Its text says why."""


class HeaderTooLarge(MalformedFrame):
    """A frame whose header is larger than `HEADER_LIMIT`; `beginning` may find whose it is."""


@dataclass(frozen=True, slots=True)
class Packet:
    """One message of either side.

    Attributes:
        method: what it is: `init`, `message`, `reply`, …
        id: what the reply to it must carry.
        header: all members of the header, these two included.
        payload: as it came, b"" if there is none.
    """

    method: str
    id: str
    header: Mapping[str, Any]
    payload: bytes


@dataclass(frozen=True, slots=True)
class Status:
    """How a packet was taken, or why the connection ends.

    Attributes:
        code: as of HTTP; below 300 is success.
        name: the same in a word.
        error: the vendor's error code; None for success.
        description: a sentence for a person; None where there is nothing to say.
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


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """What a `message` asks of the service behind the socket.

    Attributes:
        method: `GET`, `POST`, …
        host: the authority that the client believes to talk to.
        path: percent-encoded, without a query.
        params: the query's names and values, percent-encoded, in their order.
        headers: names as they came, and values.
    """

    method: str
    host: str
    path: str
    params: tuple[tuple[str, str], ...]
    headers: tuple[tuple[str, str], ...]


_START = re.compile(rb'\{"(?:method|id)":"[^"\\]{1,256}","(?:method|id)":"[^"\\]{1,256}"')

_REPLY = re.compile(rb'TWILSOCK V3\.0 \d+\r\n\{(?:"id":"[^"\\]*",)?"method":"reply"[,}]')


def is_reply(frame: bytes) -> bool:
    """True for a frame that is a client's reply, as the vendor's SDKs write it.

    They confirm each notification so, and nothing comes of it: not even that it is decoded.
    """
    return _REPLY.match(frame) is not None


def decode(frame: bytes) -> Packet:
    """The packet in a frame.

    Raises:
        MalformedFrame: there is none.
        HeaderTooLarge: its header is larger than `HEADER_LIMIT`.
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
    """The packet that a frame begins with, without its payload; None if it cannot be told.

    The header need not be whole: then only `method` and `id` are read, with which the SDKs begin.
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
    """A frame; `header` lacks only what describes the payload, which is JSON."""
    described = {**header, "payload_size": len(payload)}
    if payload:
        described["payload_type"] = JSON
    text = orjson.dumps(described)
    return b"TWILSOCK V3.0 %d\r\n%b\r\n%b" % (len(text), text, payload)


def encode_reply(
    packet_id: str, status: Status = OK, payload: bytes = b"", **members: Any
) -> bytes:
    """The reply to the packet with that id; `members` are further ones of the header."""
    return encode({"method": "reply", "id": packet_id, "status": status.body(), **members}, payload)


def encode_notification(packet_id: str, message_type: str, payload: bytes) -> bytes:
    """Something that happened; the client replies to it."""
    header = {"method": "notification", "id": packet_id, "message_type": message_type}
    return encode({**header, "notification_ctx_id": ""}, payload)


def encode_client_update(packet_id: str, update_type: str, message: str) -> bytes:
    """News about the connection itself."""
    header = {"method": "client_update", "id": packet_id, "client_update_type": update_type}
    return encode({**header, "client_update_message": message})


def encode_ping(packet_id: str) -> bytes:
    """A sign of life; the client replies to it."""
    return encode({"method": "ping", "id": packet_id})


def encode_close(packet_id: str, status: Status, payload: bytes = b"") -> bytes:
    """The last packet of a connection."""
    return encode({"method": "close", "id": packet_id, "status": status.body()}, payload)


def http_request(packet: Packet) -> HttpRequest:
    """The request in a `message`.

    Raises:
        Refusal: `BAD_REQUEST`, where there is none that could be carried out.
    """
    given = packet.header.get("http_request")
    if not isinstance(given, dict):
        raise Refusal(
            Code.BAD_REQUEST, f"http_request must be an object; {fields.show(given)} was given."
        )
    return HttpRequest(
        _text(given, "method"),
        _text(given, "host"),
        _text(given, "path"),
        _pairs(given, "params"),
        _pairs(given, "headers"),
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
    """What follows the header; without a size, a CRLF at its end is not part of it."""
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
    """A map of strings or of arrays of strings, taken apart; none at all is an empty one."""
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
