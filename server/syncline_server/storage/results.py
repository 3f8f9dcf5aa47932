"""Results of a write: `Written`, and the errors that refuse it."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

from syncline_protocol.documents import Document
from syncline_protocol.errors import Code, Refusal, codes_of
from syncline_protocol.fields import show
from syncline_protocol.objects import Header, ObjectType, type_of_sid
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
    def marks(self) -> tuple[Hashable, ...]:
        """As in `objects.contended_writes.Marked`."""
        return (self.document.revision,)

    @property
    def state(self) -> Document:
        """The state that rivals of this write contend for."""
        return self.document


def absent(type_: ObjectType, address: str) -> Refusal:
    """The error for an address (SID or unique name) without an object of this type."""
    if is_sid_of(type_, address):
        return Refusal(codes_of(type_).absent, f"There is no {type_.name} with the SID {address}.")
    return Refusal(
        Code.NAME_NOT_FOUND, f"Unique name not found: no {type_.name} is named {address!r}."
    )


def forbidden() -> Refusal:
    """The error for a missing right. Its message reveals nothing about the object."""
    return Refusal(
        Code.ACCESS_FORBIDDEN, "Access forbidden for identity: it lacks the right to do this."
    )


def name_taken(type_: ObjectType, name: str | None) -> Refusal:
    """The error for a unique name that another object of this type has."""
    return Refusal(
        Code.NAME_TAKEN, f"A {type_.name} with the unique name {show(name)} already exists."
    )


def sid_ended(sid: str, name: str) -> Refusal:
    """The error for a SID that an object with another name (`name`, "" for none) had lately."""
    named = f"the unique name {show(name)}" if name else "no unique name"
    return Refusal(
        Code.CONFLICT,
        f"The SID {sid} was that of a {type_of_sid(sid).name} with {named}; within 25 hours of its "
        "end no other name can have it.",
    )


def sid_forbidden(type_: ObjectType) -> Refusal:
    """The error for a token holder that chooses a SID: only the account may."""
    return Refusal(
        Code.FORBIDDEN,
        f"Only Basic credentials may choose the Sid of a {type_.name}, over REST v1.",
    )


def mismatch(type_: ObjectType, expected: int | None, newest: Header | None) -> Refusal:
    """The error for an object that is at another revision than the write expected.

    `newest` is None for a writer without the right to read.
    """
    is_at = "" if newest is None else f", it is at {newest.revision}"
    return Refusal(
        codes_of(type_).mismatch,
        f"The revision of the {type_.name.capitalize()} does not match the expected revision: "
        f"{expected} was expected{is_at}.",
        document=newest,
    )
