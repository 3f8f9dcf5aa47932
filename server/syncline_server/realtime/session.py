"""One connected client: who it is, what it has open, and the order in which it hears of things.

A session knows no socket. A wire gives it commands and gets back, by plain calls, one answer to
each and the events of what is open. It keeps the order of docs/protocol.md, section 4: commands
that name one document are carried out one after the other, the answer to a write comes before its
event, and no event is older than the state that `Open` gave.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import copy_context

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
from syncline_protocol.documents import Document, Event, Updated
from syncline_protocol.errors import Code, Refusal
from syncline_protocol.sids import is_sid
from syncline_server.backend import Backend
from syncline_server.objects.documents import Workspace
from syncline_server.pubsub.cork import Outlet
from syncline_server.pubsub.hub import Format
from syncline_server.storage.results import forbidden

from .command_queue import Lane, Lanes
from .results import Answer, Fetched, Opened, Result, Unsubscribed
from .subscriptions import Hearing, Watch

__all__ = ["Session"]

logger = logging.getLogger("syncline.session")

SMOOTHING = 1 / 8
"""Weight of the newest round trip, as TCP has it."""

LONGEST_ROUND_TRIP = 0.2
"""Seconds that a sample of it counts at most: what is longer is a person, not a network."""


class Session:
    """The commands of one client, and its open documents.

    Attributes:
        round_trip: as `turns.Client` has it.
    """

    __slots__ = (
        "_bounds",
        "_client",
        "_context",
        "_hearing",
        "_hub",
        "_lanes",
        "_limit",
        "_logs_commands",
        "_openings",
        "_replied_at",
        "_tasks",
        "_traces",
        "_turns",
        "round_trip",
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
        self._hearing = Hearing(backend.hub, workspace, send_event)
        self._turns = backend.turns
        self._client = self if is_lasting else None
        self._hub = backend.hub
        self._traces = backend.traces
        self._limit = backend.settings.max_subscriptions
        self._bounds = backend.meters.bounds
        self._openings = 0
        self._lanes = Lanes()
        # No set: there are very many sessions, and an empty dict takes a third of the memory.
        self._tasks: dict[asyncio.Task[None], None] = {}
        # What logs tell of this client, whichever task it is that submits.
        self._context = copy_context()
        self.round_trip = 0.0
        self._replied_at = 0.0
        self._logs_commands = logger.isEnabledFor(logging.DEBUG)

    def submit(self, command: Command, answer: Answer) -> None:
        """Carry out a command after those that name the same document; `answer` is called once.

        It is not called when the session is closed first. It may be called before this returns.
        """
        refusal = self.workspace.too_fast()
        if refusal is not None:
            return answer(refusal)
        self._measure_round_trip()
        addresses = self._hearing.addresses(command.document)
        lane = self._lanes.of(addresses)
        lane.commands.append((command, answer))
        self._lanes.claim(lane, addresses)
        if len(lane.commands) == 1:
            task = asyncio.create_task(self._work(lane), context=self._context.copy())
            self._tasks[task] = None
            task.add_done_callback(self._tasks.pop)
        elif len(lane.commands) == 2:
            # The first may be a refusal that waits for its turn: this one must not.
            first, _ = lane.commands[0]
            if first.document is not None:
                self._turns.hurry(self.workspace.service_sid, first.document, self)

    def take_deltas(self, send_brief: Callable[[Updated, bool], None]) -> None:
        """Before anything is opened: tell briefly what the client can make the data of itself.

        `send_brief` takes events in the place of `send_event`; the flag says that the client knows
        the data, else it is at `base`.
        """
        self._hearing.send_brief = send_brief

    def flow(self, form: Format, outlet: Outlet) -> None:
        """Until `stop_flow`, updates may be written past `send_event`, as frames of `form`."""
        self._hearing.flow(form, outlet)

    def stop_flow(self) -> None:
        """Every event goes by `send_event`."""
        self._hearing.stop_flow()

    @property
    def workspace(self) -> Workspace:
        """The documents, under the rights of the token in force."""
        return self._hearing.workspace

    @property
    def subscriptions(self) -> int:
        """How many documents are open."""
        return len(self._hearing)

    def close(self) -> None:
        """End all subscriptions; commands under way may be carried out, but are not answered."""
        for task in self._tasks:
            task.cancel()
        self._turns.forget(self)
        self._hearing.end_all()

    def adopt(self, workspace: Workspace) -> None:
        """Go on under the rights of a newer token; what it does not let be read is ended."""
        self._hearing.adopt(workspace)

    async def _work(self, lane: Lane) -> None:
        try:
            while lane.commands:
                command, answer = lane.commands[0]
                await self._carry_out(command, answer)
                self._lanes.claim(lane, self._hearing.addresses(command.document))
                lane.commands.popleft()
        finally:
            self._lanes.end(lane)

    async def _carry_out(self, command: Command, answer: Answer) -> None:
        hearing = self._hearing
        outcome = await self._outcome(command)
        if self._logs_commands:
            code = outcome.code if isinstance(outcome, Refusal) else None
            logger.debug("%s", type(command).__name__.lower(), extra=_logged(command, code))
        answer(outcome)
        if len(self._tasks) == 1:
            self._replied_at = asyncio.get_running_loop().time()
        if not isinstance(outcome, Refusal):
            hearing.note(command, outcome)
        hearing.release()
        address = outcome.document.sid if isinstance(outcome, Opened) else command.document
        if watch := hearing.watch_of(address):
            hearing.step_in((watch,))

    def has_more(self, address: str) -> bool:
        """As `turns.Client` has it."""
        lane = self._lanes.get(address)
        return lane is not None and len(lane.commands) > 1

    def _measure_round_trip(self) -> None:
        """A request after a reply to a client that had no other request under way."""
        if not self._replied_at:
            return
        sample = asyncio.get_running_loop().time() - self._replied_at
        self._replied_at = 0.0
        sample = min(sample, LONGEST_ROUND_TRIP)
        before = self.round_trip or sample
        self.round_trip = before + (sample - before) * SMOOTHING

    @contextmanager
    def _writing(self, command: Set | Remove) -> Iterator[None]:
        """Events of the document wait, from here on until the reply or the refusal."""
        try:
            with self._hearing.writing(command):
                yield
        except Refusal:
            # Nothing that waits is an event of this write, and the refusal may wait for its turn.
            self._hearing.release()
            raise

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
                return await self.workspace.set(command, self._client, self._writing(command))
            case Patch():
                with self._hearing.writing(command):
                    return await self.workspace.patch(command, self._client)
            case Remove():
                return await self.workspace.remove(command, self._client, self._writing(command))
            case Unsubscribe():
                if watch := self._hearing.watch_of(command.document):
                    self._hearing.end(watch)
                return Unsubscribed()

    async def _open(self, command: Open) -> Opened:
        started = asyncio.get_running_loop().time()
        with self._room_for(command.document):
            document, created = await self._find(command)
            if not self.workspace.may_read(document.unique_name):
                raise forbidden()  # by a token that came meanwhile
            watch = self._hearing.begin(document)
            topic = watch.topic
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

    @contextmanager
    def _opens(self, watch: Watch) -> Iterator[None]:
        """Where it fails, a document that was open before stays so."""
        watch.openings += 1
        try:
            yield
        except BaseException:
            if watch.openings == 1 and not watch.told:
                self._hearing.end(watch)
            raise
        finally:
            watch.openings -= 1

    @contextmanager
    def _room_for(self, address: str | None) -> Iterator[None]:
        """Refuse before anything is created rather than after."""
        is_open = self._hearing.watch_of(address) is not None
        if not is_open and len(self._hearing) + self._openings >= self._limit:
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
