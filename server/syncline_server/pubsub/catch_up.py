"""Catch-up: open objects are brought to their stored state after events may have been missed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
from contextlib import aclosing
from typing import Protocol

from syncline_protocol.errors import Refusal
from syncline_protocol.objects import Event, Header, ObjectType, type_of_sid
from syncline_server.observability.tasks import TaskSet
from syncline_server.storage.errors import StorageError
from syncline_server.storage.redis.shard import PAUSE_LIMIT

from .topic import Topic

__all__ = ["CatchUp", "ReadReaders", "Source"]

logger = logging.getLogger("syncline.hub")

TOPICS_AT_ONCE = 500
"""Objects that are read from Redis at a time."""

OVERTAKEN_PAUSE = 0.05
"""Seconds before an object is read again whose changes came live during the last read."""

ReadReaders = Callable[[str, str, Sequence[str]], Awaitable[set[str]]]
"""Returns the identities, among those given, that may read the object of a service and a SID."""


class Source(Protocol):
    """The stored objects of one type. Methods raise `Refusal` and `StorageError`."""

    async def header(self, service_sid: str, sid: str) -> Header | None:
        """The header of the object with this SID; None if there is none."""

    def missed(self, topic: Topic) -> AsyncGenerator[Event, None]:
        """The events that bring subscribers from `topic.revision` to the stored state.

        They come in revision order. An object that is gone has `topic.make_removal` as its last
        event. If the stored revision is below `topic.newest_known`, a failover lost writes: the
        stored state is then written again at a newer revision (promise 2).
        """


class CatchUp:
    """The objects of one process that are catching up."""

    def __init__(self, deliver: Callable[[Event], None], readers: ReadReaders) -> None:
        """`deliver`: passes an event to the subscribers, unless it is older than what they have."""
        self._deliver = deliver
        self._readers = readers
        self._sources: dict[str, Source] = {}
        self._tasks = TaskSet()

    def register(self, type_: ObjectType, source: Source) -> None:
        """Let the objects of a type catch up from `source`."""
        self._sources[type_.name] = source

    def start(self, topics: Iterable[Topic]) -> None:
        """Compare these topics with the stored objects, in the background."""
        self._tasks.spawn(self._compare_all(list(topics)))

    def stop(self) -> None:
        """End all comparisons."""
        self._tasks.cancel_all()

    async def _compare_all(self, topics: list[Topic]) -> None:
        for start in range(0, len(topics), TOPICS_AT_ONCE):
            await asyncio.gather(*map(self._compare, topics[start : start + TOPICS_AT_ONCE]))

    async def _compare(self, topic: Topic) -> None:
        """Deliver what the feed may have missed of one object."""
        source = self._sources[type_of_sid(topic.sid).name]
        while topic.subscribers:
            try:
                # Rights first: a `RightsChanged` may have been missed too, and an identity that
                # lost the right must not receive the state (promise 6).
                await self._end_unentitled(topic)
                is_done = await self._deliver_missed(source, topic)
            except (Refusal, StorageError) as error:
                logger.debug("%s cannot be compared yet: %s", topic.sid, error)
                # Try again until it works: no later event may come to show the gap (promise 3).
                await asyncio.sleep(PAUSE_LIMIT)
            else:
                if is_done:
                    return
                await asyncio.sleep(OVERTAKEN_PAUSE)

    async def _deliver_missed(self, source: Source, topic: Topic) -> bool:
        """Deliver what was missed; False if live events came during the reads, and it differs now.

        An older state is no harm, because `deliver` drops it. Changes of items are: they would come
        twice, and those of an item that was created and removed since are left out, while the
        subscribers have received its creation live.
        """
        async with aclosing(source.missed(topic)) as events:
            async for event in events:
                if event.replayable and event.previous < topic.revision < event.revision:
                    return False
                self._deliver(event)
        return True

    async def _end_unentitled(self, topic: Topic) -> None:
        """End the subscriptions of identities that have lost the right to read."""
        reading = {subscriber.reader for subscriber in topic.subscribers}
        identities = [reader for reader in reading if reader is not None]
        entitled = await self._readers(topic.service_sid, topic.sid, identities)
        ended = set(identities) - entitled
        # `reader` again: the client may have presented another token during the await. A copy:
        # `on_revoked` leaves the topic.
        for subscriber in list(topic.subscribers):
            if subscriber.reader in ended:
                subscriber.on_revoked(topic.sid)
