"""What a run about lists, maps and streams has not put to the test."""

from __future__ import annotations

from collections.abc import Iterator

from syncline_tools.verify.findings import Finding

from .evidence import ItemEvidence
from .records import ItemsChanged

__all__ = ["untested_items"]


def untested_items(items: ItemEvidence) -> Iterator[Finding]:
    """Types to which nothing was written, and observers that saw nothing."""
    for sid, created in items.created.items():
        if not any(write.is_acknowledged for write in items.writes_to(sid)):
            yield Finding(document=sid, text=f"no write to a {created.type} was acknowledged")
    for client in items.observers:
        has_changes = any(
            isinstance(each, ItemsChanged)
            for sid in items.collections
            for each in items.seen.get((sid, client), ())
        )
        has_messages = any(items.messages.get((sid, client)) for sid in items.created)
        if not (has_changes or has_messages):
            yield Finding(client=client, text="it never received a change of an item, or a message")
