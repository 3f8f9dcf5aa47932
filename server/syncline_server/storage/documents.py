"""Documents in Redis: objects whose header holds their data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from syncline_protocol import revisions
from syncline_protocol.documents import Document
from syncline_protocol.objects import DOCUMENT, Header

from .author import Author
from .commit import Step
from .keys import ObjectAddress
from .objects import NewObject, Objects, Outcome
from .results import Written
from .rights import Right

__all__ = ["Documents", "NewDocument", "as_written"]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewDocument(NewObject):
    """A document to create."""

    data: bytes = b"{}"


class Documents:
    """The documents of all services. `address` is a SID or a unique name. Raises as `Objects`."""

    def __init__(self, objects: Objects) -> None:
        self.objects = objects

    async def get(
        self, service_sid: str, address: str, who: str = "", needs: Right | None = None
    ) -> Document | None:
        """The newest state; as `Objects.get`."""
        found = await self.objects.get(_at(service_sid, address), who, needs)
        return None if found is None else _document(found)

    async def create(
        self, service_sid: str, author: Author, new: NewDocument
    ) -> tuple[Written, bool]:
        """Create a document, or find the one that has the name; as `Objects.create`.

        Returns:
            the document, and True if it was created.
        """
        outcome = await self.objects.create(service_sid, DOCUMENT, author, new)
        return as_written(outcome), not outcome.exists

    async def set(
        self,
        service_sid: str,
        address: str,
        author: Author,
        *,
        data: bytes | None = None,
        ttl: int | None = None,
        if_match: int | None = None,
        op: str | None = None,
        fingerprint: str | None = None,
    ) -> Written:
        """Replace the data, the expiry or both; as `Objects.update`."""
        outcome = await self.objects.update(
            _at(service_sid, address),
            author,
            data=data,
            ttl=ttl,
            if_match=if_match,
            op=op,
            fingerprint=fingerprint,
        )
        return _updated(outcome, author, data)

    async def set_in_steps(
        self, service_sid: str, sid: str, steps: Sequence[Step], if_match: int
    ) -> list[Written]:
        """Replace the data several times in one commit: readers only see the last state.

        Each step gets a revision and an answer of its own. The last step's author decides which
        rights are checked and which webhook is queued; where permissions are checked, all steps
        must have the same identity.

        Returns:
            the answer to each step.

        Raises:
            Refusal: as `set`.
            StepRepeated: one step was committed before; nothing was committed now. Commit the
                steps one by one.
        """
        *earlier, last = steps
        outcome = await self.objects.update(
            _at(service_sid, sid),
            last.author,
            data=last.data,
            if_match=if_match,
            op=last.op,
            fingerprint=last.fingerprint,
            earlier=earlier,
        )
        written = _updated(outcome, last.author, last.data)
        given = revisions.steps(written.document.revision, len(steps))
        return [
            replace(
                written,
                document=replace(
                    written.document,
                    revision=revision,
                    data=step.data,
                    updated_by=step.author.identity,
                ),
            )
            for revision, step in zip(given, steps, strict=True)
        ]

    async def remove(
        self,
        service_sid: str,
        address: str,
        author: Author,
        *,
        if_match: int | None = None,
        op: str | None = None,
    ) -> Written:
        """Remove a document; as `Objects.remove`."""
        at = _at(service_sid, address)
        return as_written(await self.objects.remove(at, author, if_match=if_match, op=op))

    async def advance(self, service_sid: str, sid: str, lost: int) -> Document:
        """As `Objects.advance`."""
        return _document((await self.objects.advance(_at(service_sid, sid), lost)).state)


def _at(service_sid: str, address: str) -> ObjectAddress:
    return ObjectAddress(service_sid, DOCUMENT, address)


def _document(state: Header) -> Document:
    assert isinstance(state, Document)
    return state


def _updated(outcome: Outcome, author: Author, data: bytes | None) -> Written:
    if data is None and author.needs is not None:
        # The right to write does not include the right to read: return only the caller's data.
        outcome = replace(outcome, state=replace(_document(outcome.state), data=b""))
    return as_written(outcome)


def as_written(outcome: Outcome) -> Written:
    """The answer to the write of a document."""
    return Written(_document(outcome.state), outcome.is_repeated)
