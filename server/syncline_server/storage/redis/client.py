"""Commands and scripts, each to the shard that serves its key."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine
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


class Redis:
    """All shards of an engine. What is asked of one that is away is refused at once."""

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
        self._timeout = timeout
        self._barrier = barrier
        self._commits = commits or Histogram()
        self._nodes: dict[str, Node] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def connected(self) -> bool:
        """True while every shard can be asked."""
        return bool(self._nodes) and all(node.connected for node in self._nodes.values())

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

    async def reconnected(self, key: str) -> None:
        """Return once the shard of a key can be asked again. Raises `Refusal` if it takes long."""
        await self._node(key).reconnected()

    async def execute(self, verb: str, key: str, *arguments: Argument) -> Any:
        """The reply to a command on one key.

        Raises:
            Refusal: `UNAVAILABLE`; its sentence says whether the command may have been carried out.
            ReplyError: Redis refused the command for good.
        """
        return await self._route(key, lambda node: node.execute(verb, key, *arguments))

    async def run(self, script: Script, key: str, *arguments: Argument) -> Any:
        """The reply of a script that only reads; raises as `execute`."""
        command = ("EVALSHA", script.digest, 1, key, *arguments)
        return await self._route(key, lambda node: node.execute(*command))

    async def commit(self, script: Script, key: str, *arguments: Argument) -> Any:
        """The reply of a script that writes, once it is durable; raises as `execute`."""
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
        )

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


_PUT_OFF = ("ASK", "TRYAGAIN")
