"""Checks of one token's grants against the objects of one service."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from syncline_protocol.objects import Header, ObjectType, type_of_sid
from syncline_protocol.sids import is_sid_of
from syncline_server.storage.results import absent, forbidden
from syncline_server.storage.rights import Right

from .grants import Grants

__all__ = ["GrantScope"]

NAMES_LIMIT = 256
"""Maximum SIDs whose unique names are cached; the names of others are read again."""


class GrantScope:
    """The grants of one token in one service, checked by type and unique name.

    The cache of names needs no invalidation. An object keeps its unique name, and a deleted SID
    cannot come back under another name during the life of a token.
    """

    def __init__(
        self, grants: Grants, read_header: Callable[[str], Awaitable[Header | None]]
    ) -> None:
        """`read_header`: returns the header of the object with a SID; None if there is none."""
        self._grants = grants
        self._read_header = read_header
        self._names: dict[str, str | None] = {}  # by SID

    def allows(self, type_: ObjectType, name: str | None, right: Right) -> bool:
        """True if the grants give `right` on the object of that unique name; None for an object
        without a name."""
        return right in self._grants.rights(type_, name)

    def shows(self, type_: ObjectType, address: str) -> bool:
        """True if the object may be read. Makes no request: an address by SID must have passed
        `require` before, else only a grant for `*` counts."""
        if not is_sid_of(type_, address):
            return self.allows(type_, address, Right.READ)
        return self.allows(type_, self._names.get(address), Right.READ)

    async def require(self, type_: ObjectType, address: str | None, right: Right) -> None:
        """Return if the grants give `right` on the object; `address` None for a new object without
        a name.

        Raises:
            Refusal: `ACCESS_FORBIDDEN`; not found.
        """
        if self.allows(type_, None, right):
            return
        is_sid = address is not None and is_sid_of(type_, address)
        name = await self._name(address) if address and is_sid else address
        if not self.allows(type_, name, right):
            raise forbidden()

    async def _name(self, sid: str) -> str | None:
        if sid not in self._names:
            header = await self._read_header(sid)
            if header is None:
                raise absent(type_of_sid(sid), sid)
            if len(self._names) >= NAMES_LIMIT:
                del self._names[next(iter(self._names))]
            self._names[sid] = header.unique_name
        return self._names[sid]
