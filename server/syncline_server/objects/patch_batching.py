"""Patches of one document that wait in this process, committed together.

What was applied in turn is stored once, with one event; each writer gets its own answer, with the
state that its patch made and a revision of its own. So a hot counter costs a commit for all that
wait, not one for each.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from syncline_protocol.commands import Patch
from syncline_protocol.documents import Document
from syncline_protocol.errors import Code, Refusal
from syncline_server.config.settings import Settings
from syncline_server.storage.documents import Documents, Step, StepRepeated
from syncline_server.storage.operations import patch_fingerprint
from syncline_server.storage.results import Written, absent, mismatch
from syncline_server.storage.rights import Right

from .patches import patched
from .turns import Turns
from .work import WorkQueue, work_of_patch, work_on_data

if TYPE_CHECKING:
    from syncline_server.observability.tracing import Cause, Traces

__all__ = ["Combiner"]

STEPS_LIMIT = 256
"""Patches that are committed together, at most; the rest go with the next commit."""

STEPS_BYTES = 512 * 1024
"""Bytes of the states that they make, at most, so that large documents hold up nobody else."""

NEVER = 0
"""A revision that no document has."""


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting:
    """A patch that waits for its answer."""

    command: Patch
    who: str
    needs: Right | None
    webhooks: str
    answer: asyncio.Future[Written]
    cause: Cause | None
    fingerprint: str

    def goes_with(self, other: _Waiting) -> bool:
        """True if both can be in one commit."""
        # The script checks the rights of one identity.
        same = self.needs == other.needs and (self.needs is None or self.who == other.who)
        return same and self.is_plain and other.is_plain and self.is_told == other.is_told

    @property
    def operation(self) -> tuple[str, str | None]:
        """What a repetition of it has too."""
        return self.who, self.command.op

    @property
    def is_told(self) -> str:
        """Whether webhooks tell of it; all but the endpoint."""
        return self.webhooks.rpartition(" ")[0]

    @property
    def is_plain(self) -> bool:
        return self.command.ttl is None and self.command.if_match is None


class Combiner:
    """The patches of one process, in turn for each document."""

    def __init__(
        self,
        documents: Documents,
        turns: Turns,
        work: WorkQueue,
        settings: Settings,
        traces: Traces | None = None,
    ) -> None:
        self._documents = documents
        self._traces = traces
        self._turns = turns
        self._work_queue = work
        self._settings = settings
        self._waiting: dict[tuple[str, str], deque[_Waiting]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def patch(
        self,
        service_sid: str,
        command: Patch,
        who: str,
        needs: Right | None,
        webhooks: str = "",
    ) -> Written:
        """Apply a patch to the newest data, again where another writer was quicker.

        Returns:
            the document as the patch made it; its `data` is `b""` where the patch was applied
            before.

        Raises:
            Refusal: `CONFLICT` where it does not fit; `TOO_LARGE`; `REVISION_MISMATCH` with
                `if_match`; `TOO_MANY_REQUESTS` where others were quicker every time.
        """
        answer: asyncio.Future[Written] = asyncio.get_running_loop().create_future()
        cause = None if self._traces is None else self._traces.cause()
        fingerprint = "" if command.op is None else patch_fingerprint(command)
        waiting = _Waiting(command, who, needs, webhooks, answer, cause, fingerprint)
        key = (service_sid, command.document)
        if key in self._waiting:
            self._waiting[key].append(waiting)
        else:
            self._waiting[key] = deque([waiting])
            # A task of its own: what waits must not end with the client that came first.
            task = asyncio.create_task(self._work(key))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return await waiting.answer

    async def _work(self, key: tuple[str, str]) -> None:
        """Commit what waits until nothing does."""
        queue = self._waiting[key]
        worker = _Worker(self._documents, self._turns, self._work_queue, self._settings, *key)
        try:
            while queue:
                group = _next_group(queue, worker.steps_limit)
                if self._traces is None:
                    await worker.carry_out(group)
                else:
                    with self._traces.because_of([waiting.cause for waiting in group]):
                        await worker.carry_out(group)
        finally:
            del self._waiting[key]
            for waiting in queue:
                waiting.answer.cancel()


def _next_group(queue: deque[_Waiting], limit: int) -> list[_Waiting]:
    group = [queue.popleft()]
    operations = {group[0].operation}
    while queue and len(group) < limit and queue[0].goes_with(group[0]):
        if queue[0].operation in operations and queue[0].command.op is not None:
            break  # a repetition, which must find the first one applied
        group.append(queue.popleft())
        operations.add(group[-1].operation)
    return [waiting for waiting in group if not waiting.answer.done()]


class _Worker:
    """Commits the patches of one document while some wait.

    It remembers what it wrote, so that the next group needs no look first; that it is still the
    newest is for the commit to find out.
    """

    def __init__(
        self,
        documents: Documents,
        turns: Turns,
        work: WorkQueue,
        settings: Settings,
        service_sid: str,
        address: str,
    ) -> None:
        self._documents = documents
        self._turns = turns
        self._work = work
        self._limit = settings.data_limit
        self._steps_limit = settings.patch_steps
        self._attempts = settings.patch_attempts
        self._service_sid = service_sid
        self._address = address
        self._newest: Document | None = None

    @property
    def steps_limit(self) -> int:
        """How many patches may be committed together."""
        largest = self._limit if self._newest is None else len(self._newest.data)
        return max(1, min(STEPS_LIMIT, STEPS_BYTES // (largest + 1)))

    async def carry_out(self, group: list[_Waiting]) -> None:
        """Answer each of a group, together where that can be."""
        await self._turns.wait_to_patch(self._service_sid, self._address, self)
        try:
            left = await self._together(group) if len(group) > 1 else group
            for waiting in left:
                await _settle(waiting, self._alone(waiting))
        except Exception as error:
            for waiting in group:
                if not waiting.answer.done():
                    waiting.answer.set_exception(error)
        finally:
            self._turns.end_patch(self._service_sid, self._address, self, self._newest)

    async def _together(self, group: list[_Waiting]) -> list[_Waiting]:
        """Answer those whose patches fit in turn; returns the others."""
        for _ in range(self._attempts):
            try:
                document = self._newest or await self._existing(group[0])
                steps, fitting, others = await self._steps(document.data, group)
                if not steps:
                    break
                answers = await self._documents.set_in_steps(
                    self._service_sid,
                    document.sid,
                    steps,
                    document.revision,
                    group[0].needs,
                    fitting[-1].webhooks,
                )
            except StepRepeated:
                break
            except Refusal as refusal:
                self._newest = refusal.document
                if refusal.code.retry:
                    raise  # it may have been applied: trying again could apply it twice
                if refusal.document is None:
                    break  # each finds out for itself, and what its operation id says of it
            else:
                self._newest = answers[-1].document
                for waiting, written in zip(fitting, answers, strict=True):
                    if not waiting.answer.done():
                        waiting.answer.set_result(written)
                return others
        return group

    async def _steps(
        self, data: bytes, group: list[_Waiting]
    ) -> tuple[list[Step], list[_Waiting], list[_Waiting]]:
        """What a group makes of the data, whose patches that are, and whose do not fit."""
        steps: list[Step] = []
        fitting: list[_Waiting] = []
        others: list[_Waiting] = []
        for waiting in group:
            try:
                data = await self._patched(data, waiting.command)
            except Refusal:
                others.append(waiting)
            else:
                steps.append(Step(waiting.who, data, waiting.command.op, waiting.fingerprint))
                fitting.append(waiting)
        return steps, fitting, others

    async def _patched(self, data: bytes, command: Patch) -> bytes:
        """The data as a patch makes it, once the event loop has time for that."""
        await self._work.turn(work_of_patch(command.body) + work_on_data(len(data)))
        return patched(data, command.body, self._limit, self._steps_limit)

    async def _alone(self, waiting: _Waiting) -> Written:
        try:
            written = await self._retry(waiting)
        except Refusal:
            # What was applied before need not fit again, nor the document be there still.
            first = await self._first_answer(waiting)
            if first is None:
                raise
            return first
        self._newest = None if written.repeated else written.document
        return written

    async def _retry(self, waiting: _Waiting) -> Written:
        document = await self._existing(waiting)
        for _ in range(self._attempts):
            try:
                return await self._attempt(waiting, document)
            except Refusal as refusal:
                if refusal.document is None or waiting.command.if_match is not None:
                    raise
                # Tried again without a pause, in which the document would only become an old one.
                document = refusal.document
        raise Refusal(
            Code.TOO_MANY_REQUESTS,
            f"Other writers were quicker {self._attempts} times; nothing changed.",
        )

    async def _attempt(self, waiting: _Waiting, document: Document) -> Written:
        command = waiting.command
        if command.if_match not in (None, document.revision):
            raise mismatch(command.if_match, document)
        written = await self._documents.set(
            self._service_sid,
            document.sid,
            await self._patched(document.data, command),
            command.ttl,
            document.revision,
            waiting.who,
            command.op,
            waiting.needs,
            waiting.webhooks,
            waiting.fingerprint,
        )
        if written.repeated:
            # The data that this attempt computed is not what the first one wrote.
            written = replace(written, document=replace(written.document, data=b""))
        return written

    async def _first_answer(self, waiting: _Waiting) -> Written | None:
        """The answer to this operation when it was applied before; None if it was not."""
        if waiting.command.op is None:
            return None
        try:
            return await self._documents.set(
                self._service_sid,
                self._address,
                None,
                None,
                NEVER,
                waiting.who,
                waiting.command.op,
                waiting.needs,
                waiting.webhooks,
                waiting.fingerprint,
            )
        except Refusal as refusal:
            if refusal.code.retry or refusal.code is Code.CONFLICT:
                raise  # CONFLICT: its operation id was used for another request
            return None

    async def _existing(self, waiting: _Waiting) -> Document:
        document = await self._documents.get(
            self._service_sid, self._address, waiting.who, waiting.needs
        )
        if document is None:
            raise absent(self._address)
        return document


async def _settle(waiting: _Waiting, outcome: Awaitable[Written]) -> None:
    try:
        written = await outcome
    except Exception as error:
        if not waiting.answer.done():
            waiting.answer.set_exception(error)
    else:
        if not waiting.answer.done():
            waiting.answer.set_result(written)
