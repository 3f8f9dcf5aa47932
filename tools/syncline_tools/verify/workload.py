"""What is written during a run, and the documents that come and go."""

from __future__ import annotations

import asyncio
import random
import secrets
from collections.abc import Coroutine, Sequence
from time import time
from typing import Any

from syncline import JsonObject
from syncline_protocol import dates

from .application import Application
from .client import WireClient
from .direct import Direct
from .history import History
from .pacing import Pacing
from .records import Clocked, Created, Kind, Outcome, Read, content_of
from .shape import Shape
from .slots import Slot, Subscriber, make_slots

__all__ = ["TRAIL_LIMIT", "Workload"]

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

BURST = 3
BURST_PAUSE = 0.3
"""Writes to a quiet document in a row, at most, and the seconds between them, at most."""

STILLNESS = 5.0
"""Seconds for which a quiet document is left alone: longer than a subscriber may be behind."""

COMMAND_PAUSE = 0.25
"""Seconds after the beginning and the end of a command, at most, to a write of a quiet document."""

AFTER_COMMAND = 0.03
"""Seconds after the end of a command, at most, to the writes that are to be right behind it."""

COMMAND_INTERVAL = 4.0
"""Seconds between writes to a quiet document while a command runs, at most."""

RACE_EVERY = 25
"""Writes of all clients for which there is one race: all write one register at the same moment."""

REPEAT_SHARE = 0.2
REPEATED_WITHIN = 2.0
"""The part of acknowledged writes that are sent again, and within how many seconds."""

