"""The hub: the subscribers of each open document, and the delivery of events to them.

An event is delivered to every subscriber by a plain call: no task, no await, no copy of its frame.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from syncline_protocol import revisions
from syncline_protocol.documents import Document, Updated
from syncline_protocol.errors import Refusal
from syncline_protocol.objects import SYSTEM, Event, Removed
from syncline_server.observability.metrics import Limit, Meters, Tally
from syncline_server.observability.rate_limit import FixedWindow
from syncline_server.observability.tasks import TaskSet
from syncline_server.storage.documents import Documents
from syncline_server.storage.errors import StorageError
from syncline_server.storage.keys import channel, sid_of_channel
from syncline_server.storage.redis.client import Redis
from syncline_server.storage.redis.shard import PAUSE_LIMIT
from syncline_server.storage.rights import Right, RightsChanged
from syncline_server.storage.services import Service

from .cork import Cork, Outlet
from .delta_bases import Bases
from .feed import Feed

if TYPE_CHECKING:
    from syncline_server.observability.tracing import Traces

__all__ = ["Format", "Hub", "Subscriber", "Topic"]

logger = logging.getLogger("syncline.hub")

LINGER = 1.0
"""Seconds to stay subscribed in Redis after the last local subscriber left, so that a client that
reconnects at once costs no UNSUBSCRIBE and SUBSCRIBE."""

DELTA_SIZE_LIMIT = 131_072
"""Bytes of data above which no delta is made: the comparison would block the event loop."""

BYTES_PER_UNIT = 8
"""Bytes that a comparison gets through in about a microsecond."""

COMPARED_AT_ONCE = 500
"""Documents that `_compare_all` reads from Redis at a time."""


class Subscriber(Protocol):
    """A client that has documents open."""

    @property
    def reader(self) -> str | None:
        """The identity that needs the right to read; None if the client needs no right."""

    @property
    def takes_deltas(self) -> bool:
        """True if the client reads deltas. Must not change while the client has documents open."""

    def on_event(self, event: Event) -> None:
        """Receive an event. Must not block. Events of one document come in revision order.

        Not called for updates while the subscriber is on the fast path (`Hub.join_fast_path`).
        """

    def on_revoked(self, sid: str) -> None:
        """The right to read a document was revoked: end the subscription. Must not block."""


@dataclass(frozen=True, slots=True, eq=False)
class Format:
    """How a protocol encodes events, in frames that all its sockets share.

    Attributes:
        whole: encodes an event with all its data.
        brief: encodes an event as a delta, for clients that have the data of `base`; None if the
            format has no deltas.
        tally: counts the events and deltas that are sent.
    """

    whole: Callable[[Event], bytes]
    brief: Callable[[Event], bytes] | None
    tally: Tally


@dataclass(slots=True, eq=False)
class Topic:
    """One open document.

    Attributes:
        aside: the subscribers that are not on the fast path; each gets `on_event`.
        crowds: the subscribers on the fast path, by format, each with its outlet.
        revision: the newest revision that was delivered as an event; 0 before the first.
        held: the newest revision that a reply to a subscriber named.
        unique_name, expires_ms: of the newest state in any event or reply (`learn`).
        learned: the revision of that state.
        live_since: loop time since when no event is missed; None before.
        rights_changed_at: loop time of the last change of rights: a check that was made earlier may
            be out of date.
        delta_readers: how many subscribers take deltas.
        lingering: drops the topic some time after its last subscriber left; None before.
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
    lingering: asyncio.TimerHandle | None = None

    def learn(self, state: Document | Updated) -> None:
        """Remember the name and the expiry, for a removal that only `Hub._compare` finds."""
        if state.revision >= self.learned:
            self.learned = state.revision
            self.unique_name, self.expires_ms = state.unique_name, state.expires_ms


