"""A message above the size limit: its beginning is kept, the rest is read and discarded.

The beginning has the id of the request, so the message handler can refuse that request alone, and
the connection stays open.
"""

from __future__ import annotations

import zlib
from struct import Struct
from typing import NamedTuple

from websockets.frames import Opcode

from .parser_pool import unmask

__all__ = ["HEAD_LIMIT", "FrameHeader", "OversizedMessage", "read_header"]

HEAD_LIMIT = 65_536 + 512
"""Bytes of the beginning that are kept: the largest header of a Twilsock packet and its framing."""

_FIN, _RSV1, _OPCODE, _MASK, _LENGTH = 0x80, 0x40, 0x0F, 0x80, 0x7F
_MEDIUM, _LONG = Struct("!H"), Struct("!Q")


class FrameHeader(NamedTuple):
    """The header of a frame (RFC 6455, section 5.2).

    Attributes:
        size: bytes of the header itself, including the mask.
        length: bytes of the payload.
        opcode: as a number, because a client may send an unknown one.
    """

    size: int
    length: int
    opcode: int
    is_final: bool
    is_compressed: bool
    is_masked: bool

    @property
    def is_data(self) -> bool:
        """True for a part of a message; False for control frames, unknown and unmasked frames."""
        return self.is_masked and self.opcode in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT)


def read_header(data: bytes | memoryview) -> FrameHeader | None:
    """The header that `data` begins with; None if it is incomplete."""
    if len(data) < 2:
        return None
    first, second = data[0], data[1]
    length, size = second & _LENGTH, 2
    if length >= 126:
        form = _MEDIUM if length == 126 else _LONG
        if len(data) < 2 + form.size:
            return None
        (length,) = form.unpack_from(data, 2)
        size += form.size
    is_masked = bool(second & _MASK)
    size += 4 * is_masked
    if len(data) < size:
        return None
    return FrameHeader(
        size=size,
        length=length,
        opcode=first & _OPCODE,
        is_final=bool(first & _FIN),
        is_compressed=bool(first & _RSV1),
        is_masked=is_masked,
    )


class OversizedMessage:
    """A message that is being discarded, frame by frame.

    Attributes:
        is_text: False for a binary message.
        size: bytes of its payload so far.
        is_in_frame: True while one of its frames is read, False between two frames.
        is_final: True if the current frame is the last.
    """

    __slots__ = (
        "_head",
        "_is_compressed",
        "_keeps",
        "_mask",
        "_offset",
        "is_final",
        "is_in_frame",
        "is_text",
        "size",
    )

    def __init__(self, *, is_text: bool, begun: bytes, is_compressed: bool) -> None:
        """
        Args:
            begun: the payload of its earlier frames, inflated.
            is_compressed: True if the rest is compressed.
        """
        self.is_text = is_text
        self.size = len(begun)
        self.is_in_frame = self.is_final = False
        self._head = bytearray(begun[:HEAD_LIMIT])
        # The rest of a compressed message cannot be inflated without its beginning, which the
        # parser has consumed: keep only `begun` then.
        self._keeps = not (begun and is_compressed)
        self._is_compressed = is_compressed and not begun
        self._mask = b""
        self._offset = 0

    def begin_frame(self, mask: bytes, *, is_final: bool) -> None:
        """Begin a frame with this mask."""
        self._mask, self._offset = mask, 0
        self.is_in_frame, self.is_final = True, is_final

    def take(self, payload: memoryview) -> None:
        """Read the next bytes of the frame, which are masked."""
        self.size += len(payload)
        wanted = HEAD_LIMIT - len(self._head)
        if self._keeps and wanted > 0:
            turn = self._offset % 4
            mask = self._mask[turn:] + self._mask[:turn]
            self._head += unmask(bytes(payload[:wanted]), mask)
        self._offset += len(payload)

    @property
    def head(self) -> bytes:
        """The part that was kept, inflated; b"" if that is not valid compressed data."""
        if not self._is_compressed:
            return bytes(self._head)
        try:
            return zlib.decompressobj(wbits=-zlib.MAX_WBITS).decompress(self._head, HEAD_LIMIT)
        except zlib.error:
            return b""
