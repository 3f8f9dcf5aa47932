"""Commands and scripts, each to the shard that serves its key."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from functools import partial
from typing import Any

from syncline_protocol.errors import Code, Refusal
from syncline_server.observability.metrics import Histogram
from syncline_server.storage.scripts import Script

from .connection import Argument, Connection, ReplyError
from .durability import Barrier
from .engine import Engine
from .shard import Node

__all__ = ["Redis"]

logger = logging.getLogger("syncline.redis")

PUT_OFF_PAUSE = 0.02
"""Seconds before what a Cluster has put off is asked again."""

PROBLEM_LIMIT = 3
"""Shards whose problems are named at once; of the others only the number is."""


class Redis:
    """All shards of an engine. What is asked of one that is away is refused at once.

    Attributes:
        refused_writes: commits that were refused before Redis saw them.
    """

    def __init__(
        self,
        engine: Engine,
        timeout: float,
        barrier: Callable[[Connection], Barrier | None] = lambda connection: None,
        commits: Histogram | None = None,
    ) -> None:
        """
        Args:
            timeout: seconds without a reply after which a connection is given up.
            barrier: what a commit waits for besides its reply.
            commits: counts the seconds that commits take.
        """
        self.engine = engine
        self.refused_writes = 0
        self._timeout = timeout
        self._barrier = barrier
        self._commits = commits or Histogram()
        self._nodes: dict[str, Node] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._no_writes: str | None = None
        self._setup: Callable[[], Sequence[Argument]] = tuple

    @property
    def connected(self) -> bool:
        """True while every shard can be asked."""
        return bool(self._nodes) and all(node.connected for node in self._nodes.values())

    @property
    def nodes(self) -> Mapping[str, Node]:
        """The connection to each shard there is now."""
        return self._nodes

    @property
    def problem(self) -> str | None:
        """Why not every shard can be written to, in Redis' words; None if all can."""
        if not self._nodes:
            return f"{self.engine} names no Redis: {self.engine.trouble or 'it was not asked yet'}"
        problems = sorted(filter(None, (node.problem for node in self._nodes.values())))
        more = len(problems) - PROBLEM_LIMIT
        text = "; ".join(problems[:PROBLEM_LIMIT])
        return f"{text}; and {more} more" if more > 0 else text or None

    @property
    def pending(self) -> int:
        """Commands without a reply, of all shards."""
        return sum(node.pending for node in self._nodes.values())

    async def start(self) -> None:
        """Make the first attempt to connect; whatever it gives, go on trying until `stop`.

        The engine must have been started.
        """
        self.engine.on_change(self._follow)
        self._nodes = {shard: self._make(shard) for shard in self.engine.shards()}
        await asyncio.gather(*(node.start() for node in self._nodes.values()))

    async def stop(self) -> None:
        """End all connections."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*(node.stop() for node in self._nodes.values()))

    def set_up(self, command: Callable[[], Sequence[Argument]]) -> None:
        """Have the command that this gives sent on each new connection, before all others; an
        empty one is not sent."""
        self._setup = command

    def refuse_writes(self, reason: str | None) -> None:
        """Refuse all writes before Redis sees them, with `UNAVAILABLE`; None lets them through."""
        self._no_writes = reason

    async def reconnected(self, key: str) -> None:
        """Return once the shard of a key can be asked again. Raises `Refusal` if it takes long."""
        await self._node(key).reconnected()

    async def execute(self, verb: str, key: str, *arguments: Argument) -> Any:
        """The reply to a command on one key.

        Raises:
            Refusal: `UNAVAILABLE`; its sentence says whether the command may have been carried out.
            ReplyError: Redis refused the command for good.
        """
        if self._no_writes is not None and verb not in _HARMLESS:
            raise Refusal(Code.UNAVAILABLE, self._no_writes)
        return await self._route(key, lambda node: node.execute(verb, key, *arguments))

    async def run(self, script: Script, key: str, *arguments: Argument) -> Any:
        """The reply of a script that only reads; raises as `execute`."""
        command = ("EVALSHA", script.digest, 1, key, *arguments)
        return await self._route(key, lambda node: node.execute(*command))

    async def commit(self, script: Script, key: str, *arguments: Argument) -> Any:
        """The reply of a script that writes, once it is durable; raises as `execute`."""
        if self._no_writes is not None:
            self.refused_writes += 1
            raise Refusal(Code.UNAVAILABLE, self._no_writes)
        command = ("EVALSHA", script.digest, 1, key, *arguments)
        began = time.monotonic()
        reply = await self._route(key, lambda node: node.commit(*command))
        self._commits.observe(time.monotonic() - began)
        return reply

    async def _route(self, key: str, ask: Callable[[Node], Awaitable[Any]]) -> Any:
        """Ask the shard of a key; what a shard only sends on or puts off is asked again.

        While a Cluster moves a slot, its keys are in two places and a script would see a part of
        them: it is put off (ASK, since no script's key exists) until the slot has arrived.
        """
        clock = asyncio.get_running_loop().time
        deadline = clock() + self._timeout
        while True:
            node = self._node(key)
            try:
                return await ask(node)
            except ReplyError as error:
                kind = str(error).partition(" ")[0]
                if kind == "NOSCRIPT":
                    # A promoted replica has none.
                    await node.load_scripts()
                elif kind == "MOVED":
                    self.engine.moved(str(error))
                    await self._node(key).reconnected()
                elif kind in _PUT_OFF:
                    await asyncio.sleep(PUT_OFF_PAUSE)
                else:
                    raise
            if clock() > deadline:
                raise Refusal(
                    Code.UNAVAILABLE,
                    "The store is being rearranged; nothing was changed. Try again.",
                )

    def _node(self, key: str) -> Node:
        try:
            return self._nodes[self.engine.shard_of(key)]
        except LookupError:
            raise Refusal(
                Code.UNAVAILABLE, "A part of the store is away; nothing was changed. Try again."
            ) from None

    def _follow(self) -> None:
        """Have a connection to each shard that there is now, and to no other."""
        shards = set(self.engine.shards())
        for shard in shards - self._nodes.keys():
            self._nodes[shard] = node = self._make(shard)
            self._spawn(node.start())
        for shard in self._nodes.keys() - shards:
            self._spawn(self._nodes.pop(shard).stop())

    def _make(self, shard: str) -> Node:
        return Node(
            partial(self.engine.address, shard),
            self._timeout,
            self._barrier,
            partial(self.engine.suspect, shard),
            lambda: self._setup(),
        )

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


_PUT_OFF = ("ASK", "TRYAGAIN")

_HARMLESS = frozenset(
    "CONFIG ECHO EXISTS GET HGET HGETALL HKEYS HLEN HMGET HVALS PING PUBLISH SCRIPT SMEMBERS "
    "SPUBLISH SRANDMEMBER TIME XRANGE ZRANGE ZRANGEBYSCORE".split()
)
"""Commands that store nothing: they go on while writes are refused."""
