"""What callers do with objects of any type as a whole: create, read, list, expire, remove."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Hashable, Mapping
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from syncline_protocol import fields
from syncline_protocol.commands import Command, Create, Mode, Open, Remove, SetTtl
from syncline_protocol.objects import Event, ExpiryChanged, Header, ObjectType
from syncline_protocol.sids import is_sid
from syncline_server.pubsub.topic import Topic
from syncline_server.storage.author import Author
from syncline_server.storage.keys import ObjectAddress
from syncline_server.storage.objects import NewObject, ObjectsOf, reading
from syncline_server.storage.paging import Page
from syncline_server.storage.results import Written, absent, forbidden, name_taken, sid_forbidden
from syncline_server.storage.rights import Right

from .access import Access
from .contended_writes import Client, blocking

if TYPE_CHECKING:
    from syncline_server.backend import Backend

    from .registry import Handler
    from .replays import Replays

__all__ = ["Found", "HeaderSource", "Headers", "expiry_event"]

SEEN_LIMIT = 1000
"""Names that are remembered of each type, at most."""

StateT = TypeVar("StateT", bound=Header)
"""What the store shows of an object: a `Header`, or a subclass for a type with data in it."""


Found = Callable[[tuple[StateT, bool] | Exception | None], None]
"""Receives what `open` returns or raises; None if `open` must be called, because the call of
another caller failed. Must not block."""


class HeaderSource(Generic[StateT]):
    """The stored objects of one type, as the hub reads them."""

    def __init__(
        self, objects: ObjectsOf[StateT], type_: ObjectType, now_ms: Callable[[], int]
    ) -> None:
        """`now_ms`: the time of Redis."""
        self._objects = objects
        self._type = type_
        self._now_ms = now_ms

    async def header(self, service_sid: str, sid: str) -> StateT | None:
        """As in `catch_up.Source`."""
        return await self._objects.get(self._at(service_sid, sid))

    async def missed(self, topic: Topic) -> AsyncGenerator[Event, None]:
        """As in `catch_up.Source`: one event, which replaces all that were missed."""
        state = await self.header(topic.service_sid, topic.sid)
        # A reply or an event may have raised this after the read. `advance` then finds the stored
        # state new enough, and changes nothing.
        newest = topic.newest_known
        if state is not None and state.revision < newest:
            # A failover lost writes that subscribers have seen. Write the stored state at a newer
            # revision, else they would take it for an old one (promise 2).
            at = self._at(topic.service_sid, topic.sid)
            state = (await self._objects.advance(at, newest)).state
        if state is None:
            yield topic.make_removal(self._now_ms())
        else:
            yield self._event(state, topic.revision)

    def _event(self, state: StateT, previous: int) -> Event:
        """The event with all that can have changed: of a header, its expiry."""
        return expiry_event(state, previous)

    def _at(self, service_sid: str, sid: str) -> ObjectAddress:
        return ObjectAddress(service_sid, self._type, sid)


def expiry_event(header: Header, previous: int) -> ExpiryChanged:
    """The event that brings subscribers to the expiry of a stored header."""
    return ExpiryChanged.of(header, previous, expires_ms=header.expires_ms)


class Headers(Generic[StateT]):
    """Operations on the objects of one type as a whole (`registry.Operations`).

    Every method raises `Refusal`: `UNAVAILABLE` while Redis is away, what `Access.check` raises,
    and the codes that it lists. `address` is a SID or a unique name; an object that does not exist
    raises as `results.absent`. `client` is the caller's connection; None for a caller without one.

    A type without permissions (`ObjectType.has_permissions`) may be opened by every identity of the
    service; its expiry and its removal are left to its creator and to the account.
    """

    source: HeaderSource[StateT]

    def __init__(self, backend: Backend, type_: ObjectType) -> None:
        self.type = type_
        self.replays: Replays | None = None
        self.source = HeaderSource(backend.objects, type_, backend.hub.now_ms)
        self.handlers: Mapping[type[Command], Handler[Any]] = {
            Create: self.create,
            SetTtl: self.set_ttl,
            Remove: self.remove,
        }
        self._objects: ObjectsOf[StateT] = backend.objects
        self._chosen_sids = backend.chosen_sids
        self._listing = backend.listing
        # Names under which objects were found lately, the oldest first.
        self._seen: dict[Hashable, None] = {}

    async def get(self, access: Access, address: str) -> StateT:
        """The newest state; requires the right to read."""
        needs = await self._check(access, address, Right.READ)
        state = await self._objects.get(self._at(access, address), access.identity, needs)
        if state is None:
            raise absent(self.type, address)
        return state

    async def get_in_turn(
        self, access: Access, address: str, client: Client | None
    ) -> tuple[StateT, bool]:
        """As `get`: there are no turns."""
        return await self.get(access, address), False

    async def page(
        self, access: Access, size: int, token: str | None, *, prefix: str = ""
    ) -> Page[StateT]:
        """At most `size` objects (`Listing.page`); raises `INVALID_PAGE_TOKEN`.

        A list would show objects that the caller may not read. So a token holder may not list where
        permissions are checked, nor with grants that do not include reading all objects, those
        without a name among them.
        """
        if await access.check(self.type, None, Right.READ) is not None:
            raise forbidden()
        service_sid = access.service_sid
        return await self._listing.page(service_sid, self.type, size, token, prefix=prefix)

    async def open(self, access: Access, command: Open) -> tuple[StateT, bool]:
        """Find or create the object to open. Returns it, and True if it was created."""
        address, mode = command.address, command.mode
        if mode is Mode.OPEN_EXISTING or (address is not None and is_sid(address)):
            return await self.get(access, address or ""), False
        if address is not None:
            fields.unique_name(address, self.type.name)
        if mode is Mode.CREATE_NEW:
            # Grants must allow writing, to create, and reading, to open.
            written = await self._create(access, command, Right.READ | Right.WRITE)
            return written.state, True
        return await self._find_or_create(access, command)

    def open_jointly(self, access: Access, command: Open, done: Found[StateT]) -> bool:
        """As `open`, with others that open the object in this turn of the event loop.

        Returns:
            False if the caller must use `open`; `done` is not called then.
        """
        address, checks = command.address, access.checks_permissions
        # Grants depend on the object's name, which must be read if the address is a SID.
        if checks is None or access.is_scoped or address is None or command.op is not None:
            return False
        needs = Right.READ if checks and self.type.has_permissions else None
        if command.mode is Mode.OPEN_EXISTING or is_sid(address):
            at = self._at(access, address)
            key, read = reading(at, access.identity, needs), self._objects.read

            def receive(outcome: tuple[StateT | None, bool] | Exception | None) -> None:
                if not isinstance(outcome, tuple):
                    return done(outcome)
                state = outcome[0]
                done(absent(self.type, address) if state is None else (state, False))

            self._objects.shared.ask(key, lambda: read(at, access.identity, needs), receive)
            return True
        if command.mode is Mode.CREATE_NEW or needs is not None:
            return False

        async def find() -> tuple[StateT, bool]:
            return await self.open(access, command)

        def pass_on(outcome: tuple[tuple[StateT, bool], bool] | Exception | None) -> None:
            if not isinstance(outcome, tuple):
                return done(outcome)
            (state, created), is_own = outcome
            done((state, created and is_own))

        key = "joint open", access.service_sid, self.type.name, address
        self._objects.shared.ask(key, find, pass_on)
        return True

    async def _find_or_create(self, access: Access, command: Open) -> tuple[StateT, bool]:
        """Finding requires the right to read. Creating requires no right, and gives the creator
        all. Grants must allow reading in either case, and writing to create."""
        name = command.address
        needs = await self._check(access, name, Right.READ)
        if access.grants(self.type, name, Right.WRITE):
            return await self._find_or_commit(access, command, needs)
        state = None
        if name is not None:
            state = await self._objects.get(self._at(access, name), access.identity, needs)
        if state is None:
            raise forbidden()
        return state, False

    async def _find_or_commit(
        self, access: Access, command: Open, needs: Right | None
    ) -> tuple[StateT, bool]:
        """One commit finds or creates: between two, another client could create the object."""
        service_sid, name = access.service_sid, command.address

        async def commit() -> Written[StateT]:
            author, new = access.author(needs), self._new(command)
            return await self._objects.create(service_sid, self.type, author, new)

        if name is None or needs is not None or command.op is not None:
            written = await commit()
            return written.state, not written.exists
        # Who asks in the same turn finds what the first of them has found or created.
        key = "open", service_sid, self.type.name, name
        # A read costs less than a commit, and finds what was there a moment ago.
        if key in self._seen:
            state = await self._objects.get(self._at(access, name))
            if state is not None:
                return state, False
        written, is_own = await self._objects.shared.first(key, commit)
        self._note_seen(key)
        return written.state, is_own and not written.exists

    def _note_seen(self, key: Hashable) -> None:
        if len(self._seen) >= SEEN_LIMIT:
            del self._seen[next(iter(self._seen))]
        self._seen[key] = None

    async def create(
        self, access: Access, command: Create, client: Client | None = None
    ) -> Written[StateT]:
        """Create an object; raises `NAME_TAKEN`. Requires no right, and gives the creator all."""
        return await self._create(access, command, Right.WRITE)

    async def create_as(self, access: Access, sid: str, command: Create) -> Written[StateT]:
        """Create an object under a SID that the caller chose; only for the account.

        Raises:
            Refusal: as `ChosenSids.create`; `FORBIDDEN` for a token holder.
        """
        if access.limited:
            raise sid_forbidden(self.type)
        author, new = access.author(None), self._new(command)
        return await self._chosen_sids.create(access.service_sid, sid, author, new)

    async def _create(
        self, access: Access, command: Create | Open, granted: Right
    ) -> Written[StateT]:
        needs = await self._check(access, command.address, Right.NONE, granted)
        written = await self._objects.create(
            access.service_sid, self.type, access.author(needs), self._new(command)
        )
        if written.exists:
            raise name_taken(self.type, command.address)
        return written

    def _new(self, command: Create | Open) -> NewObject:
        """The object that a command creates; of a header, without the data."""
        return NewObject(name=command.address, ttl=command.ttl, op=command.op)

    async def set_ttl(
        self, access: Access, command: SetTtl, client: Client | None = None
    ) -> Written[StateT]:
        """Replace the expiry; requires the right to write."""
        author = await self._author(access, command.address, Right.WRITE)
        at = self._at(access, command.address)
        with blocking(client, command):
            return await self._objects.update(at, author, ttl=command.ttl, op=command.op)

    async def remove(
        self, access: Access, command: Remove, client: Client | None = None
    ) -> Written[StateT]:
        """Remove the object with all that it holds; requires the right to manage."""
        author = await self._author(access, command.address, Right.MANAGE)
        at = self._at(access, command.address)
        with blocking(client, command):
            return await self._objects.remove(at, author, if_match=command.if_match, op=command.op)

    async def advance(self, access: Access, sid: str, known: int) -> StateT:
        """The newest state, at a revision beyond `known`, the one that a client has.

        A failover of Redis can lose the last writes. A client that received one of them would
        ignore the stored state as older, so the stored state gets a newer revision. Revisions that
        no server can have given are ignored. Where rights or grants are checked, `known` is ignored
        altogether: advancing is a write, and a caller with the right to read could ask for it.
        """
        if await self._check(access, sid, Right.READ) is not None or access.is_scoped:
            return await self.get(access, sid)
        return (await self._objects.advance(self._at(access, sid), known)).state

    async def _author(self, access: Access, address: str, right: Right) -> Author:
        """The caller as the author of a change of the object as a whole."""
        # The script compares the creator of an object whose type has no permissions (rights.lua).
        return access.author(await access.check(self.type, address, right))

    async def _check(
        self, access: Access, address: str | None, right: Right, granted: Right | None = None
    ) -> Right | None:
        """As `Access.check`; None for a type without permissions."""
        needs = await access.check(self.type, address, right, granted)
        return needs if self.type.has_permissions else None

    def _at(self, access: Access, address: str) -> ObjectAddress:
        return ObjectAddress(access.service_sid, self.type, address)
