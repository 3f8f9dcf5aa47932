"""Permissions: the rights of each identity for one object, where the service checks them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from syncline_protocol.errors import Code, Refusal
from syncline_protocol.fields import show

from . import keys
from .documents import Documents
from .paging import Page, read_page
from .redis.client import Redis
from .results import absent
from .rights import Right
from .scripts import PERMIT

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
    `address` is a SID or a unique name. An object that does not exist raises `DOCUMENT_NOT_FOUND`
    or `NAME_NOT_FOUND`, by the form of the address.
    """

    def __init__(self, redis: Redis, documents: Documents) -> None:
        self._redis = redis
        self._documents = documents

    async def fetch(self, service_sid: str, address: str, identity: str) -> Permission:
        """The permission of one identity; raises `PERMISSION_NOT_FOUND`."""
        sid = await self._sid(service_sid, address)
        rights = await self._redis.execute("HGET", keys.permissions(service_sid, sid), identity)
        if rights is None:
            raise _no_permission(identity)
        return Permission(sid, identity, Right(int(rights)))

    async def page(
        self, service_sid: str, address: str, size: int, token: str | None
    ) -> tuple[str, Page[Permission]]:
        """The object's SID, and at most `size` permissions, in the order of their identities.

        Raises:
            Refusal: `INVALID_PAGE_TOKEN`.
        """
        sid = await self._sid(service_sid, address)
        page = await read_page(self._redis, keys.identities(service_sid, sid), size, token)
        stored = await self._stored(service_sid, sid, page.items)
        found = [
            Permission(sid, identity, Right(int(rights)))
            for identity, rights in zip(page.items, stored, strict=True)
            if rights is not None
        ]
        return sid, Page(found, page.previous, page.next)

    async def set(self, service_sid: str, address: str, identity: str, rights: Right) -> Permission:
        """Set the rights of an identity, in place of those that it had."""
        sid = await self._sid(service_sid, address)
        await self._permit(service_sid, sid, identity, int(rights))
        return Permission(sid, identity, rights)

    async def remove(self, service_sid: str, address: str, identity: str) -> None:
        """Remove a permission; raises `PERMISSION_NOT_FOUND`."""
        sid = await self._sid(service_sid, address)
        if await self._permit(service_sid, sid, identity, "") == b"none":
            raise _no_permission(identity)

    async def _permit(self, service_sid: str, sid: str, identity: str, rights: int | str) -> bytes:
        tag = keys.tag_of(service_sid, sid)
        status, *trouble = await self._redis.commit(
            PERMIT, tag, sid, identity, rights, self._redis.publishing
        )
        if trouble:
            self._documents.note_trouble(service_sid, sid, trouble[0])
        if status == b"absent":
            raise absent(sid)
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

    async def _sid(self, service_sid: str, address: str) -> str:
        document = await self._documents.get(service_sid, address)
        if document is None:
            raise absent(address)
        return document.sid


def _no_permission(identity: str) -> Refusal:
    return Refusal(
        Code.PERMISSION_NOT_FOUND, f"There is no permission for the identity {show(identity)}."
    )
