"""Clients in this process that open collections and streams, behind a socket that may be slow."""

from __future__ import annotations

import asyncio
import io
import pickle
from collections.abc import Hashable
from dataclasses import replace
from typing import Any

import orjson

from support.store import WAIT_LIMIT
from syncline_protocol.commands import Command
from syncline_protocol.deltas import applied
from syncline_protocol.errors import Refusal
from syncline_protocol.item_commands import ItemQuery, OpenCollection, Part
from syncline_protocol.items import Change, ChangeKind, ItemsChanged, ItemsReset
from syncline_protocol.objects import MAP, Event, ExpiryChanged, ObjectType, Removed
from syncline_server.backend import Backend
from syncline_server.objects.access import Access
from syncline_server.objects.contended_writes import Marked
from syncline_server.objects.items import Items
from syncline_server.objects.replays import replayed
from syncline_server.observability.metrics import Tally
from syncline_server.pubsub.topic import Format
from syncline_server.realtime.results import Fetched, Opened, Result
from syncline_server.realtime.send_queue import QueueLimits
from syncline_server.realtime.session import Session
from syncline_server.realtime.websocket.writer import writer_type

__all__ = ["PAGE", "Reader", "Replica", "Transport", "marks_of", "stored"]

PAGE = ItemQuery(size=1000)

DELTA = b"delta "
"""Begins what stands for the data of an item: its base, the operations and the digest."""


def encode(event: Event) -> bytes:
    """The frame of an event; it is itself, without what it shares with other receivers."""
    names = [
        name for name in event.__dataclass_fields__ if name not in ("base", "bases", "_frames")
    ]
    return pickle.dumps((type(event), {name: getattr(event, name) for name in names}))


def encode_delta(event: Event) -> bytes:
    """The frame of an event for a client that takes deltas: `DELTA` and the delta are the data."""
    if not isinstance(event, ItemsChanged):
        return event.encoded(encode)
    return encode(event.with_changes(tuple(_as_delta(event, each) for each in event.changes)))


def _as_delta(event: ItemsChanged, change: Change) -> Change:
    base = event.base_of(change)
    delta = None if base is None else base.delta_to(change.item.data)
    if base is None or delta is None:
        return change
    members = [base.revision, orjson.loads(delta.operations), delta.digest]
    return replace(change, item=replace(change.item, data=DELTA + orjson.dumps(members)))


def decode(data: bytes) -> list[Any]:
    """The events and replies in a piece of output."""
    source, found = io.BytesIO(data), []
    while source.tell() < len(data):
        made, value = pickle.load(source)
        if isinstance(value, dict) and issubclass(made, Event):
            value.pop("has_delta")
            found.append(made(**value))
        else:
            found.append(value)
    return found


class Transport:
    """The output of a socket whose client reads only while `is_slow` is False.

    Attributes:
        buffer: what the client has not read.
    """

    def __init__(self) -> None:
        self.buffer = bytearray()
        self.is_slow = False
        self.reader: Reader | None = None
        self._high = 0

    def set_write_buffer_limits(self, high: int, low: int) -> None:
        self._high = high

    def get_write_buffer_size(self) -> int:
        return len(self.buffer)

    def write(self, data: bytes) -> None:
        assert self.reader is not None
        if not self.is_slow and not self.buffer:
            return self.reader.receive(data)
        was_full = len(self.buffer) > self._high
        self.buffer += data
        if len(self.buffer) > self._high and not was_full:
            self.reader.on_full()

    def drain(self) -> None:
        """Let the client read all, and go on reading."""
        assert self.reader is not None
        self.is_slow = False
        while self.buffer:
            data, self.buffer = bytes(self.buffer), bytearray()
            self.reader.receive(data)
            self.reader.on_drained()


