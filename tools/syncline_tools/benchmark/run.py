"""A run of the load test, stage by stage: connect, fixed rate, maximum fan-out, writes."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from syncline import ConnectionLost, RequestError, RequestTimeout

from .figures import Delay, Figures
from .socket import Place, Socket
from .topic import Count, Topic

__all__ = ["Benchmark", "Shape"]

CONNECTING = 50
"""Connections that are opened at the same time."""

CONNECT_ATTEMPTS = 30
CONNECT_PAUSE = 1.0
"""Seconds before a connection that the server had no room for is tried again."""

IN_FLIGHT = 16
"""Unanswered writes of each writer in the last stage."""

REFUSAL_PAUSE = 0.05
"""Seconds that a writer pauses after a refused write."""

REPLY_TIMEOUT = 30.0
"""Seconds that a stage may take beyond its share of the duration."""

TTL = 3600
"""TTL of the documents in seconds, in case an interrupted run does not remove them."""

STAGES = 3
"""Number of stages that share the duration."""


_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """Size of a run.

    Attributes:
        writers: number of writers; each has one document.
        duration: seconds of all stages together, without connecting.
        rate: events per second in the first stage.
        size: bytes of data in a document.
    """

    subscribers: int
    writers: int
    duration: float
    rate: float
    size: int


class Benchmark:
    """A run of all stages against one server."""

    def __init__(self, place: Place, shape: Shape, report_stage: Callable[[str], None]) -> None:
        """`report_stage`: called with a line of text when a stage begins."""
        self._place = place
        self._shape = shape
        self._report_stage = report_stage
        self._count = Count()
        self._refused = 0
        self._topics: list[Topic] = []
        self._sockets: list[Socket] = []
        self._seconds = shape.duration / STAGES

    async def run(self) -> Figures:
        """Run all stages, and remove the documents.

        Raises:
            RequestError: the server refused a request that the run needs.
            ConnectionLost: a connection failed or was lost.
            RequestTimeout: the server did not answer.
        """
        try:
            await self._make_documents()
            connections = await self._within(self._connect())
            rate, delay = await self._within(self._keep_rate())
            self._count.reset()
            events, deliveries, share = await self._within(self._fan_out())
            merged = self._count.merged
            writes = await self._within(self._write())
            await asyncio.gather(*(topic.remove() for topic in self._topics))
        finally:
            for socket in self._sockets:
                socket.close()
        return Figures(
            subscribers=self._shape.subscribers,
            writers=self._shape.writers,
            connections_per_second=connections,
            rate=rate,
            delay=delay,
            events_per_second=events,
            deliveries_per_second=deliveries,
            writes_per_second=writes,
            merged=merged,
            refused=self._refused,
            client_share=share,
        )

    async def _within(self, stage: Awaitable[_Result]) -> _Result:
        limit = self._seconds + REPLY_TIMEOUT
        try:
            async with asyncio.timeout(limit):
                return await stage
        except TimeoutError:
            raise RequestTimeout("set", limit) from None

    async def _make_documents(self) -> None:
        run = secrets.token_hex(4)
        for number in range(self._shape.writers):
            writer = await self._dial(partial(Socket.dial, self._place, _ignore))
            name = f"syncline-bench-{run}-{number}"
            topic = Topic(name, writer, self._count, self._shape.size)
            await topic.create(TTL)
            self._topics.append(topic)

    async def _connect(self) -> float:
        """Connect all subscribers; return connections per second."""
        count = self._shape.subscribers
        self._report_stage(f"connecting {count} subscribers")
        began = time.monotonic()
        numbers = iter(range(count))

        async def connect_some() -> None:
            for number in numbers:
                topic = self._topics[number % len(self._topics)]
                await self._dial(partial(topic.subscribe, self._place))

        await asyncio.gather(*(connect_some() for _ in range(min(CONNECTING, count))))
        return count / (time.monotonic() - began)

    async def _dial(self, dial: Callable[[], Awaitable[Socket]]) -> Socket:
        for attempt in range(1, CONNECT_ATTEMPTS + 1):
            try:
                socket = await dial()
            except ConnectionLost as error:
                if not error.retry or attempt == CONNECT_ATTEMPTS:
                    raise
                await asyncio.sleep(CONNECT_PAUSE)
            else:
                self._sockets.append(socket)
                return socket
        raise AssertionError("unreachable")

    async def _keep_rate(self) -> tuple[float, Delay | None]:
        """Write at the fixed rate; return the achieved events per second and the delay."""
        rate = self._shape.rate
        self._report_stage(f"{rate:g} events a second")
        began = time.monotonic()
        replies = []
        for number in range(max(1, round(self._seconds * rate))):
            await asyncio.sleep(began + number / rate - time.monotonic())
            topic = self._topics[number % len(self._topics)]
            replies.append((topic, topic.write()))
        # Add the interval that follows the last event: N events at rate R take N / R seconds.
        took = time.monotonic() - began + 1 / rate
        written = sum([await self._await_reply(topic, reply) for topic, reply in replies])
        await asyncio.gather(*(topic.arrived() for topic in self._topics))
        return written / took, Delay.of(self._count.delays)

    async def _fan_out(self) -> tuple[float, float, float]:
        """Write as fast as all subscribers receive.

        Returns:
            events per second, deliveries per second, and CPU share of the clients.
        """
        self._report_stage("as many events as every subscriber can get")
        began, cpu = time.monotonic(), time.process_time()

        async def write_on(topic: Topic) -> int:
            written = 0
            while time.monotonic() < began + self._seconds:
                written += await self._await_reply(topic, topic.write())
                await topic.arrived()
            return written

        written = sum(await asyncio.gather(*map(write_on, self._topics)))
        took = time.monotonic() - began
        share = (time.process_time() - cpu) / took
        return written / took, self._count.deliveries / took, share

    async def _write(self) -> float:
        """Write to documents without subscribers; return writes per second."""
        self._report_stage("as many writes as can be")
        topics = [await self._unfollowed(topic) for topic in self._topics]
        began = time.monotonic()

        async def write_on(topic: Topic) -> int:
            written = 0
            while time.monotonic() < began + self._seconds:
                written += await self._await_reply(topic, topic.write())
            return written

        writing = [write_on(topic) for topic in topics for _ in range(IN_FLIGHT)]
        written = sum(await asyncio.gather(*writing))
        took = time.monotonic() - began
        await asyncio.gather(*(topic.remove() for topic in topics))
        return written / took

    async def _unfollowed(self, topic: Topic) -> Topic:
        made = Topic(f"{topic.name}-alone", topic.writer, self._count, self._shape.size)
        await made.create(TTL)
        return made

    async def _await_reply(self, topic: Topic, reply: Awaitable[object]) -> bool:
        """Await the reply to a write; False if the server refused it for now (`retry`)."""
        try:
            await reply
        except RequestError as error:
            if not error.retry:
                raise
            self._refused += 1
            topic.forget()
            await asyncio.sleep(REFUSAL_PAUSE)
            return False
        return True


def _ignore(_: bytes) -> None:
    """Ignore an event: a writer is not subscribed."""
