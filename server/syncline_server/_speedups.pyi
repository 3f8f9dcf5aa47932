"""Types of the C extension; `pubsub.plain_outlets` documents what is in it."""

from typing import Any

from syncline_server.pubsub.plain_outlets import Outlet as Outlet

def send_to_all(outlets: dict[Any, Any], frame: bytes) -> list[tuple[Any, bytes]]: ...
def cork_all(outlets: dict[Any, Any], frame: bytes, waiting: list[Any]) -> list[Any]: ...
def flush_all(outlets: list[Any]) -> list[Any]: ...
def skip_replies(data: bytes) -> tuple[int, bytes]:
    """Skip the whole frames with a short `reply` of Twilsock at the beginning of `data`.

    Returns their number, and the bytes after them.
    """
