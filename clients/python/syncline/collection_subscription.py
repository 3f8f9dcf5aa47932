"""State of one open list or map, shared by its handles, and the order of its events."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any
from weakref import WeakValueDictionary

from syncline_protocol.deltas import Inapplicable

from .collection_listener import Listener, ReplicaListener, replica_of
from .event_order import EventOrder
from .events import Removal
from .header import Header, JsonObject
from .item import key_of
from .item_deltas import ItemDeltas
from .item_events import CollectionEvent, ItemEvent, ItemRemoved, Reset, parse_change
from .item_types import CollectionType
from .mutation_queue import MutationQueue
from .object_events import ExpiryChanged, ObjectRemoved
from .own_writes import OwnWrites
from .part import Part, containing
from .transport import Receive

__all__ = ["CollectionSubscription"]

logger = logging.getLogger("syncline")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Changes:
    """Changes to announce.

    Attributes:
        changes: those that were not announced before.
        orders: revisions of all changes in the message, by key.
        since: revision up to which all changes have come with the message.
        complete_to: revision up to which they complete a replay after a break, else None.
    """

    changes: list[ItemEvent[Any]]
    orders: Mapping[Any, int]
    since: int
    complete_to: int | None


_News = _Changes | Reset | ExpiryChanged | Removal


class CollectionSubscription:
    """State of one list or map: what the client has received, and announces to its listeners.

    Events are announced by the rules C23 to C26 and C28 of docs/protocol.md.

    Attributes:
        keys_name: name of several keys in messages.
        header: the newest known header.
        mutations: the `mutate` calls of each item, by key; an entry lives while one runs.
        since: revision up to which all changes of the needed part have come (rule C23).
        has_deltas: True if the collection was opened with deltas.
        repairs: how often changes were requested again because a delta could not be used (C33).
    """

    def __init__(self, type_: CollectionType, header: Header, part: Part, queue_bound: int) -> None:
        """
        Args:
            type_: the type of collection.
            header: that in the reply to `open`.
            part: the part that was opened.
            queue_bound: maximum number of events that wait for writes; beyond it they become one
                `Reset`.
        """
        self.type = type_.name
        self.keys_name = type_.keys_name
        self.header = header
        self.since = header.revision
        self.handles: set[Listener] = set()
        self.mutations: WeakValueDictionary[Any, MutationQueue] = WeakValueDictionary()
        self.on_lost: Callable[[], None] = lambda: None
        self.has_deltas = False
        self.repairs = 0
        self._deltas = ItemDeltas()
        self._part = part  # what the server sends
        self._needed = part  # what the listeners need
        self._is_behind = False
        self._losses = 0
        self._last_expiry = header  # the header with the expiry that was announced last
        # The newest change of each item that came after `since` while it cannot move, so that it is
        # not announced twice.
        self._seen: dict[Any, ItemEvent[Any]] = {}
        # Up to here the changes come because of a break; then None. Items that the client has
        # received beyond the revision from which the server replays them, and that the replay has
        # not named yet. The server does not tell that such an item was removed: it thinks that the
        # client never received it.
        self._replayed_to: int | None = None
        self._unnamed: set[Any] = set()
        self._order: EventOrder[_News] = EventOrder(queue_bound, self._deliver, self._overflow)
        self._own = OwnWrites()
        self._removed_here = False
        self._removal_announced = False

    @property
    def sid(self) -> str:
        """SID of the collection."""
        return self.header.sid

    @property
    def unique_name(self) -> str | None:
        """Unique name; None if the collection has none."""
        return self.header.unique_name

    @property
    def removed(self) -> bool:
        """True once the client knows that the collection was removed."""
        return self._removed_here or self._removal_announced

    @property
    def is_lost(self) -> bool:
        """True while changes are missing, or the server sends too small a part (rule C28)."""
        return self._is_behind or not self._part.covers(self._needed)

    def could_use_deltas(self, part: Part) -> bool:
        """True if the collection is open without deltas, and a replica of `part` could use them."""
        return not self.has_deltas and part.covers(self._needed)

    def attach(self, listener: Listener) -> None:
        """Add a listener. If `is_lost` becomes True, the caller opens the collection again."""
        self.handles.add(listener)
        self._needed = containing([each.part for each in self.handles])

    def detach(self, listener: Listener) -> None:
        """Remove a listener."""
        self.handles.discard(listener)
        if self.handles:
            self._needed = containing([each.part for each in self.handles])

    def opened_again(self, ok: JsonObject) -> None:
        """Process the reply to an `open` that did not know that the collection is open.

        It may have made the server send another part, and has no changes since `since`.
        """
        self._adopt(Header.of(ok[self.type]))
        self._is_behind = True

    def reply_missed(self) -> None:
        """Ask again: the reply may have had changes, and the server may send another part."""
        self._losses += 1
        self._is_behind = True
        self.on_lost()

    def reopening(self) -> tuple[JsonObject, Receive[None]]:
        """Members of the `open` that catches up, and what processes its reply (rule C11)."""
        part = self._needed
        deltas = replica_of(self.handles, part) is not None
        losses = self._losses

        def receive(ok: JsonObject) -> None:
            self._part, self.has_deltas = part, deltas
            # Events come while the server reads what changed. One that was lost then may be newer
            # than this reply: the next `open` brings it.
            self._is_behind = self._losses != losses
            self._resume(ok)

        members: JsonObject = {"revision": str(self.since), "items": False}
        if deltas:
            members["deltas"] = True
        return {**members, **part.members(self.keys_name)}, receive

    def reconnected(self) -> None:
        """Prepare for a new connection."""
        self._order.reconnected()

    def writing(self) -> AbstractContextManager[None]:
        """Wrap an own write, from before it is sent until its reply is processed."""
        return self._order.writing()

    def wrote(self, body: JsonObject, change: JsonObject, json: bytes | None) -> None:
        """Record that an own write was applied.

        Args:
            body: the header in the reply.
            change: `kind` and `item` in the reply, or one of the `changes` of a batch.
            json: the data of the item; None if it is not known.
        """
        item = change["item"]
        key = key_of(item)
        self.wrote_header(body)
        if not any(each.part.has(key) for each in self.handles):
            return
        is_known = json is not None or "data" in item or change["kind"] == "removed"
        event = None
        if is_known:
            author = {
                "removed_by": body.get("updated_by"),
                "date_removed": body.get("date_updated"),
            }
            members = {**author, **item, "kind": change["kind"]}
            event = replace(parse_change(members, json), is_local=True)
        self._own.add(key, int(item["revision"]), event)
        if event is not None:
            for each in self._replicas_of(key):
                each.show(event)

    async def read_written(self, keys: Iterable[Any]) -> None:
        """Let the replicas read own writes whose data was not in the reply (rule C30)."""
        wanted: dict[ReplicaListener, list[Any]] = {}
        for key in keys:
            for each in self._replicas_of(key):
                wanted.setdefault(each, []).append(key)
        for replica, of_replica in wanted.items():
            await replica.read_written(of_replica)

    def wrote_header(self, body: JsonObject) -> None:
        """Adopt the header in the reply to a write."""
        self._adopt(Header.of(body, self.header))

    def wrote_removal(self) -> None:
        """Record that this client removed the collection."""
        self._removed_here = True

    def take(self, message: JsonObject, *, may_be_early: bool) -> None:
        """Process an event of the server, other than a removal."""
        if message["event"] == "resumed":  # by an event stream over REST
            return self._resume(message)
        body = message[self.type]
        header = Header.of(body, self.header)
        match message["event"]:
            case "items":
                try:
                    self._receive(message["changes"], header.revision, may_be_early=may_be_early)
                except (KeyError, Inapplicable) as error:
                    # The event of an own write comes without data, and others as deltas. The client
                    # cannot make the data: a resume brings it (rule C33).
                    self.repairs += 1
                    logger.info("changes of %s are requested again: %s", self.sid, error)
                    return self.reply_missed()
                # A write of an item may have set the expiry of the whole.
                self._change_expiry(header, may_be_early=may_be_early)
            case "reset":
                self._reset(header, may_be_early=may_be_early)
            case "expiry":
                self._advance(header.revision)
                self._change_expiry(header, may_be_early=may_be_early)
        self._adopt(header)

    def receive_removal(self, removal: Removal, *, may_be_early: bool) -> None:
        """Process the removal of the collection."""
        self._order.put(removal, may_be_early=may_be_early)

    def end(self, error: Exception | None) -> None:
        """End all listeners: no event follows, because of `error` if it is not None."""
        for listener in list(self.handles):
            listener.end(error)

    def _resume(self, ok: JsonObject) -> None:
        """Process the reply to an `open` with a revision."""
        header = Header.of(ok[self.type])
        if ok.get("reset"):
            self._reset(header, may_be_early=True)
        else:
            more = ok.get("more_since")
            self._replayed_to = header.revision
            self._unnamed = {
                key for key, event in self._seen.items() if not isinstance(event, ItemRemoved)
            }
            up_to = header.revision if more is None else int(more)
            self._receive(ok["changes"], up_to, may_be_early=True)
        self._change_expiry(header, may_be_early=True)
        self._adopt(header)

    def _change_expiry(self, header: Header, *, may_be_early: bool) -> None:
        # Over REST, a stream that was replaced may still deliver events.
        if header.revision < self._last_expiry.revision:
            return
        expiry = ExpiryChanged.between(self._last_expiry, header)
        self._last_expiry = header
        if expiry is not None:
            self._order.put(expiry, may_be_early=may_be_early)

    def _parse(self, change: JsonObject) -> ItemEvent[Any] | None:
        """Parse a change; None if a page has overtaken it, so that it says nothing new."""
        if "data" in change or change["kind"] == "removed":
            return parse_change(change, None)
        json = self._own.json_of(key_of(change), int(change["revision"]))
        if json is None and (replica := replica_of(self.handles, self._needed)) is not None:
            json = self._deltas.json_of(change, replica.known)
            if json is None:
                return None
        return parse_change(change, json)

    def _receive(self, bodies: list[JsonObject], up_to: int, *, may_be_early: bool) -> None:
        changes = [each for each in map(self._parse, bodies) if each is not None]
        orders = {key_of(each): int(each["revision"]) for each in bodies}
        self._unnamed.difference_update(orders)
        fresh = [each for each in changes if not self._has_come(each)]
        complete_to = None
        if self._replayed_to is not None and up_to >= self._replayed_to:
            complete_to, self._replayed_to = self._replayed_to, None
            for key in self._unnamed:
                if self._seen[key].order <= complete_to:
                    fresh.append(ItemRemoved(key=key, order=complete_to))
            self._unnamed = set()
        if self.is_lost:
            self._seen.update((each.key, each) for each in fresh)
        self._advance(up_to)
        self._deltas.receive(fresh)
        news = _Changes(changes=fresh, orders=orders, since=self.since, complete_to=complete_to)
        self._order.put(news, may_be_early=may_be_early)

    def _has_come(self, change: ItemEvent[Any]) -> bool:
        # Over REST, a stream that was replaced may still deliver events.
        seen = self._seen.get(change.key)
        return change.order <= (self.since if seen is None else seen.order)

    def _advance(self, revision: int) -> None:
        """Record that all changes up to `revision` have come, unless some are missing."""
        if not self.is_lost and revision > self.since:
            self.since = revision
            if self._seen:
                self._seen = {
                    key: event for key, event in self._seen.items() if event.order > revision
                }

    def _reset(self, header: Header, *, may_be_early: bool) -> None:
        # Also where the revision is older than before (rule C14).
        self.header = header
        self.since = header.revision
        self._last_expiry = replace(self._last_expiry, revision=header.revision)
        self._seen.clear()
        self._unnamed.clear()
        self._replayed_to = None
        self._deltas.receive_reset()
        self._order.put(Reset(revision=str(header.revision)), may_be_early=may_be_early)

    def _adopt(self, header: Header) -> None:
        # `>=`: over REST, the reply to the write of an item lacks the expiry of the whole.
        if header.revision >= self.header.revision:
            self.header = header

    def _overflow(self) -> None:
        self._order.drop(lambda news: isinstance(news, Removal))
        self._deltas.drop()
        self._order.put(Reset(revision=str(self.since)), may_be_early=True)

    def _deliver(self, news: _News) -> None:
        match news:
            case Removal():
                self._announce_removal(news)
            case _Changes():
                self._deltas.deliver(news.changes)
                for change in news.changes:
                    self._announce(change)
                if news.complete_to is not None:
                    self._announce_own(news.complete_to, is_replayed=True)
                for listener in list(self.handles):
                    if listener.replica is not None:
                        listener.replica.confirm(news.orders, news.since, news.complete_to)
            case Reset():
                self._deltas.deliver_reset()
                self._announce_own(int(news.revision))
                self._emit(news)
            case ExpiryChanged():
                self._emit(news)

    def _announce(self, change: ItemEvent[Any]) -> None:
        is_own, earlier = self._own.take(change)
        for own in earlier:
            self._emit_change(own)
        self._emit_change(replace(change, is_local=True) if is_own else change)

    def _announce_own(self, up_to: int | None, *, is_replayed: bool = False) -> None:
        """Announce own writes whose events were lost or merged into a later one; None: all.

        `is_replayed`: all changes up to there have come. An item that none of them named is gone.
        """
        last: dict[Any, ItemEvent[Any]] = {}
        for own in self._own.take_up_to(up_to):
            self._emit_change(own)
            last[own.key] = own
        if is_replayed and up_to is not None:
            for key, own in last.items():
                if not isinstance(own, ItemRemoved):
                    removed: ItemRemoved[Any] = ItemRemoved(key=key, order=up_to)
                    self._announce(removed)

    def _replicas_of(self, key: Any) -> list[ReplicaListener]:
        listeners = [each for each in self.handles if each.part.has(key)]
        return [each.replica for each in listeners if each.replica is not None]

    def _announce_removal(self, removal: Removal) -> None:
        # A removal may come twice: by its event, and as the 404 to an `open` in flight.
        if self._removal_announced:
            return
        self._announce_own(None)
        self._removal_announced = True
        self._emit(ObjectRemoved.of(removal, self.header, self._removed_here))
        self.end(None)

    def _emit_change(self, change: ItemEvent[Any]) -> None:
        for listener in list(self.handles):
            if not self._removal_announced and listener.part.has(change.key):
                listener.emit(change)

    def _emit(self, event: CollectionEvent[Any]) -> None:
        for listener in list(self.handles):
            listener.emit(event)