LOSING_INTERVAL = 0.3
"""Seconds between the attempts of one client that loses on purpose, about."""


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
        *,
        subscribers: Sequence[Subscriber],
        losers: Sequence[WireClient] = (),
    ) -> None:
        """
        Args:
            subscribers: follow documents; those that can write do.
            losers: do nothing but lose conditional writes on purpose.
        """
        self.documents: dict[str, list[Subscriber]] = {}
        self._history = history
        self._direct = direct
        self._writers = [each for each in subscribers if isinstance(each, WireClient)]
        self._applications = [each for each in subscribers if isinstance(each, Application)]
        self._losers = losers
        self._seed = shape.seed
        self._race_interval = RACE_EVERY / shape.rate
        self._interval = (len(self._writers) + len(self._applications)) / shape.rate
        self._chance = random.Random(f"{self._seed}:workload")
        self._run_id = secrets.token_hex(4)
        self._slots = make_slots(shape, subscribers, losers)
        self._commands = 0
        self._still_until = 0.0
        self._pacing = Pacing()

    async def prepare(self) -> None:
        """Make the documents that stay, and have everybody follow them."""
        staying = [slot for slot in self._slots if slot.lasts]
        await asyncio.gather(*(self._fill(slot, LEFTOVER_LIFE) for slot in staying))
        await asyncio.gather(
            *(
                follower.subscribe(slot.document)
                for slot in staying
                if slot.document is not None
                for follower in slot.followers
            )
        )

    def start(self) -> None:
        """Begin to write."""
        for slot in self._slots:
            if slot.kind is Kind.EXPIRING:
                self._pacing.spawn(self._expire_again_and_again(slot))
            elif slot.kind is Kind.REMOVED:
                self._pacing.spawn(self._remove_again_and_again(slot))
            elif slot.kind is Kind.QUIET and not slot.is_spare:
                self._pacing.spawn(self._leave_alone(slot))
        self._pacing.spawn(self._race())
        for loser in self._losers:
            self._pacing.spawn(self._lose_on(loser))
        for writer in self._writers:
            self._pacing.spawn(self._write_on(writer))
        for application in self._applications:
            self._pacing.spawn(self._mutate_on(application))

    def record_command(self, begins: bool) -> None:
        """A command begins, or ends."""
        self._commands += 1 if begins else -1
        for slot in self._slots:
            # What a command breaks, it often breaks last: every second spare one waits for that.
            is_late = slot.is_spare and slot.number % 2 == 1
            if slot.kind is Kind.QUIET and begins and self._commands == 1 and not is_late:
                self._pacing.spawn(self._write_through_command(slot))
            elif is_late and not begins:
                self._pacing.spawn(self._write_after_command(slot))

    async def stop(self, patience: float) -> None:
        """Begin nothing more, and wait for what is under way.

        What is not settled in so many seconds, after the last document had time to expire, is
        broken off.

        Raises:
            SynclineError: the server did not do what prepares a run, or went away for too long.
        """
        await self._pacing.stop(patience + 2 * LIFE + EXPIRY_MARGIN)

    async def end(self) -> None:
        """Break off what is under way; safe to repeat."""
        await self._pacing.end()

    async def _write_on(self, writer: WireClient) -> None:
        chance = random.Random(f"{self._seed}:{writer.name}")
        slots = [
            slot
            for slot in self._slots
            if slot.kind not in (Kind.TALLY, Kind.QUIET) and writer in slot.followers
        ]

        def make() -> Coroutine[Any, Any, None] | None:
            slot = chance.choice(slots)
            if slot.document is None:
                return None
            return self._write(writer, slot.kind, slot.document)

        if slots:
            await self._pacing.repeat(chance, self._interval, make)

    async def _mutate_on(self, application: Application) -> None:
        chance = random.Random(f"{self._seed}:{application.name}")
        tallies = [
            slot
            for slot in self._slots
            if slot.kind is Kind.TALLY and application in slot.followers
        ]

        def make() -> Coroutine[Any, Any, None] | None:
            document = chance.choice(tallies).document
            if document is None:
                return None
            return application.mutate(self._history.number_write(), document)

        if tallies:
            await self._pacing.repeat(chance, self._interval, make)

    async def _write(self, writer: WireClient, kind: Kind, document: str) -> None:
        number = self._history.number_write()
        op = self._op(number)
        known = writer.known.get(document)
        do, members = "set", JsonObject(data={"last": number})
        if kind is Kind.COUNTER or (kind is Kind.CONTENDED and number % 2):
            do, members = "patch", {"increment": {"/n": 1}}
        elif kind is Kind.REGISTER:
            if known is None:
                return
            trail = [*known.data["trail"], number][-TRAIL_LIMIT:]
            members = {"data": {"trail": trail}, "if_match": str(known.revision)}
        outcome = await writer.write(number, op, do, document, **members)
        if outcome is Outcome.ACKNOWLEDGED and self._chance.random() < REPEAT_SHARE:
            self._pacing.spawn(
                self._repeat(writer, number, do=do, document=document, members=members)
            )

    async def _repeat(
        self, writer: WireClient, number: int, *, do: str, document: str, members: JsonObject
    ) -> None:
        await self._pacing.stops_within(self._chance.uniform(0, REPEATED_WITHIN))
        # An operation id counts for the identity, on any connection.
        alike = [each for each in self._writers if each.transport == writer.transport]
        await self._chance.choice(alike).repeat(number, self._op(number), do, document, **members)

    async def _race(self) -> None:
        """Have all writers write one register at once, each on the state that it has."""
        registers = [slot for slot in self._slots if slot.kind is Kind.REGISTER]
        while not await self._pacing.stops_within(self._race_interval):
            slot = self._chance.choice(registers)
            for writer in self._writers:
                if slot.document is not None and writer in slot.followers:
                    self._pacing.spawn(self._write(writer, slot.kind, slot.document))

    async def _leave_alone(self, slot: Slot) -> None:
        """Write a few times, and then nothing for long enough that a lost last event shows."""
        chance = random.Random(f"{self._seed}:{slot.number}")
        stopped = await self._pacing.stops_within(chance.uniform(0, STILLNESS))
        while not stopped:
            for _ in range(chance.randint(1, BURST)):
                if not self._commands and self._history.now() >= self._still_until:
                    self._write_quiet(slot)
                stopped = await self._pacing.stops_within(chance.uniform(0, BURST_PAUSE))
            stopped = stopped or await self._pacing.stops_within(STILLNESS)

    async def _write_through_command(self, slot: Slot) -> None:
        """Write until a command has ended, and leave the document alone then."""
        pause = COMMAND_PAUSE
        while not await self._pacing.stops_within(self._chance.uniform(0, pause)):
            self._write_quiet(slot)
            self._still_until = self._history.now() + STILLNESS
            if not self._commands and self._chance.random() < 0.5:
                return
            pause = COMMAND_INTERVAL if self._commands else COMMAND_PAUSE

    async def _write_after_command(self, slot: Slot) -> None:
        if not await self._pacing.stops_within(self._chance.uniform(0, AFTER_COMMAND)):
            self._write_quiet(slot)

    def _write_quiet(self, slot: Slot) -> None:
        if slot.document is not None:
            self._pacing.spawn(
                self._write(self._chance.choice(self._writers), slot.kind, slot.document)
            )

    async def _lose_on(self, loser: WireClient) -> None:
        """Write on the condition of a revision that is known to be superseded, again and again."""
        chance = random.Random(f"{self._seed}:{loser.name}")
        slots = [slot for slot in self._slots if slot.kind is Kind.CONTENDED]
        before: dict[str, int] = {}
        while not await self._pacing.stops_within(chance.uniform(0, 2 * LOSING_INTERVAL)):
            document = chance.choice(slots).document
            known = loser.known.get(document or "")
            if document is None or known is None:
                continue
            stale = before.get(document, known.revision)
            before[document] = known.revision
            if stale < known.revision:
                number = self._history.number_write()
                data = {"lost": number}
                await loser.write(
                    number, self._op(number), "set", document, data=data, if_match=str(stale)
                )

    async def _expire_again_and_again(self, slot: Slot) -> None:
        chance = random.Random(f"{self._seed}:{slot.number}")
        while not self._pacing.is_stopping:
            document = await self._fill(slot, LIFE)
            gone_by = self._history.now() + LIFE
            self._subscribe_followers(slot, document)
            await asyncio.sleep(LIFE / 2)
            number = self._history.number_write()
            writer = chance.choice(self._writers)
            outcome = await writer.write(number, self._op(number), "ttl", document, ttl=LIFE)
            slot.document = None
            if outcome is not Outcome.REFUSED:
                gone_by = self._history.now() + LIFE
            await asyncio.sleep(max(0.0, gone_by + EXPIRY_MARGIN - self._history.now()))
            await self.read(document, final=False)

    async def _remove_again_and_again(self, slot: Slot) -> None:
        chance = random.Random(f"{self._seed}:{slot.number}")
        while not self._pacing.is_stopping:
            document = await self._fill(slot, LEFTOVER_LIFE)
            self._subscribe_followers(slot, document)
            await self._pacing.stops_within(REMOVED_AFTER)
            slot.document = None
            number = self._history.number_write()
            writer = chance.choice(self._writers)
            await writer.write(number, self._op(number), "remove", document)

    async def _fill(self, slot: Slot, ttl: int) -> str:
        """Make the slot's next document."""
        data: JsonObject = {"trail": []} if slot.kind is Kind.REGISTER else {"n": 0}
        name = f"verify/{self._run_id}/{slot.kind}-{slot.number}.{len(self.documents)}"
        began = self._history.now()
        created = await self._direct.create(name, data, ttl)
        self._read_clocks(created)
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

    def _read_clocks(self, created: JsonObject) -> None:
        self._history.add(
            Clocked(
                at=self._history.now(),
                server=self._direct.server_time,
                store=dates.parse(created["date_created"]).timestamp(),
                here=round(time(), 3),
            )
        )

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

    def _subscribe_followers(self, slot: Slot, document: str) -> None:
        for follower in slot.followers:
            self._pacing.spawn(follower.subscribe(document))

    def _op(self, number: int) -> str:
        return f"{self._run_id}-{number}"
