"""Whether revisions of items only grow, and removed items stay removed."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator
from itertools import accumulate, chain

from syncline_tools.verify.evidence import Evidence
from syncline_tools.verify.findings import Check, Finding
from syncline_tools.verify.losses import Losses

from .evidence import Applied, ItemEvidence, Snapshot
from .records import REMOVED

__all__ = ["check_item_removals", "check_item_revisions"]


def check_item_removals(evidence: Evidence) -> Check:
    """A removed item stays removed, unless it is created again at a greater revision."""
    items, losses = evidence.items, Losses.of(evidence)
    removed = {sid: _removals(items, sid) for sid in items.collections}
    return Check.of(
        "item-removals",
        "Removed items stayed removed",
        examined=sum(len(each) for keys in removed.values() for each in keys.values()),
        unit="removals",
        findings=chain.from_iterable(
            chain(
                _come_back(items, losses, sid, keys),
                _shown_after_removal(items, sid),
            )
            for sid, keys in removed.items()
        ),
    )


def check_item_revisions(evidence: Evidence) -> Check:
    """Items of one collection share one clock: its revisions grow, and name one content each."""
    items = evidence.items
    contents: dict[tuple[str, int], tuple[str, str]] = {}
    findings = [
        *chain.from_iterable(_reused(items, sid, contents) for sid in items.collections),
        *chain.from_iterable(_not_growing(items, sid) for sid in items.collections),
    ]
    return Check.of(
        "item-revisions",
        "Revisions of items only grew, and none was used twice",
        examined=len(contents),
        unit="revisions of items",
        findings=findings,
    )


def _removals(items: ItemEvidence, sid: str) -> dict[str, list[tuple[float, int]]]:
    """When each removal of an item became known, and its revision."""
    found: dict[str, list[tuple[float, int]]] = defaultdict(list)
    for event in items.changes_of(sid):
        for change in event.changes:
            if change.change == REMOVED:
                found[change.key].append((event.at, change.revision))
    return found


def _come_back(
    items: ItemEvidence, losses: Losses, sid: str, removed: dict[str, list[tuple[float, int]]]
) -> Iterator[Finding]:
    acknowledged = {each.revision for each in items.applied(sid)}
    for snapshot in items.snapshots[sid]:
        for state in snapshot.items:
            for known, revision in removed.get(state.key, ()):
                if known > snapshot.began or state.revision > revision:
                    continue
                # Its write may have been sent again since, and been acknowledged at another one.
                is_unknown = revision not in acknowledged
                if not (is_unknown and losses.possible(known, snapshot.at)):
                    yield _of(
                        snapshot,
                        sid,
                        f"item {state.key} was at revision {state.revision}, and had been removed "
                        f"at {revision}",
                    )


def _shown_after_removal(items: ItemEvidence, sid: str) -> Iterator[Finding]:
    """An item whose write was acknowledged before an acknowledged removal began is gone."""
    removing = items.removing(sid)
    for snapshot in items.snapshots[sid]:
        for state in snapshot.items:
            write = items.writes.get(state.writes[-1]) if state.writes else None
            for removal in removing.get(state.key, ()):
                if (
                    write is not None
                    and removal.acknowledged_at <= snapshot.began
                    and write.acknowledged_at <= removal.invoked.at
                ):
                    yield _of(
                        snapshot,
                        sid,
                        f"item {state.key} had write {write.number}, and its removal by write "
                        f"{removal.number} had been acknowledged",
                    )


def _reused(
    items: ItemEvidence, sid: str, contents: dict[tuple[str, int], tuple[str, str]]
) -> Iterator[Finding]:
    for each in items.sightings(sid):
        state = each.state
        content = state.key, state.content or REMOVED
        known = contents.setdefault((sid, state.revision), content)
        if known != content:
            yield Finding(
                document=sid,
                client=each.client,
                at=each.at,
                text=f"revision {state.revision} was of item {known[0]} with content {known[1]}, "
                f"and of item {content[0]} with {content[1]}",
            )
    for applied in items.applied(sid):
        if applied.revision is None or applied.key is None or applied.part.content is None:
            continue
        content = applied.key, applied.part.content
        known = contents.setdefault((sid, applied.revision), content)
        if known != content:
            yield _by(applied, sid, f"its revision {applied.revision} is that of another content")


def _not_growing(items: ItemEvidence, sid: str) -> Iterator[Finding]:
    """A write that began after another was acknowledged has a greater revision."""
    applied = [each for each in items.applied(sid) if each.revision is not None]
    answers = sorted((each.at, each.revision or 0) for each in applied)
    newest = list(accumulate((revision for _, revision in answers), max, initial=0))
    for each in applied:
        before = newest[bisect_left(answers, (each.began, 0))]
        if (each.revision or 0) <= before:
            yield _by(each, sid, f"it got revision {each.revision}, after {before} was given")


def _of(snapshot: Snapshot, sid: str, text: str) -> Finding:
    return Finding(document=sid, client=snapshot.client, at=snapshot.at, text=text)


def _by(applied: Applied, sid: str, text: str) -> Finding:
    return Finding(document=sid, client=applied.write.invoked.client, at=applied.began, text=text)