class Reader:
    """A session and its socket.

    Attributes:
        received: replies and events in the order in which the client received them.
        own: the events of its own writes, if it takes them apart.
        marks: what the events of its writes name, as the replies say.
    """

    def __init__(
        self,
        backend: Backend,
        access: Access,
        *,
        mark: int = 16_384,
        takes_own: bool = False,
        takes_deltas: bool = False,
    ) -> None:
        self.backend, self.access = backend, access
        self.received: list[Any] = []
        self.own: list[Event] = []
        self.marks: set[Hashable] = set()
        self.transport = Transport()
        self.transport.reader = self
        settings = backend.settings
        limits = QueueLimits(
            mark=mark,
            items=settings.waiting_items,
            messages=settings.waiting_messages,
            size=settings.waiting_bytes,
        )
        cork = backend.hub._cork
        self.writer = writer_type(cork.calls)(self.transport, cork, limits)  # type: ignore[arg-type]
        self.writer.tally = Tally()
        self.form = Format(encode, None, self.writer.tally)
        self.session = Session(backend, access, self._send_event)
        if takes_deltas:
            self.form = Format(encode, encode_delta, self.writer.tally, self.form)
            self.session.take_deltas(self._send_delta)
        self.writer.overflow = self.session
        if takes_own:
            self.session.take_own(self._take_own)
        self.session.enable_fast_path(self.form, self.writer)
        self._changed = asyncio.Event()

    def receive(self, data: bytes) -> None:
        """The client reads a piece of output."""
        self.received.extend(decode(data))
        self._changed.set()

    def on_full(self) -> None:
        self.writer.pause()
        self.session.disable_fast_path()

    def on_drained(self) -> None:
        if not self.writer.is_direct and self.writer.resume():
            self.session.enable_fast_path(self.form, self.writer)

    def slow_down(self) -> None:
        """Read nothing until `transport.drain`."""
        self.transport.is_slow = True

    def submit(self, command: Command) -> None:
        """Send a command; the command and its reply come to `received`, as a tuple.

        Of a refusal, its code.
        """
        self.session.submit(command, lambda outcome: self._reply(command, outcome))

    async def ask(self, command: Command) -> Any:
        """Send a command, and wait for its reply."""
        answered: asyncio.Future[Result | Refusal] = asyncio.get_running_loop().create_future()

        def answer(outcome: Result | Refusal) -> None:
            self._reply(command, outcome)
            answered.set_result(outcome)

        self.session.submit(command, answer)
        async with asyncio.timeout(WAIT_LIMIT):
            return await answered

    async def wait_for(self, count: int) -> list[Any]:
        """`received`, once it has so many entries."""
        async with asyncio.timeout(WAIT_LIMIT):
            while len(self.received) < count:
                self._changed.clear()
                await self._changed.wait()
        return self.received

    @property
    def events(self) -> list[Event]:
        """The events among what was received."""
        return [each for each in self.received if isinstance(each, Event)]

    def _reply(self, command: Command, outcome: Result | Refusal) -> None:
        self.marks.update(marks_of(outcome))
        shown = outcome.code if isinstance(outcome, Refusal) else outcome
        self.writer.send(pickle.dumps((object, (command, shown))))

    def _send_event(self, event: Event) -> None:
        self.writer.send_event(event, event.encoded(encode), encode)

    def _send_delta(self, event: Event, is_known: bool) -> None:
        # This client does not keep what it writes.
        form = encode if is_known else encode_delta
        self.writer.send_event(event, event.encoded(form), encode)

    def _take_own(self, event: Event) -> None:
        self.own.append(event)


def marks_of(outcome: Any) -> tuple[Hashable, ...]:
    """What the events of a write name, from the reply to it."""
    written = outcome.state if isinstance(outcome, Fetched) else outcome
    return written.marks if isinstance(written, Marked) else ()


async def stored(
    backend: Backend, access: Access, sid: str, type_: ObjectType = MAP, part: Part | None = None
) -> dict[str, tuple[int, bytes]]:
    """All items of a collection, or of a part: by key, revision and data."""
    operations = backend.registry.of(type_)
    assert isinstance(operations, Items)
    found: dict[str, tuple[int, bytes]] = {}
    after: str | None = None
    while True:
        query = ItemQuery(start=after, is_inclusive=False, size=1000)
        page = await operations.items(access, sid, query, part)
        found |= {each.key: (each.revision, each.data) for each in page.items}
        after = page.next_key
        if after is None:
            return found


