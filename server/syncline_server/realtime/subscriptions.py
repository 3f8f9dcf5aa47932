"""Subscriptions of one client: which events it receives, and when.

Events that may be those of the client's own writes are blocked until the replies were sent. A
subscription without anything to block or to skip joins the fast path: the hub writes updates to the
client's socket without calling this module (`Hub.join_fast_path`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from syncline_protocol.commands import Command, Patch, Remove, Set
from syncline_protocol.documents import Document, Updated
from syncline_protocol.objects import SYSTEM, Event, Removed
from syncline_server.objects.documents import Workspace
from syncline_server.pubsub.cork import Outlet
from syncline_server.pubsub.hub import Format, Hub, Topic
from syncline_server.storage.results import Written

from .results import Opened, Result, tells_data

__all__ = ["Subscriptions", "Subscription"]

HELD_LIMIT = 64
"""Blocked events of one document, at most; a further event drops the oldest (promise 5)."""


@dataclass(slots=True, eq=False)
class Subscription:
    """A document that the client has open.

    Attributes:
        told: the newest revision that was sent to the client, by the reply to `Open` or by an
            event; 0 until the first `Open` is answered.
        answered: the newest revision in a reply to one of the client's writes.
        wrote: the newest of these revisions whose data the client has, from its request or from the
            reply.
        openings: how many `Open`s are under way.
        is_revoked: True once the right to read was revoked.
        in_step: True while the subscription is on the fast path. `told` is then out of date: the
            client has received all up to `topic.revision`.
        held: the events that are blocked; None if there are none.
    """

    topic: Topic
    unique_name: str | None
    told: int = 0
    answered: int = 0
    wrote: int = 0
    openings: int = 0
    is_revoked: bool = False
    in_step: bool = False
    held: deque[Event] | None = None


class Subscriptions:
    """All subscriptions of one client. To the hub this is the subscriber.

    Attributes:
        workspace: the documents, with the rights of the token in force.
        send_brief: receives updates in place of `send_event`, as in `Session.take_deltas`; None
            for a client that takes no deltas.
    """

    __slots__ = (
        "_holding",
        "_hub",
        "_outlet",
        "_send_event",
        "_sids",
        "_watches",
        "_writing",
        "send_brief",
        "workspace",
    )

    def __init__(self, hub: Hub, workspace: Workspace, send_event: Callable[[Event], None]) -> None:
        self.workspace = workspace
        self.send_brief: Callable[[Updated, bool], None] | None = None
        self._hub = hub
        self._send_event = send_event
        self._outlet: tuple[Format, Outlet] | None = None
        self._watches: dict[str, Subscription] = {}
        self._sids: dict[str, str] = {}  # by the unique name of an open document
        # Number of writes under way, by the address (a SID or a unique name) in the command.
        self._writing: dict[str, int] = {}
        # The subscriptions that have blocked events.
        self._holding: list[Subscription] = []

    def __len__(self) -> int:
        return len(self._watches)

    @property
    def reader(self) -> str | None:
        """As in `hub.Subscriber`."""
        return self.workspace.reader

    @property
    def takes_deltas(self) -> bool:
        """As in `hub.Subscriber`."""
        return self.send_brief is not None

    def watch_of(self, address: str | None) -> Subscription | None:
        """The subscription to the document at `address`; None if none is known by this address."""
        return None if address is None else self._watches.get(self._sids.get(address, address))

    def addresses(self, address: str | None) -> list[str]:
        """`address` first, then the other known addresses of its document."""
        if address is None:
            return []
        watch = self.watch_of(address)
        others = () if watch is None else (watch.topic.sid, watch.unique_name)
        return [address, *(other for other in others if other is not None)]

    def begin(self, document: Document) -> Subscription:
        """Subscribe to a document, or return its subscription if it is open already."""
        watch = self._watches.get(document.sid)
        if watch is None:
            topic = self._hub.join(self.workspace.service_sid, document.sid, self)
            watch = self._watches[document.sid] = Subscription(topic, document.unique_name)
            if document.unique_name is not None:
                self._sids[document.unique_name] = document.sid
        watch.topic.learn(document)
        self._step_out(watch)
        return watch

    def end(self, watch: Subscription) -> None:
        """Unsubscribe from a document; safe to repeat."""
        if self._watches.get(watch.topic.sid) is watch:
            self._step_out(watch)
            del self._watches[watch.topic.sid]
            self._hub.leave(watch.topic, self)
            watch.held = None
            # The name may belong to a newer document already, which is open under it.
            if watch.unique_name and self._sids.get(watch.unique_name) == watch.topic.sid:
                del self._sids[watch.unique_name]

    def end_all(self) -> None:
        """Unsubscribe from all documents."""
        for watch in list(self._watches.values()):
            self.end(watch)

    def adopt(self, workspace: Workspace) -> None:
        """Use the rights of a newer token. Subscriptions that it does not allow are ended."""
        self.workspace = workspace
        if workspace.is_scoped:
            for sid, watch in list(self._watches.items()):
                if not workspace.may_read(watch.unique_name):
                    self.on_revoked(sid)

    def flow(self, form: Format, outlet: Outlet) -> None:
        """Let the hub write updates to `outlet` as frames of `form`, until `stop_flow`."""
        self._outlet = (form, outlet)
        self.join_fast_path(self._watches.values())

    def stop_flow(self) -> None:
        """Take all subscriptions off the fast path."""
        for watch in self._watches.values():
            self._step_out(watch)
        self._outlet = None

    def join_fast_path(self, watches: Iterable[Subscription]) -> None:
        """Put those subscriptions on the fast path that have no event to block or to skip."""
        if self._outlet is None:
            return
        for watch in watches:
            topic = watch.topic
            # 1. The hub checks no client's revision on the fast path, so this client must have
            #    received exactly what the hub has delivered (`told`).
            # 2. The events of its answered writes must have come already (`answered`): they may be
            #    sent without data, to this client only.
            # 3. Nothing may be blocked, or have to be: no event, no `Open` and no write under way.
            if (
                not watch.in_step
                and watch.told == topic.revision >= watch.answered
                and watch.told
                and watch.held is None
                and not watch.openings
                and topic.sid not in self._writing
                and watch.unique_name not in self._writing
            ):
                watch.in_step = True
                self._hub.join_fast_path(topic, self, *self._outlet)

    def on_event(self, event: Event) -> None:
        """As in `hub.Subscriber`: send the event, block it, or drop it if it is not newer."""
        watch = self._watches.get(event.sid)
        if watch is None:
            return
        written = event.sid in self._writing or watch.unique_name in self._writing
        # Block it before the first `Open` is answered: the reply may have a newer state. Block it
        # while a write is under way: it may be that write's. Up to `answered` it is not: writes to
        # one document are carried out in order, so the next one gets a greater revision.
        if not watch.told or (written and event.revision > watch.answered):
            if watch.held is None:
                watch.held = deque(maxlen=HELD_LIMIT)
                self._holding.append(watch)
            watch.held.append(event)
        elif event.revision > watch.told:
            told, watch.told = watch.told, event.revision
            if isinstance(event, Updated):
                self._tell(watch, event, told)
                self.join_fast_path((watch,))
            else:
                self.end(watch)
                self._send_event(event)

    def on_revoked(self, sid: str) -> None:
        """Send `Removed`, as if the document were gone, and end the subscription."""
        watch = self._watches.get(sid)
        if watch is None:
            return
        self._step_out(watch)  # so that `told` is up to date
        watch.is_revoked = True  # for an `Open` under way, which is then refused
        self.end(watch)
        if watch.told:
            last, name = max(watch.told, watch.answered), watch.unique_name
            at = self._hub.now_ms()
            self._send_event(
                Removed(
                    sid=sid,
                    unique_name=name,
                    revision=last + 1,
                    previous=last,
                    at_ms=at,
                    by=SYSTEM,
                    expired=False,
                )
            )

    @contextmanager
    def writing(self, command: Command) -> Iterator[None]:
        """Block the events that may be those of this command's write, until `release`."""
        if not isinstance(command, Set | Patch | Remove):
            yield
            return
        address = command.document
        # On the fast path nothing can be blocked, so leave it before the commit.
        if watch := self.watch_of(address):
            self._step_out(watch)
        # Count under the address of the command, because the document may be opened meanwhile.
        self._writing[address] = self._writing.get(address, 0) + 1
        try:
            yield
        finally:
            self._writing[address] -= 1
            if not self._writing[address]:
                del self._writing[address]

    def release(self) -> None:
        """Deliver the blocked events; those that another write still blocks are blocked again."""
        if not self._holding:
            return
        # Clear first: `on_event` may block an event again, and so append to `_holding`.
        holding, self._holding = self._holding, []
        for watch in holding:
            held, watch.held = watch.held, None
            for event in held or ():
                self.on_event(event)

    def note(self, command: Command, result: Result) -> None:
        """Record what the client knows from the reply to a command."""
        match result:
            case Opened(document=document):
                if watch := self._watches.get(document.sid):
                    watch.told = max(watch.told, document.revision)
                    watch.topic.learn(document)
                    watch.topic.held = max(watch.topic.held, document.revision)
                    if self.takes_deltas:
                        self._hub.told(watch.topic, document)
            case Written(document=document):
                if watch := self._watches.get(document.sid):
                    watch.answered = max(watch.answered, document.revision)
                    watch.topic.learn(document)
                    if tells_data(command, result):
                        watch.wrote = max(watch.wrote, document.revision)
                    watch.topic.held = max(watch.topic.held, document.revision)

    def _tell(self, watch: Subscription, event: Updated, told: int) -> None:
        """Send an update: without data, as a delta or whole. `told`: the client's revision."""
        if self.send_brief is not None:
            if event.revision == watch.wrote:
                return self.send_brief(event, True)
            # A delta fits only the data at `previous`, which the client may have missed.
            if event.base is not None and event.previous == told:
                return self.send_brief(event, False)
        self._send_event(event)

    def _step_out(self, watch: Subscription) -> None:
        """Leave the fast path; the client has received all up to `topic.revision`."""
        if watch.in_step and self._outlet is not None:
            watch.in_step = False
            watch.told = watch.topic.revision
            self._hub.leave_fast_path(watch.topic, self, self._outlet[0])
