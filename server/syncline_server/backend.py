"""The documents of a service, in the hands of one caller: what every wire and route works with."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, replace

from syncline_protocol.commands import Patch, Remove, Set
from syncline_protocol.document import Document
from syncline_protocol.errors import Code, Refusal
from syncline_protocol.fields import show

from .auth import Authenticator, Principal
from .hub import Hub
from .patches import patched
from .settings import Settings
from .storage.documents import (
    REVISION_RANDOM,
    Documents,
    Written,
    absent,
    mismatch,
    now_ms,
)
from .storage.listing import Listing, Page
from .storage.redis import Redis
from .storage.services import Services

__all__ = ["Backend", "Workspace"]

RIVALRY_PAUSE_LIMIT = 0.05
"""Seconds: the greatest random pause before a patch is tried again."""

CLOCK_DIFFERENCE_MS = 60_000
"""By which the clocks of servers may differ, in milliseconds."""

NEVER = 0
"""A revision that no document has."""


@dataclass(frozen=True, slots=True)
class Backend:
    """The parts of a running server, put together by `app`."""

    settings: Settings
    authenticator: Authenticator
    redis: Redis
    services: Services
    documents: Documents
    listing: Listing
    hub: Hub

    def ready(self) -> bool:
        """True while Redis answers and its events come."""
        return self.redis.connected and self.hub.live

    async def workspace(self, principal: Principal, service: str) -> Workspace:
        """The documents of the service with this SID or unique name, for this caller.

        Raises:
            Refusal: there is no such service, or the caller's token is for another.
        """
        found = await self.services.find(service)
        if found is None:
            raise Refusal(Code.SERVICE_NOT_FOUND, f"There is no service {show(service)}.")
        if principal.service not in (None, found.sid, found.unique_name):
            raise Refusal(
                Code.SERVICE_FORBIDDEN, "The access token was issued for another service."
            )
        return Workspace(self, found.sid, principal.identity)


class Workspace:
    """One service's documents as one identity may use them.

    Every method raises `Refusal`: `UNAVAILABLE` while Redis is away, and what it lists. `address`
    is a SID or a unique name; a document that does not exist is `DOCUMENT_NOT_FOUND` or
    `NAME_NOT_FOUND`, by the form of the address.
    """

    def __init__(self, backend: Backend, service_sid: str, identity: str) -> None:
        self.service_sid = service_sid
        self.identity = identity
        self._documents = backend.documents
        self._listing = backend.listing
        self._settings = backend.settings

    async def get(self, address: str) -> Document:
        """The newest state."""
        document = await self._documents.get(self.service_sid, address)
        if document is None:
            raise absent(address)
        return document

    async def page(self, size: int, token: str | None) -> Page:
        """At most `size` documents (`Listing.page`); raises `INVALID_PAGE_TOKEN`."""
        return await self._listing.page(self.service_sid, size, token)

    async def find_or_create(
        self, name: str | None, data: bytes, ttl: int | None, op: str | None
    ) -> tuple[Written, bool]:
        """The document of that name, made if there was none; and whether it was made."""
        return await self._documents.create(self.service_sid, name, data, ttl, self.identity, op)

    async def create(
        self, name: str | None, data: bytes, ttl: int | None, op: str | None
    ) -> Written:
        """A new document; raises `NAME_TAKEN`."""
        written, created = await self.find_or_create(name, data, ttl, op)
        if not created:
            raise Refusal(
                Code.NAME_TAKEN, f"A document with the unique name {show(name)} already exists."
            )
        return written

    async def set(self, command: Set) -> Written:
        """Replace the data, the expiry or both; raises `REVISION_MISMATCH`."""
        written = await self._documents.set(
            self.service_sid,
            command.document,
            command.data,
            command.ttl,
            command.if_match,
            self.identity,
            command.op,
        )
        return await self._with_data(written)

    async def patch(self, command: Patch) -> Written:
        """Apply a patch to the newest data, again where another writer was quicker.

        Raises:
            Refusal: `CONFLICT` where it does not fit; `TOO_LARGE`; `REVISION_MISMATCH` with
                `if_match`; `TOO_MANY_REQUESTS` where others were quicker every time.
        """
        document = await self.get(command.document)
        for attempt in range(self._settings.patch_attempts):
            try:
                return await self._try_patch(command, document)
            except Refusal as refusal:
                if refusal.code is not Code.REVISION_MISMATCH or command.if_match is not None:
                    raise
                document = refusal.document
            await asyncio.sleep(random.uniform(0, min(attempt * 0.001, RIVALRY_PAUSE_LIMIT)))
        raise Refusal(
            Code.TOO_MANY_REQUESTS,
            f"Other writers were quicker {self._settings.patch_attempts} times; nothing changed.",
        )

    async def _try_patch(self, command: Patch, document: Document) -> Written:
        try:
            if command.if_match not in (None, document.revision):
                raise mismatch(command.if_match, document)
            data = patched(document.data, command.body, self._settings.data_limit)
        except Refusal:
            # What was applied before need not fit again.
            first = await self._first_answer(command, document)
            if first is None:
                raise
            return first
        written = await self._documents.set(
            self.service_sid,
            document.sid,
            data,
            command.ttl,
            document.revision,
            self.identity,
            command.op,
        )
        if written.repeated:
            # The data that this attempt computed is not what the first one wrote.
            written = replace(written, document=replace(written.document, data=b""))
        return await self._with_data(written)

    async def _first_answer(self, command: Patch, document: Document) -> Written | None:
        """The answer to this operation when it was applied before; None if it was not."""
        if command.op is None:
            return None
        try:
            written = await self._documents.set(
                self.service_sid, document.sid, None, None, NEVER, self.identity, command.op
            )
        except Refusal as refusal:
            if refusal.code is Code.REVISION_MISMATCH:
                return None
            raise
        return await self._with_data(written)

    async def advance(self, sid: str, held: int) -> Document:
        """The newest state, at a revision beyond the one that a client holds.

        A failover of Redis can lose the last writes; who was told of them must not take the stored
        state for an old one. Revisions that no server can have given are ignored.
        """
        if held >= (now_ms() + CLOCK_DIFFERENCE_MS) * REVISION_RANDOM:
            return await self.get(sid)
        return await self._documents.advance(self.service_sid, sid, held)

    async def remove(self, command: Remove) -> Written:
        """End the document; raises `REVISION_MISMATCH`."""
        return await self._documents.remove(
            self.service_sid, command.document, command.if_match, self.identity, command.op
        )

    async def _with_data(self, written: Written) -> Written:
        """Fill in the data that only Redis knows, where it is still that revision's."""
        if written.document.data:
            return written
        newest = await self._documents.get(self.service_sid, written.document.sid)
        if newest is None or newest.revision != written.document.revision:
            return written
        return replace(written, document=newest)
