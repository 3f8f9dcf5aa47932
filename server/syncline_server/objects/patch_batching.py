"""Batching of patches: the patches of one document that wait in this process share a commit.

They are applied one after the other, and the result is stored once, with one event. Each writer
gets an answer of its own: the state that its patch made, and a revision of its own. So a hot
counter costs one commit for all waiting patches, not one for each.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from syncline_protocol.documents import Document, Patch
from syncline_protocol.errors import Code, Refusal
from syncline_protocol.objects import DOCUMENT
from syncline_server.config.settings import Settings
from syncline_server.observability.tasks import TaskSet
from syncline_server.storage.author import Author
from syncline_server.storage.commit import Step
from syncline_server.storage.documents import write_steps
from syncline_server.storage.keys import ObjectAddress
from syncline_server.storage.objects import ObjectsOf
from syncline_server.storage.operations import StepRepeated, patch_fingerprint
from syncline_server.storage.results import Written, absent, mismatch
from syncline_server.storage.webhooks import WebhookPolicy

from .contests import TurnKey
from .patches import patched
from .turns import Turns
from .work import WorkQueue, work_of_patch, work_on_data

if TYPE_CHECKING:
    from syncline_server.observability.tracing import Cause, Traces

__all__ = ["NEVER", "PatchBatcher"]

STEPS_LIMIT = 256
"""Patches in one commit, at most; the rest go into the next commit."""

STEPS_BYTES = 512 * 1024
"""Bytes of all states that one batch makes, at most, so that large documents do not block the
event loop."""

NEVER = 0
"""A revision that no document has."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class _PatchRequest:
    """A patch that waits for its answer.

    Attributes:
        answer: receives the result; cancelled when its caller no longer waits.
        cause: trace of the request; None without tracing.
    """

    command: Patch
    author: Author
    answer: asyncio.Future[Written[Document]]
    cause: Cause | None
    fingerprint: str

    def goes_with(self, other: _PatchRequest) -> bool:
        """True if both patches can be in one commit."""
        # The script checks the rights of one identity, and queues one webhook, for all steps. A
        # patch with a TTL or an If-Match must be committed alone: both are the commit's, not a
        # step's.
        mine, its = self.author, other.author
        same = mine.needs == its.needs and (mine.needs is None or mine.identity == its.identity)
        return same and self.is_plain and other.is_plain and self.webhooks == other.webhooks

    @property
    def operation(self) -> tuple[str, str | None]:
        """Identity and operation id: a repetition has the same."""
        return self.author.identity, self.command.op

    @property
    def webhooks(self) -> WebhookPolicy | None:
        """The author's webhooks without the endpoint, which does not decide what is queued."""
        webhooks = self.author.webhooks
        return webhooks and replace(webhooks, endpoint="")

    @property
    def is_plain(self) -> bool:
        return self.command.ttl is None and self.command.if_match is None


class PatchBatcher:
    """The patches of one process: for each document one task, which commits them in batches."""

    def __init__(
        self,
        objects: ObjectsOf[Document],
        turns: Turns,
        work: WorkQueue,
        settings: Settings,
        *,
        traces: Traces | None = None,
    ) -> None:
        self.objects = objects
        self.turns = turns
        self.work = work
        self.settings = settings
        self._traces = traces
        self._waiting: dict[TurnKey, deque[_PatchRequest]] = {}
        self._tasks = TaskSet()

    async def patch(self, service_sid: str, command: Patch, author: Author) -> Written[Document]:
        """Apply a patch to the newest data, and once more each time another writer was quicker.

        Returns:
            the document as the patch made it; its `data` is `b""` if the patch had been applied
            before.

        Raises:
            Refusal: `CONFLICT` if the patch does not fit the data; `TOO_LARGE`;
                `REVISION_MISMATCH` with `if_match`; `TOO_MANY_REQUESTS` if other writers were
                quicker every time.
        """
        answer: asyncio.Future[Written[Document]] = asyncio.get_running_loop().create_future()
        cause = None if self._traces is None else self._traces.cause()
        fingerprint = (
            ""
            if command.op is None
            else patch_fingerprint(command.body, command.ttl, command.if_match)
        )
        waiting = _PatchRequest(
            command=command, author=author, answer=answer, cause=cause, fingerprint=fingerprint
        )
        key = TurnKey(service_sid, command.key)
        if key in self._waiting:
            self._waiting[key].append(waiting)
        else:
            self._waiting[key] = deque([waiting])
            # A separate task: if the first client disconnects, the others' patches must go on.
            self._tasks.spawn(self._work(key))
        return await waiting.answer

    async def _work(self, key: TurnKey) -> None:
        """Commit the waiting patches of one document until none is left."""
        queue = self._waiting[key]
        worker = _DocumentBatch(self, key, queue[0].command.address)
        try:
            while queue:
                group = _next_group(queue, worker.steps_limit)
                if self._traces is None:
                    await worker.carry_out(group)
                else:
                    with self._traces.because_of([waiting.cause for waiting in group]):
                        await worker.carry_out(group)
        finally:
            # No await lies between the empty queue above and this line, so `patch` cannot add a
            # request to a queue that no task empties.
            del self._waiting[key]
            for waiting in queue:
                waiting.answer.cancel()


