"""Whether a batch is applied whole or not at all."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import chain

from syncline_tools.verify.calm import Calm
from syncline_tools.verify.evidence import Evidence
from syncline_tools.verify.findings import Check, Finding

from .copies import SETTLING
from .evidence import ItemEvidence, ItemWrite, Snapshot
from .observer import STORE
from .records import ItemsChanged, ItemsRead, ItemState

__all__ = ["check_item_batches"]

WITH_BATCHES = ("native", "sse")
"""The wires on which a batch is one event."""


def check_item_batches(evidence: Evidence) -> Check:
    """Nobody sees a part of a batch, and none of a batch that was refused."""
    items, calm = evidence.items, Calm(evidence)
    batches = [write for write in items.writes.values() if write.invoked.is_batch]
    return Check.of(
        "item-batches",
        "Every batch of items was applied whole or not at all",
        examined=len(batches),
        unit="batches",
        findings=chain(
            _refused(items, batches),
            _answered_apart(batches),
            chain.from_iterable(
                chain(
                    chain.from_iterable(
                        _part_of_event(items, event)
                        for event in items.changes_of(sid)
                        if _is_whole(items, calm, event)
                    ),
                    chain.from_iterable(
                        _part_of_snapshot(items, snapshot)
                        for snapshot in items.snapshots_of_all(sid)
                        if not isinstance(snapshot, ItemsRead) or snapshot.is_atomic
                    ),
                )
                for sid in items.collections
            ),
        ),
    )


def _refused(items: ItemEvidence, batches: list[ItemWrite]) -> Iterator[Finding]:
    refused = {each.number for each in batches if items.is_refused(each)}
    for sid in items.collections:
        for sighting in items.sightings(sid):
            for number in refused.intersection(sighting.state.writes):
                yield Finding(
                    document=sid,
                    client=sighting.client,
                    at=sighting.at,
                    text=f"item {sighting.state.key} is of batch {number}, which was refused",
                )


def _answered_apart(batches: list[ItemWrite]) -> Iterator[Finding]:
    """The answer has one revision for each operation, and they follow each other."""
    for batch in batches:
        answered = batch.answered
        if answered is None or not batch.is_acknowledged:
            continue
        revisions = [each for each in answered.revisions if each is not None]
        count = len(batch.invoked.parts)
        if len(revisions) != count or revisions != list(range(revisions[0], revisions[0] + count)):
            yield Finding(
                document=batch.invoked.collection,
                client=batch.invoked.client,
                at=answered.at,
                text=f"batch {batch.number} of {count} operations has the revisions {revisions}",
            )


def _is_whole(items: ItemEvidence, calm: Calm, event: ItemsChanged) -> bool:
    """True of an event that has all that was written at once.

    The vendor's protocol has one notification for each item, an observer of a part has not all, and
    what a client missed may come in portions.
    """
    wire, client = items.wires[event.client], event.client
    if wire == STORE:
        return True
    is_live = calm.undisturbed(client, event.at - SETTLING, event.at)
    return wire in WITH_BATCHES and items.scope(client).is_whole and is_live


def _part_of_event(items: ItemEvidence, event: ItemsChanged) -> Iterator[Finding]:
    for batch, parts in _batches(items, event.changes):
        count = len(batch.invoked.parts)
        if len(parts) < count and not _is_later(batch, event):
            yield Finding(
                document=event.collection,
                client=event.client,
                at=event.at,
                text=f"the event of {event.revision} has {len(parts)} of the {count} operations of "
                f"batch {batch.number}",
            )


def _part_of_snapshot(items: ItemEvidence, snapshot: Snapshot) -> Iterator[Finding]:
    for batch, parts in _batches(items, snapshot.items):
        for part in range(len(batch.invoked.parts)):
            if part in parts:
                continue
            state, key = parts[min(parts)], _key_of(batch, part, parts)
            if not _is_overwritten(items, snapshot, state, key=key):
                yield Finding(
                    document=snapshot.collection,
                    client=snapshot.client,
                    at=snapshot.at,
                    text=f"item {state.key} is of batch {batch.number}, and item {key} is not",
                )


def _batches(
    items: ItemEvidence, states: Iterable[ItemState]
) -> list[tuple[ItemWrite, dict[int, ItemState]]]:
    """The batches that these states are of, each with the parts that are there."""
    found: dict[int, dict[int, ItemState]] = defaultdict(dict)
    for state in states:
        if state.content is not None and len(state.writes) == 1:
            write = items.writes.get(state.writes[0])
            if write is not None and write.invoked.is_batch:
                found[write.number][state.part] = state
    return [(items.writes[number], parts) for number, parts in found.items()]


def _key_of(batch: ItemWrite, part: int, parts: dict[int, ItemState]) -> str:
    """The item of a part; a list gives a batch consecutive indexes."""
    key = batch.invoked.parts[part].key
    first = min(parts)
    return key if key is not None else str(int(parts[first].key) + part - first)


def _is_overwritten(
    items: ItemEvidence, snapshot: Snapshot, of_batch: ItemState, *, key: str
) -> bool:
    """True if a part of a batch may be gone because another write came after it."""
    state = next((each for each in snapshot.items if each.key == key), None)
    if state is not None:
        return state.revision > of_batch.revision
    return any(
        part.do == "remove"
        and part.key == key
        and not items.is_refused(write)
        and write.invoked.at < snapshot.at
        for write in items.writes_to(snapshot.collection)
        for part in write.invoked.parts
    )


def _is_later(batch: ItemWrite, event: ItemsChanged) -> bool:
    """True of an event that gives items of a batch newer revisions than the batch did, as a server
    does after a failover that lost what was written to them since."""
    if batch.answered is None or not batch.is_acknowledged:
        return False
    last = max((each for each in batch.answered.revisions if each is not None), default=0)
    return all(each.revision > last for each in event.changes if batch.number in each.writes)
