"""Requests on their way through a proxy: the same bytes, but for the `Host` that they name."""

from __future__ import annotations

import re

__all__ = ["HostRewriter"]

HEAD_LIMIT = 65_536
"""Bytes in a request's line and headers; what is longer passes as it is."""

_HEAD_END = b"\r\n\r\n"
_HOST = re.compile(rb"(?i)(?<=\r\nhost:)[^\r\n]*")
_LENGTH = re.compile(rb"(?i)\r\ncontent-length:[ \t]*(\d+)")
_UPGRADE = re.compile(rb"(?i)\r\nupgrade:")


class HostRewriter:
    """Names the server where a client named the proxy, in each HTTP/1.1 request of a connection.

    A virtual host, or TLS, would not know the proxy's name. Bodies must declare their length,
    as those of our clients do; all after an upgrade passes as it is.
    """

    def __init__(self, host: str) -> None:
        """`host`: with the port, if it is not the scheme's own."""
        self._host = b" " + host.encode()
        self._pending = b""
        self._body = 0
        self._raw = False

    def rewrite(self, data: bytes) -> bytes:
        """Take what a client sent, and return what can be passed on."""
        out = bytearray()
        self._pending += data
        while self._pending:
            if self._raw or self._body:
                out += self._pass_body()
            elif _HEAD_END in self._pending:
                out += self._pass_head()
            elif len(self._pending) > HEAD_LIMIT:
                self._raw = True
            else:
                break
        return bytes(out)

    def _pass_body(self) -> bytes:
        length = len(self._pending) if self._raw else self._body
        passed, self._pending = self._pending[:length], self._pending[length:]
        self._body = max(0, self._body - len(passed))
        return passed

    def _pass_head(self) -> bytes:
        end = self._pending.index(_HEAD_END) + len(_HEAD_END)
        head, self._pending = self._pending[:end], self._pending[end:]
        length = _LENGTH.search(head)
        self._body = int(length[1]) if length else 0
        self._raw = _UPGRADE.search(head) is not None
        return _HOST.sub(self._host, head, count=1)
