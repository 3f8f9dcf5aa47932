"""The session of one connected client: its rights, its commands and its subscriptions.

A session knows no socket. A protocol (`native`, `twilsock`, `sse`) submits commands. By plain calls
it receives one reply to each command, and the events of open documents. The session keeps the order
of docs/protocol.md, section 4:

1. Commands that name one document are carried out one after the other.
2. The reply to a write comes before the event of that write.
3. Events after the reply to `Open` are newer than the state in that reply.
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
from syncline_protocol.documents import Document, Updated
from syncline_protocol.errors import Code, Refusal
from syncline_protocol.objects import Event
from syncline_protocol.sids import is_sid
from syncline_server.backend import Backend
from syncline_server.objects.documents import Workspace
from syncline_server.observability.metrics import Limit
from syncline_server.pubsub.cork import Outlet
from syncline_server.pubsub.hub import Format
from syncline_server.storage.results import forbidden

from .command_queue import CommandQueue, CommandQueues
from .results import Answer, Fetched, Opened, Result, Unsubscribed
from .subscriptions import Subscription, Subscriptions

__all__ = ["Session"]

logger = logging.getLogger("syncline.session")

SMOOTHING = 1 / 8
"""Weight of the newest sample in `round_trip`, as in TCP (RFC 6298)."""

LONGEST_ROUND_TRIP = 0.2
"""Seconds that one sample counts, at most: a longer pause is due to a person, not the network."""


class Session:
    """The commands of one client, and its open documents.

    Attributes:
        round_trip: as in `turns.Client`.
    """

    __slots__ = (
        "_limit_hits",
        "_client",
        "_context",
        "_subscriptions",
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
            send_event: receives the events of open documents; must not block.
            is_lasting: False if the session ends with its first command: to `Turns` it is then a
                caller without a connection.
        """
        self._subscriptions = Subscriptions(backend.hub, workspace, send_event)
        self._turns = backend.turns
        self._client = self if is_lasting else None
        self._hub = backend.hub
        self._traces = backend.traces
        self._limit = backend.settings.max_subscriptions
        self._limit_hits = backend.meters.limit_hits
        # Opens under way that may add a document: they count against the limit before they do.
        self._openings = 0
        self._lanes = CommandQueues()
        # Not a set: there are very many sessions, and an empty dict takes a third of the memory.
        self._tasks: dict[asyncio.Task[None], None] = {}
        # The log context of this client, for every task: `submit` may run in another's context.
        self._context = copy_context()
        self.round_trip = 0.0
        # Loop time of the last reply that left no other command under way; 0 if none is to be
        # measured.
        self._replied_at = 0.0
        self._logs_commands = logger.isEnabledFor(logging.DEBUG)

    def submit(self, command: Command, answer: Answer) -> None:
        """Carry out a command after the earlier ones that name its document; then call `answer`.

        `answer` is called once, perhaps before `submit` returns, but not after `close`.
        """
        refusal = self.workspace.too_fast()
        if refusal is not None:
            return answer(refusal)
        self._measure_round_trip()
        addresses = self._subscriptions.addresses(command.document)
        lane = self._lanes.of(addresses)
        lane.commands.append((command, answer))
        self._lanes.claim(lane, addresses)
        if len(lane.commands) == 1:
            task = asyncio.create_task(self._work(lane), context=self._context.copy())
            self._tasks[task] = None
            task.add_done_callback(self._tasks.pop)
        elif len(lane.commands) == 2:
            # The first command may have been refused, and be blocked until its turn. The second
            # must not wait for that: release the refusal now.
            first, _ = lane.commands[0]
            if first.document is not None:
                self._turns.hurry(self.workspace.service_sid, first.document, self)

    def take_deltas(self, send_brief: Callable[[Updated, bool], None]) -> None:
        """Send deltas to a client that can apply them. Call this before anything is opened.

        `send_brief` receives updates in place of `send_event` where the client needs no full data.
        Its flag is True if the client has the data of the event already, False if it has `base`.
        """
        self._subscriptions.send_brief = send_brief

    def flow(self, form: Format, outlet: Outlet) -> None:
        """Let the hub write updates to `outlet` as frames of `form`, until `stop_flow`."""
        self._subscriptions.flow(form, outlet)

    def stop_flow(self) -> None:
        """Send every event by `send_event` or `send_brief` again."""
        self._subscriptions.stop_flow()

    @property
    def workspace(self) -> Workspace:
        """The documents, with the rights of the token in force."""
        return self._subscriptions.workspace

    @property
    def subscriptions(self) -> int:
        """Number of open documents."""
        return len(self._subscriptions)

    def close(self) -> None:
        """End all subscriptions. Commands under way may be carried out, but are not answered."""
        for task in self._tasks:
            task.cancel()
        # Pass on a turn that the client has: it will not use it.
        self._turns.forget(self)
        self._subscriptions.end_all()

    def adopt(self, workspace: Workspace) -> None:
        """Use the rights of a newer token. Subscriptions that it does not allow are ended."""
        self._subscriptions.adopt(workspace)

    async def _work(self, lane: CommandQueue) -> None:
        """Carry out the commands of a queue, one after the other, until it is empty."""
        try:
            while lane.commands:
                command, _ = lane.commands[0]
                await self._carry_out(lane)
                # The command may have shown that another address means this document: later
                # commands with that address join this queue.
                self._lanes.claim(lane, self._subscriptions.addresses(command.document))
                lane.commands.popleft()
        finally:
            self._lanes.end(lane)

    async def _carry_out(self, lane: CommandQueue) -> None:
        """Carry out the first command of a queue, and answer it."""
        command, answer = lane.commands[0]
        subscriptions = self._subscriptions
        # 1. Carry out. A write waits for its turn in here; events of its document are blocked from
        #    the commit on (`_writing`), because any of them may be the event of this write.
        outcome = await self._outcome(command)
        if self._logs_commands:
            code = outcome.code if isinstance(outcome, Refusal) else None
            logger.debug("%s", type(command).__name__.lower(), extra=_logged(command, code))
        # 2. Reply. Nothing suspends between the end of `writing` and this call, so no event gets
        #    ahead of the reply: promise 4.
        answer(outcome)
        if len(self._tasks) == len(lane.commands) == 1:
            self._replied_at = asyncio.get_running_loop().time()
        # 3. Record what the client knows from the reply, so that no older event follows it.
        if not isinstance(outcome, Refusal):
            subscriptions.note(command, outcome)
        # 4. Deliver the blocked events, the write's own among them.
        subscriptions.release()
        # 5. Only now may the hub write past this session again.
        address = outcome.document.sid if isinstance(outcome, Opened) else command.document
        if watch := subscriptions.watch_of(address):
            subscriptions.join_fast_path((watch,))

    def has_more(self, address: str) -> bool:
        """As in `turns.Client`: True if commands wait behind the one that is carried out."""
        lane = self._lanes.get(address)
        return lane is not None and len(lane.commands) > 1

    def _measure_round_trip(self) -> None:
        """Sample the time since the last reply, if that left no other command under way."""
        if not self._replied_at:
            return
        sample = asyncio.get_running_loop().time() - self._replied_at
        self._replied_at = 0.0
        sample = min(sample, LONGEST_ROUND_TRIP)
        before = self.round_trip or sample
        self.round_trip = before + (sample - before) * SMOOTHING

    @contextmanager
    def _writing(self, command: Set | Remove) -> Iterator[None]:
        """Block events of the document from the commit on, until the reply or the refusal."""
        try:
            with self._subscriptions.writing(command):
                yield
        except Refusal:
            # A refused write has no event, so none of the blocked events is its own. Deliver them
            # now, because the refusal may be blocked until its turn comes.
            self._subscriptions.release()
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
            return Refusal(Code.INTERNAL, "The server failed; the outcome is unknown.")

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
                with self._subscriptions.writing(command):
                    return await self.workspace.patch(command, self._client)
            case Remove():
                return await self.workspace.remove(command, self._client, self._writing(command))
            case Unsubscribe():
                if watch := self._subscriptions.watch_of(command.document):
                    self._subscriptions.end(watch)
                return Unsubscribed()

    async def _open(self, command: Open) -> Opened:
        started = asyncio.get_running_loop().time()
        with self._room_for(command.document):
            # 1. Find the document. During this await it may change, and so may the token.
            document, created = await self._find(command)
            if not self.workspace.may_read(document.unique_name):
                raise forbidden()  # by a newer token (`adopt`)
            # 2. Subscribe. Events are blocked until the reply (`Subscription.told` is 0).
            watch = self._subscriptions.begin(document)
            topic = watch.topic
            with self._opens(watch):
                await self._hub.make_live(topic)
                # 3. Read again, unless the topic was live before 1 and has seen no change since.
                was_live = topic.live_since is not None and topic.live_since < started
                is_changed = topic.revision > document.revision
                if not was_live or is_changed or topic.rights_changed_at >= started:
                    # The state of 1, or the right to read it, is or may be out of date.
                    document = await self.workspace.get(document.sid)
                # 4. The client's revision is newer than the stored one, because a failover lost
                #    writes: give the stored state a newer revision (promise 2).
                if command.revision is not None and command.revision > document.revision:
                    document = await self.workspace.advance(document.sid, command.revision)
                if watch.is_revoked:
                    raise forbidden()  # the right was revoked after the last read: promise 6
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
    def _opens(self, watch: Subscription) -> Iterator[None]:
        """End the subscription if its first `Open` fails; one that was open before stays open."""
        watch.openings += 1
        try:
            yield
        except BaseException:
            # Another `Open` of the document may be under way, or answered (`told`).
            if watch.openings == 1 and not watch.told:
                self._subscriptions.end(watch)
            raise
        finally:
            watch.openings -= 1

    @contextmanager
    def _room_for(self, address: str | None) -> Iterator[None]:
        """Refuse at `max_subscriptions`, before a document is created to be opened."""
        is_open = self._subscriptions.watch_of(address) is not None
        if not is_open and len(self._subscriptions) + self._openings >= self._limit:
            self._limit_hits[Limit.MAX_SUBSCRIPTIONS] += 1
            raise Refusal(
                Code.TOO_MANY_SUBSCRIPTIONS,
                f"One connection can open {self._limit} documents; unsubscribe from some.",
            )
        self._openings += 1
        try:
            yield
        finally:
            self._openings -= 1


def _logged(command: Command, code: Code | None = None) -> dict[str, object]:
    """The log fields of a command; `code` is that of its refusal, None if it succeeded."""
    return {"object": command.document, "code": None if code is None else int(code)}