class Hub:
    """All open documents of this process, and their subscribers."""

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
            meters: counts events, and measures the time from a commit to its last subscriber.
            delta_memory: bytes of data that are kept to make deltas from, in all.
            cork: joins the frames that one socket gets in one turn of the loop.
            delta_rate: bytes of data that are compared in a second to make deltas, at most.
        """
        self._redis = redis
        self._documents = documents
        documents.on_trouble = self._on_trouble
        self._cork = cork or Cork()
        self._meters = meters or Meters()
        self._traces = traces
        self._spend: Callable[[int], bool] | None = None
        self._delta_budget = FixedWindow(delta_rate)
        self._bases = Bases(delta_memory, self._meters.limit_hits, self._may_compare)
        self._feed = Feed(redis, timeout, self._on_published, self._on_gap)
        self._topics: dict[str, Topic] = {}
        self._comparisons = TaskSet()
        self._on_update: Callable[[str, int], None] | None = None

    @property
    def live(self) -> bool:
        """True while events come from Redis."""
        return self._feed.live

    @property
    def feed(self) -> Feed:
        """The source of the events."""
        return self._feed

    def now_ms(self) -> int:
        """The time of Redis, in milliseconds since the epoch; events have this time."""
        return self._redis.now_ms()

    def on_update(self, callback: Callable[[str, int], None]) -> None:
        """Call `callback` with the SID and the revision of each update of an open document."""
        self._on_update = callback

    def limit_work(self, spend: Callable[[int], bool]) -> None:
        """Make deltas only while `spend` grants time in this turn of the loop.

        `spend` takes units of about a microsecond, and returns False if none are left.
        """
        self._spend = spend

    def _may_compare(self, size: int) -> bool:
        """True if there is time to make a delta of `size` bytes; else the event is sent whole."""
        # Take from `_delta_budget` last: a delta that is not made must not use it up.
        if size > DELTA_SIZE_LIMIT or self._delta_budget.left() < size:
            self._meters.limit_hits[Limit.DELTA_RATE] += 1
            return False
        if self._spend is not None and not self._spend(size // BYTES_PER_UNIT + 1):
            return False
        self._delta_budget.take(size)
        return True

    def start(self) -> None:
        """Connect to Redis and deliver events."""
        self._feed.start()

    async def stop(self) -> None:
        """Stop delivering events."""
        self._comparisons.cancel_all()
        await self._feed.stop()

    def join(self, service_sid: str, sid: str, subscriber: Subscriber) -> Topic:
        """Add a subscriber. It may miss events until `make_live` returns."""
        topic = self._topics.get(sid)
        if topic is None:
            topic = self._topics[sid] = Topic(service_sid, sid)
        if subscriber not in topic.subscribers:
            topic.subscribers.add(subscriber)
            # Not on the fast path yet: it must receive the state by the reply to `Open` first.
            topic.aside.add(subscriber)
            topic.delta_readers += subscriber.takes_deltas
        return topic

    def told(self, topic: Topic, document: Document) -> None:
        """Keep the state that a reply gave to a subscriber that takes deltas, as a delta base."""
        # A newer event has come already: no later event begins from this older state.
        if document.revision >= topic.revision:
            self._bases.note(topic.sid, document.revision, document.data)

    async def make_live(self, topic: Topic) -> None:
        """Subscribe in Redis; return when no later event of the topic will be missed.

        Raises:
            Refusal: `UNAVAILABLE`, if that takes too long.
        """
        if topic.live_since is None:
            await self._feed.subscribe(channel(topic.service_sid, topic.sid))
            # Several subscribers may wait here: `live_since` keeps the earliest time.
            topic.live_since = topic.live_since or asyncio.get_running_loop().time()

    def join_fast_path(
        self, topic: Topic, subscriber: Subscriber, form: Format, outlet: Outlet
    ) -> None:
        """Write updates to `outlet` without calling the subscriber, until `leave_fast_path`.

        The subscriber must have received exactly the state of `topic.revision`. Nearly all
        subscribers are in this state nearly all the time, so an update costs each of them one call.
        """
        topic.aside.discard(subscriber)
        topic.crowds.setdefault(form, {})[subscriber] = outlet

    def leave_fast_path(self, topic: Topic, subscriber: Subscriber, form: Format) -> None:
        """Call the subscriber for each event again. It has received all up to `topic.revision`."""
        crowd = topic.crowds[form]
        del crowd[subscriber]
        if not crowd:
            del topic.crowds[form]
        topic.aside.add(subscriber)

    def leave(self, topic: Topic, subscriber: Subscriber) -> None:
        """Remove a subscriber that has left the fast path; safe to repeat."""
        if subscriber in topic.subscribers:
            topic.subscribers.discard(subscriber)
            topic.aside.discard(subscriber)
            topic.delta_readers -= subscriber.takes_deltas
        if not topic.delta_readers:
            self._bases.drop(topic.sid)
        if not topic.subscribers:
            # An earlier timer, of a subscriber that was followed by another, would end too early.
            if topic.lingering is not None:
                topic.lingering.cancel()
            loop = asyncio.get_running_loop()
            topic.lingering = loop.call_later(LINGER, self._drop_if_empty, topic)

    def _drop_if_empty(self, topic: Topic) -> None:
        # A subscriber may have joined again during LINGER; or one left a topic that was dropped.
        if not topic.subscribers and self._topics.get(topic.sid) is topic:
            del self._topics[topic.sid]
            self._feed.unsubscribe(channel(topic.service_sid, topic.sid))

    def on_service_change(self, before: Service, after: Service | None) -> None:
        """When a service turns permissions on, check the rights of all its subscribers."""
        if after is not None and after.acl_enabled and not before.acl_enabled:
            topics = [t for t in self._topics.values() if t.service_sid == after.sid]
            # An `Open` under way may have checked its right before this: it checks again.
            for topic in topics:
                topic.rights_changed_at = asyncio.get_running_loop().time()
            self._comparisons.spawn(self._compare_all(topics))

    def _on_rights(self, change: RightsChanged) -> None:
        topic = self._topics.get(change.sid)
        if topic is None:
            return
        # An `Open` under way may have checked its right before this: it checks again.
        topic.rights_changed_at = asyncio.get_running_loop().time()
        if Right.READ not in change.rights:
            # A copy: `on_revoked` leaves the topic.
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
        # Our estimate of the time of Redis may be a little behind `at_ms`.
        self._meters.fan_out.observe(max(0, self._redis.now_ms() - event.at_ms) / 1000)

    def _on_event(self, event: Event) -> None:
        topic = self._topics.get(event.sid)
        # The feed and `_compare` may deliver the same state, in either order: promise 4.
        if topic is None or event.revision <= topic.revision:
            return
        # Set `revision` first: a write below can fill a socket, which then leaves the fast path
        # within this call. Its session takes `topic.revision` as received, and so does not send
        # this event a second time from `aside`.
        before, topic.revision = topic.revision, event.revision
        # Set the base before any frame is encoded, because all subscribers share the frames.
        if topic.delta_readers:
            self._bases.follow(event)
        listening = topic.subscribers
        if isinstance(event, Updated):
            topic.learn(event)
            if self._on_update is not None:
                self._on_update(event.sid, event.revision)
            listening = topic.aside
            # Copies: a full socket leaves the fast path, and so changes `crowds`, during a write.
            for form, crowd in list(topic.crowds.items()):
                # After a gap the crowd has the data of `before`, not of `event.previous`.
                is_next = event.base is not None and event.previous == before
                encode = form.brief if is_next and form.brief is not None else form.whole
                frame = event.encoded(encode)
                form.tally.events += len(crowd)
                form.tally.deltas += len(crowd) if event.has_delta and encode is form.brief else 0
                self._cork.put_all(list(crowd.values()), frame)
        # A copy: `on_event` may move the subscriber to the fast path, or end its subscription.
        for subscriber in list(listening):
            try:
                subscriber.on_event(event)
            except Exception:
                # One failing subscriber must not keep the event from the others, nor end the feed.
                logger.exception("an event of %s could not be delivered", event.sid)

    def _on_trouble(self, service_sid: str, sid: str) -> None:
        """A document was written here, but its event may not have been published."""
        self._on_gap([channel(service_sid, sid)])

    def _on_gap(self, channels: list[str]) -> None:
        self._meters.compared += len(channels)
        # The last subscriber may have left while the channel was still subscribed.
        topics = (self._topics.get(sid_of_channel(channel)) for channel in channels)
        self._comparisons.spawn(self._compare_all([topic for topic in topics if topic is not None]))

    async def _compare_all(self, topics: list[Topic]) -> None:
        for start in range(0, len(topics), COMPARED_AT_ONCE):
            await asyncio.gather(*map(self._compare, topics[start : start + COMPARED_AT_ONCE]))

    async def _compare(self, topic: Topic) -> None:
        """Read the document, and deliver the state that the feed may have missed."""
        while topic.subscribers:
            try:
                # Rights first: a `RightsChanged` may have been missed too, and an identity that
                # lost the right must not receive the state (promise 6).
                await self._end_unentitled(topic)
                document = await self._documents.get(topic.service_sid, topic.sid)
                # A reply or an event may have raised this after the read. `advance` then finds the
                # stored state new enough, and changes nothing.
                held = max(topic.held, topic.revision)
                # A failover lost writes that subscribers have seen. Write the stored state at a
                # newer revision, else they would take it for an old one (promise 2).
                if document is not None and document.revision < held:
                    document = await self._documents.advance(topic.service_sid, topic.sid, held)
            # A `Refusal` if the document was removed since it was read.
            except (Refusal, StorageError) as error:
                logger.debug("%s cannot be compared yet: %s", topic.sid, error)
                # Try again until it works: no later event may come to show the gap (promise 3).
                await asyncio.sleep(PAUSE_LIMIT)
                continue
            # Events that came during the reads may be newer: `_on_event` drops an older state.
            return self._on_event(_difference(topic, document, self._redis.now_ms()))

    async def _end_unentitled(self, topic: Topic) -> None:
        """End the subscriptions of identities that have lost the right to read."""
        reading = {subscriber.reader for subscriber in topic.subscribers}
        identities = [reader for reader in reading if reader is not None]
        entitled = await self._documents.readers(topic.service_sid, topic.sid, identities)
        ended = set(identities) - entitled
        for subscriber in list(topic.subscribers):
            if subscriber.reader in ended:
                subscriber.on_revoked(topic.sid)


def _difference(topic: Topic, document: Document | None, now: int) -> Event:
    """The event that brings the topic's subscribers to the state that was read."""
    if document is None:
        # The time and the author of the removal are not known: date it now, by the system.
        held = max(topic.revision, topic.held)
        revision = revisions.beyond(held, now)
        expired = topic.expires_ms is not None and topic.expires_ms <= now
        return Removed(
            sid=topic.sid,
            unique_name=topic.unique_name,
            revision=revision,
            previous=held,
            at_ms=now,
            by=SYSTEM,
            expired=expired,
        )
    return Updated(
        sid=document.sid,
        unique_name=document.unique_name,
        revision=document.revision,
        previous=topic.revision,
        at_ms=document.updated_ms,
        by=document.updated_by,
        data=document.data,
        expires_ms=document.expires_ms,
    )
