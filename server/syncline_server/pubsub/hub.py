"""The hub: delivers each event of an open object to its subscribers in this process.

An event is delivered to every subscriber by a plain call: no task, no await, no copy of its frame.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING

from syncline_protocol.item_commands import Part
from syncline_protocol.objects import Event, Header, ObjectType, Removed
from syncline_server.observability.metrics import Meters
from syncline_server.storage.keys import channel, sid_of_channel
from syncline_server.storage.notices import Notice, ServerMessage
from syncline_server.storage.redis.client import Redis
from syncline_server.storage.rights import Right, RightsChanged
from syncline_server.storage.services import Service

from .catch_up import CatchUp, ReadReaders, Source
from .conflated import Conflated
from .cork import Cork, Corked
from .delta_bases import DeltaBases
from .feed import Feed
from .parts import Parts
from .topic import Conflating, Format, Subscriber, Topic

if TYPE_CHECKING:
    from syncline_server.observability.tracing import Traces

__all__ = ["Hub"]

logger = logging.getLogger("syncline.hub")

LINGER = 1.0
"""Seconds to stay subscribed in Redis after the last local subscriber left, so that a client that
reconnects at once costs no UNSUBSCRIBE and SUBSCRIBE."""


class Hub:
    """All open objects of this process, and their subscribers.

    Attributes:
        feed: the source of the events.
        delta_bases: the data that deltas begin from.
    """

    def __init__(
        self,
        redis: Redis,
        readers: ReadReaders,
        timeout: float,
        *,
        meters: Meters | None = None,
        delta_bases: DeltaBases | None = None,
        traces: Traces | None = None,
        cork: Cork | None = None,
    ) -> None:
        """
        Args:
            readers: finds out who still has the right to read an object.
            timeout: seconds that a subscription in Redis may take.
            meters: counts events, and measures the time from a commit to its last subscriber.
            delta_bases: None to make no deltas.
            cork: joins the frames that one socket gets in one turn of the loop.
        """
        self._redis = redis
        self._cork = cork or Cork()
        self._meters = meters or Meters()
        self._traces = traces
        self.delta_bases = delta_bases or DeltaBases(0, self._meters.limit_hits)
        self.feed = Feed(redis, timeout, self._on_published, self._on_gap)
        self._catch_up = CatchUp(self.deliver, readers)
        self._topics: dict[str, Topic] = {}
        self._on_update: Callable[[Event], None] | None = None
        self._on_server_message: Callable[[ServerMessage], None] | None = None

    @property
    def live(self) -> bool:
        """True while events come from Redis."""
        return self.feed.live

    def now_ms(self) -> int:
        """The time of Redis, in milliseconds since the epoch; events have this time."""
        return self._redis.now_ms()

    def topic(self, sid: str) -> Topic | None:
        """The open object with this SID; None if it is not open here."""
        return self._topics.get(sid)

    def newest_known(self, sid: str) -> int:
        """The newest revision that a subscriber of an open object may have; 0 if it is not open."""
        topic = self._topics.get(sid)
        return 0 if topic is None else topic.newest_known

    def register(self, type_: ObjectType, source: Source) -> None:
        """Let open objects of a type catch up from `source` after a gap."""
        self._catch_up.register(type_, source)

    def on_update(self, callback: Callable[[Event], None]) -> None:
        """Call `callback` with each event of an open object, except its removal."""
        self._on_update = callback

    def on_server_message(self, callback: Callable[[ServerMessage], None]) -> None:
        """Call `callback` with each message of another server; it must not block."""
        self._on_server_message = callback

    def start(self) -> None:
        """Connect to Redis and deliver events."""
        self.feed.start()

    async def stop(self) -> None:
        """Stop delivering events."""
        self._catch_up.stop()
        await self.feed.stop()

    def join(self, service_sid: str, sid: str, subscriber: Subscriber) -> Topic:
        """Add a subscriber. It may miss events until `make_live` returns."""
        topic = self._topics.get(sid)
        if topic is None:
            topic = self._topics[sid] = Topic(service_sid=service_sid, sid=sid)
        if subscriber not in topic.subscribers:
            topic.subscribers.add(subscriber)
            # Not on the fast path yet: it must receive the state by the reply to `Open` first.
            topic.slow.add(subscriber)
        return topic

    def count_delta_reader(self, topic: Topic, change: int) -> None:
        """A subscriber takes deltas of the object from now on (1), or takes none any more (-1)."""
        topic.delta_readers += change
        if not topic.delta_readers:
            self.delta_bases.drop(topic.sid)

    def narrow(self, topic: Topic, subscriber: Subscriber, part: Part | None) -> None:
        """Call a subscriber only for changes of a part of the object; None for the whole object.

        The subscriber must not be on the fast path.
        """
        if topic.parts is not None:
            topic.parts.discard(subscriber)
        if part is None:
            topic.slow.add(subscriber)
        else:
            topic.slow.discard(subscriber)
            topic.parts = topic.parts or Parts()
            topic.parts.add(subscriber, part)

    def conflate(self, topic: Topic, subscriber: Conflating) -> None:
        """Call a subscriber only for the newest event, some times a second, by `on_newest`.

        The subscriber must not be on the fast path, and want the whole object, whose events must
        each name its whole state.
        """
        if topic.conflated is None:
            topic.conflated = Conflated(partial(self._call_conflated, topic))
        topic.slow.discard(subscriber)
        topic.conflated.subscribers.add(subscriber)

    def remember_base(self, topic: Topic, state: Header) -> None:
        """Keep the state that a reply gave to a subscriber that takes deltas, as a delta base."""
        # A newer event has come already: no later event begins from this older state.
        data = state.delta_data
        if data is not None and state.revision >= topic.revision:
            self.delta_bases.remember_base(topic.sid, state.revision, data)

    async def make_live(self, topic: Topic) -> None:
        """Subscribe in Redis; return when no later event of the topic will be missed.

        Raises:
            Refusal: `UNAVAILABLE`, if that takes too long.
        """
        if topic.live_since is None:
            await self.feed.subscribe(channel(topic.service_sid, topic.sid))
            # Several subscribers may wait here: `live_since` keeps the earliest time.
            topic.live_since = topic.live_since or asyncio.get_running_loop().time()

    def join_fast_path(
        self, topic: Topic, subscriber: Subscriber, form: Format, outlet: Corked
    ) -> None:
        """Write updates to `outlet` without calling the subscriber, until `leave_fast_path`.

        The subscriber must have received exactly the state of `topic.revision`. Nearly all
        subscribers are in this state nearly all the time, so an update costs each of them one call.
        """
        topic.slow.discard(subscriber)
        topic.fast.setdefault(form, {})[subscriber] = outlet

    def leave_fast_path(self, topic: Topic, subscriber: Subscriber, form: Format) -> None:
        """Call the subscriber for each event again. It has received all up to `topic.revision`."""
        outlets = topic.fast[form]
        del outlets[subscriber]
        if not outlets:
            del topic.fast[form]
        topic.slow.add(subscriber)

    def leave(self, topic: Topic, subscriber: Subscriber) -> None:
        """Remove a subscriber that has left the fast path; safe to repeat."""
        if subscriber in topic.subscribers:
            topic.subscribers.discard(subscriber)
            topic.slow.discard(subscriber)
            if topic.parts is not None:
                topic.parts.discard(subscriber)
            if topic.conflated is not None:
                topic.conflated.discard(subscriber)
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
            self.feed.unsubscribe(channel(topic.service_sid, topic.sid))

    def on_service_change(self, before: Service, after: Service | None) -> None:
        """When a service turns permissions on, check the rights of all its subscribers."""
        if after is not None and after.acl_enabled and not before.acl_enabled:
            topics = [t for t in self._topics.values() if t.service_sid == after.sid]
            # An `Open` under way may have checked its right before this: it checks again.
            for topic in topics:
                topic.rights_changed_at = asyncio.get_running_loop().time()
            self._catch_up.start(topics)

    def on_trouble(self, service_sid: str, sid: str) -> None:
        """An object was written here, but its event may not have been published."""
        self._on_gap([channel(service_sid, sid)])

    def _on_notice(self, notice: Notice) -> None:
        if isinstance(notice, RightsChanged):
            self._on_rights(notice)
        elif isinstance(notice, ServerMessage) and self._on_server_message is not None:
            self._on_server_message(notice)

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

    def _on_published(self, event: Event | Notice) -> None:
        if isinstance(event, Notice):
            return self._on_notice(event)
        if self._traces is None or event.trace is None:
            self._on_event(event)
        else:
            with self._traces.fan_out(event.trace, event.sid):
                self._on_event(event)
        # Our estimate of the time of Redis may be a little behind `at_ms`.
        self._meters.fan_out.observe(max(0, self._redis.now_ms() - event.at_ms) / 1000)

    def _on_event(self, event: Event) -> None:
        """Deliver an event of the feed, or what takes its place if it does not follow the last."""
        topic = self._topics.get(event.sid)
        substitute = event.after_loss()
        if topic is not None and substitute is not None and event.revision > topic.revision:
            if event.previous < topic.delivered:
                # A failover lost writes that subscribers have received.
                event, topic.recent = substitute, None
            elif event.previous > topic.delivered > 0:
                # Events before it were missed, and it does not name what they changed.
                self._catch_up.start([topic])
                return
            else:
                topic.record(event)
        self.deliver(event)

    def deliver(self, event: Event) -> None:
        """Deliver an event. The order of the steps is a promise to the subscribers."""
        topic = self._topics.get(event.sid)
        if topic is None:
            return
        # 1. The feed and `CatchUp` may deliver the same state, in either order: promise 4.
        if event.revision <= topic.revision:
            if not event.is_stored:
                self._deliver_passing(topic, event)
            return
        # 2. Set `revision` before any write, because a write can fill a socket, which then leaves
        #    the fast path within this call. Its session takes `topic.revision` as received, and so
        #    does not send this event a second time from `slow`.
        before, topic.revision = topic.revision, event.revision
        # 3. Set the base before any frame is encoded, because all subscribers share the frames.
        if topic.delta_readers:
            self.delta_bases.set_base(event)
        # 4. A removal ends every subscription, so each subscriber must be called.
        listening = topic.subscribers
        if not isinstance(event, Removed):
            if (state := event.header) is not None:
                topic.learn(state)
            if self._on_update is not None:
                self._on_update(event)
            self._write_to_fast(topic, event, before)
            listening = topic.slow
            if topic.parts:
                self._call_all(topic.parts.find(event.keys), event)
        # 5. Last, because it may move subscribers to the fast path, which has the event by now.
        self._call_all(listening, event)
        # 6. After those in `slow`, which some of these join.
        if topic.conflated is not None and not isinstance(event, Removed):
            topic.conflated.add_event(event)

    def _deliver_passing(self, topic: Topic, event: Event) -> None:
        """Deliver an event that moves no revision, and so is never old."""
        # Before the write, which may fill a socket: its subscriber then leaves the fast path, and
        # no revision shows that it has this event.
        slow = list(topic.slow)
        self._write_to_fast(topic, event, topic.revision)
        self._call_all(slow, event)

    def _call_all(self, subscribers: Iterable[Subscriber], event: Event) -> None:
        # A copy: `on_event` may move the subscriber to the fast path, or end its subscription.
        for subscriber in list(subscribers):
            try:
                subscriber.on_event(event)
            except Exception:
                # One failing subscriber must not keep the event from the others, nor end the feed.
                logger.exception("an event of %s could not be handed on", event.sid)

    def _call_conflated(
        self, topic: Topic, subscribers: Iterable[Conflating], event: Event
    ) -> None:
        """Call subscribers for the newest event; those that end their conflation become `slow`."""
        assert topic.conflated is not None
        for subscriber in subscribers:
            try:
                stays = subscriber.on_newest(event)
            except Exception:
                logger.exception("an event of %s could not be handed on", event.sid)
                continue
            # It may have left the topic within the call.
            if not stays and subscriber in topic.conflated.subscribers:
                topic.conflated.subscribers.discard(subscriber)
                topic.slow.add(subscriber)

    def _write_to_fast(self, topic: Topic, event: Event, before: int) -> None:
        """Write an event to the subscribers on the fast path, which have all up to `before`."""
        # Copies: a full socket leaves the fast path, and so changes `fast`, during a write.
        for form, outlets in list(topic.fast.items()):
            encode = form.encode
            # After a gap the subscribers may not have the data that a delta begins from.
            if form.encode_delta is not None and event.has_delta_for(before):
                encode = form.encode_delta
            frame = event.encoded(encode)
            if not frame:
                continue  # the protocol does not have this event
            form.tally.events += len(outlets)
            form.tally.resets += len(outlets) if event.resets else 0
            if event.has_delta and encode is form.encode_delta:
                form.tally.deltas += len(outlets)
            self._cork.write_to_all(outlets, frame)

    def _on_gap(self, channels: list[str]) -> None:
        self._meters.compared += len(channels)
        # The last subscriber may have left while the channel was still subscribed.
        topics = (self._topics.get(sid_of_channel(channel)) for channel in channels)
        self._catch_up.start(topic for topic in topics if topic is not None)
