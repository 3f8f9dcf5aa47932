"""Inspection of each connection to Redis: its clock, its replicas, the rights of the Redis user."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field

from syncline_server.storage.errors import ConnectionBroken, ReplyError
from syncline_server.storage.scripts import PRIVILEGES, by_name

from .clock import ShardClock
from .connection import Argument, Connection
from .durability import Durability, Replicas

__all__ = ["INSPECTION_INTERVAL", "Inspection", "Inspector", "is_denial"]

INSPECTION_INTERVAL = 1.0
"""Seconds between checks of the clock and the replicas, and of the rights while one is missing."""

PRIVILEGES_INTERVAL = 5.0
"""Seconds between checks of the Redis user's rights while it has all of them."""

_DENIALS = ("NOPERM", "The user executing the script", "ACL failure in script")
"""Words in the error for a missing right: of Redis, and of Redis and Valkey within scripts."""

_WORDS_LIMIT = 500
"""Characters of the line that names the missing rights, at most."""


def is_denial(error: Exception) -> bool:
    """True if Redis refused a command because the user may not call it."""
    words = str(error)
    return any(denial in words for denial in _DENIALS)


@dataclass(kw_only=True)
class Inspection:
    """The dependencies of one shard's inspector.

    Attributes:
        durability: the durability that the settings require.
        clock_tolerance: seconds by which this machine's clock may differ from Redis'.
        probe: returns the publishing command, and a tag and a channel of the shard, for the check
            of the rights; None while they are not known.
        identify: checks the data set over a connection.
        confirm: returns True if the shard is certainly still the master.
        report: receives the name of a problem, and the problem; None once it is resolved.
    """

    durability: Durability = field(default_factory=Durability)
    clock_tolerance: float = 3.0
    probe: Callable[[], tuple[str, str, str] | None] = lambda: None
    identify: Callable[[Connection], Awaitable[None]]
    confirm: Callable[[], Awaitable[bool]]
    report: Callable[[str, str | None], None] = lambda name, problem: None


class Inspector:
    """Inspects one shard, over the connection that it has at the time.

    Attributes:
        clock: of the shard.
        replicas: the replicas that must have a write; None if the durability requires none.
        denied: the rights that the Redis user lacks, in a line; None if it has all.
        clock_faults: number of checks that found the clocks too far apart.
    """

    def __init__(self, needs: Inspection) -> None:
        self.clock = ShardClock()
        self.denied: str | None = None
        self.clock_faults = 0
        durability = needs.durability
        self.replicas = (
            Replicas(durability.replicas, durability.replica_timeout)
            if durability.level == "replicated"
            else None
        )
        self._needs = needs
        self._privileges_at = 0.0
        self._again = asyncio.Event()

    async def prepare(self, connection: Connection) -> None:
        """Check everything on a new connection before it is used.

        Missing rights do not fail it: reads may work. Raises as `Connection.execute`.
        """
        try:
            await self._check(connection, with_privileges=True)
        except ReplyError as error:
            if not is_denial(error):
                raise
            self.deny(error)

    async def run(self, connection: Connection) -> None:
        """Check at intervals until the connection ends."""
        loop = asyncio.get_running_loop()
        while not connection.ended.done():
            with suppress(TimeoutError):
                async with asyncio.timeout(INSPECTION_INTERVAL):
                    await self._again.wait()
            is_due = self._again.is_set() or self.denied is not None
            self._again.clear()
            try:
                await self._check(connection, is_due or loop.time() >= self._privileges_at)
            except ReplyError as error:
                if is_denial(error):
                    self.deny(error)
            except ConnectionBroken:
                return

    def check_soon(self) -> None:
        """Check the rights now: Redis refused a command that it should accept."""
        self._again.set()

    def deny(self, error: Exception) -> None:
        """Record that the Redis user lacks a right. Writes are refused until it has all rights."""
        words = str(error).removeprefix("NOPERM ")
        line = " ".join(words.split())[:_WORDS_LIMIT]
        self.denied = f"its Redis user lacks rights: {line}"
        self._needs.report("privileges", self.denied)

    async def _check(self, connection: Connection, with_privileges: bool) -> None:
        # Together, so that they share a write to the socket: idle processes do little else.
        await asyncio.gather(self._check_clock(connection), self._needs.identify(connection))
        await self._check_replicas(connection)
        # Last, because it resets `denied`: the commands above can be denied too, and then this line
        # is not reached.
        if with_privileges:
            await self._check_privileges(connection)

    async def _check_clock(self, connection: Connection) -> None:
        await self.clock.measure(connection)
        offset, limit = self.clock.offset, self._needs.clock_tolerance
        if abs(offset) <= limit:
            return self._needs.report("clock", None)
        self.clock_faults += 1
        way = "ahead of" if offset > 0 else "behind"
        self._needs.report(
            "clock",
            f"this server's clock is {abs(offset):.1f} s {way} Redis'; {limit:g} s are allowed",
        )

    async def _check_privileges(self, connection: Connection) -> None:
        probe = self._needs.probe()
        if probe is None:
            return
        self._privileges_at = asyncio.get_running_loop().time() + PRIVILEGES_INTERVAL
        publish, tag, channel = probe
        arguments = by_name({"publish": publish, "channel": channel})
        await self._try_command(connection, "EVALSHA", PRIVILEGES.digest, 1, tag, *arguments)
        if self._needs.durability.level == "fsync":
            await self._try_command(connection, "WAITAOF", 0, 0, 1)
        elif self.replicas is not None:
            await self._try_command(connection, "WAIT", 0, 1)
        self.denied = None
        self._needs.report("privileges", None)

    async def _try_command(self, connection: Connection, *command: Argument) -> None:
        """Try a command. Raises `ReplyError` for a missing right, and ignores other errors."""
        try:
            refused = await connection.execute(*command)
        except ReplyError as error:
            if is_denial(error):
                raise
            return
        if isinstance(refused, list) and refused and isinstance(refused[0], bytes):
            words = "; ".join(each.decode(errors="replace") for each in refused)
            raise ReplyError(f"NOPERM {words}")

    async def _check_replicas(self, connection: Connection) -> None:
        if self.replicas is None:
            return
        self.replicas.update(await connection.execute("ROLE"))
        if self.replicas.overdue and await self._needs.confirm():
            self.replicas.give_up()
        self._needs.report("replicas", self.replicas.missing)
