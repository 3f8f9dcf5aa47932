"""Subscriptions of one client: which events it receives, and when.

Each subscription is in one of these states (`State`):

    OPENING   The first `Open` is under way. Events are blocked, because the reply may have a newer
              state (promise 4).
    SLOW      The reply was sent. The hub calls `on_event` for each event. While a write of this
              client to the object is under way, events are blocked, because any of them may be the
              event of that write, which must come after the reply (promise 4).
    FAST      The hub writes changes to the client's socket without calling this module. Nothing can
              be blocked or skipped here.
    REVOKED   The right to read was taken away (promise 6).
    ENDED     The client unsubscribed, the object was removed, or the first `Open` failed.

And these are the transitions:

    OPENING -> SLOW      `record_reply`: the client has a state now.
    SLOW -> FAST         `join_fast_path`: nothing is blocked, the client has all up to the topic's
                         revision, and the socket is free.
    FAST -> SLOW         `begin_write` before a commit, whose event must be blocked; `subscribe`
                         for another `Open`, as for the first; `disable_fast_path` when the socket
                         is full, because the send queue then conflates.
    any -> REVOKED       `on_revoked`. An `Open` under way sees the state, and is refused.
    any -> ENDED         `end`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum, auto

from syncline_protocol.commands import Command
from syncline_protocol.objects import SYSTEM, Event, Header, Removed, type_of_sid
from syncline_protocol.sids import object_key
from syncline_server.objects.access import Access
from syncline_server.pubsub.cork import Outlet
from syncline_server.pubsub.hub import Hub
from syncline_server.pubsub.topic import Format, Topic
from syncline_server.storage.rights import Right

from .results import Fetched, Opened, Result, Unsubscribed, tells_data

__all__ = ["State", "Subscription", "Subscriptions"]

PENDING_LIMIT = 64
"""Blocked events of one object, at most; a further event drops the oldest (promise 5)."""


class State(Enum):
    """States of a subscription, as described above."""

    OPENING = auto()
    SLOW = auto()
    FAST = auto()
    REVOKED = auto()
    ENDED = auto()


@dataclass(slots=True, eq=False, kw_only=True)
class Subscription:
    """An object that the client has open.

    Attributes:
        delivered: the newest revision that was sent to the client, by the reply to `Open` or by an
            event; 0 until the first `Open` is answered. Out of date on the fast path, where the
            client has received all up to `topic.revision`.
        acknowledged: the newest revision in a reply to one of the client's writes.
        wrote: the newest of these revisions whose data the client has, from its request or from the
            reply.
        openings: how many `Open`s are under way.
        pending: the events that are blocked; None if there are none.
    """

    topic: Topic
    state: State = State.OPENING
    delivered: int = 0
    acknowledged: int = 0
    wrote: int = 0
    openings: int = 0
    pending: deque[Event] | None = None


class Subscriptions:
    """All subscriptions of one client. To the hub this is the subscriber.

    `key` is that of a command (`Command.key`).

    Attributes:
        access: the rights of the token in force.
        send_delta: receives changes in place of `send_event`, as in `Session.take_deltas`; None for
            a client that takes no deltas.
    """

    __slots__ = (
        "_by_name",
        "_by_sid",
        "_hub",
        "_outlet",
        "_send_event",
        "_with_pending",
        "_writing",
        "access",
        "send_delta",
    )

    def __init__(self, hub: Hub, access: Access, send_event: Callable[[Event], None]) -> None:
        self.access = access
        self.send_delta: Callable[[Event, bool], None] | None = None
        self._hub = hub
        self._send_event = send_event
        self._outlet: tuple[Format, Outlet] | None = None
        self._by_sid: dict[str, Subscription] = {}
        self._by_name: dict[str, Subscription] = {}
        # Number of writes under way, by the key of the command.
        self._writing: dict[str, int] = {}
        self._with_pending: list[Subscription] = []

    def __len__(self) -> int:
        return len(self._by_sid)

    @property
    def reader(self) -> str | None:
        """As in `topic.Subscriber`."""
        return self.access.reader

    @property
    def takes_deltas(self) -> bool:
        """As in `topic.Subscriber`."""
        return self.send_delta is not None

    def find(self, key: str | None) -> Subscription | None:
        """The subscription to the object; None if none is known by this key."""
        return None if key is None else self._by_sid.get(key) or self._by_name.get(key)

    def keys(self, key: str | None) -> list[str]:
        """`key` first, then the other known keys of its object."""
        if key is None:
            return []
        subscription = self.find(key)
        return [key, *(_keys(subscription.topic) if subscription is not None else ())]

    def subscribe(self, state: Header) -> Subscription:
        """Subscribe to an object, or return its subscription if it is open already."""
        subscription = self._by_sid.get(state.sid)
        if subscription is None:
            topic = self._hub.join(self.access.service_sid, state.sid, self)
            topic.learn(state)
            subscription = self._by_sid[state.sid] = Subscription(topic=topic)
            for key in _keys(topic)[1:]:
                self._by_name[key] = subscription
        subscription.topic.learn(state)
        # An object that is open is opened again: the reply must come before the events after it.
        self._leave_fast_path(subscription)
        return subscription

    def end(self, subscription: Subscription, state: State = State.ENDED) -> None:
        """Unsubscribe from an object; safe to repeat."""
        topic = subscription.topic
        if self._by_sid.get(topic.sid) is subscription:
            # First, because the hub finds a subscriber on the fast path by its format.
            self._leave_fast_path(subscription)
            subscription.state = state
            # An ended subscription delivers nothing, not even what was blocked (promise 6).
            subscription.pending = None
            del self._by_sid[topic.sid]
            self._hub.leave(topic, self)
            # The name may belong to a newer object already, which is open under it.
            for key in _keys(topic)[1:]:
                if self._by_name.get(key) is subscription:
                    del self._by_name[key]

    def end_all(self) -> None:
        """Unsubscribe from all objects."""
        for subscription in list(self._by_sid.values()):
            self.end(subscription)

    def adopt(self, access: Access) -> None:
        """Use the rights of a newer token. Subscriptions that it does not allow are ended."""
        self.access = access
        if access.is_scoped:
            # A copy: `on_revoked` removes entries.
            for sid, subscription in list(self._by_sid.items()):
                name = subscription.topic.unique_name
                if not access.grants(type_of_sid(sid), name, Right.READ):
                    self.on_revoked(sid)

    def enable_fast_path(self, form: Format, outlet: Outlet) -> None:
        """Let the hub write changes to `outlet` as frames of `form`, until `disable_fast_path`."""
        self._outlet = (form, outlet)
        self.join_fast_path(self._by_sid.values())

    def disable_fast_path(self) -> None:
        """Take all subscriptions off the fast path."""
        for subscription in self._by_sid.values():
            self._leave_fast_path(subscription)
        # Last, because `_leave_fast_path` needs its format.
        self._outlet = None

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
                and not subscription.openings
                and not (self._writing and self._is_written(topic))
            ):
                subscription.state = State.FAST
                self._hub.join_fast_path(topic, self, *self._outlet)

    def on_event(self, event: Event) -> None:
        """As in `topic.Subscriber`: send the event, block it, or drop it if it is not newer."""
        subscription = self._by_sid.get(event.sid)
        if subscription is None:
            return
        # 1. Block it before the first `Open` is answered: the reply may have a newer state. Block
        #    it while a write is under way: it may be that write's. Up to `acknowledged` it is not:
        #    writes to one object are carried out in order, so the next gets a greater revision.
        if not subscription.delivered or (
            self._writing
            and event.revision > subscription.acknowledged
            and self._is_written(subscription.topic)
        ):
            if subscription.pending is None:
                subscription.pending = deque(maxlen=PENDING_LIMIT)
                self._with_pending.append(subscription)
            subscription.pending.append(event)
        # 2. Send it, unless the client has it already.
        elif event.revision > subscription.delivered:
            before, subscription.delivered = subscription.delivered, event.revision
            if isinstance(event, Removed):
                self.end(subscription)
                self._send_event(event)
            else:
                self._send_change(subscription, event, before)
                self.join_fast_path((subscription,))

    def on_revoked(self, sid: str) -> None:
        """Send `Removed`, as if the object were gone, and end the subscription."""
        subscription = self._by_sid.get(sid)
        if subscription is None:
            return
        self._leave_fast_path(subscription)  # so that `delivered` is up to date
        self.end(subscription, State.REVOKED)
        # A client without the reply to its first `Open` gets a refusal instead.
        if subscription.delivered:
            last = max(subscription.delivered, subscription.acknowledged)
            self._send_event(
                Removed(
                    sid=sid,
                    unique_name=subscription.topic.unique_name,
                    revision=last + 1,
                    previous=last,
                    at_ms=self._hub.now_ms(),
                    by=SYSTEM,
                    expired=False,
                )
            )

    def begin_write(self, key: str) -> None:
        """Block the events of an object from the commit on: any may be that of the write."""
        # On the fast path nothing can be blocked, so leave it before the commit.
        if subscription := self.find(key):
            self._leave_fast_path(subscription)
        # Count under the key of the command, because the object may be opened meanwhile.
        self._writing[key] = self._writing.get(key, 0) + 1

    def end_write(self, key: str) -> None:
        """Block no further events; those that are blocked wait for `deliver_pending`."""
        self._writing[key] -= 1
        if not self._writing[key]:
            del self._writing[key]

    def deliver_pending(self) -> None:
        """Deliver the blocked events; those that another write still blocks are blocked again."""
        if not self._with_pending:
            return
        # Clear first: `on_event` may block an event again, and so append to `_with_pending`.
        subscriptions, self._with_pending = self._with_pending, []
        for subscription in subscriptions:
            pending, subscription.pending = subscription.pending, None
            for event in pending or ():
                self.on_event(event)

    def record_reply(self, command: Command, result: Result) -> None:
        """Record what the client knows from the reply to a command."""
        match result:
            case Fetched() | Unsubscribed():
                return
            case Opened():
                header = result.state
            case _:
                header = result.header
        subscription = self._by_sid.get(header.sid)
        if subscription is None:
            return
        topic, revision = subscription.topic, header.revision
        # `max` below: an event may have brought a newer revision before this reply.
        topic.learn(header)
        topic.acknowledged = max(topic.acknowledged, revision)
        if isinstance(result, Opened):
            if subscription.state is State.OPENING:
                subscription.state = State.SLOW
            subscription.delivered = max(subscription.delivered, revision)
            if self.takes_deltas:
                self._hub.remember_base(topic, header)
        else:
            subscription.acknowledged = max(subscription.acknowledged, revision)
            if tells_data(command, result):
                subscription.wrote = max(subscription.wrote, revision)

    def _send_change(self, subscription: Subscription, event: Event, before: int) -> None:
        """Send a change: without data, as a delta or whole. `before`: the client's revision."""
        if self.send_delta is not None:
            # The client has this data already, from its own write: send the rest of the event.
            if event.revision == subscription.wrote:
                return self.send_delta(event, True)
            # A delta fits only the data at `previous`, which the client may have missed.
            if event.base is not None and event.previous == before:
                return self.send_delta(event, False)
        self._send_event(event)

    def _leave_fast_path(self, subscription: Subscription) -> None:
        if subscription.state is State.FAST and self._outlet is not None:
            subscription.state = State.SLOW
            subscription.delivered = subscription.topic.revision
            self._hub.leave_fast_path(subscription.topic, self, self._outlet[0])

    def _is_written(self, topic: Topic) -> bool:
        """True while a write of this client to the object is under way."""
        return any(key in self._writing for key in _keys(topic))


def _keys(topic: Topic) -> list[str]:
    """All keys of an object: its SID first, then its name if it has one."""
    if topic.unique_name is None:
        return [topic.sid]
    return [topic.sid, object_key(type_of_sid(topic.sid), topic.unique_name)]
