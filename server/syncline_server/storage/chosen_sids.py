"""Documents whose SID the caller chooses, as an import does to keep the SIDs of its source."""

from __future__ import annotations

from syncline_protocol.documents import Document
from syncline_protocol.errors import Code, Refusal
from syncline_protocol.fields import show

from .author import Author
from .away_names import SID_LENGTH, AwayNames, is_away
from .commit import NewDocument
from .documents import Documents
from .redis.client import Redis
from .results import Written, name_taken

__all__ = ["ChosenSids"]

CLAIM_ATTEMPTS = 16
"""Tries to claim a name that other callers claim and release at the same time."""


class ChosenSids:
    """Creates documents under given SIDs."""

    def __init__(self, redis: Redis, documents: Documents) -> None:
        self._documents = documents
        self._names = AwayNames(redis)

    async def create(self, service_sid: str, sid: str, author: Author, new: NewDocument) -> Written:
        """Create a document.

        Raises:
            Refusal: `NAME_TAKEN`; `CONFLICT` if a document has that SID, or one with another name
                had it lately; `UNAVAILABLE`, after which the document may have been created.
        """
        if not is_away(new.name, sid):
            # The name and the SID share a bucket: one script checks and writes both.
            return _created(sid, *await self._documents.create_as(service_sid, sid, author, new))
        assert new.name is not None
        # The name and the SID are in two buckets, which no script can change in one step.
        # 1. Claim the name in its bucket: other creations are refused from here on.
        pointer = await self._claim(service_sid, new.name, sid)
        # 2. Create the document in the bucket of its SID.
        try:
            status, written = await self._documents.create_as(
                service_sid, sid, author, new, is_away=True
            )
        except Refusal as refusal:
            # After a retryable error the document may exist: keep the claim for it. A claim without
            # a document runs out by itself.
            if not refusal.code.retry:
                await self._give_back(service_sid, new.name, pointer)
            raise
        if written.document.unique_name != new.name:
            await self._give_back(service_sid, new.name, pointer)
            raise _sid_taken(sid)
        # 3. Confirm the claim. That changes the pointer, so a reader that followed it before step 2
        #    and found no document cannot release it now.
        if not await self._names.confirm(service_sid, new.name, pointer):
            # Step 2 took longer than a claim lasts, and another document has taken the name.
            await self._documents.remove(service_sid, sid, Author(identity=author.identity))
            raise name_taken(new.name)
        return _created(sid, status, written)

    async def _claim(self, service_sid: str, name: str, sid: str) -> str:
        for _ in range(CLAIM_ATTEMPTS):
            is_claimed, found = await self._names.claim(service_sid, name, sid)
            if is_claimed:
                return found
            if await self._exists(service_sid, name):
                break
            if len(found) == SID_LENGTH:
                # The document that has the name is past its expiry, but not swept yet.
                await self._documents.expire(service_sid, found)
            elif not await self._names.release(service_sid, name, found):
                # Another creation has claimed the name and may still succeed.
                break
        raise name_taken(name)

    async def _give_back(self, service_sid: str, name: str, pointer: str) -> None:
        """Release a claim after a failed creation; confirm it if the document existed before."""
        if await self._exists(service_sid, name):
            await self._names.confirm(service_sid, name, pointer)
        else:
            await self._names.release(service_sid, name, pointer, is_own=True)

    async def _exists(self, service_sid: str, name: str) -> bool:
        document: Document | None = await self._documents.get(service_sid, name)
        return document is not None


def _created(sid: str, status: bytes, written: Written) -> Written:
    if status != b"exists":
        return written
    if written.document.sid == sid:
        raise _sid_taken(sid)
    raise name_taken(written.document.unique_name)


def _sid_taken(sid: str) -> Refusal:
    return Refusal(Code.CONFLICT, f"A document with the SID {show(sid)} already exists.")