def _next_group(queue: deque[_PatchRequest], limit: int) -> list[_PatchRequest]:
    group = [queue.popleft()]
    operations = {group[0].operation}
    while queue and len(group) < limit and queue[0].goes_with(group[0]):
        if queue[0].operation in operations and queue[0].command.op is not None:
            # A repetition of a patch in this group. In a later commit, the script finds the
            # operation id and repeats the first answer.
            break
        group.append(queue.popleft())
        operations.add(group[-1].operation)
    return [waiting for waiting in group if not waiting.answer.done()]


class _DocumentBatch:
    """Commits batches of patches of one document while patches wait.

    `_newest` is the document after the last batch, so the next one needs no read first. If another
    process has written meanwhile, the commit is refused with the newest state and tried again.
    """

    def __init__(self, batcher: PatchBatcher, key: TurnKey, address: str) -> None:
        self._objects = batcher.objects
        self._turns = batcher.turns
        self._work = batcher.work
        self._limit = batcher.settings.data_limit
        self._steps_limit = batcher.settings.patch_steps
        self._attempts = batcher.settings.patch_attempts
        self._key = key
        self._service_sid = key.service_sid
        self._address = address
        self._newest: Document | None = None

    @property
    def steps_limit(self) -> int:
        """Patches that the next commit may hold, by the size of the document."""
        largest = self._limit if self._newest is None else len(self._newest.data)
        return max(1, min(STEPS_LIMIT, STEPS_BYTES // (largest + 1)))

    async def carry_out(self, group: list[_PatchRequest]) -> None:
        """Answer each request of a group: in one commit if possible, else one by one."""
        # Before the document is read: a client in its turn writes first, so that neither loses.
        await self._turns.wait_to_patch(self._key, self)
        try:
            left = await self._together(group) if len(group) > 1 else group
            for waiting in left:
                await _settle(waiting, self._alone(waiting))
        except Exception as error:
            for waiting in group:
                if not waiting.answer.done():
                    waiting.answer.set_exception(error)
        finally:
            self._turns.end_patch(self._key, self, self._newest)

    async def _together(self, group: list[_PatchRequest]) -> list[_PatchRequest]:
        """Commit the patches that fit, in one commit, and answer them.

        Returns:
            the requests without an answer, to be carried out one by one. It is the whole group if
            one operation id was committed before, or the document does not exist.
        """
        for _ in range(self._attempts):
            try:
                document = self._newest or await self._existing(group[0])
                steps, fitting, others = await self._steps(document.data, group)
                if not steps:
                    break
                answers = await write_steps(
                    self._objects, self._at(document.sid), steps, document.revision
                )
            except StepRepeated:
                break
            except Refusal as refusal:
                self._newest = refusal.newest
                if refusal.code.retry:
                    raise  # the commit may have been applied: a second one could apply it twice
                if refusal.newest is None:
                    # Not a lost race. Each request must get its own error, or the first answer if
                    # its operation id was applied before.
                    break
                # Lost the race: apply the patches to the newest state and commit once more.
            else:
                self._newest = answers[-1].state
                for waiting, written in zip(fitting, answers, strict=True):
                    if not waiting.answer.done():
                        waiting.answer.set_result(written)
                return others
        return group

    async def _steps(
        self, data: bytes, group: list[_PatchRequest]
    ) -> tuple[list[Step], list[_PatchRequest], list[_PatchRequest]]:
        """Apply the patches of a group one after the other.

        Returns:
            the steps to commit, their requests, and the requests whose patches do not fit.
        """
        steps: list[Step] = []
        fitting: list[_PatchRequest] = []
        others: list[_PatchRequest] = []
        for waiting in group:
            try:
                data = await self._patched(data, waiting.command)
            except Refusal:
                others.append(waiting)
            else:
                step = Step(
                    author=waiting.author,
                    data=data,
                    op=waiting.command.op,
                    fingerprint=waiting.fingerprint,
                )
                steps.append(step)
                fitting.append(waiting)
        return steps, fitting, others

    async def _patched(self, data: bytes, command: Patch) -> bytes:
        """Apply a patch to the data, once the event loop has time for the work."""
        await self._work.turn(work_of_patch(command.body) + work_on_data(len(data)))
        return patched(data, command.body, self._limit, self._steps_limit)

    async def _alone(self, waiting: _PatchRequest) -> Written[Document]:
        try:
            written = await self._retry(waiting)
        except Refusal:
            # A repetition may be refused for what its first attempt did: the patch no longer fits
            # the data, or the document is removed. Its operation id gives the first answer.
            first = await self._first_answer(waiting)
            if first is None:
                raise
            return first
        self._newest = None if written.repeated else written.state
        return written

    async def _retry(self, waiting: _PatchRequest) -> Written[Document]:
        # Another process can write between the read and the commit. The commit's If-Match is the
        # revision that was read, so a lost race is refused and cannot overwrite that write.
        document = await self._existing(waiting)
        for _ in range(self._attempts):
            try:
                return await self._attempt(waiting, document)
            except Refusal as refusal:
                if refusal.newest is None or waiting.command.if_match is not None:
                    raise
                # No pause: the document in the refusal is the newest now, and less so with each
                # millisecond.
                document = refusal.newest
        raise Refusal(
            Code.TOO_MANY_REQUESTS,
            f"Other writers were quicker {self._attempts} times; nothing changed.",
        )

    async def _attempt(self, waiting: _PatchRequest, document: Document) -> Written[Document]:
        command = waiting.command
        if command.if_match not in (None, document.revision):
            raise mismatch(DOCUMENT, command.if_match, document)
        written = await self._objects.update(
            self._at(document.sid),
            waiting.author,
            data=await self._patched(document.data, command),
            ttl=command.ttl,
            if_match=document.revision,
            op=command.op,
            fingerprint=waiting.fingerprint,
        )
        if written.repeated:
            # `update` gave the data that this attempt computed; the first attempt's may differ.
            written = replace(written, state=replace(written.state, data=b""))
        return written

    async def _first_answer(self, waiting: _PatchRequest) -> Written[Document] | None:
        """The answer to this operation if it was applied before; None if it was not."""
        if waiting.command.op is None:
            return None
        # The script looks up the operation id before it compares the revision. Without a record
        # of it, the If-Match `NEVER` makes sure that nothing is written.
        try:
            return await self._objects.update(
                self._at(self._address),
                waiting.author,
                if_match=NEVER,
                op=waiting.command.op,
                fingerprint=waiting.fingerprint,
            )
        except Refusal as refusal:
            if refusal.code.retry or refusal.code is Code.CONFLICT:
                raise  # CONFLICT: the operation id was used for another request
            return None

    async def _existing(self, waiting: _PatchRequest) -> Document:
        author = waiting.author
        document = await self._objects.get(self._at(self._address), author.identity, author.needs)
        if document is None:
            raise absent(DOCUMENT, self._address)
        return document

    def _at(self, address: str) -> ObjectAddress:
        return ObjectAddress(self._service_sid, DOCUMENT, address)


async def _settle(waiting: _PatchRequest, outcome: Awaitable[Written[Document]]) -> None:
    try:
        written = await outcome
    except Exception as error:
        if not waiting.answer.done():
            waiting.answer.set_exception(error)
    else:
        if not waiting.answer.done():
            waiting.answer.set_result(written)
