"""The documents of a service, in the hands of one caller: what every wire and route works with."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from weakref import WeakValueDictionary

from syncline_protocol.commands import Patch, Remove, Set
from syncline_protocol.document import Document
from syncline_protocol.errors import Code, Refusal
from syncline_protocol.fields import show

from .auth import Authenticator, Principal
from .hub import Hub
from .metrics import Meters
from .pace import Pace
from .patches import patched
from .settings import Settings
from .storage.commit import REVISION_RANDOM, now_ms
from .storage.documents import Documents, Written, absent, forbidden, mismatch
from .storage.listing import Listing
from .storage.paging import Page
from .storage.permissions import Permissions
from .storage.redis import Redis
from .storage.rights import Right
from .storage.services import Services, unknown_service

__all__ = ["Backend", "Workspace"]

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
    permissions: Permissions
    listing: Listing
    hub: Hub
    meters: Meters = field(default_factory=Meters)
    pace: Pace = field(init=False)
    # Held by who waits in them, and gone with the last.
    turns: WeakValueDictionary[tuple[str, str], asyncio.Lock] = field(
        default_factory=WeakValueDictionary
    )

    def __post_init__(self) -> None:
        object.__setattr__(self, "pace", Pace(self.settings.identity_rate, self.meters))

    def ready(self) -> bool:
        """True while nothing is missing."""
        return not self.missing()

    def missing(self) -> list[str]:
        """What the server cannot do without and has not: `redis`, `feed`, or both."""
        present = {"redis": self.redis.connected, "feed": self.hub.live}
        return [name for name, is_there in present.items() if not is_there]

    async def workspace(self, principal: Principal, service: str) -> Workspace:
        """The documents of the service with this SID or unique name, for this caller.

        Raises:
            Refusal: there is no such service, or the caller's token is for another.
        """
        found = await self.services.find(service)
        own = (service,) if found is None else (service, found.sid, found.unique_name)
        if not principal.is_account and principal.service not in own:
            # Whether there is such a service is nothing that the bearer may find out.
            raise Refusal(
                Code.SERVICE_FORBIDDEN, "The access token was issued for another service."
            )
        if found is None:
            raise unknown_service(service)
        return Workspace(self, found.sid, principal.identity, limited=not principal.is_account)


class Workspace:
    """One service's documents as one identity may use them.

    Every method raises `Refusal`: `UNAVAILABLE` while Redis is away, and what it lists. `address`
    is a SID or a unique name; a document that does not exist is `DOCUMENT_NOT_FOUND` or
    `NAME_NOT_FOUND`, by the form of the address.

    Where the service has `acl_enabled` and the identity is limited, each method needs rights, which
    the scripts in Redis check in the same step as they read or write: it raises `ACCESS_FORBIDDEN`.
    """

    def __init__(
        self, backend: Backend, service_sid: str, identity: str, *, limited: bool = False
    ) -> None:
        """`limited`: True for the bearer of a token, False for who holds the account."""
        self.service_sid = service_sid
        self.identity = identity
        self.limited = limited
        self._services = backend.services
        self._documents = backend.documents
        self._listing = backend.listing
        self._settings = backend.settings
        self._pace = backend.pace
        self._turns = backend.turns
        self._caller = (service_sid, identity)

    def too_fast(self) -> Refusal | None:
        """Count a request; why it is refused, if the identity makes too many. Not the account's."""
        return self._pace.refusal(self._caller) if self.limited else None

    @property
    def reader(self) -> str | None:
        """The identity that needs the right to read what it hears of; None if it needs none."""
        service = self._services.known(self.service_sid) if self.limited else None
        return self.identity if service is not None and service.acl_enabled else None

    async def get(self, address: str) -> Document:
        """The newest state; needs the right to read."""
        return await self._existing(address, await self._needs(Right.READ))

    async def page(self, size: int, token: str | None) -> Page[Document]:
        """At most `size` documents (`Listing.page`); raises `INVALID_PAGE_TOKEN`.

        Nobody limited may list where permissions count: it would show what they may not read.
        """
        if await self._needs(Right.READ) is not None:
            raise forbidden()
        return await self._listing.page(self.service_sid, size, token)

    async def find_or_create(
        self, name: str | None, data: bytes, ttl: int | None, op: str | None
    ) -> tuple[Written, bool]:
        """The document of that name, made if there was none; and whether it was made.

        One that is found needs the right to read; making one needs none, and gives all.
        """
        needs = await self._needs(Right.READ)
        return await self._documents.create(
            self.service_sid, name, data, ttl, self.identity, op, needs
        )

    async def create(
        self, name: str | None, data: bytes, ttl: int | None, op: str | None
    ) -> Written:
        """A new document; raises `NAME_TAKEN`. Needs no right, and gives all."""
        needs = await self._needs(Right.NONE)
        written, created = await self._documents.create(
            self.service_sid, name, data, ttl, self.identity, op, needs
        )
        if not created:
            raise Refusal(
                Code.NAME_TAKEN, f"A document with the unique name {show(name)} already exists."
            )
        return written

    async def set(self, command: Set) -> Written:
        """Replace the data, the expiry or both; needs the right to write.

        Raises:
            Refusal: `REVISION_MISMATCH`; without the document where the right to read is missing.
        """
        needs = await self._needs(Right.WRITE)
        written = await self._documents.set(
            self.service_sid,
            command.document,
            command.data,
            command.ttl,
            command.if_match,
            self.identity,
            command.op,
            needs,
        )
        return await self._with_data(written)

    async def patch(self, command: Patch) -> Written:
        """Apply a patch to the newest data, again where another writer was quicker.

        Needs the rights to read and to write: whether a patch fits tells what the data is.

        Raises:
            Refusal: `CONFLICT` where it does not fit; `TOO_LARGE`; `REVISION_MISMATCH` with
                `if_match`; `TOO_MANY_REQUESTS` where others were quicker every time.
        """
        needs = await self._needs(Right.READ | Right.WRITE)
        try:
            return await self._patch(command, needs)
        except Refusal:
            # What was applied before need not fit again, nor the document be there still.
            first = await self._first_answer(command, needs)
            if first is None:
                raise
            return first

    async def _patch(self, command: Patch, needs: Right | None) -> Written:
        # In turn within this process: rivals are then those of other processes, and conditional
        # writers, so that nobody starves among many who patch one document without a pause.
        turn = self._turns.setdefault((self.service_sid, command.document), asyncio.Lock())
        async with turn:
            return await self._patch_in_turn(command, needs)

    async def _patch_in_turn(self, command: Patch, needs: Right | None) -> Written:
        document = await self._existing(command.document, needs)
        for _ in range(self._settings.patch_attempts):
            try:
                return await self._try_patch(command, document, needs)
            except Refusal as refusal:
                if refusal.code is not Code.REVISION_MISMATCH or command.if_match is not None:
                    raise
                # Tried again without a pause, in which the document would only become an old one.
                document = refusal.document
        raise Refusal(
            Code.TOO_MANY_REQUESTS,
            f"Other writers were quicker {self._settings.patch_attempts} times; nothing changed.",
        )

    async def _try_patch(self, command: Patch, document: Document, needs: Right | None) -> Written:
        if command.if_match not in (None, document.revision):
            raise mismatch(command.if_match, document)
        written = await self._documents.set(
            self.service_sid,
            document.sid,
            patched(document.data, command.body, self._settings.data_limit),
            command.ttl,
            document.revision,
            self.identity,
            command.op,
            needs,
        )
        if written.repeated:
            # The data that this attempt computed is not what the first one wrote.
            written = replace(written, document=replace(written.document, data=b""))
        return await self._with_data(written)

    async def _first_answer(self, command: Patch, needs: Right | None) -> Written | None:
        """The answer to this operation when it was applied before; None if it was not."""
        if command.op is None:
            return None
        try:
            written = await self._documents.set(
                self.service_sid,
                command.document,
                None,
                None,
                NEVER,
                self.identity,
                command.op,
                needs,
            )
        except Refusal as refusal:
            if refusal.code.retry:
                raise
            return None
        return await self._with_data(written)

    async def advance(self, sid: str, held: int) -> Document:
        """The newest state, at a revision beyond the one that a client holds.

        A failover of Redis can lose the last writes; who was told of them must not take the stored
        state for an old one. Revisions that no server can have given are ignored; so are all where
        rights are checked, since it is a write that a mere reader could ask for.
        """
        is_checked = await self._needs(Right.READ) is not None
        if is_checked or held >= (now_ms() + CLOCK_DIFFERENCE_MS) * REVISION_RANDOM:
            return await self.get(sid)
        return await self._documents.advance(self.service_sid, sid, held)

    async def remove(self, command: Remove) -> Written:
        """End the document; needs the right to manage. Raises as `set`."""
        needs = await self._needs(Right.MANAGE)
        return await self._documents.remove(
            self.service_sid, command.document, command.if_match, self.identity, command.op, needs
        )

    async def _with_data(self, written: Written) -> Written:
        """Fill in the data that only Redis knows, where it is still that revision's."""
        if written.document.data:
            return written
        try:
            newest = await self.get(written.document.sid)
        except Refusal as refusal:
            if refusal.code.retry:
                raise
            return written  # it is gone, or not for this identity to read
        if newest.revision != written.document.revision:
            return written
        return replace(written, document=newest)

    async def _existing(self, address: str, needs: Right | None) -> Document:
        document = await self._documents.get(self.service_sid, address, self.identity, needs)
        if document is None:
            raise absent(address)
        return document

    async def _needs(self, right: Right) -> Right | None:
        """What the scripts have to check; None where all may do all.

        Raises:
            Refusal: `SERVICE_NOT_FOUND`, once the service is deleted.
        """
        if not self.limited:
            return None
        service = await self._services.find(self.service_sid)
        if service is None:
            raise unknown_service(self.service_sid)
        return right if service.acl_enabled else None
