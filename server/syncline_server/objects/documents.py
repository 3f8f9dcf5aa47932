"""The documents of a service for one caller: the interface of every route and wire.

It checks the caller's rights, grants and rate, and lets conditional writes take turns.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from syncline_protocol.commands import Patch, Remove, Set
from syncline_protocol.documents import Document
from syncline_protocol.errors import Code, Refusal
from syncline_server.auth.authenticator import Principal
from syncline_server.auth.grant_scope import GrantScope
from syncline_server.auth.grants import Grants
from syncline_server.observability.logs import about
from syncline_server.storage.author import Author
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
from syncline_server.storage.webhooks import WebhookPolicy

from .patches import check_size
from .turns import Client
from .work import WorkAllowance, work_of_patch, work_on_data

if TYPE_CHECKING:
    from syncline_server.backend import Backend

__all__ = ["Workspace"]

_Write = TypeVar("_Write", Set, Remove)


class Workspace:
    """The documents of one service, for one identity.

    Every method raises `Refusal`: `UNAVAILABLE` while Redis is away, and the codes that it lists.
    `address` is a SID or a unique name. A document that does not exist raises `DOCUMENT_NOT_FOUND`
    or `NAME_NOT_FOUND`, by the form of the address.

    Two checks can raise `ACCESS_FORBIDDEN`, and both must pass. Permissions: if the service has
    `acl_enabled` and the caller is `limited`, the scripts in Redis check the identity's rights in
    the same step as they read or write. Grants: if the token names any, they must include the
    right.

    Attributes:
        allowance: the work that the caller may make the event loop do.
        endpoint: name of the caller's connection, as webhooks report it; "" for none.
        limited: True for a token holder, False for the account.
    """

    __slots__ = (
        "_caller",
        "_chosen_sids",
        "_patch_batcher",
        "_documents",
        "_listing",
        "_identity_limit",
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
            Refusal: no such service exists, or the caller's token is for another service.
        """
        about(identity=principal.identity, key=principal.key)
        found = await backend.services.find(service)
        own = (service,) if found is None else backend.services.addresses(found)
        if not principal.is_account and principal.service not in own:
            # Before the check that the service exists: a token holder must not be able to find out
            # which other services exist.
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
            limited: True for a token holder, False for the account.
            grants: the limits that the token names; None if it names none.
        """
        self.service_sid = service_sid
        self.identity = identity
        self.limited = limited
        self.endpoint = ""
        self._services = backend.services
        self._documents = backend.documents
        self._chosen_sids = backend.chosen_sids
        self._scope = None if grants is None else GrantScope(grants, backend.documents, service_sid)
        self._listing = backend.listing
        self._settings = backend.settings
        self._identity_limit = backend.identity_limit
        self._turns = backend.turns
        self._patch_batcher = backend.patch_batcher
        self._caller = (service_sid, identity)
        limit = backend.identity_limit if limited else None
        self.allowance = WorkAllowance(backend.work, limit, self._caller)

    def is_of(self, service: str) -> bool:
        """True if `service`, a SID or a unique name, means the service of these documents."""
        if service == self.service_sid:
            return True
        known = self._services.known(self.service_sid)
        return known is not None and service in self._services.addresses(known)

    def too_fast(self) -> Refusal | None:
        """Count a request. Returns the refusal if the identity makes too many, else None.

        Requests of the account are not counted.
        """
        return self._identity_limit.refusal(self._caller) if self.limited else None

    @property
    def reader(self) -> str | None:
        """The identity whose right to read is checked before it receives events; None for none."""
        service = self._services.known(self.service_sid) if self.limited else None
        return self.identity if service is not None and service.acl_enabled else None

    def _author(self, needs: Right | None) -> Author:
        """The caller as the author of a write."""
        webhooks = WebhookPolicy.of(
            self._services.known(self.service_sid),
            self._settings.webhook_queue_limit,
            from_rest=not self.limited,
            endpoint=self.endpoint,
        )
        return Author(identity=self.identity, needs=needs, webhooks=webhooks)

    @property
    def is_scoped(self) -> bool:
        """True if grants limit the caller."""
        return self._scope is not None

    def may_read(self, name: str | None) -> bool:
        """True if grants allow reading the document with that unique name; None for no name."""
        return self._scope is None or self._scope.allows(name, Right.READ)

    async def get(self, address: str) -> Document:
        """The newest state; requires the right to read."""
        return await self._existing(address, await self._needs(Right.READ, address))

    async def page(self, size: int, token: str | None) -> Page[Document]:
        """At most `size` documents (`Listing.page`); raises `INVALID_PAGE_TOKEN`.

        A list would show documents that the caller may not read. So a token holder may not list
        where permissions are checked, nor with grants that do not include reading all documents,
        those without a name among them.
        """
        if await self._needs(Right.READ, None) is not None:
            raise forbidden()
        return await self._listing.page(self.service_sid, size, token)

    async def find_or_create(
        self, name: str | None, data: bytes, ttl: int | None, op: str | None
    ) -> tuple[Written, bool]:
        """Find the document with that name, or create it.

        Finding requires the right to read. Creating requires no right, and gives the creator all.
        Grants must allow reading in either case, and writing to create.

        Returns:
            the document, and True if it was created.
        """
        needs = await self._needs(Right.READ, name)
        if self._scope is not None and not self._scope.allows(name, Right.WRITE):
            return Written(await self._found(name, needs), repeated=False), False
        new = NewDocument(name=name, data=data, ttl=ttl, op=op)
        return await self._documents.create(self.service_sid, self._author(needs), new)

    async def create(
        self,
        name: str | None,
        data: bytes,
        ttl: int | None,
        op: str | None,
        *,
        to_open: bool = False,
    ) -> Written:
        """Create a document; raises `NAME_TAKEN`. Requires no right, and gives the creator all.

        Args:
            to_open: True if the caller opens it too. Grants must allow writing, and then reading.
        """
        granted = Right.READ | Right.WRITE if to_open else Right.WRITE
        needs = await self._needs(Right.NONE, name, granted)
        new = NewDocument(name=name, data=data, ttl=ttl, op=op)
        written, created = await self._documents.create(self.service_sid, self._author(needs), new)
        if not created:
            raise name_taken(name)
        return written

    async def create_as(
        self, sid: str, name: str | None, data: bytes, ttl: int | None, op: str | None
    ) -> Written:
        """Create a document under a SID that the caller chose; only for the account.

        Raises:
            Refusal: as `ChosenSids.create`; `FORBIDDEN` for a token holder.
        """
        if self.limited:
            raise sid_forbidden()
        new = NewDocument(name=name, data=data, ttl=ttl, op=op)
        return await self._chosen_sids.create(self.service_sid, sid, self._author(None), new)

    async def set(
        self,
        command: Set,
        client: Client | None = None,
        writing: AbstractContextManager[None] | None = None,
    ) -> Written:
        """Replace the data, the expiry or both, in turn with rivals; requires the right to write.

        Args:
            client: the caller's connection (`Turns`); None for a caller without one.
            writing: a context that is entered for the commit only, not for the wait for a turn; its
                exit sees the commit's refusal.

        Raises:
            Refusal: `REVISION_MISMATCH`; without the document if the caller lacks the right to
                read.
        """
        return await self._write(command, client, writing, self._set)

    async def _set(self, command: Set) -> Written:
        needs = await self._needs(Right.WRITE, command.document)
        try:
            written = await self._documents.set(
                self.service_sid,
                command.document,
                self._author(needs),
                data=command.data,
                ttl=command.ttl,
                if_match=command.if_match,
                op=command.op,
            )
        except Refusal as refusal:
            raise self._visible(refusal, command) from None
        if command.data is None and not self._shows(command.document):
            written = replace(written, document=replace(written.document, data=b""))
        return await self._with_data(written)

    async def patch(self, command: Patch, client: Client | None = None) -> Written:
        """Apply a patch to the newest data, and once more each time another writer was quicker.

        Requires the rights to read and to write: that a patch fits reveals what the data is.

        Raises:
            Refusal: `CONFLICT` if the patch does not fit the data; `TOO_LARGE`;
                `REVISION_MISMATCH` with `if_match`; `TOO_MANY_REQUESTS` if other writers were
                quicker every time.
        """
        needs = await self._needs(Right.READ | Right.WRITE, command.document)
        check_size(command.body, self._settings.patch_steps)
        self.allowance.take(work_of_patch(command.body))
        # The patch would wait for the client's own turn, if it has one (`wait_to_patch`).
        self._turns.give_up(self.service_sid, command.document, client)
        written = await self._patch_batcher.patch(self.service_sid, command, self._author(needs))
        self.allowance.charge(work_on_data(len(written.document.data)))
        return await self._with_data(written)

    async def advance(self, sid: str, held: int) -> Document:
        """The newest state, at a revision beyond `held`, the one that a client has.

        A failover of Redis can lose the last writes. A client that received one of them would
        ignore the stored state as older, so the stored state gets a newer revision. Revisions that
        no server can have given are ignored. Where rights or grants are checked, `held` is ignored
        altogether: advancing is a write, and a caller with the right to read could ask for it.
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
        """Remove the document; requires the right to manage. Arguments and errors as of `set`."""
        return await self._write(command, client, writing, self._remove)

    async def _remove(self, command: Remove) -> Written:
        needs = await self._needs(Right.MANAGE, command.document)
        try:
            return await self._documents.remove(
                self.service_sid,
                command.document,
                self._author(needs),
                if_match=command.if_match,
                op=command.op,
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
                    if refusal.code in (Code.DOCUMENT_NOT_FOUND, Code.NAME_NOT_FOUND):
                        attempt.found_removed()
                    raise
                # Blocks until the caller's turn, in which rivals write: `newest` may be another
                # document than that of the refusal.
                newest = await attempt.lost(refusal.document)
                if newest is refusal.document:
                    raise
                raise await self._mismatch(command, newest) from None
            # Before the reply is sent: the next contender receives this document.
            if isinstance(command, Set):
                attempt.won(written.document)
            elif not written.repeated:
                # A repetition is answered as the first: since then another document may have the
                # name, and be contended for.
                attempt.won(None)
        return written

    async def _mismatch(self, command: Set | Remove, newest: Document | None) -> Refusal:
        """The refusal of a write that lost, with the newest document in the caller's turn."""
        try:
            if newest is None:
                # Removed during the wait: not found, unless another document has the name now.
                newest = await self.get(command.document)
            elif self.reader is not None or self.is_scoped:
                # Promise 6: `newest` was read for a rival, and the caller's right to read may have
                # been revoked during the wait. Read it again with the caller's rights.
                newest = await self.get(newest.sid)
        except Refusal as gone:
            return gone
        return mismatch(command.if_match, newest)

    async def _with_data(self, written: Written) -> Written:
        """Fill in the data from Redis if the document is still at the revision of the write."""
        if written.document.data:
            return written
        try:
            newest = await self.get(written.document.sid)
        except Refusal as refusal:
            if refusal.code.retry:
                raise
            return written  # removed meanwhile, or this identity may not read it
        if newest.revision != written.document.revision:
            return written
        return replace(written, document=newest)

    def _shows(self, address: str) -> bool:
        return self._scope is None or self._scope.shows(address)

    def _visible(self, refusal: Refusal, command: Set | Remove) -> Refusal:
        """The refusal without the newest document, if grants do not allow reading it."""
        if refusal.document is None or self._shows(command.document):
            return refusal
        return mismatch(command.if_match, None)

    async def _found(self, name: str | None, needs: Right | None) -> Document:
        """The document with that name, for a caller that may not create one.

        Raises `ACCESS_FORBIDDEN` if there is none.
        """
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
        """Check the grants, and return the rights that the scripts must check.

        Args:
            address: the document; None for all documents, or one without a name.
            granted: the rights that grants must include, if not `right`.

        Returns:
            `right`, or None where permissions are not checked.

        Raises:
            Refusal: `SERVICE_NOT_FOUND` once the service is deleted; `ACCESS_FORBIDDEN` or
                `DOCUMENT_NOT_FOUND` from the grants.
        """
        if not self.limited:
            return None
        service = await self._services.find(self.service_sid)
        if service is None:
            raise unknown_service(self.service_sid)
        if self._scope is not None:
            await self._scope.require(address, right if granted is None else granted)
        return right if service.acl_enabled else None
