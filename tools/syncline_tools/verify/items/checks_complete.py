"""Whether observers of items receive every change."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, pairwise
from typing import NamedTuple

from syncline_tools.verify.calm import Calm
from syncline_tools.verify.evidence import Evidence
from syncline_tools.verify.findings import Check, Finding

from .actions import expires
from .copies import (
    SETTLING,
    Copy,
    LostChanges,
    difference,
    is_tried,
    rebuild,
    stored_at,
)
from .evidence import ItemEvidence, ItemSeen
from .observer import STORE
from .records import CollectionRemoved, ItemsChanged, ItemsReplayed

__all__ = ["check_item_complete"]

WAITING = 1.0
"""Seconds that an own write may take: while it does, events of its collection wait on the server,
and if these become many, the newest states come in their place."""


def check_item_complete(evidence: Evidence) -> Check:
    """Each event follows the one before it, and leads to what is stored at its revision.

    A slow reader may get the newest state in the place of those between: a client is not judged
    where something disturbed it. An observer at the store itself has no such excuse.
    """
    items = evidence.items
    return Check.of(
        "item-complete",
        "Every observer received every change of an item",
        examined=sum(
            isinstance(each, ItemsChanged) for seen in items.seen.values() for each in seen
        ),
        unit="events",
        findings=chain.from_iterable(
            chain(judge.gaps(client), judge.unlike_stored(client))
            for judge in (_Judge.of(evidence, sid) for sid in items.collections)
            for client in items.observers
        ),
    )


class _Known(NamedTuple):
    """The change of an item, of which an observer or a writer knows."""

    revision: int
    key: str
    is_live: bool


@dataclass(frozen=True, slots=True)
class _Judge:
    """Of the observers of one collection; `known` is in the order of revisions."""

    items: ItemEvidence
    sid: str
    calm: Calm
    lost: LostChanges
    known: list[_Known]

    @classmethod
    def of(cls, evidence: Evidence, sid: str) -> _Judge:
        items = evidence.items
        known = {
            _Known(change.revision, change.key, change.content is not None)
            for event in items.changes_of(sid)
            for change in event.changes
        }
        known |= {
            _Known(each.revision, each.key, each.part.do != "remove")
            for each in items.applied(sid)
            if each.revision is not None and each.key is not None
        }
        ordered = sorted(each for each in known if not expires(each.key))
        return cls(items, sid, Calm(evidence), LostChanges.of(evidence, sid), ordered)

    def gaps(self, client: str) -> Iterator[Finding]:
        """Events that do not follow the one before."""
        if not self.items.scope(client).is_whole:
            return  # the revision before may be that of another item
        is_strict = self.items.wires[client] == STORE
        seen = self.items.seen.get((self.sid, client), ())
        for before, after in pairwise(each for each in seen if not is_tried(each)):
            if (
                isinstance(after, ItemsChanged)
                and not isinstance(before, CollectionRemoved)
                and after.connection == before.connection
                and after.previous > before.revision
                and (is_strict or self.calm.undisturbed(client, before.at, after.at))
            ):
                yield _of(
                    after,
                    f"after {before.revision} it received {after.revision}, which follows "
                    f"{after.previous}",
                )

    def unlike_stored(self, client: str) -> Iterator[Finding]:
        """Copies that are not what was stored, or lack a change that others received."""
        stored, scope = stored_at(self.items, self.sid), self.items.scope(client)
        head, before, slow = 0, None, self._slow_writes(client)
        for copy in rebuild(self.items, self.sid, client):
            if is_tried(copy.seen):
                continue
            if isinstance(copy.seen, ItemsReplayed):
                head = copy.seen.head or 0
            # Until what changed has come in all its portions, a copy is no state.
            elif isinstance(copy.seen, ItemsChanged) and copy.revision >= head:
                head = 0
                is_of_store = not self.lost.is_of_old_master(copy.seen)
                if is_of_store and self._is_judged(client, copy, slow):
                    yield from difference(copy, stored, self.lost, scope, how="with its events")
                    if before is not None and before.seen.connection == copy.seen.connection:
                        yield from self._lacking(client, before, copy)
            before = copy

    def _is_judged(self, client: str, copy: Copy, slow: list[tuple[float, float]]) -> bool:
        if self.items.wires[client] == STORE:
            return True
        since, until = copy.seen.at - SETTLING, copy.seen.at
        is_calm = self.calm.undisturbed(client, since, until)
        return is_calm and not any(begin < until and end > since for begin, end in slow)

    def _slow_writes(self, client: str) -> list[tuple[float, float]]:
        """The times of own writes that took longer than others wait for them."""
        spans = [
            (each.invoked.at, each.answered.at if each.answered else float("inf"))
            for each in self.items.writes_to(self.sid)
            if each.invoked.client == client
        ]
        return [(begin, end) for begin, end in spans if end - begin > WAITING]

    def _lacking(self, client: str, before: Copy, copy: Copy) -> Iterator[Finding]:
        """Changes between two events of which others know, and which the later copy lacks."""
        scope = self.items.scope(client)
        first = bisect_right(self.known, before.revision, key=lambda each: each.revision)
        last = bisect_right(self.known, copy.revision, key=lambda each: each.revision)
        newest = {each.key: each for each in self.known[first:last] if scope.has(each.key)}
        for key, change in newest.items():
            state = copy.items.get(key)
            is_newer = state is not None and state.revision > change.revision
            is_there = state is not None and state.revision >= change.revision
            if is_there if change.is_live else state is None or is_newer:
                continue
            if self.lost.may_be_lost(key, change.revision, copy.seen.at):
                continue
            yield _of(
                copy.seen,
                f"after {before.revision} it received {copy.revision}, and not "
                f"{change.revision} of item {key}",
            )


def _of(each: ItemSeen, text: str) -> Finding:
    return Finding(document=each.collection, client=each.client, at=each.at, text=text)
