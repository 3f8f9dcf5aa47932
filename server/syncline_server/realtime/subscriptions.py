"""Subscriptions of one client: which events it receives, and when.

The states of a subscription, and its transitions, stand in `subscription`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from syncline_protocol.item_commands import Part
from syncline_protocol.objects import SYSTEM, Event, Header, Removed, type_of_sid
from syncline_server.objects.access import Access
from syncline_server.pubsub.cork import Corked
from syncline_server.pubsub.hub import Hub
from syncline_server.pubsub.topic import Format
from syncline_server.storage.rights import Right

from .blocked_events import BlockedEvents, keep
from .event_sender import EventSender
from .replay import events_of
from .subscription import UNKNOWN, Portion, State, Subscription
from .subscription_index import SubscriptionIndex

if TYPE_CHECKING:
    from .replay import Replayer

__all__ = ["StoreReader", "Subscriptions"]

# A member of an enum costs a search at each use, which shows in `on_event`.
_BEHIND = State.BEHIND


class StoreReader(Protocol):
    """Reads changes from the store."""

    def make_replayer(self) -> Replayer:
        """What reads changes for the subscriptions of one client that are behind."""


class Subscriptions:
    """All subscriptions of one client. To the hub this is the subscriber.

    Attributes:
        access: the rights of the token in force.
        hub: delivers the events.
        sender: the client's callbacks for events.
        index: the subscriptions that have not ended.
        opens: how many `Open`s are under way.
    """

    __slots__ = (
        "_blocked",
        "_by_key",
        "_is_paused",
        "_outlet",
        "_reader",
        "_replayer",
        "access",
        "hub",
        "index",
        "opens",
        "sender",
    )

    def __init__(
        self,
        hub: Hub,
        access: Access,
        sender: EventSender,
        reader: StoreReader,
    ) -> None:
        """`reader`: makes what reads changes for subscriptions that are behind."""
        self.access = access
        self.hub = hub
        self.sender = sender
        self._outlet: tuple[Format, Corked] | None = None
        self.index = SubscriptionIndex()
        self._by_key = self.index.by_key
        # None until the first write, or event during an `Open`: most of very many clients have
        # neither.
        self._blocked: BlockedEvents | None = None
        self._reader = reader
        # None until a subscription is behind: nearly all clients never need one.
        self._replayer: Replayer | None = None
        self._is_paused = False
        self.opens = 0

    @property
    def reader(self) -> str | None:
        """As in `topic.Subscriber`."""
        return self.access.reader

    def subscribe(
        self, state: Header, part: Part | None = None, *, deltas: bool = False
    ) -> Subscription:
        """Subscribe to an object, or return its subscription if it is open already.

        `deltas`: whether the client takes deltas of the object, if it is not open already.
        """
        subscription = self._by_key.get(state.sid)
        if subscription is None:
            topic = self.hub.join(self.access.service_sid, state.sid, self)
            topic.learn(state)
            subscription = Subscription(topic=topic, part=part)
            self.index.add(subscription)
            self.settle_deltas(subscription, deltas)
            if part is not None:
                self.hub.narrow(topic, self, part)
        subscription.topic.learn(state)
        # An object that is open is opened again: the reply must come before the events after it.
        self._leave_fast_path(subscription)
        return subscription

    @contextmanager
    def opening(self, subscription: Subscription, part: Part | None) -> Iterator[None]:
        """A context in which an `Open` is under way.

        If it fails, its subscription ends; one that was open before stays open.
        """
        subscription.openings += 1
        # Another part counts from the reply on, but the reply may be older than events that come
        # meanwhile: until then, the client receives what belongs to either part.
        is_other = part != subscription.part or bool(subscription.opening_parts)
        if is_other:
            subscription.opening_parts += (part,)
            self.hub.narrow(subscription.topic, self, None)
        try:
            yield
        except BaseException:
            # Another `Open` of the object may be under way, or answered.
            if subscription.openings == 1 and subscription.state is State.OPENING:
                self.end(subscription)
            elif is_other:
                self.settle_part(subscription, part, subscription.part)
            raise
        finally:
            subscription.openings -= 1

    def end(self, subscription: Subscription, state: State = State.ENDED) -> None:
        """Unsubscribe from an object; safe to repeat."""
        if subscription in self.index:
            # First, because the hub finds a subscriber on the fast path by its format.
            self._leave_fast_path(subscription)
            subscription.state = state
            # An ended subscription delivers nothing, not even what was blocked (promise 6).
            subscription.pending = subscription.portion = None
            self.index.remove(subscription)
            self.settle_deltas(subscription, False)
            self.hub.leave(subscription.topic, self)

    def end_all(self) -> None:
        """Unsubscribe from all objects."""
        for subscription in self.index:
            self.end(subscription)
        if self._replayer is not None:
            self._replayer.stop()

    def adopt(self, access: Access) -> None:
        """Use the rights of a newer token. Subscriptions that it does not allow are ended."""
        self.access = access
        if access.is_scoped:
            for subscription in self.index:
                sid, name = subscription.topic.sid, subscription.topic.unique_name
                if not access.grants(type_of_sid(sid), name, Right.READ):
                    self.on_revoked(sid)

    def enable_fast_path(self, form: Format, outlet: Corked) -> None:
        """Let the hub write changes to `outlet` as frames of `form`, until `disable_fast_path`."""
        self._outlet = (form, outlet)
        self.join_fast_path(self.index)
        self.resume_replay()

    def disable_fast_path(self) -> None:
        """Take all subscriptions off the fast path."""
        for subscription in self.index:
            self._leave_fast_path(subscription)
        # Last, because `_leave_fast_path` needs its format.
        self._outlet = None
        self.pause_replay()

    def pause_replay(self) -> None:
        """Read no more from the store for the client: it has not read what it was sent."""
        self._is_paused = True
        if self._replayer is not None:
            self._replayer.pause()

    def resume_replay(self) -> None:
        """Read on for subscriptions that are behind: nothing waits for the client."""
        self._is_paused = False
        if self._replayer is not None:
            self._replayer.resume()

    def join_fast_path(self, subscriptions: Iterable[Subscription]) -> None:
        """Put those subscriptions on the fast path that have no event to block or to skip."""
        if self._outlet is None:
            return
        for subscription in subscriptions:
            topic = subscription.topic
            # The client must have exactly the topic's state: the event that the hub writes next is
            # then the next one for the client too. No `Open` and no write may be under way.
            if (
                subscription.state is State.SLOW
                and subscription.delivered == topic.revision >= subscription.acknowledged
                and subscription.pending is None
                and subscription.part is None
                and not subscription.openings
                and not (self._blocked is not None and self._blocked.is_written(topic))
                and (subscription.own is None or subscription.own.is_clear(topic.revision))
            ):
                subscription.state = State.FAST
                form, outlet = self._outlet
                self.hub.join_fast_path(topic, self, form.of(subscription.deltas), outlet)

    def on_event(self, event: Event) -> None:
        """As in `topic.Subscriber`: send the event, block it, or drop it if it is not newer."""
        subscription = self._by_key.get(event.sid)
        if subscription is None:
            return
        blocked = self._blocked
        # 1. Block it if a reply must come first: that to the first `Open`, or to a write.
        if not subscription.delivered or (
            blocked is not None and blocked.writing_keys and blocked.blocks(subscription, event)
        ):
            self._blocks().add(subscription, event)
        # 2. Send it, unless the client has it already.
        elif event.revision > subscription.delivered:
            before = subscription.delivered
            if (subscription.state is _BEHIND or event.previous < before) and (
                self._leave_to_replay(subscription, event)
            ):
                return
            subscription.delivered = event.revision
            if isinstance(event, Removed):
                self.end(subscription)
            self.sender.send_change(subscription, event, before)
            if self._outlet is not None:
                self.join_fast_path((subscription,))
        # 3. What moves no revision is never old.
        elif not event.is_stored:
            self.sender.send(subscription, event)
            self.join_fast_path((subscription,))

    def fall_behind(self, sid: str, since: int) -> None:
        """Changes of a collection were dropped that the client should have received.

        `since`: the revision up to which the client receives everything.
        """
        subscription = self._by_key.get(sid)
        if subscription is not None:
            self._leave_fast_path(subscription)
            # Events from before a later `Open` may have waited too: its reply has what they report.
            self.read_since(subscription, max(since, subscription.opened))

    def receive_portion(self, subscription: Subscription, portion: Portion) -> None:
        """Send changes that were read from the store, or block them. The order is a promise."""
        # 1. The subscription may have ended, or have begun from another revision, during the read.
        if subscription.state is not State.BEHIND or subscription.delivered != portion.since:
            if subscription.state is State.BEHIND:
                since, expires_ms = subscription.delivered, subscription.expires_ms
                self.read_since(subscription, since, expires_ms)
            return
        # 2. Block it while a write is under way: it may contain that write (promise 4).
        if self._blocked is not None and self._blocked.add_portion(subscription, portion):
            return
        # 3. Set `delivered` before anything is sent, because the send queue may drop it again.
        found, end = portion.replay, portion.end
        subscription.delivered = end
        for event in events_of(subscription, portion):
            self.sender.send(subscription, event)
            if subscription.delivered != end:
                return  # dropped by the send queue: it comes again, and what is newer after it
        if found.is_reset:
            subscription.lost = 0
        # 4. Read on; or, if no event was dropped that is newer, go on with those that were kept.
        if found.more_since is not None or subscription.lost > end:
            return self.read_since(subscription, end, subscription.expires_ms)
        subscription.state = State.SLOW
        self._deliver_kept(subscription)
        self.join_fast_path((subscription,))

    def on_revoked(self, sid: str) -> None:
        """Send `Removed`, as if the object were gone, and end the subscription."""
        subscription = self._by_key.get(sid)
        if subscription is None:
            return
        self._leave_fast_path(subscription)  # so that `delivered` is up to date
        self.end(subscription, State.REVOKED)
        # A client without the reply to its first `Open` gets a refusal instead.
        if subscription.delivered:
            last = max(subscription.delivered, subscription.acknowledged)
            self.sender.send_event(
                Removed(
                    sid=sid,
                    unique_name=subscription.topic.unique_name,
                    revision=last + 1,
                    previous=last,
                    at_ms=self.hub.now_ms(),
                    by=SYSTEM,
                    expired=False,
                )
            )

    def begin_write(self, key: str) -> None:
        """Block the events of an object from the commit on: any may be that of the write."""
        # On the fast path nothing can be blocked, so leave it before the commit.
        if subscription := self.index.find(key):
            self._leave_fast_path(subscription)
        self._blocks().begin_write(key)

    def end_write(self, key: str) -> None:
        """Block no further events; those that are blocked wait for `deliver_pending`."""
        self._blocks().end_write(key)

    def conflate(self, key: str) -> None:
        """Send only the newest state of an object while a write to it waits for its turn."""
        subscription = self.index.find(key)
        if subscription is None:
            return
        self._leave_fast_path(subscription)
        if subscription.state is State.SLOW:
            self.hub.conflate(subscription.topic, self)
        if subscription.state in (State.SLOW, State.CALM):
            subscription.state = State.WAITING

    def end_wait(self, subscription: Subscription) -> None:
        """The reply to a write was sent: with the next event, all events come again."""
        if subscription.state is State.WAITING:
            subscription.state = State.CALM

    def on_newest(self, event: Event) -> bool:
        """As in `topic.Conflating`."""
        self.on_event(event)
        subscription = self._by_key.get(event.sid)
        if subscription is None or subscription.state is not State.CALM:
            return True
        subscription.state = State.SLOW
        return False

    def deliver_pending(self) -> None:
        """Deliver the blocked events; those that another write still blocks are blocked again."""
        if self._blocked is None:
            return
        for subscription in self._blocked.take():
            portion, subscription.portion = subscription.portion, None
            if portion is not None:
                self.receive_portion(subscription, portion)
            else:
                self._deliver_kept(subscription)

    def settle_part(
        self, subscription: Subscription, opened: Part | None, part: Part | None
    ) -> None:
        """An `Open` of a part has ended: `part` counts from now on."""
        if opened not in subscription.opening_parts:
            return
        place = subscription.opening_parts.index(opened)
        parts = subscription.opening_parts
        subscription.opening_parts = parts[:place] + parts[place + 1 :]
        subscription.part = part
        # An ended subscription has left the topic.
        if not subscription.opening_parts and subscription in self.index:
            self.hub.narrow(subscription.topic, self, part)

    def settle_deltas(self, subscription: Subscription, deltas: bool) -> None:
        """From now on the client takes deltas of the object, or none, if its connection does."""
        deltas = deltas and self.sender.send_delta is not None
        if deltas is not subscription.deltas:
            self.hub.count_delta_reader(subscription.topic, 1 if deltas else -1)
            subscription.deltas = deltas

    def read_since(
        self, subscription: Subscription, since: int, expires_ms: int | None = UNKNOWN
    ) -> None:
        """The client has everything up to `since`: read from the store what it lacks."""
        subscription.state, subscription.delivered = State.BEHIND, since
        subscription.expires_ms = expires_ms
        if self._replayer is None:
            self._replayer = self._reader.make_replayer()
            if self._is_paused:
                self._replayer.pause()
        self._replayer.add(subscription)

    def _deliver_kept(self, subscription: Subscription) -> None:
        """Deliver the events that were blocked, or kept while the client was behind."""
        pending, subscription.pending = subscription.pending, None
        for event in pending or ():
            self.on_event(event)
        if subscription.lost > subscription.delivered and subscription.state is State.SLOW:
            # Later events were dropped: the store has them. Blocked ones come first, so wait.
            if subscription.pending is None:
                self.read_since(subscription, subscription.delivered)

    def _leave_to_replay(self, subscription: Subscription, event: Event) -> bool:
        """True if the client gets from the store what this event reports."""
        if subscription.state is not State.BEHIND:
            # The event reports what the hub missed, as seen from before the client's revision. Seen
            # from there it may differ: an item that was created and removed in between is left out,
            # and the client may have it.
            if event.replayable:
                self.read_since(subscription, subscription.delivered)
        elif event.replayable and subscription.is_reading:
            # It may be newer than what is read: it saves another read then.
            keep(subscription, event)
        elif event.replayable:
            # The next read brings it. A client that has stopped reading keeps no event in memory.
            subscription.lost = max(subscription.lost, event.revision)
        else:
            # After a reset the client reads all items again, and needs nothing from the store.
            subscription.state, subscription.portion, subscription.lost = State.SLOW, None, 0
        return event.replayable > 0

    def _blocks(self) -> BlockedEvents:
        if self._blocked is None:
            self._blocked = BlockedEvents()
        return self._blocked

    def _leave_fast_path(self, subscription: Subscription) -> None:
        if subscription.state is State.FAST and self._outlet is not None:
            subscription.state = State.SLOW
            subscription.delivered = subscription.topic.revision
            # `deltas` does not change on the fast path.
            form = self._outlet[0].of(subscription.deltas)
            self.hub.leave_fast_path(subscription.topic, self, form)
