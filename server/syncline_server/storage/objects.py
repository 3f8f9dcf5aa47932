"""What objects of every type share in Redis: reads, creation, changes of the header, removal."""

from __future__ import annotations

import os
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from syncline_protocol.errors import Refusal, codes_of
from syncline_protocol.objects import Header, ObjectType, type_of_sid
from syncline_protocol.sids import (
    BUCKETS,
    SID_ENTROPY_BYTES,
    bucket_of_name,
    bucket_of_sid,
    make_sid,
)

from . import keys, operations
from .author import Author
from .away_names import AwayNames
from .commit import Commit, Step
from .committer import Committer
from .filled_buckets import FilledBuckets
from .keys import ObjectAddress
from .redis.client import Redis
from .redis.connection import Connection
from .replies import state_of
from .results import Written
from .rights import Right
from .scripts import OBJECT_SCRIPTS
from .shared_calls import SharedCalls
from .webhooks import WebhookPolicy

if TYPE_CHECKING:
    from syncline_server.observability.tracing import Traces

__all__ = ["NewObject", "Objects", "ObjectsOf", "reading"]

StateT = TypeVar("StateT", bound=Header)

READER = Author(identity="")
"""Author of `Objects.advance`: the script keeps the identity of the last writer."""

READERS_AT_ONCE = 500
"""Identities whose rights one command reads, at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewObject:
    """An object to create.

    Attributes:
        name: its unique name; None for none.
        ttl: seconds until it expires; None for never.
        op: operation id; None for none.
        data: None for a type that keeps its data elsewhere.
    """

    name: str | None = None
    ttl: int | None = None
    op: str | None = None
    data: bytes | None = None


class ObjectsOf(Generic[StateT]):
    """Stored objects, of all services; those that the caller addresses have a state of this class.

    Every method raises `Refusal` with `UNAVAILABLE` while Redis is away. A method that takes an
    `Author` raises `ACCESS_FORBIDDEN` if the author lacks the rights that are needed.
    """

    def __init__(self, redis: Redis, operation_memory: int, traces: Traces | None = None) -> None:
        """
        Args:
            operation_memory: seconds for which an operation id is remembered.
        """
        self._redis = redis
        self._filled = FilledBuckets(redis)
        self._names = AwayNames(redis)
        self.shared = SharedCalls(lambda: Connection.turn)
        self.committer = Committer(redis, operation_memory * 1000, traces)

    async def get(
        self, at: ObjectAddress, who: str = "", needs: Right | None = None
    ) -> StateT | None:
        """The newest state; None if no such object exists or it is past its expiry.

        Args:
            needs: rights that the identity `who` must have, else `ACCESS_FORBIDDEN` is raised; None
                where permissions are not checked.
        """
        key = reading(at, who, needs)
        state, _ = await self.shared.first(key, lambda: self.read(at, who, needs))
        return state

    async def read(
        self, at: ObjectAddress, who: str = "", needs: Right | None = None
    ) -> StateT | None:
        """As `get`, by a command of its own."""
        reply = await self._names.read(OBJECT_SCRIPTS[at.type.name].fetch, at, who, needs)
        if reply[0] != b"ok":
            return None
        state: StateT = state_of(at.type, reply)
        return state

    async def readers(self, service_sid: str, sid: str, identities: Sequence[str]) -> set[str]:
        """The identities among these that have the right to read an object: all for a type without
        permissions."""
        if not type_of_sid(sid).has_permissions:
            return set(identities)
        found = set()
        for start in range(0, len(identities), READERS_AT_ONCE):
            asked = identities[start : start + READERS_AT_ONCE]
            stored = await self._redis.execute("HMGET", keys.permissions(service_sid, sid), *asked)
            found |= {who for who, rights in zip(asked, stored, strict=True) if _may_read(rights)}
        return found

    async def create(
        self, service_sid: str, type_: ObjectType, author: Author, new: NewObject
    ) -> Written[StateT]:
        """Create an object, or find the one that has the name.

        Creating needs no rights; finding needs those of the author. Where permissions are checked,
        the creator gets all rights.
        """
        sid = make_sid(type_, _bucket_of_new(new), os.urandom(SID_ENTROPY_BYTES))
        return await self._create("create", ObjectAddress(service_sid, type_, sid), author, new)

    async def create_as(
        self, at: ObjectAddress, author: Author, new: NewObject, *, is_away: bool = False
    ) -> Written[StateT]:
        """Create an object under a SID that the caller chose (`ChosenSids`).

        Args:
            is_away: True if the name belongs to another bucket, where the caller has claimed it.

        The result `exists` if an object with the SID or the name was there already.

        Raises:
            Refusal: `CONFLICT` if an object with another name had that SID lately.
        """
        return await self._create("create_away" if is_away else "create_as", at, author, new)

    async def update(
        self,
        at: ObjectAddress,
        author: Author,
        *,
        data: bytes | None = None,
        ttl: int | None = None,
        if_match: int | None = None,
        op: str | None = None,
        fingerprint: str | None = None,
        earlier: Sequence[Step] = (),
    ) -> Written[StateT]:
        """Replace the data of the header, the expiry or both; None leaves either as it is.

        Args:
            ttl: seconds until the object expires; 0 for never.
            if_match: the revision that the object must be at; None for any.
            fingerprint: of the request, if that was not an update (a patch); None computes it from
                these arguments.
            earlier: steps that are committed with this one.

        Raises:
            Refusal: no such object exists, or it is at another revision than `if_match`.
        """
        if fingerprint is None:
            fingerprint = _fingerprint("update", op, data=data, ttl=ttl, if_match=if_match)
        return await self._commit(
            Commit(
                at=at,
                script=OBJECT_SCRIPTS[at.type.name].update,
                verb="update",
                author=author,
                if_match=if_match,
                ttl=ttl,
                op=op,
                earlier=earlier,
                fingerprint=fingerprint,
                parameters={"data": data},
            ),
            # The right to write does not include the right to read: return only the caller's data.
            hides_data=data is None and author.needs is not None,
        )

    async def remove(
        self,
        at: ObjectAddress,
        author: Author,
        *,
        if_match: int | None = None,
        op: str | None = None,
    ) -> Written[StateT]:
        """Remove an object; raises as `update`."""
        return await self._commit(
            Commit(
                at=at,
                script=OBJECT_SCRIPTS[at.type.name].remove,
                verb="remove",
                author=author,
                if_match=if_match,
                op=op,
                fingerprint=_fingerprint("remove", op, data=None, ttl=None, if_match=if_match),
            )
        )

    async def advance(self, at: ObjectAddress, lost: int) -> Written[StateT]:
        """Give an object a revision beyond `lost`, which a client received and a failover lost.

        Changes nothing if the object's revision is beyond `lost` already. Raises as `update`.
        """
        script = OBJECT_SCRIPTS[at.type.name].advance
        return await self._commit(
            Commit(at=at, script=script, verb="advance", author=READER, if_match=lost)
        )

    async def expire(
        self, service_sid: str, sid: str, webhooks: WebhookPolicy | None = None
    ) -> None:
        """Remove an object if it is past its expiry, and notify its subscribers."""
        at = ObjectAddress.of_sid(service_sid, sid)
        try:
            await self.committer.apply(
                Commit(
                    at=at,
                    script=OBJECT_SCRIPTS[at.type.name].expire,
                    verb="expire",
                    author=Author(identity="", webhooks=webhooks),
                )
            )
        except Refusal as refusal:
            if refusal.code is not codes_of(at.type).absent:
                raise

    async def _create(
        self, verb: str, at: ObjectAddress, author: Author, new: NewObject
    ) -> Written[StateT]:
        # On a Cluster no script can reach the index of buckets. Write it before the commit: a
        # bucket without objects may be on it, a bucket with objects must be.
        if not self._redis.engine.is_whole:
            await self._filled.add_bucket(at.service_sid, f"{bucket_of_sid(at.sid):02x}")
        return await self._commit(
            Commit(
                at=at,
                script=OBJECT_SCRIPTS[at.type.name].create,
                verb=verb,
                author=author,
                name=new.name or "",
                ttl=new.ttl,
                op=new.op,
                fingerprint=_fingerprint(verb, new.op, data=new.data, ttl=new.ttl, if_match=None),
                parameters={
                    "data": new.data,
                    "chosen": None if verb == "create" else 1,
                    "away": 1 if verb == "create_away" else None,
                },
            )
        )

    async def _commit(self, commit: Commit, *, hides_data: bool = False) -> Written[StateT]:
        reply = await self.committer.apply(commit)
        # The scripts do not repeat the data that the caller has.
        data = commit.parameters.get("data")
        reply[4] = b"" if hides_data else reply[4] or data or b""
        status = reply[0]
        return Written(
            state_of(commit.at.type, reply), status == b"repeated", exists=status == b"exists"
        )


Objects = ObjectsOf[Any]
"""The objects of all types: the type of an address decides the class of the state."""


def reading(at: ObjectAddress, who: str, needs: Right | None) -> tuple[object, ...]:
    """The key in `ObjectsOf.shared` of a read, with the arguments of `ObjectsOf.get`."""
    # Where rights are checked, the reply is for one identity.
    checked = () if needs is None else (who, needs)
    return "read", at.service_sid, at.type.name, at.address, *checked


def _fingerprint(
    verb: str, op: str | None, *, data: bytes | None, ttl: int | None, if_match: int | None
) -> str:
    return "" if op is None else operations.fingerprint(verb, data, ttl, if_match)


def _bucket_of_new(new: NewObject) -> int:
    if new.name is not None:
        return bucket_of_name(new.name)
    # A repetition must reach the bucket that remembers the operation id, so that decides.
    return secrets.randbelow(BUCKETS) if new.op is None else bucket_of_name(new.op)


def _may_read(stored: bytes | None) -> bool:
    return Right.READ in Right(int(stored or 0))
