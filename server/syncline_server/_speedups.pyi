"""Types of the C extension; `pubsub.plain_outlets` documents what is in it."""

import sys
from typing import Any

from syncline_server.pubsub.plain_outlets import Outlet as Outlet

def send_to_all(outlets: dict[Any, Any], frame: bytes) -> list[tuple[Any, bytes]]: ...
def cork_all(outlets: dict[Any, Any], frame: bytes, waiting: list[Any]) -> list[Any]: ...
def flush_all(outlets: list[Any]) -> list[Any]: ...
def skip_replies(data: bytes) -> tuple[int, bytes]:
    """Skip the whole frames with a short `reply` of Twilsock at the beginning of `data`.

    Returns their number, and the bytes after them.
    """

if sys.platform == "linux":
    class ReplyReader:
        """Reads sockets by their duplicates, and skips replies; `reply_reading` says more."""

        def begin(self, outlet: Outlet, socket: Any, allowance: int) -> bool:
            """Read for `socket` from the outlet's duplicate, until something else comes.

            Whatever is no reply, the end, an error, and the last of `allowance` replies end it.
            Then `socket.end_replies` gets the number of replies and the bytes after them. False if
            nothing is read, because there is no duplicate, or nothing is allowed.
            """

        def end(self, outlet: Outlet) -> int:
            """End the reading, without a call; returns the number of replies. Safe to repeat."""

        def read(self) -> None:
            """Read what has come."""

        def fileno(self) -> int:
            """A descriptor that is readable while `read` finds something."""
