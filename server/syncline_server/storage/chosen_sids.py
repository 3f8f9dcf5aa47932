"""Objects whose SID the caller chooses, as an import does to keep the SIDs of its source."""

from __future__ import annotations

from typing import Any

from syncline_protocol.errors import Code, Refusal
from syncline_protocol.fields import show
from syncline_protocol.objects import type_of_sid

from .author import Author
from .away_names import SID_LENGTH, AwayNames, is_away
from .keys import ObjectAddress
from .objects import NewObject, Objects
from .redis.client import Redis
from .results import Written, name_taken

__all__ = ["ChosenSids"]

CLAIM_ATTEMPTS = 16
"""Tries to claim a name that other callers claim and release at the same time."""


class ChosenSids:
    """Creates objects under given SIDs."""

    def __init__(self, redis: Redis, objects: Objects) -> None:
        self._objects = objects
        self._names = AwayNames(redis)

    async def create(
        self, service_sid: str, sid: str, author: Author, new: NewObject
    ) -> Written[Any]:
        """Create an object.

        Raises:
            Refusal: `NAME_TAKEN`; `CONFLICT` if an object has that SID, or one with another name
                had it lately; `UNAVAILABLE`, after which the object may have been created.
        """
        at = ObjectAddress.of_sid(service_sid, sid)
        if not is_away(new.name, sid):
            # The name and the SID share a bucket: one script checks and writes both.
            return _created(at, await self._objects.create_as(at, author, new))
        assert new.name is not None
        by_name = ObjectAddress(service_sid, at.type, new.name)
        # The name and the SID are in two buckets, which no script can change in one step.
        # 1. Claim the name in its bucket: other creations are refused from here on.
        pointer = await self._claim(by_name, sid)
        # 2. Create the object in the bucket of its SID.
        try:
            written = await self._objects.create_as(at, author, new, is_away=True)
        except Refusal as refusal:
            # After a retryable error the object may exist: keep the claim for it. A claim without
            # an object runs out by itself.
            if not refusal.code.retry:
                await self._give_back(by_name, pointer)
            raise
        if written.state.unique_name != new.name:
            await self._give_back(by_name, pointer)
            raise _sid_taken(sid)
        # 3. Confirm the claim. That changes the pointer, so a reader that followed it before step 2
        #    and found no object cannot release it now.
        if not await self._names.confirm(by_name, pointer):
            # Step 2 took longer than a claim lasts, and another object has taken the name.
            await self._objects.remove(at, Author(identity=author.identity))
            raise name_taken(at.type, new.name)
        return _created(at, written)

    async def _claim(self, by_name: ObjectAddress, sid: str) -> str:
        for _ in range(CLAIM_ATTEMPTS):
            is_claimed, found = await self._names.claim(by_name, sid)
            if is_claimed:
                return found
            if await self._objects.get(by_name) is not None:
                break
            if len(found) == SID_LENGTH:
                # The object that has the name is past its expiry, but not swept yet.
                await self._objects.expire(by_name.service_sid, found)
            elif not await self._names.release(by_name, found):
                # Another creation has claimed the name and may still succeed.
                break
        raise name_taken(by_name.type, by_name.name)

    async def _give_back(self, by_name: ObjectAddress, pointer: str) -> None:
        """Release a claim after a failed creation; confirm it if the object existed before."""
        if await self._objects.get(by_name) is not None:
            await self._names.confirm(by_name, pointer)
        else:
            await self._names.release(by_name, pointer, is_own=True)


def _created(at: ObjectAddress, written: Written[Any]) -> Written[Any]:
    if not written.exists:
        return written
    if written.state.sid == at.sid:
        raise _sid_taken(at.sid)
    raise name_taken(at.type, written.state.unique_name)


def _sid_taken(sid: str) -> Refusal:
    return Refusal(
        Code.CONFLICT, f"A {type_of_sid(sid).name} with the SID {show(sid)} already exists."
    )
