"""Results of a write: `Written`, and the errors that refuse it."""

from __future__ import annotations

from dataclasses import dataclass

from syncline_protocol.documents import Document
from syncline_protocol.errors import Code, Refusal
from syncline_protocol.fields import show
from syncline_protocol.objects import DOCUMENT, Header
from syncline_protocol.sids import is_sid_of

__all__ = ["Written", "absent", "forbidden", "mismatch", "name_taken", "sid_ended", "sid_forbidden"]


@dataclass(frozen=True, slots=True)
class Written:
    """A write that was applied.

    Attributes:
        document: the document after the write; for a removal, its last state at the removal's
            revision. Its `data` is `b""` if the write is a repetition and the data no longer known.
        repeated: True if the operation id showed that the write had been applied before.
    """

    document: Document
    repeated: bool

    @property
    def header(self) -> Header:
        """The header of the object, as `WriteResult` of every type has it."""
        return self.document

    @property
    def state(self) -> Document:
        """The state that rivals of this write contend for."""
        return self.document


def absent(address: str) -> Refusal:
    """The error for an address (SID or unique name) without a document."""
    if is_sid_of(DOCUMENT, address):
        return Refusal(Code.DOCUMENT_NOT_FOUND, f"There is no document with the SID {address}.")
    return Refusal(Code.NAME_NOT_FOUND, f"Unique name not found: no document is named {address!r}.")


def forbidden() -> Refusal:
    """The error for a missing right. Its message reveals nothing about the document."""
    return Refusal(
        Code.ACCESS_FORBIDDEN, "Access forbidden for identity: it lacks the right to do this."
    )


def name_taken(name: str | None) -> Refusal:
    """The error for a unique name that another document has."""
    return Refusal(Code.NAME_TAKEN, f"A document with the unique name {show(name)} already exists.")


def sid_ended(sid: str, name: str) -> Refusal:
    """The error for a SID that a document with another name (`name`, "" for none) had lately."""
    named = f"the unique name {show(name)}" if name else "no unique name"
    return Refusal(
        Code.CONFLICT,
        f"The SID {sid} was that of a document with {named}; within 25 hours of its end no other "
        "name can have it.",
    )


def sid_forbidden() -> Refusal:
    """The error for a token holder that chooses a SID: only the account may."""
    return Refusal(
        Code.FORBIDDEN, "Only Basic credentials may choose the Sid of a document, over REST v1."
    )


def mismatch(expected: int | None, newest: Document | None) -> Refusal:
    """The error for a document that is at another revision than the write expected.

    `newest` is None for a writer without the right to read.
    """
    is_at = "" if newest is None else f", it is at {newest.revision}"
    return Refusal(
        Code.REVISION_MISMATCH,
        "The revision of the Document does not match the expected revision: "
        f"{expected} was expected{is_at}.",
        document=newest,
    )
