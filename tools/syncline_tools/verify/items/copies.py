"""The copies that observers of events have of a collection, as a history lets them be rebuilt."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from .actions import expires
from .evidence import ItemEvidence, ItemSeen
from .records import CollectionRemoved, ItemChange, ItemsOpened, ItemsReplayed, ItemState

__all__ = ["Copy", "States", "apply", "differing", "rebuild", "stored_at"]

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
        for each in items.snapshots[sid]
        if each.revision is not None
    }


def differing(copy: States, stored: States) -> str | None:
    """The first difference of a copy, in words; None if there is none."""
    for key in sorted(copy.keys() | stored.keys()):
        mine, other = copy.get(key), stored.get(key)
        if mine is None and other is not None:
            return f"item {key} is missing, and is stored at {other.revision}"
        if mine is not None and other is None:
            return f"item {key} is there at {mine.revision}, and is not stored"
        if mine is not None and other is not None:
            if (mine.revision, mine.content) != (other.revision, other.content):
                return f"item {key} is at {mine.revision}, and {other.revision} is stored"
    return None
