"""The replies of scripts that show an object (`reply` in lib/object.lua), as values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from syncline_protocol.documents import Document
from syncline_protocol.objects import DOCUMENT, Header, ObjectType

__all__ = ["HEADER_LENGTH", "Reply", "sid_and_name", "state_of"]

Reply = list[Any]
"""Status, SID, name, revision, data, created, updated, expires, created by, updated by, mark; or a
status alone, or a status and what belongs to it."""

HEADER_LENGTH = 11
"""Elements of a reply that show the object; what is known of its items follows."""


def state_of(type_: ObjectType, reply: Reply) -> Any:
    """The object in a reply, as its type has it: a `Header`, or a subclass with data."""
    return _STATES.get(type_.name, _header)(reply)


def sid_and_name(reply: Reply) -> tuple[str, str | None]:
    """SID and unique name of the object in a reply."""
    return reply[1].decode(), reply[2].decode() or None


def _header(reply: Reply) -> Header:
    return Header(**_fields(reply))


def _document(reply: Reply) -> Document:
    # As `_fields` has it, but without a dictionary: every write and read of a document ends here.
    _, sid, name, revision, data, created, updated, expires, creator, writer = reply[:10]
    return Document(
        sid=sid.decode(),
        unique_name=name.decode() or None,
        revision=int(revision),
        created_ms=int(created),
        updated_ms=int(updated),
        expires_ms=int(expires) if expires else None,
        created_by=creator.decode(),
        updated_by=writer.decode(),
        data=data,
    )


def _fields(reply: Reply) -> dict[str, Any]:
    _, sid, name, revision, _, created, updated, expires, creator, writer, *_ = reply
    return {
        "sid": sid.decode(),
        "unique_name": name.decode() or None,
        "revision": int(revision),
        "created_ms": int(created),
        "updated_ms": int(updated),
        "expires_ms": int(expires) if expires else None,
        "created_by": creator.decode(),
        "updated_by": writer.decode(),
    }


_STATES: Mapping[str, Callable[[Reply], Header]] = {DOCUMENT.name: _document}
"""Makes the state of an object, by the name of its type; any other type has the header alone."""
