"""The Redis client: sends each command and script to the shard that serves its key."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

from syncline_server.config.clock import clock as server_clock
from syncline_server.observability.metrics import Histogram
from syncline_server.observability.readiness import Readiness
from syncline_server.observability.tasks import TaskSet
from syncline_server.storage import keys
from syncline_server.storage.errors import ReplyError, Unanswered, Unavailable
from syncline_server.storage.scripts import Script

from .clock import now_ms
from .connection import Argument, Connection
from .data_set import DataSet
from .durability import Durability, barrier
from .engine import Engine
from .inspection import Inspection
from .shard import ShardConnection

__all__ = ["Redis"]

PROBE_CANDIDATES = 4096
"""Service SIDs that are tried to find one whose first bucket a shard serves. A shard that serves
none of them, because it has very few slots, is not probed."""

PUT_OFF_PAUSE = 0.02
"""Seconds before a command is sent again that a Cluster has put off."""

PROBLEM_LIMIT = 3
"""Shards whose problems are described; further ones are only counted."""

T = TypeVar("T")


class Redis:
    """The connections to all shards of an engine. A command for a shard that is away is refused.

    Attributes:
        refused_writes: commits that were refused before Redis saw them.
    """

    def __init__(
        self,
        engine: Engine,
        timeout: float,
        durability: Durability | None = None,
        commits: Histogram | None = None,
        *,
        data_set: DataSet | None = None,
        readiness: Readiness | None = None,
        clock_tolerance: float = 3.0,
    ) -> None:
        """
        Args:
            timeout: seconds without a reply after which a connection is given up.
            durability: what a commit waits for besides its reply.
            commits: histogram of the seconds that commits take.
            data_set: the data set that must be there; None accepts any.
            readiness: receives the problems that are found.
            clock_tolerance: seconds by which this machine's clock and Redis' may differ.
        """
        self.engine = engine
        self.data_set = data_set or DataSet("", "")
        self.refused_writes = 0
        self._timeout = timeout
        self._durability = durability or Durability()
        self._barrier = barrier(self._durability)
        self._commits = commits or Histogram()
        self._readiness = readiness or Readiness()
        self._clock_tolerance = clock_tolerance
        # Problems by name, then by shard. A name is resolved when its last shard is.
        self._problems: dict[str, dict[str, str]] = {}
        self._shards: dict[str, ShardConnection] = {}
        self._tasks = TaskSet()
        self._no_writes: str | None = None
        # The tags of `tail_channel`; they follow from the slot map.
        self._tail_tags: dict[str, str | None] = {}
        self._setup: Callable[[], Sequence[Argument]] = tuple

    @property
    def connected(self) -> bool:
        """True while every shard is connected."""
        return bool(self._shards) and all(
            connection.connected for connection in self._shards.values()
        )

    @property
    def nodes(self) -> Mapping[str, ShardConnection]:
        """The connections by shard."""
        return self._shards

    @property
    def problem(self) -> str | None:
        """Why some shards cannot be written to, in Redis' words; None if all can."""
        if not self._shards:
            return f"{self.engine} names no Redis: {self.engine.trouble or 'it was not asked yet'}"
        problems = sorted(
            filter(None, (connection.problem for connection in self._shards.values()))
        )
        more = len(problems) - PROBLEM_LIMIT
        text = "; ".join(problems[:PROBLEM_LIMIT])
        return f"{text}; and {more} more" if more > 0 else text or None

    @property
    def pending(self) -> int:
        """Commands without a reply, on all shards."""
        return sum(connection.pending for connection in self._shards.values())

    @property
    def takes_writes(self) -> bool:
        """False while every write is refused, because the disk is nearly full."""
        return self._no_writes is None

    @property
    def clock_offset(self) -> float:
        """Seconds by which this machine's clock is ahead of the shard whose clock differs most."""
        offsets = (connection.inspector.clock.offset for connection in self._shards.values())
        return max(offsets, key=abs, default=0.0)

    @property
    def clock_faults(self) -> int:
        """Number of times that this machine's clock and Redis' were found too far apart."""
        return sum(connection.inspector.clock_faults for connection in self._shards.values())

    def publishing(self, key: str) -> tuple[str, str, str | None]:
        """Arguments of scripts for the events of a key's object: publish, channel, tail
        (lib/publish.lua).

        Raises `Unavailable` while the data set is not known.
        """
        tail = None
        if not self.engine.is_whole:
            with suppress(LookupError):
                tail = self.tail_channel(self.engine.shard_of(key))
        return self.engine.publish, self._channel_infix(), tail

    def now_ms(self, key: str | None = None) -> int:
        """Lower bound of Redis' time on the shard of `key`; None gives the latest of all shards."""
        if key is not None:
            try:
                return self._shard_connection(key).inspector.clock.now_ms()
            except Unavailable:
                pass  # not connected to that shard now: take the latest of all
        times = (connection.inspector.clock.now_ms() for connection in self._shards.values())
        return max(times, default=now_ms())

    def prefixed(self, key: str) -> str:
        """A key with its prefix, for keys in arguments; methods prefix the first key themselves."""
        return self.data_set.prefix + key

    def wire_channel(self, channel: str) -> str:
        """The name of a channel in Redis. Raises `Unavailable` while the data set is not known."""
        tag, _, name = channel.partition(_EVENT)
        return f"{self.data_set.prefix}{tag}{self._channel_infix()}{name}"

    def channel(self, wire_channel: str) -> str:
        """The channel whose name in Redis this is; undoes `wire_channel`."""
        tag, _, rest = wire_channel.removeprefix(self.data_set.prefix).partition(_EVENT)
        return f"{tag}{_EVENT}{rest.rpartition(':')[2]}"

    def probe_tag(self, shard: str) -> str | None:
        """A hash tag that the shard serves, of a bucket without data; None if none is found."""
        for number in range(PROBE_CANDIDATES):
            tag = keys.bucket_tag(f"IS{number:032x}", 0)
            with suppress(LookupError):
                if self.engine.shard_of(tag) == shard:
                    return tag
        return None

    def tail_channel(self, shard: str) -> str | None:
        """The name in Redis of a Cluster's channel for tails of a shard; None if there is none.

        It depends on the slot map, as `probe_tag` does. Servers whose maps differ for a while use
        different channels: then the tails miss events.

        Raises `Unavailable` while the data set is not known.
        """
        if shard not in self._tail_tags:
            self._tail_tags[shard] = self.probe_tag(shard)
        tag = self._tail_tags[shard]
        return None if tag is None else self.wire_channel(f"{tag}{_EVENT}tail")

    def inspect(self, key: str) -> None:
        """Inspect the shard of a key: Redis refused a command that it should accept."""
        with suppress(Unavailable):
            self._shard_connection(key).inspector.check_soon()

    async def start(self) -> None:
        """Try once to connect to each shard. Whether or not that succeeds, go on until `stop`.

        The engine must have been started.
        """
        self.engine.on_change(self._match_shards)
        self._shards = {shard: self._make(shard) for shard in self.engine.shards()}
        await asyncio.gather(*(connection.start() for connection in self._shards.values()))

    async def stop(self) -> None:
        """End all connections."""
        self._tasks.cancel_all()
        await asyncio.gather(*(connection.stop() for connection in self._shards.values()))

    def set_up(self, command: Callable[[], Sequence[Argument]]) -> None:
        """Set a function that returns the command to send first on each new connection.

        An empty command is not sent.
        """
        self._setup = command

    def refuse_writes(self, reason: str | None) -> None:
        """Refuse all writes before they are sent, with `UNAVAILABLE`; None accepts them again."""
        self._no_writes = reason

    async def reconnected(self, key: str) -> None:
        """Return once the shard of a key is connected; raises `Unavailable` after the timeout."""
        await self._shard_connection(key).reconnected()

    async def execute(self, verb: str, key: str, *arguments: Argument) -> Any:
        """The reply to a command on one key.

        Raises:
            StorageError: which kinds there are, says `storage.errors`.
        """
        if self._no_writes is not None and verb not in _HARMLESS:
            raise Unavailable(self._no_writes)
        command = (verb, self.prefixed(key), *arguments)
        return await self._route(key, command)

    async def publish(self, wire_channel: str, message: str) -> int:
        """Publish a message; returns how many subscribers received it. Raises as `execute`."""
        command = (self.engine.publish, wire_channel, message)
        receivers: int = await self._route(wire_channel, command)
        return receivers

    async def run(self, script: Script, key: str, *arguments: Argument) -> Any:
        """The reply of a script that only reads; raises as `execute`."""
        command = self._call(script, key, arguments)
        return await self._route(key, command)

    def _call(self, script: Script, key: str, arguments: Sequence[Argument]) -> Sequence[Argument]:
        own = server_clock.script_arguments
        return "EVALSHA", script.digest, 1, self.prefixed(key), *arguments, *own

    async def commit(self, script: Script, key: str, *arguments: Argument) -> Any:
        """The reply of a script that writes, once it is durable; raises as `execute`."""
        if self._no_writes is not None:
            self.refused_writes += 1
            raise Unavailable(self._no_writes)
        command = self._call(script, key, arguments)
        began = time.monotonic()
        reply = await self._route(key, command, writes=True)
        self._commits.observe(time.monotonic() - began)
        return reply

    async def ask_twice(self, key: str, ask: Callable[[], Awaitable[T]]) -> T:
        """The reply of `ask`; it is called again on a new connection if the first reply was lost.

        Only for what may be carried out twice. `key` names the shard. Raises as `ask`.
        """
        try:
            return await ask()
        except Unanswered:
            await self.reconnected(key)
            return await ask()

    async def _route(self, key: str, command: Sequence[Argument], *, writes: bool = False) -> Any:
        """Send a command to the shard of a key; again if the shard redirects it or puts it off.

        A redirected command was not carried out, so sending it again is safe.

        While a Cluster moves a slot, its keys are on two nodes, and a script would see only some of
        them. The script's KEYS[1] is a tag, which never exists as a key, so the node answers ASK.
        That puts the script off until the slot has arrived.
        """
        deadline = time.monotonic() + self._timeout
        while True:
            if self.data_set.problem is not None:
                raise Unavailable(
                    "The store holds the data of another account; nothing was changed.",
                )
            connection = self._shard_connection(key)
            try:
                # By `commit`, a write waits until it is durable.
                ask = connection.commit if writes else connection.execute
                return await ask(*command)
            except ReplyError as error:
                kind = str(error).partition(" ")[0]
                if kind == "NOSCRIPT":
                    # A replica that was promoted has no scripts.
                    await connection.load_scripts()
                elif kind == "MOVED":
                    self.engine.moved(str(error))
                    await self._shard_connection(key).reconnected()
                elif kind in _PUT_OFF:
                    await asyncio.sleep(PUT_OFF_PAUSE)
                else:
                    raise
            if time.monotonic() > deadline:
                raise Unavailable(
                    "The store is moving slots; nothing was changed. Try again.",
                )

    def _shard_connection(self, key: str) -> ShardConnection:
        try:
            return self._shards[self.engine.shard_of(key)]
        except LookupError:
            raise Unavailable(
                "A part of the store is unavailable; nothing was changed. Try again."
            ) from None

    def _match_shards(self) -> None:
        """Connect to the shards that the engine names now, and drop the others."""
        self._tail_tags.clear()
        shards = set(self.engine.shards())
        for shard in shards - self._shards.keys():
            self._shards[shard] = connection = self._make(shard)
            self._tasks.spawn(connection.start())
        for shard in self._shards.keys() - shards:
            self._tasks.spawn(self._shards.pop(shard).stop())
            for name in self._problems:
                self.report(shard, name, None)

    def _make(self, shard: str) -> ShardConnection:
        return ShardConnection(
            partial(self.engine.address, shard),
            timeout=self._timeout,
            barrier=self._barrier,
            on_trouble=partial(self.engine.suspect, shard),
            setup=lambda: self._setup(),
            inspection=Inspection(
                durability=self._durability,
                clock_tolerance=self._clock_tolerance,
                probe=partial(self._probe, shard),
                identify=partial(self._identify, shard),
                confirm=partial(self.engine.confirms, shard),
                report=partial(self.report, shard),
            ),
        )

    def _channel_infix(self) -> str:
        if self.data_set.id is None:
            raise Unavailable("The store is unavailable; nothing was changed. Try again.")
        return f"{_EVENT}{self.engine.database}:{self.data_set.id}:"

    def _probe(self, shard: str) -> tuple[str, str, str] | None:
        tag = self.probe_tag(shard)
        if tag is None or self.data_set.id is None:
            return None
        prefixed = self.prefixed(tag)
        return self.engine.publish, prefixed, f"{prefixed}{self._channel_infix()}privileges"

    async def _identify(self, shard: str, connection: Connection) -> None:
        with suppress(LookupError):
            if self.engine.shard_of(keys.ALL_SERVICES) == shard:
                await self.data_set.identify(connection)
                self.report(shard, "data_set", self.data_set.problem)

    def report(self, shard: str, name: str, problem: str | None) -> None:
        """Record a problem of a shard under a name; None resolves it."""
        found = self._problems.setdefault(name, {})
        if problem is not None:
            found[shard] = problem
        elif found.pop(shard, None) is None:
            return
        first = next(iter(found.values()), None)
        self._readiness.report(name, first)


_EVENT = ":event:"
"""The part of a channel's name between the tag of its bucket and the SID."""

_PUT_OFF = ("ASK", "TRYAGAIN")

_HARMLESS = frozenset(
    "CONFIG ECHO EXISTS GET HGET HGETALL HKEYS HLEN HMGET HVALS MGET PING PUBLISH SCRIPT SMEMBERS "
    "SPUBLISH SRANDMEMBER TIME XRANGE ZCARD ZRANGE ZRANGEBYSCORE".split()
)
"""Commands that store nothing; they are accepted while writes are refused."""
