"""One connected client: who it is, what it has open, and the order in which it hears of things.

A session knows no socket. A wire gives it commands and gets back, by plain calls, one answer to
each and the events of what is open. It keeps the order of docs/protocol.md, section 4: commands
that name one document are carried out one after the other, the answer to a write comes before its
event, and no event is older than the state that `Open` gave.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import dataclass

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
from syncline_protocol.document import Document, Event, Removed, Updated
from syncline_protocol.errors import Code, Refusal
from syncline_protocol.sids import is_sid

from .answers import Answer, Fetched, Opened, Result, Unsubscribed, tells_data
from .auth import SYSTEM
from .backend import Backend
from .cork import Outlet
from .hub import Format, Topic
from .lanes import Lane, Lanes
from .storage.commit import now_ms
from .storage.documents import Written, forbidden
from .workspace import Workspace

__all__ = ["Session"]

logger = logging.getLogger("syncline.session")

HELD_LIMIT = 64
"""Events of one document that wait for an answer; beyond, the oldest give way to the newest."""


@dataclass(slots=True, eq=False)
class _Watch:
    """A document that the session has open.

    Attributes:
        told: the newest revision that the client was told by the answer to `Open` or by an event;
            0 until the first `Open` is answered.
        answered: the newest revision that the answer to one of its writes named.
        wrote: the same of its writes whose data it knows, from the request or the answer.
        openings: how many `Open`s are under way.
        is_revoked: True once the right to read is gone.
        in_step: True while updates are written past the session; `told` then waits behind.
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


