"""The session of one connected client: its rights, its commands and its subscriptions.

A session knows no socket and no type of object. A protocol (`native`, `twilsock`, `sse`) submits
commands. By plain calls it receives one reply to each command, and the events of open objects. The
session keeps the order of docs/protocol.md, section 4:

1. Commands that name one object are carried out one after the other.
2. The reply to a write comes before the event of that write.
3. Events after the reply to `Open` are newer than the state in that reply.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from contextvars import copy_context
from itertools import islice
from typing import Any

from syncline_protocol.commands import Command, Create, Get, Open, Unsubscribe, Write
from syncline_protocol.errors import Code, Refusal
from syncline_protocol.objects import Event, Header, type_of_sid
from syncline_server.backend import Backend
from syncline_server.objects.access import Access
from syncline_server.objects.contended_writes import WriteResult, may_wait, turn_key
from syncline_server.observability.metrics import Limit
from syncline_server.pubsub.cork import Corked
from syncline_server.pubsub.topic import Format
from syncline_server.storage.items import Replay

from .blocking_write import BlockingWrite
from .command_queue import CommandQueue, CommandQueues
from .event_sender import EventSender
from .joint_open import JointOpen
from .opening import Found, has_room, open_at_once, open_object
from .replay import Replayer
from .reply_records import record_reply
from .results import Answer, Fetched, Opened, Result, Unsubscribed
from .subscription import Subscription
from .subscriptions import Subscriptions

__all__ = ["Session"]

logger = logging.getLogger("syncline.session")

SMOOTHING = 1 / 8
"""Weight of the newest sample in `round_trip`, as in TCP (RFC 6298)."""

LONGEST_ROUND_TRIP = 0.2
"""Seconds that one sample counts, at most: a longer pause is due to a person, not the network."""

_WRITES = (Write, Create)
"""The commands that are answered with a `WriteResult`."""


class Session:
    """The commands of one client, and its open objects.

    Attributes:
        round_trip: as in `turns.Client`.
    """

    __slots__ = (
        "_backend",
        "_client",
        "_context",
        "_logs_commands",
        "_queues",
        "_replied_at",
        "_sender",
        "_subscriptions",
        "_tasks",
        "round_trip",
    )

    def __init__(
        self,
        backend: Backend,
        access: Access,
        send_event: Callable[[Event], None],
        *,
        is_lasting: bool = True,
    ) -> None:
        """
        Args:
            send_event: receives the events of open objects; must not block.
            is_lasting: False if the session ends with its first command: to `Turns` it is then a
                caller without a connection.
        """
        self._backend = backend
        self._sender = EventSender(send_event)
        self._subscriptions = Subscriptions(backend.hub, access, self._sender, self)
        self._client = self if is_lasting else None
        self._queues = CommandQueues()
        # Not a set: there are very many sessions, and an empty dict takes a third of the memory.
        self._tasks: dict[asyncio.Task[None] | JointOpen, None] = {}
        # The log context of this client, for every task: `submit` may run in another's context.
        self._context = copy_context()
        self.round_trip = 0.0
        # Loop time of the last reply that left no other command under way; 0 if none is to be
        # measured.
        self._replied_at = 0.0
        self._logs_commands = logger.isEnabledFor(logging.DEBUG)

    def submit(self, command: Command, answer: Answer) -> None:
        """Carry out a command after the earlier ones that name its object; then call `answer`.

        `answer` is called once, perhaps before `submit` returns, but not after `close`.
        """
        refusal = self.access.count_request()
        if refusal is not None:
            return answer(refusal)
        # Before the command is queued: the sample is of a client that had nothing under way.
        self._measure_round_trip()
        keys = self._subscriptions.index.keys(command.key)
        queue = self._queues.of(keys)
        queue.commands.append((command, answer))
        self._queues.claim(queue, keys)
        if len(queue.commands) == 1:
            if not (isinstance(command, Open) and self._open_jointly(queue, command)):
                self._spawn(self._work(queue))
        elif len(queue.commands) == 2:
            # The first command may be blocked until its turn. The second must not wait for that:
            # release it now.
            first, _ = queue.commands[0]
            if may_wait(first):
                self._backend.turns.hurry(turn_key(self.access, first), self)

    def take_deltas(self, send_delta: Callable[[Event, bool], None]) -> None:
        """Send deltas to a client that can apply them. Call this before anything is opened.

        `send_delta` receives changes in place of `send_event` where the client needs no full data.
        Its flag is True if the client has the data of the event already, False if it has `base`.
        """
        self._sender.send_delta = send_delta

    def take_own(self, send_own: Callable[[Event], None]) -> None:
        """Send the events of the client's own writes, and its own messages, to `send_own`.

        They come in place of `send_event`, each after the reply to the write.
        """
        self._sender.send_own = send_own

    def fall_behind(self, sid: str, since: int) -> None:
        """As in `send_queue.Overflow`."""
        self._backend.meters.limit_hits[Limit.WAITING_ITEMS] += 1
        self._subscriptions.fall_behind(sid, since)

    def count_missed(self) -> None:
        """As in `send_queue.Overflow`."""
        self._backend.meters.limit_hits[Limit.WAITING_MESSAGES] += 1

    def pause_replay(self) -> None:
        """Read no more from the store for a client that has not read what it was sent.

        A client on the fast path needs no such call: it is paused with the fast path.
        """
        self._subscriptions.pause_replay()

    def resume_replay(self) -> None:
        """Read on: nothing waits for the client."""
        self._subscriptions.resume_replay()

    def enable_fast_path(self, form: Format, outlet: Corked) -> None:
        """Let the hub write changes to `outlet` as frames of `form`, until `disable_fast_path`."""
        self._subscriptions.enable_fast_path(form, outlet)

    def disable_fast_path(self) -> None:
        """Send every event by `send_event` or `send_delta` again."""
        self._subscriptions.disable_fast_path()

    @property
    def access(self) -> Access:
        """The rights of the token in force."""
        return self._subscriptions.access

    @property
    def subscriptions(self) -> int:
        """Number of open objects."""
        return len(self._subscriptions.index)

    def opened(self, limit: int) -> list[str]:
        """SIDs of the open objects, at most `limit`."""
        return [each.topic.sid for each in islice(self._subscriptions.index, limit)]

    def close(self) -> None:
        """End all subscriptions. Commands under way may be carried out, but are not answered."""
        for task in self._tasks:
            task.cancel()
        # Pass on a turn that the client has: it will not use it.
        self._backend.turns.contests.forget(self)
        self._subscriptions.end_all()

    def adopt(self, access: Access) -> None:
        """Use the rights of a newer token. Subscriptions that it does not allow are ended."""
        self._subscriptions.adopt(access)

    def has_more(self, object_key: str) -> bool:
        """As in `turns.Client`: True if commands wait behind the one that is carried out."""
        queue = self._queues.get(object_key)
        return queue is not None and len(queue.commands) > 1

    def conflate(self, object_key: str) -> None:
        """As in `turns.Client`: send only the newest state until the reply to the write."""
        self._subscriptions.conflate(object_key)

    def writing(self, command: Command) -> BlockingWrite:
        """As in `contended_writes.Client`: block events from the commit on, until the reply."""
        return BlockingWrite(self._subscriptions, command.key or "")

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work, context=self._context.copy())
        self._tasks[task] = None
        task.add_done_callback(self._tasks.pop)

    def _open_jointly(self, queue: CommandQueue, command: Open) -> bool:
        """Begin the only command of a queue, if it may be carried out with those of others."""
        backend, subscriptions = self._backend, self._subscriptions
        operations = backend.registry.of(command.type)
        if (
            backend.traces is not None
            or operations.replays is not None
            or not has_room(backend, subscriptions, command.key)
        ):
            return False
        opening = JointOpen(self, queue, command)
        if not operations.open_jointly(self.access, command, opening.receive):
            return False
        subscriptions.opens += 1
        self._tasks[opening] = None
        return True

    def receive_found(
        self, opening: JointOpen, outcome: tuple[Header, bool] | Exception | None
    ) -> None:
        """Answer a joint `Open` whose object was found, or go on in a task if that must wait."""
        self._context.copy().run(self._end_jointly, opening, outcome)

    def _end_jointly(
        self, opening: JointOpen, outcome: tuple[Header, bool] | Exception | None
    ) -> None:
        queue, command, found = opening.queue, opening.command, Found(opening.asked_at)
        result: Result | Refusal | None = None
        try:
            if isinstance(outcome, tuple):
                found = Found(opening.asked_at, *outcome)
                result = open_at_once(self._backend, self._subscriptions, command, found)
            elif outcome is not None:
                raise outcome
        except Refusal as refusal:
            result = refusal
        except Exception:
            result = _failure(command)
        if result is None:
            del self._tasks[opening]
            return self._spawn(self._work(queue, found))
        self._subscriptions.opens -= 1
        try:
            self._conclude(queue, result)
        finally:
            del self._tasks[opening]
            if not opening.is_cancelled:
                self._queues.claim(queue, self._subscriptions.index.keys(command.key))
                queue.commands.popleft()
                if queue.commands:
                    self._spawn(self._work(queue))
                else:
                    self._queues.end(queue)

    def end_queue(self, queue: CommandQueue) -> None:
        """Carry out no command of a queue any more: the session has ended."""
        self._queues.end(queue)

    async def _work(self, queue: CommandQueue, found: Found | None = None) -> None:
        """Carry out the commands of a queue, one after the other, until it is empty.

        `found`: as in `open_object`, for the first command.
        """
        try:
            while queue.commands:
                command, _ = queue.commands[0]
                # 1. Carry out. A write waits for its turn in here; events of its object are blocked
                #    from the commit on (`writing`): any may be the event of this write.
                self._conclude(queue, await self._outcome(command, found))
                found = None
                # The command may have shown that another key means this object: later commands
                # with that key join this queue.
                self._queues.claim(queue, self._subscriptions.index.keys(command.key))
                queue.commands.popleft()
        finally:
            self._queues.end(queue)

    def _conclude(self, queue: CommandQueue, outcome: Result | Refusal) -> None:
        """Answer the first command of a queue, which was carried out."""
        command, answer = queue.commands[0]
        subscriptions = self._subscriptions
        if self._logs_commands:
            code = outcome.code if isinstance(outcome, Refusal) else None
            logger.debug("%s", command.verb, extra=_logged(command, code))
        # 2. Reply. Nothing suspends between the end of `writing` and this call, so no event gets
        #    ahead of the reply: promise 4.
        answer(outcome)
        if len(self._tasks) == len(queue.commands) == 1:
            self._replied_at = asyncio.get_running_loop().time()
        # 3. Record what the client knows from the reply, so that no older event follows it.
        if not isinstance(outcome, Refusal):
            record_reply(subscriptions, command, outcome)
        # 4. Deliver the blocked events, the write's own among them.
        subscriptions.deliver_pending()
        # 5. Only now may the hub write past this session again.
        key = outcome.state.sid if isinstance(outcome, Opened) else command.key
        if subscription := subscriptions.index.find(key):
            subscriptions.end_wait(subscription)
            subscriptions.join_fast_path((subscription,))

    def _measure_round_trip(self) -> None:
        """Sample the time since the last reply, if that left no other command under way."""
        if not self._replied_at:
            return
        sample = asyncio.get_running_loop().time() - self._replied_at
        self._replied_at = 0.0
        sample = min(sample, LONGEST_ROUND_TRIP)
        before = self.round_trip or sample
        self.round_trip = before + (sample - before) * SMOOTHING

    async def _outcome(self, command: Command, found: Found | None) -> Result | Refusal:
        traces = self._backend.traces
        try:
            if traces is None:
                return await self._execute(command, found)
            with traces.command(command.verb, command.address):
                return await self._execute(command, found)
        except Refusal as refusal:
            return refusal
        except Exception:
            return _failure(command)

    async def _execute(self, command: Command, found: Found | None) -> Result:
        """Carry out a command: here if every type has it, else by the handler of its type."""
        operations = self._backend.registry.of(command.type)
        match command:
            case Open():
                return await open_object(self._backend, self._subscriptions, command, found)
            case Get():
                if command.turn:
                    return Fetched(
                        *await operations.get_in_turn(self.access, command.address, self._client)
                    )
                if command.turn is False:
                    self._backend.turns.give_up(turn_key(self.access, command), self._client)
                return Fetched(await operations.get(self.access, command.address))
            case Unsubscribe():
                if subscription := self._subscriptions.index.find(command.key):
                    self._subscriptions.end(subscription)
                return Unsubscribed()
        result = await operations.handlers[type(command)](self.access, command, self._client)
        if isinstance(command, _WRITES):
            written: WriteResult = result
            return written
        return Fetched(result)

    def make_replayer(self) -> Replayer:
        """As in `StoreReader`."""
        subscriptions = self._subscriptions
        return Replayer(
            self._read_portion,
            subscriptions.receive_portion,
            subscriptions.on_revoked,
            self._context,
        )

    async def _read_portion(self, subscription: Subscription) -> Replay:
        """As `Replayer` needs it: with the rights of the token in force."""
        sid = subscription.topic.sid
        replays = self._backend.registry.of(type_of_sid(sid)).replays
        assert replays is not None
        return await replays.read(self.access, sid, subscription.delivered)


def _failure(command: Command) -> Refusal:
    """The refusal for an exception that is being handled."""
    logger.exception("a command failed", extra=_logged(command))
    return Refusal(Code.INTERNAL, "The server failed; the outcome is unknown.")


def _logged(command: Command, code: Code | None = None) -> dict[str, object]:
    """The log fields of a command; `code` is that of its refusal, None if it succeeded."""
    return {"object": command.address, "code": None if code is None else int(code)}
