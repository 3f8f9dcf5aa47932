# Made by scripts/generate-blocking. Do not edit: change the async source.
"""Permissions for one document, list or map."""

from __future__ import annotations

from collections.abc import Iterator

from syncline.errors import NotFound, UsageError
from syncline.service.dictionary import Container
from syncline.service.resources import Permission

from .http import Http, path_segment
from .listing import check_limits, listing

__all__ = ["Permissions"]


class Permissions(Container[str]):
    """What identities may do with one object, where the service has `acl_enabled`."""

    def __init__(self, http: Http, path: str) -> None:
        """Applications read `permissions` of a handle instead."""
        self._http = http
        self._path = path

    def get(self, identity: str) -> Permission:
        """Read the permission of an identity.

        Raises:
            NotFound: it has none.
        """
        return Permission.parse(self._http.call("GET", self._path_of(identity)))

    def __getitem__(self, identity: str) -> Permission:
        """As `get`."""
        return self.get(identity)

    def has(self, identity: str) -> bool:
        """True if the identity has a permission here."""
        try:
            self.get(identity)
        except NotFound:
            return False
        return True

    def set(
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
        return Permission.parse(self._http.call("POST", path, data=form, repeatable=True))

    def remove(self, identity: str) -> None:
        """Remove the permission of an identity.

        Raises:
            NotFound: it has none.
        """
        self._http.call("DELETE", self._path_of(identity), repeatable=True)

    def list(self, *, limit: int | None = None, page_size: int = 50) -> Iterator[Permission]:
        """Iterate over the permissions; arguments as in `list` of documents."""
        check_limits(limit, page_size)
        return listing(
            self._http,
            self._path,
            "permissions",
            Permission.parse,
            limit=limit,
            page_size=page_size,
        )

    def __iter__(self) -> Iterator[Permission]:
        """As `list`."""
        return self.list()

    def _path_of(self, identity: str) -> str:
        return f"{self._path}/{path_segment(identity)}"
