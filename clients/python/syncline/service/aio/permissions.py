"""Permissions for one document, list or map."""

from __future__ import annotations

from collections.abc import AsyncIterator

from syncline.errors import NotFound, UsageError
from syncline.service.dictionary import AsyncContainer
from syncline.service.resources import Permission

from .http import AsyncHttp, path_segment
from .listing import async_listing, check_limits

__all__ = ["AsyncPermissions"]


class AsyncPermissions(AsyncContainer[str]):
    """What identities may do with one object, where the service has `acl_enabled`."""

    def __init__(self, http: AsyncHttp, path: str) -> None:
        """Applications read `permissions` of a handle instead."""
        self._http = http
        self._path = path

    async def get(self, identity: str) -> Permission:
        """Read the permission of an identity.

        Raises:
            NotFound: it has none.
        """
        return Permission.parse(await self._http.call("GET", self._path_of(identity)))

    async def __getitem__(self, identity: str) -> Permission:
        """As `get`."""
        return await self.get(identity)

    async def has(self, identity: str) -> bool:
        """True if the identity has a permission here."""
        try:
            await self.get(identity)
        except NotFound:
            return False
        return True

    async def set(
        self, identity: str, *, read: bool = False, write: bool = False, manage: bool = False
    ) -> Permission:
        """Replace the permission of an identity.

        Raises:
            InvalidRequest: the identity is too long.
            UsageError: a right is not a bool.
        """
        rights = {"Read": read, "Write": write, "Manage": manage}
        for name, given in rights.items():
            # Text such as "false" is true: it would give a right that nobody meant to give.
            if not isinstance(given, bool):
                raise UsageError(f"{name.lower()} must be True or False, not {given!r}")
        form = {name: "true" if given else "false" for name, given in rights.items()}
        path = self._path_of(identity)
        return Permission.parse(await self._http.call("POST", path, data=form, repeatable=True))

    async def remove(self, identity: str) -> None:
        """Remove the permission of an identity.

        Raises:
            NotFound: it has none.
        """
        await self._http.call("DELETE", self._path_of(identity), repeatable=True)

    def list(self, *, limit: int | None = None, page_size: int = 50) -> AsyncIterator[Permission]:
        """Iterate over the permissions; arguments as in `list` of documents."""
        check_limits(limit, page_size)
        return async_listing(
            self._http,
            self._path,
            "permissions",
            Permission.parse,
            limit=limit,
            page_size=page_size,
        )

    def __aiter__(self) -> AsyncIterator[Permission]:
        """As `list`."""
        return self.list()

    def _path_of(self, identity: str) -> str:
        return f"{self._path}/{path_segment(identity)}"
