"""The documents of a service, in the hands of one caller: what every wire and route works with."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from syncline_protocol.commands import Patch, Remove, Set
from syncline_protocol.documents import Document
from syncline_protocol.errors import Code, Refusal
from syncline_server.auth.authenticator import Principal
from syncline_server.auth.grant_scope import Scope
from syncline_server.auth.grants import Grants
from syncline_server.observability.logs import about
from syncline_server.storage.commit import NewDocument
from syncline_server.storage.paging import Page
from syncline_server.storage.results import (
    Written,
    absent,
    forbidden,
    mismatch,
    name_taken,
    sid_forbidden,
)
from syncline_server.storage.rights import Right
from syncline_server.storage.services import unknown_service
from syncline_server.storage.webhooks import hook

from .patches import check_size
from .turns import Client
from .work import WorkAllowance, work_of_patch, work_on_data

if TYPE_CHECKING:
    from syncline_server.backend import Backend

__all__ = ["Workspace"]

_Write = TypeVar("_Write", Set, Remove)


class Workspace:
    """One service's documents as one identity may use them.

    Every method raises `Refusal`: `UNAVAILABLE` while Redis is away, and what it lists. `address`
    is a SID or a unique name; a document that does not exist is `DOCUMENT_NOT_FOUND` or
    `NAME_NOT_FOUND`, by the form of the address.

    Where the service has `acl_enabled` and the identity is limited, each method needs rights, which
    the scripts in Redis check in the same step as they read or write: it raises `ACCESS_FORBIDDEN`.
    So it does where there are grants and they do not give the right; both must allow.

    Attributes:
        allowance: the work that the caller may make the event loop do.
        endpoint: names the connection that works with them; "" where there is none.
    """

    __slots__ = (
        "_caller",
        "_chosen_sids",
        "_combiner",
        "_documents",
        "_listing",
        "_pace",
        "_scope",
        "_services",
        "_settings",
        "_turns",
        "allowance",
        "endpoint",
        "identity",
        "limited",
        "service_sid",
    )

    @classmethod
    async def enter(cls, backend: Backend, principal: Principal, service: str) -> Workspace:
        """The documents of the service with this SID or unique name, for this caller.

        Raises:
            Refusal: there is no such service, or the caller's token is for another.
        """
        about(identity=principal.identity, key=principal.key)
        found = await backend.services.find(service)
        own = (service,) if found is None else backend.services.addresses(found)
        if not principal.is_account and principal.service not in own:
            # Whether there is such a service is nothing that the bearer may find out.
            raise Refusal(
                Code.SERVICE_FORBIDDEN, "The access token was issued for another service."
            )
        if found is None:
            raise unknown_service(service)
        about(service=found.sid)
        return cls(
            backend,
            found.sid,
            principal.identity,
            limited=not principal.is_account,
            grants=principal.grants,
        )

    def __init__(
        self,
        backend: Backend,
        service_sid: str,
        identity: str,
        *,
        limited: bool = False,
        grants: Grants | None = None,
    ) -> None:
        """
        Args:
            limited: True for the bearer of a token, False for who holds the account.
            grants: what the token limits its bearer to; None where it names no limits.
        """
        self.service_sid = service_sid
        self.identity = identity
        self.limited = limited
        self.endpoint = ""
        self._services = backend.services
        self._documents = backend.documents
        self._chosen_sids = backend.chosen_sids
        self._scope = None if grants is None else Scope(grants, backend.documents, service_sid)
        self._listing = backend.listing
        self._settings = backend.settings
        self._pace = backend.pace
        self._turns = backend.turns
        self._combiner = backend.combiner
        self._caller = (service_sid, identity)
        pace = backend.pace if limited else None
        self.allowance = WorkAllowance(backend.work, pace, self._caller)

    def is_of(self, service: str) -> bool:
        """Whether `service`, a SID or a unique name, means the service of these documents."""
        if service == self.service_sid:
            return True
        known = self._services.known(self.service_sid)
        return known is not None and service in self._services.addresses(known)

    def too_fast(self) -> Refusal | None:
        """Count a request; why it is refused, if the identity makes too many. Not the account's."""
        return self._pace.refusal(self._caller) if self.limited else None

    @property
    def reader(self) -> str | None:
        """The identity that needs the right to read what it hears of; None if it needs none."""
        service = self._services.known(self.service_sid) if self.limited else None
        return self.identity if service is not None and service.acl_enabled else None

    @property
    def _webhooks(self) -> str:
        """What a write does to the queue of webhooks."""
        return hook(
            self._services.known(self.service_sid),
            self._settings.webhook_queue_limit,
            from_rest=not self.limited,
            endpoint=self.endpoint,
        )

    @property
    def is_scoped(self) -> bool:
        """True where grants limit the caller."""
        return self._scope is not None

    def may_read(self, name: str | None) -> bool:
        """Whether grants let the document of that unique name be read; None for one without."""
        return self._scope is None or self._scope.allows(name, Right.READ)

    async def get(self, address: str) -> Document:
        """The newest state; needs the right to read."""
        return await self._existing(address, await self._needs(Right.READ, address))

    async def page(self, size: int, token: str | None) -> Page[Document]:
        """At most `size` documents (`Listing.page`); raises `INVALID_PAGE_TOKEN`.

        Nobody limited may list where permissions count: it would show what they may not read. Nor
        may who is granted less than to read all, those without a name among them.
        """
        if await self._needs(Right.READ, None) is not None:
            raise forbidden()
        return await self._listing.page(self.service_sid, size, token)

    async def find_or_create(
        self, name: str | None, data: bytes, ttl: int | None, op: str | None
    ) -> tuple[Written, bool]:
        """The document of that name, made if there was none; and whether it was made.

        One that is found needs the right to read; making one needs none, and gives all. Grants must
        let it be read in either case, and written to be made.
        """
        needs = await self._needs(Right.READ, name)
        if self._scope is not None and not self._scope.allows(name, Right.WRITE):
            return Written(await self._found(name, needs), repeated=False), False
        return await self._documents.create(
            self.service_sid, name, data, ttl, self.identity, op, needs, self._webhooks
        )

    async def create(
        self,
        name: str | None,
        data: bytes,
        ttl: int | None,
        op: str | None,
        *,
        to_open: bool = False,
    ) -> Written:
        """A new document; raises `NAME_TAKEN`. Needs no right, and gives all.

        Grants must let it be written, and read where it is `to_open`.
        """
        granted = Right.READ | Right.WRITE if to_open else Right.WRITE
        needs = await self._needs(Right.NONE, name, granted)
        written, created = await self._documents.create(
            self.service_sid, name, data, ttl, self.identity, op, needs, self._webhooks
        )
        if not created:
            raise name_taken(name)
        return written

    async def create_as(
        self, sid: str, name: str | None, data: bytes, ttl: int | None, op: str | None
    ) -> Written:
        """A new document under a SID that the caller chose; for the account alone.

        Raises:
            Refusal: as `ChosenSids.create`; `FORBIDDEN` for a token.
        """
        if self.limited:
            raise sid_forbidden()
        new = NewDocument(
            name=name, data=data, ttl=ttl, who=self.identity, op=op, webhooks=self._webhooks
        )
        return await self._chosen_sids.create(self.service_sid, sid, new)

    async def set(
        self,
        command: Set,
        client: Client | None = None,
        writing: AbstractContextManager[None] | None = None,
    ) -> Written:
        """Replace the data, the expiry or both, in turn with rivals; needs the right to write.

        Args:
            client: stands for the caller in its turns (`Turns`); None for one without a connection.
            writing: entered around the commit alone, and left with its refusal.

        Raises:
            Refusal: `REVISION_MISMATCH`; without the document where the right to read is missing.
        """
        return await self._write(command, client, writing, self._set)

    async def _set(self, command: Set) -> Written:
        needs = await self._needs(Right.WRITE, command.document)
        try:
            written = await self._documents.set(
                self.service_sid,
                command.document,
                command.data,
                command.ttl,
                command.if_match,
                self.identity,
                command.op,
                needs,
                self._webhooks,
            )
        except Refusal as refusal:
            raise self._visible(refusal, command) from None
        if command.data is None and not self._shows(command.document):
            written = replace(written, document=replace(written.document, data=b""))
        return await self._with_data(written)

    async def patch(self, command: Patch, client: Client | None = None) -> Written:
        """Apply a patch to the newest data, again where another writer was quicker.

        Needs the rights to read and to write: whether a patch fits tells what the data is.

        Raises:
            Refusal: `CONFLICT` where it does not fit; `TOO_LARGE`; `REVISION_MISMATCH` with
                `if_match`; `TOO_MANY_REQUESTS` where others were quicker every time.
        """
        needs = await self._needs(Right.READ | Right.WRITE, command.document)
        check_size(command.body, self._settings.patch_steps)
        self.allowance.take(work_of_patch(command.body))
        # A turn that the client has would only keep its own patch waiting.
        self._turns.give_up(self.service_sid, command.document, client)
        written = await self._combiner.patch(
            self.service_sid, command, self.identity, needs, self._webhooks
        )
        self.allowance.charge(work_on_data(len(written.document.data)))
        return await self._with_data(written)

    async def advance(self, sid: str, held: int) -> Document:
        """The newest state, at a revision beyond the one that a client holds.

        A failover of Redis can lose the last writes; who was told of them must not take the stored
        state for an old one. Revisions that no server can have given are ignored; so are all where
        rights are checked, since it is a write that a mere reader could ask for.
        """
        is_checked = await self._needs(Right.READ, sid) is not None or self.is_scoped
        if is_checked:
            return await self.get(sid)
        return await self._documents.advance(self.service_sid, sid, held)

    async def remove(
        self,
        command: Remove,
        client: Client | None = None,
        writing: AbstractContextManager[None] | None = None,
    ) -> Written:
        """End the document; needs the right to manage. Arguments and errors as of `set`."""
        return await self._write(command, client, writing, self._remove)

    async def _remove(self, command: Remove) -> Written:
        needs = await self._needs(Right.MANAGE, command.document)
        try:
            return await self._documents.remove(
                self.service_sid,
                command.document,
                command.if_match,
                self.identity,
                command.op,
                needs,
                self._webhooks,
            )
        except Refusal as refusal:
            raise self._visible(refusal, command) from None

    async def _write(
        self,
        command: _Write,
        client: Client | None,
        writing: AbstractContextManager[None] | None,
        write: Callable[[_Write], Awaitable[Written]],
    ) -> Written:
        async with self._turns.contend(
            self.service_sid,
            command.document,
            command.if_match,
            identity=self._caller,
            client=client,
        ) as attempt:
            try:
                with writing or nullcontext():
                    written = await write(command)
            except Refusal as refusal:
                if refusal.document is None:
                    raise
                newest = await attempt.lost(refusal.document)
                if newest is refusal.document:
                    raise
                raise await self._mismatch(command, newest) from None
            attempt.won(written.document if isinstance(command, Set) else None)
        return written

    async def _mismatch(self, command: Set | Remove, newest: Document) -> Refusal:
        """The refusal of a write that lost, with the document as it is when the turn has come."""
        try:
            if self.reader is not None or self.is_scoped:
                # The right to read may have gone meanwhile.
                newest = await self.get(newest.sid)
        except Refusal as gone:
            return gone
        return mismatch(command.if_match, newest)

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

    def _shows(self, address: str) -> bool:
        return self._scope is None or self._scope.shows(address)

    def _visible(self, refusal: Refusal, command: Set | Remove) -> Refusal:
        """Without the newest document, where grants do not let it be read."""
        if refusal.document is None or self._shows(command.document):
            return refusal
        return mismatch(command.if_match, None)

    async def _found(self, name: str | None, needs: Right | None) -> Document:
        """The document of that name; whoever may not make one is refused where there is none."""
        document = None
        if name is not None:
            document = await self._documents.get(self.service_sid, name, self.identity, needs)
        if document is None:
            raise forbidden()
        return document

    async def _existing(self, address: str, needs: Right | None) -> Document:
        document = await self._documents.get(self.service_sid, address, self.identity, needs)
        if document is None:
            raise absent(address)
        return document

    async def _needs(
        self, right: Right, address: str | None, granted: Right | None = None
    ) -> Right | None:
        """What the scripts have to check; None where all may do all.

        `granted` is what grants must give, where that is not `right`.

        Raises:
            Refusal: `SERVICE_NOT_FOUND`, once the service is deleted; `ACCESS_FORBIDDEN`, or
                `DOCUMENT_NOT_FOUND`, by the grants.
        """
        if not self.limited:
            return None
        service = await self._services.find(self.service_sid)
        if service is None:
            raise unknown_service(self.service_sid)
        if self._scope is not None:
            await self._scope.require(address, right if granted is None else granted)
        return right if service.acl_enabled else None
