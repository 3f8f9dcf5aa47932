"""Documents whose SID is chosen by who creates them, as an import does to keep the SIDs."""

from __future__ import annotations

from syncline_protocol.documents import Document
from syncline_protocol.errors import Code, Refusal
from syncline_protocol.fields import show

from .away_names import SID_LENGTH, AwayNames, is_away
from .commit import NewDocument
from .documents import Documents
from .redis.client import Redis
from .results import Written, name_taken

__all__ = ["ChosenSids"]

CLAIM_ATTEMPTS = 16
"""Tries to claim a name that others claim and give up at the same time."""


class ChosenSids:
    """Creates documents under given SIDs."""

    def __init__(self, redis: Redis, documents: Documents) -> None:
        self._documents = documents
        self._names = AwayNames(redis)

    async def create(self, service_sid: str, sid: str, new: NewDocument) -> Written:
        """A new document.

        Raises:
            Refusal: `NAME_TAKEN`; `CONFLICT` where a document has that SID, or one with another
                name had it lately; `UNAVAILABLE`, after which it may have been created.
        """
        if not is_away(new.name, sid):
            return _created(sid, *await self._documents.create_as(service_sid, sid, new))
        assert new.name is not None
        # 1. Claim the name in its bucket, so that nobody else takes it from here on.
        pointer = await self._claim(service_sid, new.name, sid)
        # 2. Create the document in the bucket that its SID names.
        try:
            status, written = await self._documents.create_as(service_sid, sid, new, is_away=True)
        except Refusal as refusal:
            if not refusal.code.retry:
                await self._give_back(service_sid, new.name, pointer)
            raise
        if written.document.unique_name != new.name:
            await self._give_back(service_sid, new.name, pointer)
            raise _sid_taken(sid)
        # 3. Confirm the claim: who found nothing at its end before step 2 does not release it now.
        if not await self._names.confirm(service_sid, new.name, pointer):
            # Step 2 took so long that the claim was given up, and the name has another document.
            await self._documents.remove(service_sid, sid, None, new.who, None)
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
                # Past its expiry, and not swept yet.
                await self._documents.expire(service_sid, found)
            elif not await self._names.release(service_sid, name, found):
                break
        raise name_taken(name)

    async def _give_back(self, service_sid: str, name: str, pointer: str) -> None:
        """End a claim for which nothing was created; the document may have been there before."""
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
