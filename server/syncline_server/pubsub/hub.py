"""Who has which document open in this process, and the way of each event to them.

An event is handed to every subscriber by a plain call: no task, no await, no copy of its frame.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from syncline_protocol.documents import Document, Event, Removed, Updated
from syncline_protocol.errors import Refusal
from syncline_protocol.objects import SYSTEM
from syncline_server.observability.metrics import Meters, Tally
from syncline_server.storage.commit import REVISION_RANDOM
from syncline_server.storage.documents import Documents
from syncline_server.storage.keys import channel, sid_of_channel
from syncline_server.storage.redis.backoff import PAUSE_LIMIT
from syncline_server.storage.redis.client import Redis
from syncline_server.storage.redis.connection import ReplyError
from syncline_server.storage.rights import Right, RightsChanged
from syncline_server.storage.services import Service

from .cork import Cork, Outlet
from .delta_bases import Bases, FixedWindow
from .feed import Feed

if TYPE_CHECKING:
    from syncline_server.observability.tracing import Traces

__all__ = ["Format", "Hub", "Subscriber", "Topic"]

logger = logging.getLogger("syncline.hub")

LINGER = 1.0
"""Seconds for which a channel outlives its last subscriber, so that one who flaps costs nothing."""

DELTA_SIZE_LIMIT = 131_072
"""Bytes of data above which no delta is made: comparing them would block the event loop."""

BYTES_PER_UNIT = 8
"""Bytes that are compared in about a microsecond."""

COMPARED_AT_ONCE = 500
"""Documents that are read from Redis at a time after a gap."""


class Subscriber(Protocol):
    """Somebody who has documents open."""

    @property
    def reader(self) -> str | None:
        """The identity that needs the right to read; None while this one needs no right."""

    @property
    def takes_deltas(self) -> bool:
        """True if events are to have a base where they can; the same as long as it subscribes."""

    def on_event(self, event: Event) -> None:
        """Take an event. Must not block; revisions of one document grow.

        Not called for updates while the subscriber is in step (`Hub.step_in`).
        """

    def on_revoked(self, sid: str) -> None:
        """The right to read a document is gone, and so is the subscription. Must not block."""


@dataclass(frozen=True, slots=True, eq=False)
class Format:
    """How a wire tells of updates, in frames that all its sockets share.

    Attributes:
        whole: makes the frame of an event.
        brief: makes that for a client that has the data of `base`; None where there is none such.
        tally: counts what is told.
    """

    whole: Callable[[Event], bytes]
    brief: Callable[[Event], bytes] | None
    tally: Tally


@dataclass(slots=True, eq=False)
class Topic:
    """One open document.

    Attributes:
        aside: those of them who are not in step.
        crowds: those who are, and how they are written to.
        revision: the newest that came by; 0 if none did.
        held: the newest that a subscriber was told otherwise, by the answer to a request.
        unique_name, expires_ms: of the newest state that came by in either way (`learn`).
        live_since: loop time from which on no event is missed; None before.
        rights_changed_at: loop time before which who was found to have a right may have lost it.
        delta_readers: how many subscribers take deltas.
    """

    service_sid: str
    sid: str
    subscribers: set[Subscriber] = field(default_factory=set)
    aside: set[Subscriber] = field(default_factory=set)
    crowds: dict[Format, dict[Subscriber, Outlet]] = field(default_factory=dict)
    revision: int = 0
    held: int = 0
    unique_name: str | None = None
    expires_ms: int | None = None
    learned: int = 0
    live_since: float | None = None
    rights_changed_at: float = float("-inf")
    delta_readers: int = 0

    def learn(self, state: Document | Updated) -> None:
        """Remember the name and the expiry, for a removal that only a comparison finds."""
        if state.revision >= self.learned:
            self.learned = state.revision
            self.unique_name, self.expires_ms = state.unique_name, state.expires_ms


class Hub:
    """All topics of this process."""

    def __init__(
        self,
        redis: Redis,
        documents: Documents,
        timeout: float,
        meters: Meters | None = None,
        delta_memory: int = 0,
        traces: Traces | None = None,
        cork: Cork | None = None,
        delta_rate: int = 2**36,
    ) -> None:
        """
        Args:
            timeout: seconds that a subscription in Redis may take.
            meters: counts events, and how long each takes from its commit to all subscribers.
            delta_memory: bytes of data that deltas begin from, in all.
            cork: through which updates are written.
            delta_rate: bytes of data that are compared in a second to make deltas.
        """
        self._redis = redis
        self._documents = documents
        documents.on_trouble = self._on_trouble
        self._cork = cork or Cork()
        self._meters = meters or Meters()
        self._traces = traces
        self._spend: Callable[[int], bool] | None = None
        self._delta_budget = FixedWindow(delta_rate)
        self._bases = Bases(delta_memory, self._meters.bounds, self._may_compare)
        self._feed = Feed(redis, timeout, self._on_published, self._on_gap)
        self._topics: dict[str, Topic] = {}
        self._comparisons: set[asyncio.Task[None]] = set()
        self._on_update: Callable[[str, int], None] | None = None

    @property
    def live(self) -> bool:
        """True while events come from Redis."""
        return self._feed.live

    @property
    def feed(self) -> Feed:
        """Where the events come from."""
        return self._feed

    def now_ms(self) -> int:
        """Redis' time, by which events are dated."""
        return self._redis.now_ms()

    def on_update(self, callback: Callable[[str, int], None]) -> None:
        """Have `callback` called with the SID and the revision of each update of what is open."""
        self._on_update = callback

    def limit_work(self, spend: Callable[[int], bool]) -> None:
        """Make deltas only while `spend` has time left in this turn of the loop.

        `spend` takes units of about a microsecond.
        """
        self._spend = spend

    def _may_compare(self, size: int) -> bool:
        """Whether there is time to make a delta of so many bytes; else the event goes whole."""
        if size > DELTA_SIZE_LIMIT or not self._delta_budget.has(size):
            self._meters.bounds["delta_rate"] += 1
            return False
        if self._spend is not None and not self._spend(size // BYTES_PER_UNIT + 1):
            return False
        self._delta_budget.take(size)
        return True

    def start(self) -> None:
        """Begin to listen."""
        self._feed.start()

    async def stop(self) -> None:
        """Hear nothing any more."""
        for comparison in self._comparisons:
            comparison.cancel()
        await self._feed.stop()

    def join(self, service_sid: str, sid: str, subscriber: Subscriber) -> Topic:
        """Add a subscriber; `make_live` tells when it will miss nothing."""
        topic = self._topics.get(sid)
        if topic is None:
            topic = self._topics[sid] = Topic(service_sid, sid)
        if subscriber not in topic.subscribers:
            topic.subscribers.add(subscriber)
            topic.aside.add(subscriber)
            topic.delta_readers += subscriber.takes_deltas
        return topic

    def told(self, topic: Topic, document: Document) -> None:
        """A subscriber that takes deltas was told this state: the next event's may begin there."""
        if document.revision >= topic.revision:
            self._bases.note(topic.sid, document.revision, document.data)

    async def make_live(self, topic: Topic) -> None:
        """Return when no later event of the topic will be missed.

        Raises:
            Refusal: `UNAVAILABLE`, if that takes too long.
        """
        if topic.live_since is None:
            await self._feed.subscribe(channel(topic.service_sid, topic.sid))
            topic.live_since = topic.live_since or asyncio.get_running_loop().time()

    def step_in(self, topic: Topic, subscriber: Subscriber, form: Format, outlet: Outlet) -> None:
        """Until `step_out`, updates are written past the subscriber.

        It must have been told all up to the topic's revision and nothing beyond. Most are most of
        the time, and so an update costs each of them one call.
        """
        topic.aside.discard(subscriber)
        topic.crowds.setdefault(form, {})[subscriber] = outlet

    def step_out(self, topic: Topic, subscriber: Subscriber, form: Format) -> None:
        """The subscriber takes each event itself again; it was told all up to the revision."""
        crowd = topic.crowds[form]
        del crowd[subscriber]
        if not crowd:
            del topic.crowds[form]
        topic.aside.add(subscriber)

    def leave(self, topic: Topic, subscriber: Subscriber) -> None:
        """Take a subscriber away; safe to repeat."""
        if subscriber in topic.subscribers:
            topic.subscribers.discard(subscriber)
            topic.aside.discard(subscriber)
            topic.delta_readers -= subscriber.takes_deltas
        if not topic.delta_readers:
            self._bases.drop(topic.sid)
        if not topic.subscribers:
            asyncio.get_running_loop().call_later(LINGER, self._drop_if_empty, topic)

    def _drop_if_empty(self, topic: Topic) -> None:
        if not topic.subscribers and self._topics.get(topic.sid) is topic:
            del self._topics[topic.sid]
            self._feed.unsubscribe(channel(topic.service_sid, topic.sid))

    def on_service_change(self, before: Service, after: Service | None) -> None:
        """Where permissions begin to count, look who has the right to what is open."""
        if after is not None and after.acl_enabled and not before.acl_enabled:
            topics = [t for t in self._topics.values() if t.service_sid == after.sid]
            for topic in topics:
                topic.rights_changed_at = asyncio.get_running_loop().time()
            self._spawn(self._compare_all(topics))

    def _on_rights(self, change: RightsChanged) -> None:
        topic = self._topics.get(change.sid)
        if topic is None:
            return
        topic.rights_changed_at = asyncio.get_running_loop().time()
        if Right.READ not in change.rights:
            for subscriber in list(topic.subscribers):
                if subscriber.reader == change.identity:
                    subscriber.on_revoked(topic.sid)

    def _on_published(self, event: Event | RightsChanged) -> None:
        if isinstance(event, RightsChanged):
            return self._on_rights(event)
        if self._traces is None or event.trace is None:
            self._on_event(event)
        else:
            with self._traces.fan_out(event.trace, event.sid):
                self._on_event(event)
        self._meters.fan_out.observe(max(0, self._redis.now_ms() - event.at_ms) / 1000)

    def _on_event(self, event: Event) -> None:
        topic = self._topics.get(event.sid)
        if topic is None or event.revision <= topic.revision:
            return
        before, topic.revision = topic.revision, event.revision
        if topic.delta_readers:
            self._bases.follow(event)
        listening = topic.subscribers
        if isinstance(event, Updated):
            topic.learn(event)
            if self._on_update is not None:
                self._on_update(event.sid, event.revision)
            listening = topic.aside
            for form, crowd in list(topic.crowds.items()):
                is_next = event.base is not None and event.previous == before
                encode = form.brief if is_next and form.brief is not None else form.whole
                frame = event.encoded(encode)
                form.tally.events += len(crowd)
                form.tally.deltas += len(crowd) if event.has_delta and encode is form.brief else 0
                self._cork.put_all(list(crowd.values()), frame)
        for subscriber in list(listening):
            try:
                subscriber.on_event(event)
            except Exception:
                # One that fails must not keep the event from the others, nor end the feed.
                logger.exception("an event of %s could not be handed on", event.sid)

    def _on_trouble(self, service_sid: str, sid: str) -> None:
        """A document was written here, and its event perhaps not published."""
        self._on_gap([channel(service_sid, sid)])

    def _on_gap(self, channels: list[str]) -> None:
        self._meters.compared += len(channels)
        topics = (self._topics.get(sid_of_channel(channel)) for channel in channels)
        self._spawn(self._compare_all([topic for topic in topics if topic is not None]))

    async def _compare_all(self, topics: list[Topic]) -> None:
        for start in range(0, len(topics), COMPARED_AT_ONCE):
            await asyncio.gather(*map(self._compare, topics[start : start + COMPARED_AT_ONCE]))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._comparisons.add(task)
        task.add_done_callback(self._comparisons.discard)

    async def _compare(self, topic: Topic) -> None:
        """Read the document, and tell what the feed did not, to those who may still read it."""
        while topic.subscribers:
            try:
                await self._end_unentitled(topic)
                document = await self._documents.get(topic.service_sid, topic.sid)
                held = max(topic.held, topic.revision)
                if document is not None and document.revision < held:
                    document = await self._documents.advance(topic.service_sid, topic.sid, held)
            except (Refusal, ReplyError) as error:
                logger.debug("%s cannot be compared yet: %s", topic.sid, error)
                await asyncio.sleep(PAUSE_LIMIT)
                continue
            return self._on_event(_difference(topic, document, self._redis.now_ms()))

    async def _end_unentitled(self, topic: Topic) -> None:
        reading = {subscriber.reader for subscriber in topic.subscribers}
        identities = [reader for reader in reading if reader is not None]
        entitled = await self._documents.readers(topic.service_sid, topic.sid, identities)
        ended = set(identities) - entitled
        for subscriber in list(topic.subscribers):
            if subscriber.reader in ended:
                subscriber.on_revoked(topic.sid)


def _difference(topic: Topic, document: Document | None, now: int) -> Event:
    if document is None:
        # Nobody is left who could say when and by whom.
        held = max(topic.revision, topic.held)
        revision = max(held + 1, now * REVISION_RANDOM)
        expired = topic.expires_ms is not None and topic.expires_ms <= now
        return Removed(topic.sid, topic.unique_name, revision, held, now, SYSTEM, expired=expired)
    return Updated(
        document.sid,
        document.unique_name,
        document.revision,
        topic.revision,
        document.updated_ms,
        document.updated_by,
        document.data,
        document.expires_ms,
    )
