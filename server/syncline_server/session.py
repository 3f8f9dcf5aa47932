"""One connected client: who it is, what it has open, and the order in which it hears of things.

A session knows no socket. A wire gives it commands and gets back, by plain calls, one answer to
each and the events of what is open. It keeps the order of docs/protocol.md, section 4: commands
that name one document are carried out one after the other, the answer to a write comes before its
event, and no event is older than the state that `Open` gave.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from syncline_protocol import fields
from syncline_protocol.commands import (
    Command,
    Create,
    Get,
    Mode,
    Open,
    Patch,
    Remove,
    Set,
    Unsubscribe,
)
from syncline_protocol.document import Document, Event, Removed
from syncline_protocol.errors import Code, Refusal
from syncline_protocol.sids import is_sid

from .backend import Backend, Workspace
from .hub import Topic
from .storage.documents import Written

__all__ = ["Answer", "Fetched", "Opened", "Result", "Session", "Unsubscribed"]

logger = logging.getLogger("syncline.session")

HELD_LIMIT = 64
"""Events of one document that wait for an answer; beyond, the oldest give way to the newest."""


@dataclass(frozen=True, slots=True)
class Opened:
    """The answer to `Open`; `known` if the client has this revision already."""

    document: Document
    created: bool
    known: bool


@dataclass(frozen=True, slots=True)
class Fetched:
    """The answer to `Get`."""

    document: Document


@dataclass(frozen=True, slots=True)
class Unsubscribed:
    """The answer to `Unsubscribe`."""


Result = Opened | Fetched | Written | Unsubscribed

Answer = Callable[[Result | Refusal], None]
"""Takes the answer to a command; must not block."""


@dataclass(slots=True, eq=False)
class _Watch:
    """A document that this session has open.

    Attributes:
        told: the newest revision that the client was told by the answer to `Open` or by an event.
        answered: the newest revision that the answer to one of its writes named.
        opening: True until `Open` is answered.
    """

    topic: Topic
    unique_name: str | None
    told: int = 0
    answered: int = 0
    opening: bool = True
    held: deque[Event] = field(default_factory=lambda: deque(maxlen=HELD_LIMIT))


class Session:
    """The commands of one client, and its open documents."""

    def __init__(
        self, backend: Backend, workspace: Workspace, send_event: Callable[[Event], None]
    ) -> None:
        """`send_event` takes the events of what is open; must not block."""
        self.workspace = workspace
        self._hub = backend.hub
        self._limit = backend.settings.max_subscriptions
        self._send_event = send_event
        self._watches: dict[str, _Watch] = {}
        self._sids: dict[str, str] = {}  # by the unique name of what is open
        self._openings = 0
        # Writes that are under way, by the address that they were given.
        self._writing: Counter[str] = Counter()
        self._holding: set[_Watch] = set()
        self._lanes: dict[str, deque[tuple[Command, Answer]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def submit(self, command: Command, answer: Answer) -> None:
        """Carry out a command after those that name the same document; `answer` is called once.

        It is not called when the session is closed first.
        """
        address = command.document
        key = None if address is None else self._sids.get(address, address)
        lane = self._lanes.get(key) if key is not None else None
        if lane is not None:
            lane.append((command, answer))
            return
        lane = deque([(command, answer)])
        if key is not None:
            self._lanes[key] = lane
        task = asyncio.create_task(self._work(key, lane))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def close(self) -> None:
        """End all subscriptions; commands under way may be carried out, but are not answered."""
        for task in self._tasks:
            task.cancel()
        for watch in list(self._watches.values()):
            self._forget(watch)

    def on_event(self, event: Event) -> None:
        """Take an event from the hub."""
        watch = self._watches.get(event.sid)
        if watch is None:
            return
        written = event.sid in self._writing or event.unique_name in self._writing
        if watch.opening or (written and event.revision > watch.answered):
            watch.held.append(event)
            self._holding.add(watch)
        elif event.revision > watch.told:
            watch.told = event.revision
            if isinstance(event, Removed):
                self._forget(watch)
            self._send_event(event)

    async def _work(self, key: str | None, lane: deque[tuple[Command, Answer]]) -> None:
        try:
            while lane:
                await self._carry_out(*lane[0])
                lane.popleft()
        finally:
            if key is not None:
                del self._lanes[key]

    async def _carry_out(self, command: Command, answer: Answer) -> None:
        outcome: Result | Refusal
        with self._writes(command):
            try:
                outcome = await self._execute(command)
            except Refusal as refusal:
                outcome = refusal
            except Exception:
                logger.exception("a command failed")
                outcome = Refusal(Code.INTERNAL, "The server failed; the outcome is not known.")
        answer(outcome)
        self._note(outcome)
        self._release()

    async def _execute(self, command: Command) -> Result:
        match command:
            case Open():
                return await self._open(command)
            case Create(name, data, ttl, op):
                return await self.workspace.create(name, data, ttl, op)
            case Get():
                return Fetched(await self.workspace.get(command.document))
            case Set():
                return await self.workspace.set(command)
            case Patch():
                return await self.workspace.patch(command)
            case Remove():
                return await self.workspace.remove(command)
            case Unsubscribe():
                sid = self._sids.get(command.document, command.document)
                if sid in self._watches:
                    self._forget(self._watches[sid])
                return Unsubscribed()

    async def _open(self, command: Open) -> Opened:
        started = asyncio.get_running_loop().time()
        with self._room_for(command.document):
            document, created = await self._find(command)
            watch = self._watches.get(document.sid) or self._watch(document)
            topic = watch.topic
            try:
                await self._hub.make_live(topic)
                was_live = topic.live_since is not None and topic.live_since < started
                if not was_live or topic.revision > document.revision:
                    # It may have changed between the first look and the subscription.
                    document = await self.workspace.get(document.sid)
                if command.revision is not None and command.revision > document.revision:
                    document = await self.workspace.advance(document.sid, command.revision)
            except Refusal:
                self._forget(watch)
                raise
        return Opened(document, created, known=command.revision == document.revision)

    async def _find(self, command: Open) -> tuple[Document, bool]:
        address, mode = command.document, command.mode
        if mode is Mode.OPEN_EXISTING or (address is not None and is_sid(address)):
            return await self.workspace.get(address or ""), False
        if address is not None:
            fields.unique_name(address, "document")
        if mode is Mode.CREATE_NEW:
            written = await self.workspace.create(address, command.data, command.ttl, command.op)
            return written.document, True
        written, created = await self.workspace.find_or_create(
            address, command.data, command.ttl, command.op
        )
        return written.document, created

    def _watch(self, document: Document) -> _Watch:
        topic = self._hub.join(self.workspace.service_sid, document.sid, self)
        watch = self._watches[document.sid] = _Watch(topic, document.unique_name)
        if document.unique_name is not None:
            self._sids[document.unique_name] = document.sid
        return watch

    def _forget(self, watch: _Watch) -> None:
        if self._watches.pop(watch.topic.sid, None) is not None:
            self._hub.leave(watch.topic, self)
            self._holding.discard(watch)
            if watch.unique_name is not None:
                del self._sids[watch.unique_name]

    def _note(self, outcome: Result | Refusal) -> None:
        match outcome:
            case Opened(document=document):
                if watch := self._watches.get(document.sid):
                    watch.opening = False
                    watch.told = max(watch.told, document.revision)
                    watch.topic.held = max(watch.topic.held, document.revision)
            case Written(document=document):
                if watch := self._watches.get(document.sid):
                    watch.answered = max(watch.answered, document.revision)
                    watch.topic.held = max(watch.topic.held, document.revision)

    def _release(self) -> None:
        """Tell the events that need not wait any more."""
        for watch in list(self._holding):
            self._holding.discard(watch)
            held = list(watch.held)
            watch.held.clear()
            for event in held:
                self.on_event(event)

    @contextmanager
    def _writes(self, command: Command) -> Iterator[None]:
        if not isinstance(command, Set | Patch | Remove):
            yield
            return
        self._writing[command.document] += 1
        try:
            yield
        finally:
            self._writing[command.document] -= 1
            if not self._writing[command.document]:
                del self._writing[command.document]

    @contextmanager
    def _room_for(self, address: str | None) -> Iterator[None]:
        """Refuse before anything is created rather than after."""
        is_open = address is not None and self._sids.get(address, address) in self._watches
        if not is_open and len(self._watches) + self._openings >= self._limit:
            raise Refusal(
                Code.TOO_MANY_SUBSCRIPTIONS,
                f"One connection can hold {self._limit} documents open; unsubscribe from some.",
            )
        self._openings += 1
        try:
            yield
        finally:
            self._openings -= 1
