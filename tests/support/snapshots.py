"""Makes snapshots of one document for tests of the client."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import orjson

from syncline.snapshot import Snapshot

__all__ = ["SID", "make_snapshot"]

SID = "ET" + "0a" * 16

_MOMENT = datetime(2026, 1, 31, tzinfo=UTC)


def make_snapshot(revision: int, data: dict[str, Any] | None = None) -> Snapshot:
    """A snapshot at `revision`; `data` None makes data that contains the revision."""
    return Snapshot(
        sid=SID,
        unique_name=None,
        revision=revision,
        json=orjson.dumps({"at": revision} if data is None else data),
        date_created=_MOMENT,
        date_updated=_MOMENT,
        date_expires=None,
        created_by="system",
        updated_by="alice",
    )
