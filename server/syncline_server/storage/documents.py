"""What only documents have in Redis: several writes of one document in one commit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from syncline_protocol import revisions
from syncline_protocol.documents import Document

from .commit import Step
from .keys import ObjectAddress
from .objects import ObjectsOf
from .results import Written

__all__ = ["write_steps"]


async def write_steps(
    documents: ObjectsOf[Document], at: ObjectAddress, steps: Sequence[Step], if_match: int
) -> list[Written[Document]]:
    """Replace the data several times in one commit: readers only see the last state.

    Each step gets a revision and an answer of its own. The last step's author decides which rights
    are checked and which webhook is queued; where permissions are checked, all steps must have the
    same identity.

    Returns:
        the answer to each step.

    Raises:
        Refusal: as `Objects.update`.
        StepRepeated: one step was committed before; nothing was committed now. Commit the steps one
            by one.
    """
    *earlier, last = steps
    written = await documents.update(
        at,
        last.author,
        data=last.data,
        if_match=if_match,
        op=last.op,
        fingerprint=last.fingerprint,
        earlier=earlier,
    )
    given = revisions.steps(written.state.revision, len(steps))
    return [
        replace(
            written,
            state=replace(
                written.state,
                revision=revision,
                data=step.data,
                updated_by=step.author.identity,
            ),
        )
        for revision, step in zip(given, steps, strict=True)
    ]
