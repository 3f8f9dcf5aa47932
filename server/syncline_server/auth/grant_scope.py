"""What the grants of one token let it do with the documents of one service."""

from __future__ import annotations

from syncline_protocol.sids import is_document_sid
from syncline_server.storage.documents import Documents
from syncline_server.storage.results import absent, forbidden
from syncline_server.storage.rights import Right

from .grants import Grants

__all__ = ["Scope"]

NAMES_LIMIT = 256
"""Documents whose unique names are remembered, at most; of others they are read again."""


class Scope:
    """The grants, held against documents by their unique names.

    A unique name never changes, and a SID that comes again has the same name for longer than any
    token lives: what was found out about a document stays true while it is used.
    """

    def __init__(self, grants: Grants, documents: Documents, service_sid: str) -> None:
        self._grants = grants
        self._documents = documents
        self._service_sid = service_sid
        self._names: dict[str, str | None] = {}  # by SID

    def allows(self, name: str | None, right: Right) -> bool:
        """Whether the document of that unique name may be used so; None for one without a name."""
        return right in self._grants.rights(name)

    def shows(self, address: str) -> bool:
        """Whether the document may be read. Of a SID that is not remembered: no."""
        if not is_document_sid(address):
            return self.allows(address, Right.READ)
        return self.allows(self._names.get(address), Right.READ)

    async def require(self, address: str | None, right: Right) -> None:
        """Return if the document may be used so; `address` None for one that is to have no name.

        Raises:
            Refusal: `ACCESS_FORBIDDEN`; `DOCUMENT_NOT_FOUND`.
        """
        if self.allows(None, right):
            return
        name = await self._name(address) if address and is_document_sid(address) else address
        if not self.allows(name, right):
            raise forbidden()

    async def _name(self, sid: str) -> str | None:
        if sid not in self._names:
            document = await self._documents.get(self._service_sid, sid)
            if document is None:
                raise absent(sid)
            if len(self._names) >= NAMES_LIMIT:
                del self._names[next(iter(self._names))]
            self._names[sid] = document.unique_name
        return self._names[sid]
