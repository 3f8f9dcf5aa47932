"""What becomes of a write: it was applied, or why it was not."""

from __future__ import annotations

from dataclasses import dataclass

from syncline_protocol.documents import Document
from syncline_protocol.errors import Code, Refusal
from syncline_protocol.fields import show
from syncline_protocol.sids import is_document_sid

__all__ = ["Written", "absent", "forbidden", "mismatch", "name_taken", "sid_ended", "sid_forbidden"]


@dataclass(frozen=True, slots=True)
class Written:
    """A write that was applied.

    Attributes:
        document: as it is since then; for a removal, as it last was, at the removal's revision.
            Its `data` is `b""` where the answer is a repeated one and the data not known any more.
        repeated: True if an operation id showed that it had been applied before.
    """

    document: Document
    repeated: bool


def absent(address: str) -> Refusal:
    """There is no document with this SID or unique name."""
    if is_document_sid(address):
        return Refusal(Code.DOCUMENT_NOT_FOUND, f"There is no document with the SID {address}.")
    return Refusal(Code.NAME_NOT_FOUND, f"Unique name not found: no document is named {address!r}.")


def forbidden() -> Refusal:
    """The document exists, but not for this identity; the sentence tells nothing of it."""
    return Refusal(
        Code.ACCESS_FORBIDDEN, "Access forbidden for identity: it lacks the right to do this."
    )


def name_taken(name: str | None) -> Refusal:
    """Another document has this unique name."""
    return Refusal(Code.NAME_TAKEN, f"A document with the unique name {show(name)} already exists.")


def sid_ended(sid: str, name: str) -> Refusal:
    """A document with another name, "" for none, had this SID lately."""
    named = f"the unique name {show(name)}" if name else "no unique name"
    return Refusal(
        Code.CONFLICT,
        f"The SID {sid} was that of a document with {named}; within 25 hours of its end no other "
        "name can have it.",
    )


def sid_forbidden() -> Refusal:
    """Only the account chooses SIDs."""
    return Refusal(
        Code.FORBIDDEN, "The Sid of a document is chosen with Basic credentials, over REST v1."
    )


def mismatch(expected: int | None, newest: Document | None) -> Refusal:
    """The document is at another revision than the write was meant for.

    `newest` is None for a writer who may not read it.
    """
    is_at = "" if newest is None else f", it is at {newest.revision}"
    return Refusal(
        Code.REVISION_MISMATCH,
        "The revision of the Document does not match the expected revision: "
        f"{expected} was expected{is_at}.",
        document=newest,
    )
