"""Encoding of messages as frames: one unmasked frame each (RFC 6455, section 5.2)."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from struct import Struct

from syncline_protocol.objects import Event

__all__ = ["binary_frame", "deflated", "deflating", "text_frame"]

DEFLATED_FROM = 256
"""Bytes in a message from which compression is worth the work."""

_TEXT, _BINARY = 0x81, 0x82
_DEFLATED = 0x40  # RSV1
_SHORT, _MEDIUM, _LONG = Struct("!BB"), Struct("!BBH"), Struct("!BBQ")
_TAIL = b"\x00\x00\xff\xff"  # the end of a flushed block; not sent (RFC 7692, section 7.2.1)


def text_frame(payload: bytes) -> bytes:
    """The frame of a text message."""
    return _frame(_TEXT, payload)


def binary_frame(payload: bytes) -> bytes:
    """The frame of a binary message."""
    return _frame(_BINARY, payload)


def deflated(frame: bytes) -> bytes:
    """The compressed frame of the same message (RFC 7692), or `frame` if that is no longer.

    Compressed without context, so that all connections can share the frame.
    """
    start = _head_size(frame)
    if len(frame) - start < DEFLATED_FROM:
        return frame
    deflate = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    data = deflate.compress(frame[start:]) + deflate.flush(zlib.Z_SYNC_FLUSH)
    shorter = _frame(frame[0] | _DEFLATED, data.removesuffix(_TAIL))
    return shorter if len(shorter) < len(frame) else frame


def deflating(encode: Callable[[Event], bytes]) -> Callable[[Event], bytes]:
    """The encoder of compressed frames; `encode`, whose frames are made once too, may return none,
    one or several."""
    return lambda event: b"".join(map(deflated, _apart(event.encoded(encode))))


def _apart(frames: bytes) -> Iterator[bytes]:
    """Frames one by one."""
    while frames:
        end = _head_size(frames) + _payload_size(frames)
        yield frames[:end]
        frames = frames[end:]


def _frame(first: int, payload: bytes) -> bytes:
    size = len(payload)
    if size < 126:
        return _SHORT.pack(first, size) + payload
    if size < 65_536:
        return _MEDIUM.pack(first, 126, size) + payload
    return _LONG.pack(first, 127, size) + payload


def _payload_size(frame: bytes) -> int:
    match frame[1]:
        case 126:
            size: int = _MEDIUM.unpack_from(frame)[2]
        case 127:
            size = _LONG.unpack_from(frame)[2]
        case size:
            pass
    return size


def _head_size(frame: bytes) -> int:
    return {126: _MEDIUM.size, 127: _LONG.size}.get(frame[1], _SHORT.size)
