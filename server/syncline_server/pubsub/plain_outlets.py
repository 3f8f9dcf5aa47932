"""Writes frames to many connections, past the event loop's transports where that is safe.

A transport's work for a write costs a third of what the kernel's does. So each plain socket keeps a
**duplicate** of its descriptor. Nothing else closes that, so its number never belongs to another
connection: not even between the end of the connection and the event loop's notice of it.

A frame goes to the duplicate only while the transport has nothing that it would overtake. Whatever
the kernel does not take at once goes to the transport, with its buffer and its limits. It also
finds what was wrong if an error was the reason.

This module does it in Python; `syncline_server._speedups`, in C, has the same names.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Any, TypeVar, cast

if TYPE_CHECKING:
    from .cork import Corked

__all__ = ["FRAMES_LIMIT", "Outlet", "cork_all", "flush_all", "send_to_all"]

FRAMES_LIMIT = 32
"""Frames that wait for one client, at most; at this number they are written at once."""

FLAGS = socket.MSG_DONTWAIT | getattr(socket, "MSG_NOSIGNAL", 0)

_O = TypeVar("_O", bound="Corked")


class Outlet:
    """The sending end of one client's connection. All its bytes must go by `write`.

    Attributes:
        transport: of the event loop.
        write: writes bytes behind all earlier ones; must not block.
        corked: the frames that wait for the end of this turn; None if there are none.
    """

    __slots__ = ("_clear_send", "_duplicate", "corked", "transport", "write")

    def __init__(self, transport: asyncio.WriteTransport, duplicate: int = -1) -> None:
        """`duplicate`: a descriptor of the transport's socket that this outlet owns; -1 for none.

        It is not written to before the first write, which goes by the transport.
        """
        self.transport = transport
        self.corked: list[bytes] | None = None
        self._duplicate = None if duplicate < 0 else socket.socket(fileno=duplicate)
        # Sends past the transport; None while that is not allowed.
        self._clear_send: Callable[[bytes, int], int] | None = None
        # Without a duplicate there is nothing to decide.
        self.write: Callable[[bytes], None] = (
            transport.write if self._duplicate is None else self._write_either_way
        )

    @property
    def has_duplicate(self) -> bool:
        """True until `release_duplicate`, if there was a duplicate."""
        return self._duplicate is not None

    @property
    def is_clear(self) -> bool:
        """True if the next write goes past the transport."""
        return self._clear_send is not None

    def _write_either_way(self, data: bytes) -> None:
        if self._clear_send is not None:
            data = self._send(data)
        if data:
            self._write_by_transport(data)

    def release_duplicate(self) -> None:
        """Close the duplicate: write by the transport alone from here on. Safe to repeat."""
        self._clear_send = None
        self.write = self.transport.write
        if self._duplicate is not None:
            self._duplicate.close()
            self._duplicate = None

    def _send(self, data: bytes) -> bytes:
        """Send past the transport; returns the rest, which must go to the transport."""
        assert self._clear_send is not None
        try:
            sent = self._clear_send(data, FLAGS)
        except OSError:
            sent = 0
        if sent == len(data):
            return b""
        self._clear_send = None
        return data[sent:]

    def _write_by_transport(self, data: bytes) -> None:
        self._clear_send = None
        self.transport.write(data)
        # The transport may have called back, and the duplicate be released.
        if self._duplicate is not None and not self.transport.get_write_buffer_size():
            self._clear_send = self._duplicate.send


def send_to_all(outlets: dict[Hashable, _O], frame: bytes) -> list[tuple[_O, bytes]]:
    """Send a frame past the transports; returns the outlets that must `write` it, or its rest."""
    left = []
    size = len(frame)
    for outlet in outlets.values():
        send = getattr(outlet, "_clear_send", None)
        if send is None:
            left.append((outlet, frame))
            continue
        try:
            sent = send(frame, FLAGS)
        except OSError:
            sent = 0
        if sent != size:
            cast(Any, outlet)._clear_send = None
            left.append((outlet, frame[sent:]))
    return left


def cork_all(outlets: dict[Hashable, _O], frame: bytes, waiting: list[_O]) -> list[_O]:
    """Add a frame to the corked ones of each outlet, and new outlets to `waiting`.

    Returns the outlets that did not get it, because they are full.
    """
    left = []
    for outlet in outlets.values():
        if outlet.corked is None:
            outlet.corked = [frame]
            waiting.append(outlet)
        elif len(outlet.corked) < FRAMES_LIMIT - 1:
            outlet.corked.append(frame)
        else:
            left.append(outlet)
    return left


def flush_all(outlets: list[_O]) -> list[_O]:
    """Send the corked frames of outlets in one call each, past their transports.

    Returns the outlets that still have corked frames, which they must `write`.
    """
    left = []
    for outlet in outlets:
        if outlet.corked is None:
            continue  # it was flushed before its time
        if isinstance(outlet, Outlet) and outlet._clear_send:
            rest = outlet._send(b"".join(outlet.corked))
            outlet.corked = [rest] if rest else None
        if outlet.corked is not None:
            left.append(outlet)
    return left
