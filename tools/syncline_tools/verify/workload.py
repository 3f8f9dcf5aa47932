"""What is written during a run, and the documents that come and go."""

from __future__ import annotations

import asyncio
import random
import secrets
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any

from syncline import JsonObject

from .application import Application
from .client import WireClient
from .direct import Direct
from .history import History
from .records import Created, Kind, Outcome, Read, content_of
from .shape import Shape
from .twilsock import TwilsockSubscriber

__all__ = ["TRAIL_LIMIT", "Subscriber", "Workload"]

TRAIL_LIMIT = 200
"""Writes that the data of a register names, at most."""

LIFE = 2
"""Seconds that an expiring document lives; it is prolonged once."""

REMOVED_AFTER = 1.5
"""Seconds until a document is removed."""

EXPIRY_MARGIN = 0.3
"""Seconds after which an expired document is looked for."""

LEFTOVER_LIFE = 3600
"""Seconds that documents outlive a run that cannot clean up."""

IN_FLIGHT = 4
"""Writes of one client under way at a time; beyond, it waits for one of them."""


Subscriber = WireClient | TwilsockSubscriber | Application
"""A client, whichever way it is connected."""


@dataclass(slots=True, eq=False)
class _Slot:
    """A place for one document after the other; `document` is the one that is written to now."""

    kind: Kind
    number: int
    followers: list[Subscriber] = field(default_factory=list)
    document: str | None = None


