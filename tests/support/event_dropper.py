"""A proxy in front of Redis that drops one event on the way to one subscriber."""

from __future__ import annotations

import re
from pathlib import Path

from support.relay import Relay

__all__ = ["EventDropper"]

_MESSAGE = re.compile(rb"\*3\r\n\$7\r\nmessage\r\n\$\d+\r\n[^\r]+\r\n\$(\d+)\r\n")


class EventDropper(Relay):
    """Drops the first whole message that has a mark.

    Attributes:
        dropped: how many were dropped.
    """

    def __init__(self, target: Path, path: Path, mark: bytes) -> None:
        super().__init__(target, path)
        self.dropped = 0
        self._mark = mark

    async def on_reply(self, data: bytes) -> bytes:
        """The bytes without that message."""
        for head in _MESSAGE.finditer(data):
            end = head.end() + int(head[1]) + len(b"\r\n")
            if not self.dropped and end <= len(data) and self._mark in data[head.end() : end]:
                self.dropped += 1
                return data[: head.start()] + data[end:]
        return data
