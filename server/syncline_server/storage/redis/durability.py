"""What an acknowledged write has survived by then.

    acknowledge   Redis has applied it. What its own settings lose, is lost.
    replicated    a replica has it too: it survives the master, if the replica is promoted.
    fsync         it is in the append-only file on the master's disk, whatever `appendfsync` says.

A write that does not come so far in time is refused with 20503: it may be applied all the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from syncline_protocol.errors import Code, Refusal

from .connection import Connection, ConnectionBroken, ReplyError

__all__ = ["LEVELS", "Barrier", "barrier"]

LEVELS = ("acknowledge", "replicated", "fsync")


class Barrier:
    """One WAIT, or WAITAOF, for all commits of a turn of the loop: either blocks its connection."""

    def __init__(self, connection: Connection, level: str, timeout: float) -> None:
        """`timeout`: in seconds."""
        self._connection = connection
        self._level = level
        self._ms = max(1, round(timeout * 1000))
        self._next: asyncio.Future[None] | None = None

    def passed(self) -> asyncio.Future[None]:
        """Done when all that was sent on the connection in this turn is as durable as asked.

        It raises `Refusal` with `UNAVAILABLE` if that takes too long, or cannot be had.
        """
        if self._next is None:
            loop = asyncio.get_running_loop()
            self._next = loop.create_future()
            loop.call_soon(self._send)
        return self._next

    def _send(self) -> None:
        waiting, self._next = self._next, None
        if self._level == "fsync":
            command = self._connection.execute("WAITAOF", 1, 0, self._ms)
        else:
            command = self._connection.execute("WAIT", 1, self._ms)
        if waiting is not None:
            command.add_done_callback(lambda done: self._resolve(waiting, done))

    def _resolve(self, waiting: asyncio.Future[None], done: asyncio.Future[object]) -> None:
        if waiting.done():
            return
        try:
            reply = done.result()
            reached = reply[0] if isinstance(reply, list) else reply
            if reached:
                return waiting.set_result(None)
            why = f"in {self._ms} ms"
        except (ReplyError, ConnectionBroken) as error:
            why = str(error)
        waiting.set_exception(
            Refusal(
                Code.UNAVAILABLE,
                f"The write was applied but not {_PROMISES[self._level]} ({why}); it may be lost.",
            )
        )


_PROMISES = {"replicated": "replicated", "fsync": "synced to disk"}


def barrier(level: str, timeout: float) -> Callable[[Connection], Barrier | None]:
    """What makes the barrier of a new connection; that of `acknowledge` is None."""
    if level == "acknowledge":
        return lambda connection: None
    return lambda connection: Barrier(connection, level, timeout)
