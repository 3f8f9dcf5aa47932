"""What an acknowledged write has survived by then.

    acknowledge   Redis has applied it. What its own settings lose, is lost.
    replicated    the replicas have it too: it survives the master, whichever is promoted.
    fsync         it is in the append-only file on the master's disk, whatever `appendfsync` says.

A write that does not come so far in time is refused with 20503: it may be applied all the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from syncline_protocol.errors import Code, Refusal

from .connection import Connection, ConnectionBroken, ReplyError

__all__ = ["LEVELS", "Barrier", "Durability", "Replicas", "barrier"]

LEVELS = ("acknowledge", "replicated", "fsync")


@dataclass(frozen=True, slots=True, kw_only=True)
class Durability:
    """What the settings ask for.

    Attributes:
        level: one of `LEVELS`.
        timeout: seconds that it may take.
        replicas: how many must have a write; 0 for all.
        replica_timeout: seconds for which one that has gone is still waited for.
    """

    level: str = "acknowledge"
    timeout: float = 1.0
    replicas: int = 0
    replica_timeout: float = 60.0


class Replicas:
    """The replicas of one master that must have a write before it is acknowledged.

    A replica that has gone may have been promoted: while the old master has not learnt that, it
    goes on with the others, and what it acknowledges then is lost. WAIT only counts, and is
    content with those that stayed. So every replica that was ever there is waited for, until it
    has been away for so long that a failover would have been noticed.
    """

    def __init__(self, fixed: int, timeout: float) -> None:
        """
        Args:
            fixed: how many must have a write; 0 for all.
            timeout: seconds for which one that has gone is still waited for.
        """
        self._fixed = fixed
        self._timeout = timeout
        self._clock = asyncio.get_running_loop().time
        self._seen_at: dict[bytes, float] = {}
        self._connected: set[bytes] = set()
        self._is_known = False
        self.is_master = True

    @property
    def required(self) -> int:
        """How many must have a write."""
        return self._fixed or max(1, len(self._seen_at))

    @property
    def missing(self) -> str | None:
        """Why no write can be acknowledged now; None if it can, or nothing is known yet."""
        if not self._is_known:
            return None
        if not self.is_master:
            return "the server is a replica now"
        if len(self._connected) < self.required:
            return f"{len(self._connected)} of {self.required} replicas are connected"
        if not self._fixed and (gone := self._seen_at.keys() - self._connected):
            return f"the replica {gone.pop().decode()} has gone, and may have been promoted"
        return None

    @property
    def overdue(self) -> bool:
        """True if one that has gone could be given up."""
        limit = self._clock() - self._timeout
        return any(seen < limit for seen in self._seen_at.values())

    def give_up(self) -> None:
        """Wait no more for those that have been away for too long."""
        limit = self._clock() - self._timeout
        self._seen_at = {name: seen for name, seen in self._seen_at.items() if seen >= limit}

    def take(self, role: list[Any]) -> int:
        """Take note of the answer to ROLE; returns how many replicas came."""
        self._is_known = True
        self.is_master = role[0] == b"master"
        if not self.is_master:
            self._connected = set()
            return 0
        self._connected = set(_names(role[2]))
        came = len(self._connected - self._seen_at.keys())
        self._seen_at.update(dict.fromkeys(self._connected, self._clock()))
        return came


def _names(replicas: Iterable[list[bytes]]) -> Iterable[bytes]:
    return (host + b":" + port for host, port, _ in replicas)


class Barrier:
    """One WAIT, or WAITAOF, for all commits of a turn of the loop: either blocks its connection."""

    def __init__(
        self, connection: Connection, durability: Durability, replicas: Replicas | None
    ) -> None:
        """`replicas`: None for a level that needs none."""
        self._connection = connection
        self._replicas = replicas
        self._ms = max(1, round(durability.timeout * 1000))
        self._next: asyncio.Future[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def check(self) -> None:
        """Refuse a write that could not be acknowledged, before it is sent; raises `Refusal`."""
        if self._replicas is not None and (missing := self._replicas.missing):
            raise Refusal(
                Code.UNAVAILABLE,
                f"The store cannot replicate now ({missing}); nothing was changed. Try again.",
            )

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
        assert waiting is not None
        # Sent right behind the writes, in this turn of the loop.
        if self._replicas is None:
            attempt = self._sync(self._connection.execute("WAITAOF", 1, 0, self._ms))
        else:
            required = self._replicas.required
            attempt = self._replicate(self._replicas, required, self._wait(required))
        task = asyncio.create_task(self._resolve(waiting, attempt))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _wait(self, count: int) -> asyncio.Future[tuple[Any, Any]]:
        """Ask for the wait, and then for the role: the one says nothing after a failover."""
        return asyncio.gather(
            self._connection.execute("WAIT", count, self._ms), self._connection.execute("ROLE")
        )

    async def _replicate(
        self, replicas: Replicas, required: int, answers: asyncio.Future[tuple[Any, Any]]
    ) -> None:
        while True:
            reached, role = await answers
            came = replicas.take(role)
            if reached < required:
                raise _Late(f"{reached} of {required} replicas have it after {self._ms} ms")
            if not came:
                break
            # One that came meanwhile may have been counted in the place of another.
            required = replicas.required
            answers = self._wait(required)
        if missing := replicas.missing:
            raise _Late(missing)

    async def _sync(self, answer: asyncio.Future[Any]) -> None:
        local, _ = await answer
        if not local:
            raise _Late(f"not within {self._ms} ms")

    async def _resolve(self, waiting: asyncio.Future[None], attempt: Any) -> None:
        try:
            await attempt
        except (_Late, ReplyError, ConnectionBroken) as error:
            what = "synced to disk" if self._replicas is None else "replicated"
            if not waiting.done():
                waiting.set_exception(
                    Refusal(
                        Code.UNAVAILABLE,
                        f"The write was applied but not {what} ({error}); it may be lost.",
                    )
                )
        else:
            if not waiting.done():
                waiting.set_result(None)


class _Late(Exception):
    """It was not as durable as asked in time."""


def barrier(
    durability: Durability,
) -> Callable[[Connection, Replicas | None], Barrier | None]:
    """What makes the barrier of a new connection; that of `acknowledge` is None."""
    if durability.level == "acknowledge":
        return lambda connection, replicas: None
    return lambda connection, replicas: Barrier(connection, durability, replicas)
