"""The copies that observers of events have of a collection, as a history lets them be rebuilt."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from syncline_tools.verify.evidence import Evidence
from syncline_tools.verify.findings import Finding
from syncline_tools.verify.losses import Losses

from .actions import expires
from .evidence import ItemEvidence, ItemSeen
from .records import (
    CollectionRemoved,
    ItemChange,
    ItemsChanged,
    ItemsOpened,
    ItemsReplayed,
    ItemState,
)
from .scope import Scope

__all__ = [
    "SETTLING",
    "Copy",
    "LostChanges",
    "States",
    "apply",
    "difference",
    "differing",
    "index",
    "is_tried",
    "rebuild",
    "stored_at",
]

SETTLING = 1.0
"""Seconds after a disturbance in which a client may get the newest state of some items before
older changes of others."""

States = dict[str, ItemState]
"""Items by key; those that expire are not among them, because a reader does not see them any more
before their removal has an event."""


@dataclass(frozen=True, slots=True)
class Copy:
    """A copy after something came: `seen`; `before` is the copy until then."""

    seen: ItemSeen
    revision: int
    items: States
    before: States


def rebuild(items: ItemEvidence, sid: str, client: str) -> Iterator[Copy]:
    """The copy of one observer after each thing that it received. Replays that are tried out give
    what its copy would have become, and change nothing."""
    copy: States = {}
    kept: dict[int, States] = {}
    wanted = {
        each.since for each in items.seen.get((sid, client), ()) if isinstance(each, ItemsReplayed)
    }
    for each in items.seen.get((sid, client), ()):
        before = copy
        match each:
            case CollectionRemoved():
                copy = {}
            case ItemsOpened():
                copy = index(each.items)
            case ItemsReplayed():
                base = copy if each.is_adopted else kept.get(each.since)
                if base is None:
                    continue
                result = apply(base, each.changes)
                if not each.is_adopted:
                    yield Copy(each, each.revision, result, base)
                    continue
                copy = result
            case _:
                copy = apply(copy, each.changes)
        if each.revision in wanted:
            kept[each.revision] = copy
        yield Copy(each, each.revision, copy, before)


def apply(copy: States, changes: Iterable[ItemChange]) -> States:
    """A copy after these changes."""
    after = dict(copy)
    for change in changes:
        if change.content is None:
            after.pop(change.key, None)
        elif not expires(change.key):
            after[change.key] = change
    return after


def index(states: Iterable[ItemState]) -> States:
    """Items by key."""
    return {state.key: state for state in states if not expires(state.key)}


def stored_at(items: ItemEvidence, sid: str) -> dict[int, States]:
    """What was stored at each revision at which somebody read all of it."""
    return {
        each.revision: index(each.items)
        for each in items.snapshots_of_all(sid)
        if each.revision is not None
    }


@dataclass(frozen=True, slots=True)
class LostChanges:
    """What a failover may have lost after an observer received it, and before its writer had an
    answer: the observer's copy has it, and nothing leads back to what is stored.

    Attributes:
        seen: when the change to each revision of each item was first seen.
        acknowledged: revisions that were acknowledged.
    """

    losses: Losses
    seen: dict[tuple[str, int], float]
    removals: dict[str, float]
    acknowledged: set[int]

    @classmethod
    def of(cls, evidence: Evidence, sid: str) -> LostChanges:
        """Those of one collection."""
        seen: dict[tuple[str, int], float] = {}
        removals: dict[str, float] = {}
        for each in evidence.items.sightings(sid):
            state = each.state
            place = state.key, state.revision
            seen[place] = min(each.at, seen.get(place, each.at))
            if state.content is None:
                removals[state.key] = max(each.at, removals.get(state.key, each.at))
        applied = evidence.items.applied(sid)
        acknowledged = {each.revision for each in applied if each.revision is not None}
        return cls(Losses.of(evidence), seen, removals, acknowledged)

    def possible(self, key: str, state: ItemState | None, at: float) -> bool:
        """True if the state of an item in a copy may be such a one; None: it is removed there."""
        if state is None:
            return key in self.removals and self.losses.possible(self.removals[key], at)
        return self.may_be_lost(key, state.revision, at)

    def is_of_old_master(self, event: ItemsChanged) -> bool:
        """True if an event may come from a master that another one has replaced: what it has, and
        what it lacks, is not what is stored."""
        is_known = any(each.revision in self.acknowledged for each in event.changes)
        return not is_known and self.losses.possible(event.at, event.at)

    def may_be_lost(self, key: str, revision: int, at: float) -> bool:
        """True if the change of an item to a revision may have been lost by that time."""
        since = self.seen.get((key, revision), at)
        return revision not in self.acknowledged and self.losses.possible(since, at)


def difference(
    copy: Copy, known: dict[int, States], lost: LostChanges, scope: Scope, *, how: str
) -> Iterator[Finding]:
    """How a copy of a part differs from the state at its revision, if that is known."""
    stored = known.get(copy.revision)
    if stored is None:
        return
    part = {key: state for key, state in stored.items() if scope.has(key)}
    text = differing(copy.items, part, lost, copy.seen.at)
    if text is not None:
        yield Finding(
            document=copy.seen.collection,
            client=copy.seen.client,
            at=copy.seen.at,
            text=f"at revision {copy.revision}, {how}: {text}",
        )


def is_tried(each: ItemSeen) -> bool:
    """True of changes that were read, and that no copy went on from."""
    return isinstance(each, ItemsReplayed) and not each.is_adopted


def differing(copy: States, stored: States, lost: LostChanges, at: float) -> str | None:
    """The first difference of a copy at that time, in words; None if there is none."""
    for key in sorted(copy.keys() | stored.keys()):
        mine, other = copy.get(key), stored.get(key)
        if lost.possible(key, mine, at):
            continue
        if mine is None and other is not None:
            return f"item {key} is missing, and is stored at {other.revision}"
        if mine is not None and other is None:
            return f"item {key} is there at {mine.revision}, and is not stored"
        if mine is not None and other is not None:
            if (mine.revision, mine.content) != (other.revision, other.content):
                return f"item {key} is at {mine.revision}, and {other.revision} is stored"
    return None
