"""Results of the upload of records."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from .collection_states import CollectionState
from .export_lines import AnyRecord
from .records import Unusable

__all__ = ["OnConflict", "Outcome", "Upload", "UploadedUnit"]


class OnConflict(StrEnum):
    """What to do with a record that already exists in the target."""

    SKIP = "skip"
    REPLACE = "replace"
    FAIL = "fail"


class Outcome(StrEnum):
    """Result of the upload of one record."""

    CREATED = "created"
    REPLACED = "replaced"
    SKIPPED = "skipped"
    EXPIRED = "expired"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Upload:
    """A record and the result of its upload.

    Attributes:
        record: the record as read from the source.
        target_sid: SID of the object in the target; None if it is unknown.
        reason: a sentence that says why the upload failed; None if it did not fail, or if the
            failure of its list or map was reported.
    """

    record: AnyRecord | Unusable
    outcome: Outcome
    target_sid: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class UploadedUnit:
    """The results of one unit of a batch.

    Attributes:
        state: the state to record of the unit's list, map or stream; None to leave it unchanged.
    """

    uploads: list[Upload]
    state: CollectionState | None = None
