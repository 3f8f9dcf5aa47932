"""The supervised connection for commands: asked from everywhere, made anew after each break."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from syncline_protocol.errors import Code, Refusal
from syncline_server.settings import SettingError

from .connection import Argument, Connection, ConnectionBroken, ReplyError, connect
from .engine import Engine
from .scripts import ALL, Script

__all__ = ["PAUSE_LIMIT", "Backoff", "Redis", "Unanswered", "reconnect"]

logger = logging.getLogger("syncline.redis")

PENDING_LIMIT = 50_000
"""Commands without a reply, at most; further ones are refused with 20503."""

PAUSE = 0.05
PAUSE_LIMIT = 1.0
"""Seconds: the ceiling of the first random pause before connecting again, and the greatest."""


class Unanswered(Refusal):
    """A command was sent and its reply lost: it may have been carried out, or not."""


class Redis:
    """Commands and scripts, each tried once.

    While there is no connection, requests are refused at once rather than kept waiting.
    """

    def __init__(self, engine: Engine, timeout: float) -> None:
        """`timeout`: seconds without a reply after which the connection is given up."""
        self._engine = engine
        self._timeout = timeout
        self._connection: Connection | None = None
        self._up = asyncio.Event()
        self._supervisor: asyncio.Task[None] | None = None

    @property
    def connected(self) -> bool:
        """True while commands can be sent."""
        return self._connection is not None and not self._connection.ended.done()

    async def start(self) -> None:
        """Make the first attempt to connect; whatever it gives, go on trying until `stop`.

        Raises:
            SettingError: the engine cannot be started at all.
        """
        try:
            self._connection = await self._connect()
        except (OSError, ReplyError, ConnectionBroken) as error:
            logger.warning("Redis does not answer yet: %s", error)
        self._supervisor = asyncio.create_task(self._supervise())

    async def stop(self) -> None:
        """End the connection."""
        if self._supervisor is not None:
            self._supervisor.cancel()
            with suppress(asyncio.CancelledError):
                await self._supervisor
        if self._connection is not None:
            self._connection.abort()

    async def reconnected(self) -> None:
        """Return once commands can be sent again. Raises `Refusal` if that takes too long."""
        try:
            async with asyncio.timeout(self._timeout):
                await self._up.wait()
        except TimeoutError:
            raise Refusal(Code.UNAVAILABLE, "The store is away.") from None

    async def execute(self, *command: Argument) -> Any:
        """The reply to a command.

        Raises:
            Refusal: `UNAVAILABLE`; its sentence says whether the command may have been carried out.
            ReplyError: Redis refused the command for good.
        """
        connection = self._connection
        if connection is None or connection.ended.done():
            raise Refusal(Code.UNAVAILABLE, "The store is away; nothing was changed. Try again.")
        if connection.pending >= PENDING_LIMIT:
            raise Refusal(Code.UNAVAILABLE, "The store is busy; nothing was changed. Try again.")
        try:
            return await connection.execute(*command)
        except ConnectionBroken:
            raise Unanswered(
                Code.UNAVAILABLE,
                "The store went away before it answered; a write may or may not have been applied.",
            ) from None
        except ReplyError as error:
            if str(error).startswith(_AWAY):
                raise Refusal(
                    Code.UNAVAILABLE, "The store cannot write now; nothing was changed. Try again."
                ) from None
            raise

    async def run(self, script: Script, key: str, *arguments: Argument) -> Any:
        """The reply of a script on one key; raises as `execute`."""
        try:
            return await self._evaluate(script, key, *arguments)
        except ReplyError as error:
            if not str(error).startswith("NOSCRIPT"):
                raise
        # It was not run: Redis lost its scripts, as a promoted replica has none.
        await self.execute("SCRIPT", "LOAD", script.source)
        return await self._evaluate(script, key, *arguments)

    async def _evaluate(self, script: Script, key: str, *arguments: Argument) -> Any:
        return await self.execute("EVALSHA", script.digest, 1, key, *arguments)

    async def _supervise(self) -> None:
        while True:
            if self._connection is None:
                self._connection = await reconnect(self._connect)
                logger.info("connected to Redis")
            self._up.set()
            await self._watch(self._connection)
            self._up.clear()
            self._connection = None
            logger.warning("the connection to Redis ended")

    async def _connect(self) -> Connection:
        connection = await connect(await self._engine.address(), self._timeout)
        try:
            async with asyncio.timeout(self._timeout):
                await asyncio.gather(*(connection.execute("SCRIPT", "LOAD", s.source) for s in ALL))
        except BaseException:
            connection.abort()
            raise
        return connection

    async def _watch(self, connection: Connection) -> None:
        """Until the connection ends, or has been silent for too long and is ended."""
        clock = asyncio.get_running_loop().time
        while not connection.ended.done():
            since = connection.waiting_since
            if since is not None and clock() - since > self._timeout:
                logger.warning("Redis has not answered for %g s", self._timeout)
                connection.abort()
            await asyncio.wait([connection.ended], timeout=self._timeout / 4)


_AWAY = ("READONLY", "LOADING", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "OOM", "MISCONF", "NOREPL")
"""Kinds of error replies before anything is written: this Redis cannot write now."""


class Backoff:
    """Jittered pauses below a ceiling that doubles with each failure."""

    def __init__(self, first: float = PAUSE, limit: float = PAUSE_LIMIT) -> None:
        """The ceiling of the first pause, and the greatest, in seconds."""
        self._first = self._ceiling = first
        self._limit = limit

    def pause(self, after: float = 0.0) -> float:
        """Seconds to wait; what had stood for more than the limit, in `after`, begins anew."""
        if after > self._limit:
            self._ceiling = self._first
        pause = random.uniform(0, self._ceiling)
        self._ceiling = min(self._ceiling * 2, self._limit)
        return pause


async def reconnect(attempt: Callable[[], Awaitable[Connection]]) -> Connection:
    """`attempt` until it succeeds, with pauses."""
    backoff = Backoff()
    while True:
        await asyncio.sleep(backoff.pause())
        try:
            return await attempt()
        except (OSError, ReplyError, ConnectionBroken, SettingError) as error:
            logger.info("Redis cannot be reached: %s", error or type(error).__name__)