class Session:
    """The commands of one client, and its open documents."""

    __slots__ = (
        "_bounds",
        "_contender",
        "_context",
        "_holding",
        "_hub",
        "_lanes",
        "_limit",
        "_logs_commands",
        "_outlet",
        "_openings",
        "_send_brief",
        "_send_event",
        "_sids",
        "_tasks",
        "_traces",
        "_turns",
        "_watches",
        "_writing",
        "workspace",
    )

    def __init__(
        self,
        backend: Backend,
        workspace: Workspace,
        send_event: Callable[[Event], None],
        *,
        is_lasting: bool = True,
    ) -> None:
        """
        Args:
            send_event: takes the events of what is open; must not block.
            is_lasting: False where the session ends with its first command.
        """
        self.workspace = workspace
        self._turns = backend.turns
        self._contender = self if is_lasting else None
        self._hub = backend.hub
        self._traces = backend.traces
        self._limit = backend.settings.max_subscriptions
        self._bounds = backend.meters.bounds
        self._send_event = send_event
        self._send_brief: Callable[[Updated, bool], None] | None = None
        self._outlet: tuple[Format, Outlet] | None = None
        self._watches: dict[str, _Watch] = {}
        self._sids: dict[str, str] = {}  # by the unique name of what is open
        self._openings = 0
        # Writes that are under way, by the address that they were given.
        self._writing: dict[str, int] = {}
        self._holding: list[_Watch] = []
        self._lanes = Lanes()
        # No set: there are very many sessions, and an empty dict takes a third of the memory.
        self._tasks: dict[asyncio.Task[None], None] = {}
        # What logs tell of this client, whichever task it is that submits.
        self._context = copy_context()
        self._logs_commands = logger.isEnabledFor(logging.DEBUG)

    def submit(self, command: Command, answer: Answer) -> None:
        """Carry out a command after those that name the same document; `answer` is called once.

        It is not called when the session is closed first. It may be called before this returns.
        """
        refusal = self.workspace.too_fast()
        if refusal is not None:
            return answer(refusal)
        addresses = self._addresses(command.document)
        lane = self._lanes.of(addresses)
        lane.commands.append((command, answer))
        self._lanes.claim(lane, addresses)
        if len(lane.commands) == 1:
            task = asyncio.create_task(self._work(lane), context=self._context.copy())
            self._tasks[task] = None
            task.add_done_callback(self._tasks.pop)

    def take_deltas(self, send_brief: Callable[[Updated, bool], None]) -> None:
        """Before anything is opened: tell briefly what the client can make the data of itself.

        `send_brief` takes events in the place of `send_event`; the flag says that the client knows
        the data, else it is at `base`.
        """
        self._send_brief = send_brief

    def flow(self, form: Format, outlet: Outlet) -> None:
        """Until `stop_flow`, updates may be written past `send_event`, as frames of `form`."""
        self._outlet = (form, outlet)
        for watch in self._watches.values():
            self._step_in(watch)

    def stop_flow(self) -> None:
        """Every event goes by `send_event`."""
        for watch in self._watches.values():
            self._step_out(watch)
        self._outlet = None

    @property
    def takes_deltas(self) -> bool:
        """As `hub.Subscriber` has it."""
        return self._send_brief is not None

    @property
    def subscriptions(self) -> int:
        """How many documents are open."""
        return len(self._watches)

    def close(self) -> None:
        """End all subscriptions; commands under way may be carried out, but are not answered."""
        for task in self._tasks:
            task.cancel()
        self._turns.forget(self)
        for watch in list(self._watches.values()):
            self._forget(watch)

    def adopt(self, workspace: Workspace) -> None:
        """Go on under the rights of a newer token; what it does not let be read is ended."""
        self.workspace = workspace
        if workspace.is_scoped:
            for sid, watch in list(self._watches.items()):
                if not workspace.may_read(watch.unique_name):
                    self.on_revoked(sid)

    def on_event(self, event: Event) -> None:
        """Take an event from the hub."""
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
                self._step_in(watch)
            else:
                self._forget(watch)
                self._send_event(event)

    def _tell(self, watch: _Watch, event: Updated, told: int) -> None:
        if self._send_brief is not None:
            if event.revision == watch.wrote:
                return self._send_brief(event, True)
            if event.base is not None and event.previous == told:
                return self._send_brief(event, False)
        self._send_event(event)

    @property
    def reader(self) -> str | None:
        """As `hub.Subscriber` has it."""
        return self.workspace.reader

    def on_revoked(self, sid: str) -> None:
        """To this client it is as if the document were removed."""
        watch = self._watches.get(sid)
        if watch is None:
            return
        self._step_out(watch)
        watch.is_revoked = True
        self._forget(watch)
        if watch.told:
            last = max(watch.told, watch.answered)
            name = watch.unique_name
            self._send_event(Removed(sid, name, last + 1, last, now_ms(), SYSTEM, expired=False))

    async def _work(self, lane: Lane) -> None:
        try:
            while lane.commands:
                command, answer = lane.commands[0]
                await self._carry_out(command, answer)
                self._lanes.claim(lane, self._addresses(command.document))
                lane.commands.popleft()
        finally:
            self._lanes.end(lane)

    def _addresses(self, address: str | None) -> list[str]:
        """`address` first, then what else is known to mean the document."""
        if address is None:
            return []
        watch = self._watches.get(self._sids.get(address, address))
        others = () if watch is None else (watch.topic.sid, watch.unique_name)
        return [address, *(other for other in others if other is not None)]

    async def _carry_out(self, command: Command, answer: Answer) -> None:
        outcome: Result | Refusal
        if isinstance(command, Set | Remove):
            await self.workspace.approach(command, self._contender)
            with self._writes(command):
                outcome = await self._outcome(command)
            if isinstance(outcome, Refusal):
                self._release()  # nothing that waits is an event of this write
                outcome = await self.workspace.refused(command, outcome, self._contender)
        else:
            with self._writes(command):
                outcome = await self._outcome(command)
        if self._logs_commands:
            code = outcome.code if isinstance(outcome, Refusal) else None
            logger.debug("%s", type(command).__name__.lower(), extra=_logged(command, code))
        answer(outcome)
        self._note(command, outcome)
        self._release()
        address = outcome.document.sid if isinstance(outcome, Opened) else command.document
        if address is not None and (watch := self._watches.get(self._sids.get(address, address))):
            self._step_in(watch)

    async def _outcome(self, command: Command) -> Result | Refusal:
        try:
            if self._traces is None:
                return await self._execute(command)
            with self._traces.command(type(command).__name__.lower(), command.document):
                return await self._execute(command)
        except Refusal as refusal:
            return refusal
        except Exception:
            logger.exception("a command failed", extra=_logged(command))
            return Refusal(Code.INTERNAL, "The server failed; the outcome is not known.")

    async def _execute(self, command: Command) -> Result:
        match command:
            case Open():
                return await self._open(command)
            case Create(name, data, ttl, op):
                return await self.workspace.create(name, data, ttl, op)
            case Get():
                return Fetched(await self.workspace.get(command.document))
            case Set():
                return await self.workspace.set(command, self._contender)
            case Patch():
                return await self.workspace.patch(command, self._contender)
            case Remove():
                return await self.workspace.remove(command, self._contender)
            case Unsubscribe():
                sid = self._sids.get(command.document, command.document)
                if sid in self._watches:
                    self._forget(self._watches[sid])
                return Unsubscribed()

    async def _open(self, command: Open) -> Opened:
        started = asyncio.get_running_loop().time()
        with self._room_for(command.document):
            document, created = await self._find(command)
            if not self.workspace.may_read(document.unique_name):
                raise forbidden()  # by a token that came meanwhile
            watch = self._watches.get(document.sid) or self._watch(document)
            topic = watch.topic
            self._step_out(watch)
            with self._opens(watch):
                await self._hub.make_live(topic)
                was_live = topic.live_since is not None and topic.live_since < started
                is_changed = topic.revision > document.revision
                if not was_live or is_changed or topic.rights_changed_at >= started:
                    # Something may have happened between the first look and the subscription.
                    document = await self.workspace.get(document.sid)
                if command.revision is not None and command.revision > document.revision:
                    document = await self.workspace.advance(document.sid, command.revision)
                if watch.is_revoked:
                    raise forbidden()  # after that last look
        return Opened(document, created, known=command.revision == document.revision)

    async def _find(self, command: Open) -> tuple[Document, bool]:
        address, mode = command.document, command.mode
        if mode is Mode.OPEN_EXISTING or (address is not None and is_sid(address)):
            return await self.workspace.get(address or ""), False
        if address is not None:
            fields.unique_name(address, "document")
        if mode is Mode.CREATE_NEW:
            written = await self.workspace.create(
                address, command.data, command.ttl, command.op, to_open=True
            )
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
        if self._watches.get(watch.topic.sid) is watch:
            self._step_out(watch)
            del self._watches[watch.topic.sid]
            self._hub.leave(watch.topic, self)
            watch.held = None
            # The name may belong to a newer document already, which is open too.
            if watch.unique_name and self._sids.get(watch.unique_name) == watch.topic.sid:
                del self._sids[watch.unique_name]

    def _note(self, command: Command, outcome: Result | Refusal) -> None:
        match outcome:
            case Opened(document=document):
                if watch := self._watches.get(document.sid):
                    watch.told = max(watch.told, document.revision)
                    watch.topic.held = max(watch.topic.held, document.revision)
                    if self._send_brief is not None:
                        self._hub.told(watch.topic, document)
            case Written(document=document):
                if watch := self._watches.get(document.sid):
                    watch.answered = max(watch.answered, document.revision)
                    if tells_data(command, outcome):
                        watch.wrote = max(watch.wrote, document.revision)
                    watch.topic.held = max(watch.topic.held, document.revision)

    def _step_in(self, watch: _Watch) -> None:
        """Have updates written past the session, unless the client must not hear of some yet."""
        topic = watch.topic
        if (
            self._outlet is not None
            and not watch.in_step
            and watch.told == topic.revision >= watch.answered
            and watch.told
            and watch.held is None
            and not watch.openings
            and topic.sid not in self._writing
            and watch.unique_name not in self._writing
        ):
            watch.in_step = True
            self._hub.step_in(topic, self, *self._outlet)

    def _step_out(self, watch: _Watch) -> None:
        if watch.in_step and self._outlet is not None:
            watch.in_step = False
            watch.told = watch.topic.revision
            self._hub.step_out(watch.topic, self, self._outlet[0])

    def _release(self) -> None:
        """Tell the events that need not wait any more."""
        if not self._holding:
            return
        holding, self._holding = self._holding, []
        for watch in holding:
            held, watch.held = watch.held, None
            for event in held or ():
                self.on_event(event)

    @contextmanager
    def _opens(self, watch: _Watch) -> Iterator[None]:
        """Where it fails, a document that was open before stays so."""
        watch.openings += 1
        try:
            yield
        except BaseException:
            if watch.openings == 1 and not watch.told:
                self._forget(watch)
            raise
        finally:
            watch.openings -= 1

    @contextmanager
    def _writes(self, command: Command) -> Iterator[None]:
        if not isinstance(command, Set | Patch | Remove):
            yield
            return
        address = command.document
        if watch := self._watches.get(self._sids.get(address, address)):
            self._step_out(watch)
        self._writing[address] = self._writing.get(address, 0) + 1
        try:
            yield
        finally:
            self._writing[address] -= 1
            if not self._writing[address]:
                del self._writing[address]

    @contextmanager
    def _room_for(self, address: str | None) -> Iterator[None]:
        """Refuse before anything is created rather than after."""
        is_open = address is not None and self._sids.get(address, address) in self._watches
        if not is_open and len(self._watches) + self._openings >= self._limit:
            self._bounds["max_subscriptions"] += 1
            raise Refusal(
                Code.TOO_MANY_SUBSCRIPTIONS,
                f"One connection can hold {self._limit} documents open; unsubscribe from some.",
            )
        self._openings += 1
        try:
            yield
        finally:
            self._openings -= 1


def _logged(command: Command, code: Code | None = None) -> dict[str, object]:
    """What logs tell of a command; `code` is that of its refusal."""
    return {"object": command.document, "code": None if code is None else int(code)}
