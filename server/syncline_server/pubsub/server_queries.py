"""Questions of one server to all others of its data set, through channels of Redis.

The process that asks publishes its question on a channel that all processes follow, or on that of
one process; the answers come on its own channel. One that does not answer in time is named.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence

from syncline_protocol.errors import Code, Refusal
from syncline_server.observability.tasks import PeriodicTask, TaskSet
from syncline_server.storage import keys
from syncline_server.storage.errors import StorageError
from syncline_server.storage.notices import ServerMessage
from syncline_server.storage.redis.client import Redis
from syncline_server.storage.servers import Member, ServerRegistry

from .hub import Hub

__all__ = ["ANSWER_TIMEOUT", "ServerQueries"]

logger = logging.getLogger("syncline.servers")

ANSWER_TIMEOUT = 1.0
"""Seconds for all other servers to answer."""

ANSWERS_LIMIT = 1_048_576
"""Bytes of all answers to one question. They come by the connection of the events, which Redis
closes if it falls behind."""

ANSWER_LEAST = 16_384
"""Bytes that one process may answer in any case, however many there are."""

AT_ONCE = 16
"""Questions that one process answers at the same time; further ones stay without an answer."""

SUBSCRIBE_INTERVAL = 1.0
"""Seconds until a subscription that Redis has not confirmed is waited for again."""

ALL = "servers"
"""The name of the channel that all processes follow."""

Answer = Callable[[bytes, int], Awaitable[bytes]]
"""Returns the answer to a question; it should have at most so many bytes."""


class _Pending:
    """The answers to one question so far, by process."""

    def __init__(self, expected: set[str]) -> None:
        self._expected = expected
        self.answers: dict[str, bytes] = {}
        self.is_complete = asyncio.Event()

    def add(self, process: str, answer: bytes) -> None:
        if process in self._expected:
            self.answers[process] = answer
            if self._expected == self.answers.keys():
                self.is_complete.set()


class ServerQueries:
    """The questions of this process to other servers, and its answers to theirs."""

    def __init__(self, redis: Redis, hub: Hub, own: Member, answer: Answer) -> None:
        self._redis = redis
        self._hub = hub
        self._own = own
        self._answer = answer
        self._registry = ServerRegistry(redis, own)
        self._pending: dict[str, _Pending] = {}
        self._answering = TaskSet()
        self._subscribing = PeriodicTask(
            self._subscribe, SUBSCRIBE_INTERVAL, name="the channel of servers", logger=logger
        )
        self._is_registered = False
        hub.on_server_message(self._on_message)

    def start(self) -> None:
        """Begin to answer the others. The hub must have been started."""
        self._subscribing.start()

    async def stop(self) -> None:
        """Stop answering."""
        await self._subscribing.stop()
        await self._answering.aclose()
        if self._is_registered:
            await self._registry.stop()

    async def ask(
        self, question: bytes, only: Callable[[Member], bool] = lambda _: True
    ) -> Mapping[Member, bytes | None]:
        """The answers of all processes of other servers; None for one that does not answer in time.

        Args:
            only: chooses those that are asked.

        Raises:
            Refusal: `UNAVAILABLE`, if Redis cannot be asked who the others are, and never could.
        """
        deadline = asyncio.get_running_loop().time() + ANSWER_TIMEOUT
        members = list(filter(only, await self._others(deadline)))
        if not members:
            return {}
        pending = _Pending({each.process for each in members})
        id_ = secrets.token_hex(8)
        self._pending[id_] = pending
        channel = ALL if len(members) > 1 else members[0].process
        limit = max(ANSWER_LEAST, ANSWERS_LIMIT // len(members))
        head = {"ask": id_, "from": self._own.process, "server": self._own.server, "limit": limit}
        try:
            async with asyncio.timeout_at(deadline):
                await self._publish(channel, ServerMessage(head, question))
                await pending.is_complete.wait()
        except (TimeoutError, StorageError):
            pass  # `answers` has what came
        finally:
            del self._pending[id_]
        return {each: pending.answers.get(each.process) for each in members}

    async def _others(self, deadline: float) -> Sequence[Member]:
        try:
            async with asyncio.timeout_at(deadline):
                return await self._registry.others()
        except (TimeoutError, StorageError):
            if (known := self._registry.last_others) is not None:
                return known
            raise Refusal(
                Code.UNAVAILABLE, "The store does not say which other servers there are. Try again."
            ) from None

    async def _subscribe(self) -> None:
        """Subscribe, and register only then: whoever is registered should answer."""
        for name in (ALL, self._own.process):
            await self._hub.feed.subscribe(keys.server_channel(name))
        if not self._is_registered:
            self._is_registered = True
            self._registry.start()

    async def _publish(self, name: str, message: ServerMessage) -> None:
        wire_channel = self._redis.wire_channel(keys.server_channel(name))
        await self._redis.publish(wire_channel, message.encode())

    def _on_message(self, message: ServerMessage) -> None:
        head = message.head
        if (pending := self._pending.get(head.get("answers", ""))) is not None:
            pending.add(head["from"], message.body)
        elif "ask" in head and head["server"] != self._own.server:
            if len(self._answering) < AT_ONCE:
                self._answering.spawn(self._reply(message))

    async def _reply(self, message: ServerMessage) -> None:
        head = message.head
        try:
            answer = await self._answer(message.body, head["limit"])
            about = {"answers": head["ask"], "from": self._own.process}
            await self._publish(head["from"], ServerMessage(about, answer))
        except StorageError:
            pass  # whoever asks names this server as silent
        except Exception:
            logger.exception("a question of another server could not be answered")
