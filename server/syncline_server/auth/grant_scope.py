"""Checks of one token's grants against the documents of one service."""

from __future__ import annotations

from syncline_protocol.objects import DOCUMENT
from syncline_protocol.sids import is_sid_of
from syncline_server.storage.documents import Documents
from syncline_server.storage.results import absent, forbidden
from syncline_server.storage.rights import Right

from .grants import Grants

__all__ = ["GrantScope"]

NAMES_LIMIT = 256
"""Maximum SIDs whose unique names are cached; the names of others are read again."""


class GrantScope:
    """The grants of one token in one service, checked by unique name.

    The cache of names needs no invalidation. A document keeps its unique name, and a deleted SID
    cannot come back under another name during the life of a token.
    """

    def __init__(self, grants: Grants, documents: Documents, service_sid: str) -> None:
        self._grants = grants
        self._documents = documents
        self._service_sid = service_sid
        self._names: dict[str, str | None] = {}  # by SID

    def allows(self, name: str | None, right: Right) -> bool:
        """True if the grants give `right` on the document of that unique name; None for a document
        without a name."""
        return right in self._grants.rights(name)

    def shows(self, address: str) -> bool:
        """True if the document may be read. Makes no request: an address by SID must have passed
        `require` before, else only a grant for `*` counts."""
        if not is_sid_of(DOCUMENT, address):
            return self.allows(address, Right.READ)
        return self.allows(self._names.get(address), Right.READ)

    async def require(self, address: str | None, right: Right) -> None:
        """Return if the grants give `right` on the document; `address` None for a new document
        without a name.

        Raises:
            Refusal: `ACCESS_FORBIDDEN`; `DOCUMENT_NOT_FOUND`.
        """
        if self.allows(None, right):
            return
        name = await self._name(address) if address and is_sid_of(DOCUMENT, address) else address
        if not self.allows(name, right):
            raise forbidden()

    async def _name(self, sid: str) -> str | None:
        if sid not in self._names:
            document = await self._documents.get(self._service_sid, sid)
            if document is None:
                raise absent(DOCUMENT, sid)
            if len(self._names) >= NAMES_LIMIT:
                del self._names[next(iter(self._names))]
            self._names[sid] = document.unique_name
        return self._names[sid]