class Replica:
    """What a client makes of the events of one collection, by the rules of docs/protocol.md.

    It fails if an event breaks a promise.

    Attributes:
        items: by key, revision and data.
        revision: from which the client would resume.
        resets: how often all items had to be read again.
        deltas, lost: how many deltas were applied, and how often it resumed because of one.
    """

    def __init__(
        self, type_: ObjectType = MAP, part: Part | None = None, *, deltas: bool = False
    ) -> None:
        """`deltas`: ask for them."""
        self.type, self.part = type_, part
        self.deltas = self.lost = 0
        self._asks_for_deltas = deltas
        self._is_skipping = False
        self.items: dict[str, tuple[int, bytes]] = {}
        self.revision = 0
        self.resets = 0
        self.is_removed = False
        self._removed: dict[str, int] = {}
        self._taken = 0

    async def open(self, reader: Reader, sid: str, *, resume: bool = False) -> Opened[Any]:
        """Open the collection, with a page of all items or from the revision that is known."""
        self._taken = len(reader.received)
        command = OpenCollection(
            sid,
            type=self.type,
            part=self.part,
            items=None if resume else PAGE,
            revision=self.revision if resume else None,
            deltas=self._asks_for_deltas,
        )
        self._is_skipping = False
        opened = await reader.ask(command)
        assert isinstance(opened, Opened), opened
        return opened

    async def follow(self, reader: Reader, sid: str) -> None:
        """Apply what was received since the last call."""
        while self._taken < len(reader.received):
            received = reader.received[self._taken]
            self._taken += 1
            if isinstance(received, tuple):
                command, outcome = received
                if isinstance(outcome, Opened) and isinstance(command, OpenCollection):
                    self._is_skipping = False
                    await self._start(reader, sid, outcome)
            elif received.sid == sid and not (
                self._is_skipping and isinstance(received, ItemsChanged | ExpiryChanged)
            ):
                await self._apply(reader, sid, received)

    async def _start(self, reader: Reader, sid: str, opened: Opened[Any]) -> None:
        replay, since = opened.replay, self.revision
        self.revision = opened.state.revision
        if opened.items is not None:
            self.items = {each.key: (each.revision, each.data) for each in opened.items.items}
            self._removed = {}
        if replay is None:
            return
        if replay.is_reset:
            return await self._read_again(reader, sid)
        if replay.more_since is not None:
            self.revision = replay.more_since
        if (event := replayed(replay, since)) is not None:
            assert event.changes
            self._change(event)

    async def _apply(self, reader: Reader, sid: str, event: Event) -> None:
        assert event.revision > self.revision, (event, self.revision)
        if isinstance(event, ItemsChanged):
            assert event.changes
            made = self._made(event)
            if made is None:
                return self._resume(reader, sid)
            event = made
        self.revision = event.revision
        if isinstance(event, ItemsReset):
            await self._read_again(reader, sid)
        elif isinstance(event, ItemsChanged):
            self._change(event)
        elif isinstance(event, Removed):
            self.is_removed = True

    def _change(self, event: ItemsChanged) -> None:
        revisions = [each.item.revision for each in event.changes]
        assert revisions == sorted(set(revisions))
        for change in event.changes:
            item = change.item
            assert self.part is None or self.part.has(item.key)
            known = max(self.items.get(item.key, (0,))[0], self._removed.get(item.key, 0))
            if item.revision <= known:
                continue  # a page had it
            if change.kind is ChangeKind.REMOVED:
                self.items.pop(item.key, None)
                self._removed[item.key] = item.revision
            else:
                self.items[item.key] = (item.revision, item.data)

    def _made(self, event: ItemsChanged) -> ItemsChanged | None:
        """The event with the data that its deltas make; None if one cannot be made (rule C33)."""
        changes = []
        for change in event.changes:
            item = change.item
            if item.data.startswith(DELTA):
                base, operations, digest = orjson.loads(item.data.removeprefix(DELTA))
                revision, data = self.items.get(item.key, (0, b""))
                if revision >= item.revision:
                    continue  # a page had it
                if revision != base:
                    return None
                self.deltas += 1
                item = replace(item, data=applied(data, operations, digest))
            changes.append(replace(change, item=item))
        return event.with_changes(tuple(changes))

    def _resume(self, reader: Reader, sid: str) -> None:
        self.lost += 1
        self._is_skipping = True
        reader.submit(
            OpenCollection(
                sid,
                type=self.type,
                part=self.part,
                revision=self.revision,
                deltas=self._asks_for_deltas,
            )
        )

    async def _read_again(self, reader: Reader, sid: str) -> None:
        self.resets += 1
        self.items = await stored(reader.backend, reader.access, sid, self.type, self.part)
        self._removed = {}
