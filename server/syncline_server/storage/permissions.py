"""Permissions: the rights of each identity for one object, where the service checks them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from syncline_protocol.errors import Code, Refusal
from syncline_protocol.fields import show

from . import keys
from .keys import ObjectAddress
from .objects import Objects
from .paging import Page, read_page
from .redis.client import Redis
from .results import absent
from .rights import Right, bits
from .scripts import OBJECT_SCRIPTS, by_name

__all__ = ["Permission", "Permissions"]


@dataclass(frozen=True, slots=True)
class Permission:
    """The rights of one identity for the object with this SID."""

    sid: str
    identity: str
    rights: Right


class Permissions:
    """The permissions of all objects of all services.

    Every method raises `Refusal`: `UNAVAILABLE` while Redis is away, and the codes that it lists.
    An object that does not exist raises as `results.absent`.
    """

    def __init__(self, redis: Redis, objects: Objects) -> None:
        self._redis = redis
        self._objects = objects

    async def fetch(self, at: ObjectAddress, identity: str) -> Permission:
        """The permission of one identity; raises `PERMISSION_NOT_FOUND`."""
        sid = await self._sid(at)
        rights = await self._redis.execute("HGET", keys.permissions(at.service_sid, sid), identity)
        if rights is None:
            raise _no_permission(identity)
        return Permission(sid, identity, Right(int(rights)))

    async def page(
        self, at: ObjectAddress, size: int, token: str | None
    ) -> tuple[str, Page[Permission]]:
        """The object's SID, and at most `size` permissions, in the order of their identities.

        Raises:
            Refusal: `INVALID_PAGE_TOKEN`.
        """
        sid = await self._sid(at)
        page = await read_page(self._redis, keys.identities(at.service_sid, sid), size, token)
        stored = await self._stored(at.service_sid, sid, page.items)
        found = [
            Permission(sid, identity, Right(int(rights)))
            for identity, rights in zip(page.items, stored, strict=True)
            if rights is not None
        ]
        return sid, Page(found, page.previous, page.next)

    async def set(self, at: ObjectAddress, identity: str, rights: Right) -> Permission:
        """Set the rights of an identity, in place of those that it had."""
        sid = await self._sid(at)
        await self._permit(at, sid, identity, rights)
        return Permission(sid, identity, rights)

    async def remove(self, at: ObjectAddress, identity: str) -> None:
        """Remove a permission; raises `PERMISSION_NOT_FOUND`."""
        sid = await self._sid(at)
        if await self._permit(at, sid, identity, None) == b"none":
            raise _no_permission(identity)

    async def _permit(
        self, at: ObjectAddress, sid: str, identity: str, rights: Right | None
    ) -> bytes:
        tag = keys.tag_of(at.service_sid, sid)
        publish, channel, tail_channel = self._redis.publishing(tag)
        arguments = {
            "sid": sid,
            "identity": identity,
            "rights": bits(rights),
            "publish": publish,
            "channel": channel,
            "tail": tail_channel,
        }
        reply = await self._redis.commit(
            OBJECT_SCRIPTS[at.type.name].permit, tag, *by_name(arguments)
        )
        if reply[0] == b"trouble":
            _, words, reply = reply
            self._objects.committer.note_trouble(at.service_sid, sid, words)
        [status] = reply
        if status == b"absent":
            raise absent(at.type, sid)
        assert isinstance(status, bytes)
        return status

    async def _stored(
        self, service_sid: str, sid: str, identities: Sequence[str]
    ) -> list[bytes | None]:
        if not identities:
            return []
        index = keys.permissions(service_sid, sid)
        stored: list[bytes | None] = await self._redis.execute("HMGET", index, *identities)
        return stored

    async def _sid(self, at: ObjectAddress) -> str:
        found = await self._objects.get(at)
        if found is None:
            raise absent(at.type, at.address)
        sid: str = found.sid
        return sid


def _no_permission(identity: str) -> Refusal:
    return Refusal(
        Code.PERMISSION_NOT_FOUND, f"There is no permission for the identity {show(identity)}."
    )
