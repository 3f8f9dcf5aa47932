"""Durability levels: what must have happened to a write before it is acknowledged.

    acknowledge   Redis has applied it. A crash may lose it, as Redis' own settings allow.
    replicated    the replicas have it too: it survives the master, whichever replica is promoted.
    fsync         it is in the append-only file on the master's disk, whatever `appendfsync` says.

A write that does not reach its level in time is refused with 20503. It may be applied all the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from syncline_server.observability.tasks import TaskSet
from syncline_server.storage.errors import StorageError, Unavailable

from .connection import Connection

__all__ = ["LEVELS", "Barrier", "Durability", "Replicas", "barrier"]

LEVELS = ("acknowledge", "replicated", "fsync")


@dataclass(frozen=True, slots=True, kw_only=True)
class Durability:
    """The durability that the settings require.

    Attributes:
        level: one of `LEVELS`.
        timeout: seconds that a write may take to reach it.
        replicas: how many replicas must have a write; 0 for all.
        replica_timeout: seconds for which a replica that disconnected still counts as required.
    """

    level: str = "acknowledge"
    timeout: float = 1.0
    replicas: int = 0
    replica_timeout: float = 60.0


class Replicas:
    """The replicas of one master that must have a write before it is acknowledged.

    A replica that disconnected may have been promoted. Until the old master is demoted, it goes on
    with the other replicas, and loses everything that it acknowledges in that time. WAIT does not
    help: it only counts, and the replicas that stayed are enough for it. So every replica that was
    ever connected stays required, until it has been away so long that this process would have
    noticed a failover.
    """

    def __init__(self, fixed: int, timeout: float) -> None:
        """
        Args:
            fixed: how many replicas must have a write; 0 for all.
            timeout: seconds for which a replica that disconnected still counts as required.
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
        """Replicas that must have a write; at least 1."""
        return self._fixed or max(1, len(self._seen_at))

    @property
    def missing(self) -> str | None:
        """Why no write can be acknowledged now; None if one can, or before the first `update`."""
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
        """True if a replica has been away for longer than the timeout (see `give_up`)."""
        limit = self._clock() - self._timeout
        return any(seen < limit for seen in self._seen_at.values())

    def give_up(self) -> None:
        """Require the replicas no longer that have been away for longer than the timeout.

        Only safe once the engine has confirmed that this server is still the master.
        """
        limit = self._clock() - self._timeout
        self._seen_at = {name: seen for name, seen in self._seen_at.items() if seen >= limit}

    def update(self, role: list[Any]) -> int:
        """Record a reply to ROLE. Returns the number of replicas seen for the first time."""
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
    """One WAIT or WAITAOF for all commits of a loop turn.

    Not one for each commit, because either command blocks its connection until it is answered.
    """

    def __init__(
        self, connection: Connection, durability: Durability, replicas: Replicas | None
    ) -> None:
        """
        Args:
            replicas: None for the level `fsync`.
        """
        self._connection = connection
        self._replicas = replicas
        self._ms = max(1, round(durability.timeout * 1000))
        self._next: asyncio.Future[None] | None = None
        self._tasks = TaskSet()

    def check(self) -> None:
        """Raise `Unavailable` if a write could not be acknowledged; call it before sending."""
        if self._replicas is not None and (missing := self._replicas.missing):
            raise Unavailable(
                f"The store cannot replicate now ({missing}); nothing was changed. Try again.",
            )

    def passed(self) -> asyncio.Future[None]:
        """A future that is done when the commands sent so far are as durable as required.

        It raises `Unavailable` if that takes too long or is impossible.
        """
        if self._next is None:
            loop = asyncio.get_running_loop()
            self._next = loop.create_future()
            loop.call_soon(self._send)
        return self._next

    def _send(self) -> None:
        waiting, self._next = self._next, None
        assert waiting is not None
        # Every caller that shares `waiting` sent its write before it called `passed`, so before
        # this command: WAIT and WAITAOF cover all of them. `_next` is reset above; a later write
        # gets a barrier of its own.
        if self._replicas is None:
            attempt = self._sync(self._connection.execute("WAITAOF", 1, 0, self._ms))
        else:
            required = self._replicas.required
            attempt = self._replicate(self._replicas, required, self._wait(required))
        self._tasks.spawn(self._resolve(waiting, attempt))

    def _wait(self, count: int) -> asyncio.Future[tuple[Any, Any]]:
        """Send WAIT, and behind it ROLE: a server that was demoted still answers WAIT."""
        return asyncio.gather(
            self._connection.execute("WAIT", count, self._ms), self._connection.execute("ROLE")
        )

    async def _replicate(
        self, replicas: Replicas, required: int, answers: asyncio.Future[tuple[Any, Any]]
    ) -> None:
        while True:
            reached, role = await answers
            came = replicas.update(role)
            if reached < required:
                raise _Late(f"{reached} of {required} replicas have it after {self._ms} ms")
            if not came:
                break
            # WAIT counts replicas without naming them: a replica that connected during the wait may
            # have been counted in place of one that lacks the write. Wait for all required now.
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
        except (_Late, StorageError) as error:
            what = "synced to disk" if self._replicas is None else "replicated"
            if not waiting.done():
                waiting.set_exception(
                    Unavailable(
                        f"The write was applied but not {what} ({error}); it may be lost.",
                    )
                )
        else:
            if not waiting.done():
                waiting.set_result(None)


class _Late(Exception):
    """A write was not as durable as required in time."""


def barrier(
    durability: Durability,
) -> Callable[[Connection, Replicas | None], Barrier | None]:
    """A function that makes the barrier of a new connection, or None for level `acknowledge`."""
    if durability.level == "acknowledge":
        return lambda connection, replicas: None
    return lambda connection, replicas: Barrier(connection, durability, replicas)
