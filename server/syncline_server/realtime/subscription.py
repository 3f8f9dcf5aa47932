"""One object that a client has open, and the states of its subscription.

    OPENING   The first `Open` is under way. Events are blocked, because the reply may have a newer
              state (promise 4).
    SLOW      The reply was sent. The hub calls `on_event` for each event. While a write of this
              client to the object is under way, events are blocked, because any of them may be the
              event of that write, which must come after the reply (promise 4).
    FAST      The hub writes changes to the client's socket without calling the session. Nothing can
              be blocked or skipped here.
    WAITING   A write of the client to the object waits for its turn among many: the hub calls the
              session for the newest event only, some times a second (`Hub.conflate`).
    CALM      The same, after the reply to that write: until the hub calls the next time.
    BEHIND    The client lacks changes of items from after `delivered`. They are read from the store
              in portions, as fast as the client reads (`replay`). Live events are dropped, except
              a few that come during a read; only the end of the object and a reset pass (promise
              5).
    REVOKED   The right to read was taken away (promise 6).
    ENDED     The client unsubscribed, the object was removed, or the first `Open` failed.

And these are the transitions:

    OPENING -> SLOW      `record_reply`: the client has a state now.
    OPENING -> BEHIND    `record_reply`: the reply has the first portion of what changed.
    SLOW -> FAST         `join_fast_path`: nothing is blocked, the client has all up to the topic's
                         revision, and the socket is free.
    FAST -> SLOW         `begin_write` before a commit, whose event must be blocked; `subscribe`
                         for another `Open`, as for the first; `disable_fast_path` when the socket
                         is full, because the send queue then conflates.
    SLOW, CALM -> WAITING  `conflate`: the write begins to wait.
    WAITING -> CALM      `end_wait`: it was answered.
    CALM -> SLOW         `on_newest`: the client waits for no turn, so it receives each event again.
    SLOW -> BEHIND       `fall_behind`: the send queue has dropped events, because more changes
                         wait than the limits allow. `deliver_pending`: more events were blocked
                         than `PENDING_LIMIT`. `on_event`: the event begins before what the client
                         has, so it may omit items that the client has and others never had.
                         `record_reply` of another `Open`, as for the first.
    BEHIND -> SLOW       `receive_portion`: the store has no more, and no later event was dropped.
                         A reset: the client reads all items itself.
    any -> REVOKED       `on_revoked`. An `Open` under way sees the state, and is refused.
    any -> ENDED         `end`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from syncline_protocol.item_commands import Part
from syncline_server.pubsub.topic import Topic
from syncline_server.storage.items import Replay

from .own_marks import OwnMarks
from .pending_events import PendingEvents

__all__ = ["UNKNOWN", "Portion", "State", "Subscription", "topic_keys"]


UNKNOWN = -1
"""As `expires_ms`: no time at all."""


class State(Enum):
    """States of a subscription, as described above."""

    OPENING = auto()
    SLOW = auto()
    FAST = auto()
    WAITING = auto()
    CALM = auto()
    BEHIND = auto()
    REVOKED = auto()
    ENDED = auto()


@dataclass(frozen=True, slots=True)
class Portion:
    """Changes that were read from the store for a client at revision `since`."""

    since: int
    replay: Replay

    @property
    def end(self) -> int:
        """The revision that the client has after it."""
        return self.replay.more_since or self.replay.header.revision


@dataclass(slots=True, eq=False, kw_only=True)
class Subscription:
    """An object that the client has open.

    Attributes:
        part: the items that the client wants; None for all.
        deltas: True if the client takes deltas of the object.
        opening_parts: the parts of `Open`s under way that are other ones than `part`.
        delivered: the newest revision that was sent to the client, by the reply to `Open` or by an
            event; 0 until the first `Open` is answered. Out of date on the fast path, where the
            client has received all up to `topic.revision`.
        opened: the revision from which the newest reply to `Open` begins.
        acknowledged: the newest revision in a reply to one of the client's writes.
        wrote: the newest of these revisions whose data the client has, from its request or from the
            reply.
        openings: how many `Open`s are under way.
        pending: the events that are blocked, or that came while the client is behind; None if
            there are none.
        lost: the newest revision of a change of items that was dropped, and left to the store.
        is_reading: True while a portion is read from the store.
        portion: the changes that are blocked; None if there are none.
        expires_ms: the expiry of a collection as a client that is behind knows it; `UNKNOWN` if
            the event of a newer one may have been dropped.
        own: the client's writes whose events are still to come; None if it does not take them.
    """

    topic: Topic
    part: Part | None = None
    deltas: bool = False
    opening_parts: tuple[Part | None, ...] = ()
    state: State = State.OPENING
    delivered: int = 0
    opened: int = 0
    acknowledged: int = 0
    wrote: int = 0
    openings: int = 0
    pending: PendingEvents | None = None
    lost: int = 0
    is_reading: bool = False
    portion: Portion | None = None
    expires_ms: int | None = UNKNOWN
    own: OwnMarks | None = None

    def has(self, key: str) -> bool:
        """True if the client receives the item with this key."""
        # During an `Open` of another part, those of both: the reply decides which one counts.
        parts = (self.part, *self.opening_parts)
        return any(part is None or part.has(key) for part in parts)


def topic_keys(topic: Topic) -> list[str]:
    """All keys of an object: its SID first, then its name if it has one."""
    return [topic.sid] if topic.name_key is None else [topic.sid, topic.name_key]