class Workload:
    """Writers that write, and documents that are made, expire and are removed.

    Attributes:
        documents: the followers of all that were made, by SID.
    """

    def __init__(
        self,
        shape: Shape,
        history: History,
        direct: Direct,
        subscribers: Sequence[Subscriber],
    ) -> None:
        """`subscribers` follow documents; those that can write do."""
        self.documents: dict[str, list[Subscriber]] = {}
        self._history = history
        self._direct = direct
        self._writers = [each for each in subscribers if isinstance(each, WireClient)]
        self._applications = [each for each in subscribers if isinstance(each, Application)]
        self._seed = shape.seed
        self._interval = (len(self._writers) + len(self._applications)) / shape.rate
        self._run_id = secrets.token_hex(4)
        self._slots = _make_slots(shape, subscribers)
        self._stopping = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._failure: BaseException | None = None

    async def prepare(self) -> None:
        """Make the documents that stay, and have everybody follow them."""
        staying = [slot for slot in self._slots if slot.kind not in (Kind.EXPIRING, Kind.REMOVED)]
        await asyncio.gather(*(self._fill(slot, LEFTOVER_LIFE) for slot in staying))
        await asyncio.gather(
            *(
                follower.follow(slot.document)
                for slot in staying
                if slot.document is not None
                for follower in slot.followers
            )
        )

    def start(self) -> None:
        """Begin to write."""
        for slot in self._slots:
            if slot.kind is Kind.EXPIRING:
                self._spawn(self._expire_again_and_again(slot))
            elif slot.kind is Kind.REMOVED:
                self._spawn(self._remove_again_and_again(slot))
        for writer in self._writers:
            self._spawn(self._write_on(writer))
        for application in self._applications:
            self._spawn(self._mutate_on(application))

    async def stop(self, patience: float) -> None:
        """Begin nothing more, and wait for what is under way.

        What is not settled in so many seconds, after the last document had time to expire, is
        broken off.

        Raises:
            SynclineError: the server did not do what prepares a run, or went away for too long.
        """
        self._stopping.set()
        deadline = asyncio.get_running_loop().time() + patience + 2 * LIFE + EXPIRY_MARGIN
        while self._tasks and (left := deadline - asyncio.get_running_loop().time()) > 0:
            await asyncio.wait(self._tasks, timeout=left)
        await self.end()
        if self._failure is not None:
            raise self._failure

    async def end(self) -> None:
        """Break off what is under way; safe to repeat."""
        self._stopping.set()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _write_on(self, writer: WireClient) -> None:
        chance = random.Random(f"{self._seed}:{writer.name}")
        slots = [
            slot for slot in self._slots if slot.kind is not Kind.TALLY and writer in slot.followers
        ]
        room = asyncio.Semaphore(IN_FLIGHT)
        while slots and not await self._stops_within(chance.uniform(0, 2 * self._interval)):
            slot = chance.choice(slots)
            document = slot.document
            if document is not None:
                await room.acquire()
                self._spawn(self._in_room(room, self._write, writer, slot.kind, document))

    async def _mutate_on(self, application: Application) -> None:
        chance = random.Random(f"{self._seed}:{application.name}")
        tallies = [
            slot
            for slot in self._slots
            if slot.kind is Kind.TALLY and application in slot.followers
        ]
        room = asyncio.Semaphore(IN_FLIGHT)
        while tallies and not await self._stops_within(chance.uniform(0, 2 * self._interval)):
            document = chance.choice(tallies).document
            if document is not None:
                await room.acquire()
                number = self._history.number_write()
                self._spawn(self._in_room(room, application.mutate, number, document))

    async def _in_room(
        self, room: asyncio.Semaphore, work: Callable[..., Awaitable[None]], *arguments: Any
    ) -> None:
        try:
            await work(*arguments)
        finally:
            room.release()

    async def _write(self, writer: WireClient, kind: Kind, document: str) -> None:
        number = self._history.number_write()
        op = self._op(number)
        held = writer.held.get(document)
        if kind is Kind.COUNTER:
            await writer.write(number, op, "patch", document, increment={"/n": 1})
        elif kind is not Kind.REGISTER:
            await writer.write(number, op, "set", document, data={"last": number})
        elif held is not None:
            data = {"trail": [*held.data["trail"], number][-TRAIL_LIMIT:]}
            await writer.write(number, op, "set", document, data=data, if_match=str(held.revision))

    async def _expire_again_and_again(self, slot: _Slot) -> None:
        chance = random.Random(f"{self._seed}:{slot.number}")
        while not self._stopping.is_set():
            document = await self._fill(slot, LIFE)
            gone_by = self._history.now() + LIFE
            self._follow(slot, document)
            await asyncio.sleep(LIFE / 2)
            number = self._history.number_write()
            writer = chance.choice(self._writers)
            outcome = await writer.write(number, self._op(number), "ttl", document, ttl=LIFE)
            slot.document = None
            if outcome is not Outcome.REFUSED:
                gone_by = self._history.now() + LIFE
            await asyncio.sleep(max(0.0, gone_by + EXPIRY_MARGIN - self._history.now()))
            await self.read(document, final=False)

    async def _remove_again_and_again(self, slot: _Slot) -> None:
        chance = random.Random(f"{self._seed}:{slot.number}")
        while not self._stopping.is_set():
            document = await self._fill(slot, LEFTOVER_LIFE)
            self._follow(slot, document)
            await self._stops_within(REMOVED_AFTER)
            slot.document = None
            number = self._history.number_write()
            writer = chance.choice(self._writers)
            await writer.write(number, self._op(number), "remove", document)

    async def _fill(self, slot: _Slot, ttl: int) -> str:
        """Make the slot's next document."""
        data: JsonObject = {"n": 0} if slot.kind in (Kind.COUNTER, Kind.TALLY) else {"trail": []}
        name = f"verify/{self._run_id}/{slot.kind}-{slot.number}.{len(self.documents)}"
        began = self._history.now()
        created = await self._direct.create(name, data, ttl)
        document: str = created["sid"]
        self._history.add(
            Created(
                at=self._history.now(),
                document=document,
                kind=slot.kind,
                began=began,
                revision=int(created["revision"]),
                content=content_of(data),
                ttl=ttl if slot.kind is Kind.EXPIRING else None,
                followers=[follower.name for follower in slot.followers],
            )
        )
        self.documents[document] = slot.followers
        slot.document = document
        return document

    async def read(self, document: str, final: bool) -> Read:
        """Read past all faults, and into the history."""
        began = self._history.now()
        found = await self._direct.read(document)
        read = Read(
            at=self._history.now(),
            document=document,
            began=began,
            final=final,
            revision=None if found is None else int(found["revision"]),
            content=None if found is None else content_of(found["data"]),
            data=found["data"] if found is not None and final else None,
        )
        self._history.add(read)
        return read

    def _follow(self, slot: _Slot, document: str) -> None:
        for follower in slot.followers:
            self._spawn(follower.follow(document))

    def _op(self, number: int) -> str:
        return f"{self._run_id}-{number}"

    async def _stops_within(self, seconds: float) -> bool:
        """Wait so long, or until nothing shall be begun any more; True if that is so."""
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            return False
        return True

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and self._failure is None:
            self._failure = task.exception()


def _make_slots(shape: Shape, subscribers: Sequence[Subscriber]) -> list[_Slot]:
    """Slots of all kinds, and their followers: each client has neighbouring slots, of all kinds."""
    kinds = list(Kind)
    slots = [_Slot(kinds[i % len(kinds)], i + 1) for i in range(shape.documents)]
    follow = min(shape.follow, len(slots))
    for number, subscriber in enumerate(subscribers):
        for i in range(follow):
            slots[(number * follow + i) % len(slots)].followers.append(subscriber)
    return slots
