"""What one client hears of the documents that it has open, and when.

Events that could be those of its own writes wait for the answers, and while nothing is special
about a client, updates are written past all this (`Hub.step_in`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from syncline_protocol.commands import Command, Patch, Remove, Set
from syncline_protocol.documents import Document, Event, Removed, Updated
from syncline_protocol.objects import SYSTEM
from syncline_server.objects.documents import Workspace
from syncline_server.pubsub.cork import Outlet
from syncline_server.pubsub.hub import Format, Hub, Topic
from syncline_server.storage.results import Written

from .results import Opened, Result, tells_data

__all__ = ["Hearing", "Watch"]

HELD_LIMIT = 64
"""Events of one document that wait for an answer; beyond, the oldest give way to the newest."""


@dataclass(slots=True, eq=False)
class Watch:
    """A document that the client has open.

    Attributes:
        told: the newest revision that the client was told by the answer to `Open` or by an event;
            0 until the first `Open` is answered.
        answered: the newest revision that the answer to one of its writes named.
        wrote: the same of its writes whose data it knows, from the request or the answer.
        openings: how many `Open`s are under way.
        is_revoked: True once the right to read is gone.
        in_step: True while updates are written past all this; `told` then waits behind.
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


class Hearing:
    """That of one client; the hub's subscriber.

    Attributes:
        workspace: under whose rights the client hears.
        send_brief: takes updates in the place of `send_event`, as `Session.take_deltas` has it;
            None for who takes no deltas.
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
        self._watches: dict[str, Watch] = {}
        self._sids: dict[str, str] = {}  # by the unique name of what is open
        # Writes that are under way, by the address that they were given.
        self._writing: dict[str, int] = {}
        self._holding: list[Watch] = []

    def __len__(self) -> int:
        return len(self._watches)

    @property
    def reader(self) -> str | None:
        """As `hub.Subscriber` has it."""
        return self.workspace.reader

    @property
    def takes_deltas(self) -> bool:
        """As `hub.Subscriber` has it."""
        return self.send_brief is not None

    def watch_of(self, address: str | None) -> Watch | None:
        """The open document that an address means; None if that is not known."""
        return None if address is None else self._watches.get(self._sids.get(address, address))

    def addresses(self, address: str | None) -> list[str]:
        """`address` first, then what else is known to mean the document."""
        if address is None:
            return []
        watch = self.watch_of(address)
        others = () if watch is None else (watch.topic.sid, watch.unique_name)
        return [address, *(other for other in others if other is not None)]

    def begin(self, document: Document) -> Watch:
        """Hear of a document, which may be open already."""
        watch = self._watches.get(document.sid)
        if watch is None:
            topic = self._hub.join(self.workspace.service_sid, document.sid, self)
            watch = self._watches[document.sid] = Watch(topic, document.unique_name)
            if document.unique_name is not None:
                self._sids[document.unique_name] = document.sid
        watch.topic.learn(document)
        self._step_out(watch)
        return watch

    def end(self, watch: Watch) -> None:
        """Hear of a document no more; safe to repeat."""
        if self._watches.get(watch.topic.sid) is watch:
            self._step_out(watch)
            del self._watches[watch.topic.sid]
            self._hub.leave(watch.topic, self)
            watch.held = None
            # The name may belong to a newer document already, which is open too.
            if watch.unique_name and self._sids.get(watch.unique_name) == watch.topic.sid:
                del self._sids[watch.unique_name]

    def end_all(self) -> None:
        """Hear of nothing any more."""
        for watch in list(self._watches.values()):
            self.end(watch)

    def adopt(self, workspace: Workspace) -> None:
        """Go on under the rights of a newer token; what it does not let be read is ended."""
        self.workspace = workspace
        if workspace.is_scoped:
            for sid, watch in list(self._watches.items()):
                if not workspace.may_read(watch.unique_name):
                    self.on_revoked(sid)

    def flow(self, form: Format, outlet: Outlet) -> None:
        """Until `stop_flow`, updates may be written past `send_event`, as frames of `form`."""
        self._outlet = (form, outlet)
        self.step_in(self._watches.values())

    def stop_flow(self) -> None:
        """Every event goes by `send_event`."""
        for watch in self._watches.values():
            self._step_out(watch)
        self._outlet = None

    def step_in(self, watches: Iterable[Watch]) -> None:
        """Have updates written past all this, unless the client must not hear of some yet."""
        if self._outlet is None:
            return
        for watch in watches:
            topic = watch.topic
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
                self._hub.step_in(topic, self, *self._outlet)

    def on_event(self, event: Event) -> None:
        """As `hub.Subscriber` has it."""
        watch = self._watches.get(event.sid)
        if watch is None:
            return
        written = event.sid in self._writing or watch.unique_name in self._writing
        if not watch.told or (written and event.revision > watch.answered):
            if watch.held is None:
                watch.held = deque(maxlen=HELD_LIMIT)
                self._holding.append(watch)
            watch.held.append(event)
        elif event.revision > watch.told:
            told, watch.told = watch.told, event.revision
            if isinstance(event, Updated):
                self._tell(watch, event, told)
                self.step_in((watch,))
            else:
                self.end(watch)
                self._send_event(event)

    def on_revoked(self, sid: str) -> None:
        """To this client it is as if the document were removed."""
        watch = self._watches.get(sid)
        if watch is None:
            return
        self._step_out(watch)
        watch.is_revoked = True
        self.end(watch)
        if watch.told:
            last, name = max(watch.told, watch.answered), watch.unique_name
            at = self._hub.now_ms()
            self._send_event(Removed(sid, name, last + 1, last, at, SYSTEM, expired=False))

    @contextmanager
    def writing(self, command: Command) -> Iterator[None]:
        """Surrounds a command: events that could be of its write wait, from here to `release`."""
        if not isinstance(command, Set | Patch | Remove):
            yield
            return
        address = command.document
        if watch := self.watch_of(address):
            self._step_out(watch)
        self._writing[address] = self._writing.get(address, 0) + 1
        try:
            yield
        finally:
            self._writing[address] -= 1
            if not self._writing[address]:
                del self._writing[address]

    def release(self) -> None:
        """Tell the events that need not wait any more."""
        if not self._holding:
            return
        holding, self._holding = self._holding, []
        for watch in holding:
            held, watch.held = watch.held, None
            for event in held or ():
                self.on_event(event)

    def note(self, command: Command, result: Result) -> None:
        """The client was answered so."""
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

    def _tell(self, watch: Watch, event: Updated, told: int) -> None:
        if self.send_brief is not None:
            if event.revision == watch.wrote:
                return self.send_brief(event, True)
            if event.base is not None and event.previous == told:
                return self.send_brief(event, False)
        self._send_event(event)

    def _step_out(self, watch: Watch) -> None:
        if watch.in_step and self._outlet is not None:
            watch.in_step = False
            watch.told = watch.topic.revision
            self._hub.step_out(watch.topic, self, self._outlet[0])
