"""The supervised connection to one Redis server (a shard): it reconnects after each break."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any

from syncline_protocol.backoff import Backoff
from syncline_server.config.validation import SettingError
from syncline_server.observability.tasks import TaskSet
from syncline_server.storage.errors import (
    ConnectionBroken,
    Denied,
    ReplyError,
    StorageError,
    Unanswered,
    Unavailable,
)
from syncline_server.storage.scripts import ALL, PROBE

from .address import Address
from .connection import Argument, Connection, connect, describe
from .durability import Barrier, Replicas
from .inspection import Inspection, Inspector, is_denial

__all__ = ["PAUSE", "PAUSE_LIMIT", "ShardConnection", "reconnect"]

logger = logging.getLogger("syncline.redis")

PAUSE = 0.05
PAUSE_LIMIT = 1.0
"""First and largest ceiling, in seconds, of the random pause before Redis is tried again."""

ELSEWHERE_INTERVAL = 5.0
"""Seconds between reconnects that are made because the server is not a master."""

PENDING_LIMIT = 50_000
"""Commands without a reply, at most; further ones are refused with 20503."""


class ShardConnection:
    """Sends commands to one Redis server, each once.

    While there is no connection, commands are refused at once and never queued. `Redis` and
    `Committer` decide what may be sent again.
    """

    def __init__(
        self,
        locate: Callable[[], Awaitable[Address]],
        *,
        timeout: float,
        barrier: Callable[[Connection, Replicas | None], Barrier | None],
        on_trouble: Callable[[], None],
        setup: Callable[[], Sequence[Argument]],
        inspection: Inspection,
    ) -> None:
        """
        Args:
            locate: returns the server's address; called before each connect.
            timeout: seconds without a reply after which the connection is given up.
            barrier: makes the barrier that commits wait for besides their reply; it may return
                None for no barrier.
            on_trouble: called when the connection breaks or cannot be made, and when the server
                is no longer a master.
            setup: returns a command to send on each new connection before all others; an empty
                one is not sent.
            inspection: what the inspector of each connection needs.
        """
        self._setup = setup
        self.inspector = Inspector(inspection)
        self._locate = locate
        self._timeout = timeout
        self._make_barrier = barrier
        self._on_trouble = on_trouble
        self._connection: Connection | None = None
        self._barrier: Barrier | None = None
        self._up = asyncio.Event()
        self._tasks = TaskSet()
        self._address: Address | None = None
        # Why there is no connection; None while there is one.
        self._trouble: str | None = None
        # Redis' words for why it refuses writes; None while it accepts them.
        self._refusal: str | None = None
        self._connected_at = 0.0

    @property
    def problem(self) -> str | None:
        """Why this Redis cannot be used, with its address; None if it can."""
        where = "Redis" if self._address is None else f"Redis at {self._address}"
        if self._trouble is not None:
            return f"{where} cannot be reached: {self._trouble}"
        if self._refusal is not None:
            return f"{where} refuses writes: {self._refusal}"
        return None if self.connected else f"{where} has not answered yet"

    @property
    def connected(self) -> bool:
        """True while commands can be sent."""
        return self._connection is not None and not self._connection.ended.done()

    @property
    def pending(self) -> int:
        """Number of commands without a reply."""
        return 0 if self._connection is None else self._connection.pending

    async def start(self) -> None:
        """Try once to connect. Whether or not that succeeds, stay connected until `stop`.

        Raises:
            SettingError: the server cannot be started at all.
        """
        try:
            self._install(await self._connect())
        except (OSError, StorageError) as error:
            # `Readiness` logs the problem.
            logger.debug("Redis does not answer yet: %s", describe(error))
        self._tasks.spawn(self._supervise())

    async def stop(self) -> None:
        """End the connection."""
        await self._tasks.aclose()
        if self._connection is not None:
            self._connection.abort()

    def reset(self) -> None:
        """Drop the connection and connect again: the server is elsewhere now."""
        if self._connection is not None:
            self._connection.abort()

    async def reconnected(self) -> None:
        """Return once commands can be sent again. Raises `Refusal` if that takes too long."""
        try:
            async with asyncio.timeout(self._timeout):
                # A broken command resumes its caller before the supervisor sees the break. `_up` is
                # then still set from the connection before, so clear it here.
                while not self.connected:
                    self._up.clear()
                    await self._up.wait()
        except TimeoutError:
            raise Unavailable("The store is unavailable.") from None

    async def execute(self, *command: Argument) -> Any:
        """The reply to a command.

        Raises:
            StorageError: which kinds there are, says `storage.errors`.
        """
        return await self._reply(self._live().execute(*command))

    async def commit(self, *command: Argument) -> Any:
        """The reply to a command that writes, once it is as durable as the settings require.

        Raises as `execute`.
        """
        # Taken together, before any await: the barrier belongs to this connection. After a
        # reconnect another one waits for other writes.
        connection, barrier = self._live(), self._barrier
        # 1. Refuse before anything is sent: then nothing has changed.
        if self.inspector.denied is not None:
            raise Denied
        if barrier is not None:
            barrier.check()
        # 2. Send the write.
        answer = connection.execute(*command)
        if barrier is None:
            # As `_reply`, without a coroutine of its own: nearly every write passes here.
            try:
                return await answer
            except (ConnectionBroken, ReplyError) as error:
                raise self._described(error) from None
        # 3. Ask for the barrier after the write was sent: it covers what was sent before it.
        # Shielded: other writes wait for the same future, and a caller that is cancelled must not
        # cancel it for them.
        reply, _ = await asyncio.gather(self._reply(answer), asyncio.shield(barrier.passed()))
        return reply

    async def probe_writes(self, key: str) -> None:
        """Try a write that changes nothing, and show in `problem` whether Redis refuses it."""
        try:
            async with asyncio.timeout(self._timeout):
                await self.execute("EVALSHA", PROBE.digest, 1, key)
        except (Unavailable, TimeoutError):
            return  # `_described` has kept the refusal, or the connection is about to be given up
        except ReplyError as error:
            kind = _kind(error)
            if kind == "NOSCRIPT":
                with suppress(StorageError):
                    await self.load_scripts()
            elif kind not in _ELSEWHERE:
                self._refusal = _words(error)
        else:
            self._refusal = None

    async def load_scripts(self) -> None:
        """Load the scripts into a server that has lost them. Raises as `execute`."""
        await asyncio.gather(*(self.execute("SCRIPT", "LOAD", script.source) for script in ALL))

    def _live(self) -> Connection:
        connection = self._connection
        if connection is None or connection.ended.done():
            raise Unavailable("The store is unavailable; nothing was changed. Try again.")
        if connection.pending >= PENDING_LIMIT:
            raise Unavailable("The store is busy; nothing was changed. Try again.")
        return connection

    async def _reply(self, answer: asyncio.Future[Any]) -> Any:
        try:
            return await answer
        except (ConnectionBroken, ReplyError) as error:
            raise self._described(error) from None

    def _described(self, error: ConnectionBroken | ReplyError) -> Exception:
        """What a command raises whose reply is an error, or was lost; the problem is recorded."""
        if isinstance(error, ConnectionBroken):
            return Unanswered(
                "The store became unavailable before it answered; a write may or may not have been "
                "applied."
            )
        kind = _kind(error)
        if is_denial(error):
            # Nothing was changed: the first write of a script decides (see lib/applied.lua). A
            # denial of a later command does not end the script.
            self.inspector.check_soon()
            return Denied()
        if kind not in _AWAY:
            if kind in _REFUSED:
                self._refusal = _words(error)
            return error
        self._refusal = _words(error)
        if kind == "READONLY":
            self._find_master_again()
        self._on_trouble()
        return Unavailable("The store cannot write now; nothing was changed. Try again.")

    def _find_master_again(self) -> None:
        """Reconnect, because the server is not a master and its host name may lead to another now.

        At most once in `ELSEWHERE_INTERVAL`: this server still answers reads.
        """
        if asyncio.get_running_loop().time() - self._connected_at >= ELSEWHERE_INTERVAL:
            self.reset()

    async def _supervise(self) -> None:
        while True:
            if self._connection is None:
                self._install(await reconnect(self._connect, self._on_trouble))
                level = logging.INFO if self._refusal is None else logging.DEBUG
                logger.log(level, "connected to Redis")
            assert self._connection is not None
            inspecting = asyncio.create_task(self.inspector.run(self._connection))
            try:
                await self._probe_idle(self._connection)
            finally:
                inspecting.cancel()
            self._connection = None
            if self._refusal is None:
                self._trouble = "the connection ended"
                logger.warning("the connection to Redis ended")
            self._on_trouble()

    def _install(self, connection: Connection) -> None:
        self._connection = connection
        self._trouble = None
        self._connected_at = asyncio.get_running_loop().time()
        self._barrier = self._make_barrier(connection, self.inspector.replicas)
        self._up.set()

    async def _connect(self) -> Connection:
        try:
            return await self._log_in()
        except (OSError, StorageError, SettingError) as error:
            self._trouble = describe(error)
            raise

    async def _log_in(self) -> Connection:
        self._address = await self._locate()
        connection = await connect(self._address, self._timeout)
        try:
            async with asyncio.timeout(self._timeout):
                if command := self._setup():
                    await connection.execute(*command)
                await asyncio.gather(*(connection.execute("SCRIPT", "LOAD", s.source) for s in ALL))
                await self.inspector.prepare(connection)
        except BaseException as error:
            connection.abort()
            if isinstance(error, ReplyError) and is_denial(error):
                self.inspector.deny(error)
            raise
        return connection

    async def _probe_idle(self, connection: Connection) -> None:
        """Return when the connection has ended. End it if Redis does not answer in time."""
        clock = asyncio.get_running_loop().time
        suspected: float | None = None
        while not connection.ended.done():
            since = connection.waiting_since
            if since is not None and clock() - since > self._timeout:
                # Only if the same command is overdue at two checks in a row: after a pause of this
                # process, its reply may be in the socket and not read yet.
                if since == suspected:
                    logger.warning("Redis has not answered for %g s", self._timeout)
                    self._trouble = f"it has not answered for {self._timeout:g} s"
                    connection.abort()
                suspected = since
            await asyncio.wait([connection.ended], timeout=self._timeout / 8)


_AWAY = {
    "READONLY",
    "LOADING",
    "MASTERDOWN",
    "CLUSTERDOWN",
    "TRYAGAIN",
    "OOM",
    "MISCONF",
    "NOREPLICAS",
}
"""Kinds of error replies by which Redis refuses a write before it changes anything."""

_REFUSED = {"NOPERM", "NOAUTH"}
"""Kinds that name a missing right; in the middle of a script, something may have been written."""

_ELSEWHERE = {"MOVED", "ASK", "TRYAGAIN"}
"""Kinds that say nothing about the server that sends them: a Cluster is moving a slot."""

# Redis 6.2 wraps the errors of a script's commands, and 7 adds the script's digest.
_KIND = re.compile(r"(?:ERR Error running script .*: -)?([A-Z]*)")


def _kind(error: ReplyError) -> str:
    match = _KIND.match(str(error))
    return match[1] if match else ""


_WORDS = re.compile(
    r"(?:ERR Error running script .*?: -)?(.*?)(?: script: (?:[0-9a-f]{40}, )?on @.*)?"
)


def _words(error: ReplyError) -> str:
    """The text of an error reply, without the digest and line of the script."""
    text = str(error)
    match = _WORDS.fullmatch(text)
    return (match[1] if match else text).rstrip(".")


async def reconnect(
    attempt: Callable[[], Awaitable[Connection]], on_trouble: Callable[[], None]
) -> Connection:
    """Call `attempt` until it succeeds, with pauses; call `on_trouble` after each failure."""
    backoff = Backoff(PAUSE, PAUSE_LIMIT)
    while True:
        await asyncio.sleep(backoff.pause())
        try:
            return await attempt()
        except (OSError, StorageError, SettingError) as error:
            # `Readiness` logs the problem.
            logger.debug("Redis cannot be reached: %s", describe(error))
            on_trouble()
