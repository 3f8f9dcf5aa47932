"""Whether acknowledged writes of items are there, and nothing else is."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import accumulate, chain

from syncline_tools.verify.evidence import Evidence
from syncline_tools.verify.findings import Check, Finding
from syncline_tools.verify.losses import Losses

from .actions import expires
from .copies import LostChanges
from .evidence import Applied, ItemEvidence, ItemWrite, Sighting, Snapshot
from .observer import STORE
from .records import ItemState

__all__ = [
    "check_item_kept",
    "check_item_origin",
]


def check_item_kept(evidence: Evidence) -> Check:
    """No acknowledged write of an item is missing in what is read, or received, after it."""
    items = evidence.items
    applied = {sid: items.applied(sid) for sid in items.collections}
    return Check.of(
        "item-kept",
        "No acknowledged write of an item was lost",
        examined=sum(map(len, applied.values())),
        unit="item writes",
        findings=chain.from_iterable(
            chain(
                _older_than_acknowledged(items, sid, applied[sid]),
                _missing_in_tally(items, sid, applied[sid]),
                _forgotten(items, sid, LostChanges.of(evidence, sid)),
            )
            for sid in items.collections
        ),
    )


def check_item_origin(evidence: Evidence) -> Check:
    """Each state that somebody sees was written, and was not refused."""
    items, losses = evidence.items, Losses.of(evidence)
    distinct = {sid: _distinct(items, sid) for sid in items.collections}
    return Check.of(
        "item-origin",
        "No item had a state that was never written",
        examined=sum(map(len, distinct.values())),
        unit="states of items",
        findings=chain.from_iterable(
            _never_written(items, losses, sid, states) for sid, states in distinct.items()
        ),
    )


def _older_than_acknowledged(
    items: ItemEvidence, sid: str, applied: Sequence[Applied]
) -> Iterator[Finding]:
    """What is read shows each item at least as new as was acknowledged before."""
    by_key: dict[str, list[Applied]] = defaultdict(list)
    for each in sorted(applied, key=lambda each: each.at):
        if each.key is not None and each.revision is not None and each.part.do != "remove":
            by_key[each.key].append(each)
    newest = {key: list(accumulate(writes, _newer)) for key, writes in by_key.items()}
    times = {key: [each.at for each in writes] for key, writes in by_key.items()}
    removals = items.removing(sid)
    for snapshot in items.snapshots_of_all(sid):
        shown = {state.key: state for state in snapshot.items}
        for key, moments in times.items():
            count = bisect_right(moments, snapshot.began)
            if not count:
                continue
            last, state = newest[key][count - 1], shown.get(key)
            if state is not None and state.revision < (last.revision or 0):
                yield _of(
                    snapshot,
                    sid,
                    f"item {key} was at revision {state.revision}, and {last.revision} had been "
                    "acknowledged",
                )
            if state is None and not expires(key) and not _explained(last, snapshot, removals[key]):
                yield _of(
                    snapshot,
                    sid,
                    f"item {key} was missing, and revision {last.revision} had been acknowledged",
                )


def _newer(first: Applied, second: Applied) -> Applied:
    return first if (first.revision or 0) > (second.revision or 0) else second


def _explained(last: Applied, snapshot: Snapshot, removals: list[ItemWrite]) -> bool:
    return any(
        each.invoked.at < snapshot.at and each.acknowledged_at >= last.began for each in removals
    )


def _missing_in_tally(
    items: ItemEvidence, sid: str, applied: Sequence[Applied]
) -> Iterator[Finding]:
    """Data that name every write that made them lack none that was acknowledged before."""
    tallies: dict[str, list[Applied]] = defaultdict(list)
    for each in applied:
        if each.part.do == "merge" and each.key is not None:
            tallies[each.key].append(each)
    removals = items.removing(sid)
    for snapshot in items.snapshots[sid]:
        for state in snapshot.items:
            if any(each.invoked.at < snapshot.at for each in removals[state.key]):
                continue
            named = set(state.writes)
            for each in tallies.get(state.key, ()):
                if each.at <= snapshot.began and each.write.number not in named:
                    yield _of(
                        snapshot,
                        sid,
                        f"item {state.key} lacked write {each.write.number}, which had been "
                        "acknowledged",
                    )


def _forgotten(items: ItemEvidence, sid: str, lost: LostChanges) -> Iterator[Finding]:
    """An event names the revision before it: none that was acknowledged lies between."""
    revisions = sorted(lost.acknowledged)
    found = set[int]()
    # On other wires an event may stand for several, from what its client had on.
    for event in items.changes_of(sid, STORE):
        if lost.is_of_old_master(event):
            continue
        first = min((each.revision for each in event.changes), default=event.revision)
        place = bisect_right(revisions, event.previous)
        if place < len(revisions) and revisions[place] < first and revisions[place] not in found:
            found.add(revisions[place])
            yield Finding(
                document=sid,
                client=event.client,
                at=event.at,
                text=f"revision {revisions[place]} was acknowledged, and {first} followed "
                f"{event.previous}",
            )


def _distinct(items: ItemEvidence, sid: str) -> list[Sighting]:
    """One sighting of each different state; removals are none."""
    first: dict[tuple[str, int, str], Sighting] = {}
    for each in items.sightings(sid):
        state = each.state
        if state.content is not None:
            first.setdefault((state.key, state.revision, state.content), each)
    return list(first.values())


def _never_written(
    items: ItemEvidence, losses: Losses, sid: str, states: Sequence[Sighting]
) -> Iterator[Finding]:
    first: dict[tuple[int, int], Sighting] = {}
    for each in sorted(states, key=lambda sighting: sighting.at):
        state = each.state
        problem = None if state.writes else "names no write"
        for number in state.writes:
            if not _is_lost(items, losses, number, each.at):
                problem = problem or _unlike(items, number, sid, state)
        if len(state.writes) == 1:
            other = first.setdefault((state.writes[0], state.part), each)
            # A write that was lost before it was acknowledged was sent again.
            if other.state.key != state.key and not losses.possible(other.at, each.at):
                text = f"has write {state.writes[0]}, which made item {other.state.key} too"
                problem = problem or text
        if problem:
            yield Finding(
                document=sid,
                client=each.client,
                at=each.at,
                text=f"item {state.key} at revision {state.revision} {problem}",
            )


def _is_lost(items: ItemEvidence, losses: Losses, number: int, at: float) -> bool:
    """True if what was seen then may have been lost before its write was refused, sent again."""
    write = items.writes.get(number)
    if write is None or write.answered is None or not items.is_refused(write):
        return False
    return losses.possible(at, write.answered.at)


def _unlike(items: ItemEvidence, number: int, sid: str, state: ItemState) -> str | None:
    """How a state differs from what the write that it names wrote; None if it does not."""
    write = items.writes.get(number)
    if write is None or write.invoked.collection != sid:
        return "names a write that never was"
    if items.is_refused(write):
        return f"has write {write.number}, which was refused"
    parts = write.invoked.parts
    if state.part >= len(parts):
        return f"names a part that write {write.number} does not have"
    part = parts[state.part]
    if part.key not in (None, state.key):
        return f"has write {write.number}, which was of item {part.key}"
    if len(state.writes) == 1 and part.content not in (None, state.content):
        return f"has other data than write {write.number}"
    return None


def _of(snapshot: Snapshot, sid: str, text: str) -> Finding:
    return Finding(document=sid, client=snapshot.client, at=snapshot.at, text=text)
