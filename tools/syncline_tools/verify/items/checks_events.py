"""Whether observers of items receive them in order, and end with what is stored."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, pairwise, product

from syncline_tools.verify.evidence import Evidence
from syncline_tools.verify.findings import Check, Finding
from syncline_tools.verify.losses import Losses

from .copies import LostChanges, difference, index, is_tried, rebuild, stored_at
from .evidence import ItemEvidence, ItemSeen
from .observer import STORE
from .records import CollectionRemoved, ItemsChanged, ItemsRead, ItemsReplayed

__all__ = [
    "check_item_converged",
    "check_item_order",
    "check_item_replay",
]


def check_item_order(evidence: Evidence) -> Check:
    """Revisions come in order: in events, and from one reading to the next."""
    items, losses = evidence.items, Losses.of(evidence)
    events = sum(len(seen) for seen in items.seen.values())
    readings = sum(len(each) for each in items.snapshots.values())
    return Check.of(
        "item-order",
        "No observer saw items out of order",
        examined=events + readings,
        unit="events and readings",
        findings=chain(
            chain.from_iterable(_disordered(items, seen) for seen in items.seen.values()),
            chain.from_iterable(
                _going_back(items, losses, sid, client)
                for sid, client in product(items.collections, items.wires)
            ),
        ),
    )


def check_item_replay(evidence: Evidence) -> Check:
    """What changed since a revision, applied to the copy of then, gives the copy of now."""
    items = evidence.items
    replays = [
        each for seen in items.seen.values() for each in seen if isinstance(each, ItemsReplayed)
    ]
    return Check.of(
        "item-replay",
        "What changed since a revision led to the state that is stored",
        examined=len(replays),
        unit="replays",
        findings=chain.from_iterable(
            _wrong_replays(evidence, sid, client)
            for sid, client in product(items.collections, items.observers)
        ),
    )


def check_item_converged(evidence: Evidence) -> Check:
    """At the end, everybody has what is stored."""
    items = evidence.items
    pairs = [
        (sid, client)
        for sid, client in product(items.collections, items.wires)
        if items.final(sid) is not None and _looks(items, sid, client)
    ]
    return Check.of(
        "item-converged",
        "Every observer ended with the items that are stored",
        examined=len(pairs),
        unit="collections of observers",
        findings=chain.from_iterable(_stale(evidence, sid, client) for sid, client in pairs),
    )


def _disordered(items: ItemEvidence, seen: list[ItemSeen]) -> Iterator[Finding]:
    for before, after in pairwise(each for each in seen if not is_tried(each)):
        if isinstance(before, CollectionRemoved):
            yield _of(after, "it received something after the end")
        elif isinstance(after, ItemsChanged):
            # No change comes twice, as one of several either.
            oldest = min((each.revision for each in after.changes), default=after.revision)
            if after.connection == before.connection and oldest <= before.revision:
                yield _of(after, f"it received revision {oldest} after {before.revision}")
            revisions = [each.revision for each in after.changes]
            # On other wires the last change may be of no use to the client.
            is_exact = items.wires[after.client] == STORE
            ends = [after.revision] if is_exact else revisions[-1:]
            if (
                revisions != sorted(set(revisions))
                or revisions[-1:] not in ([], ends)
                or max(revisions, default=0) > after.revision
            ):
                yield _of(after, f"the event of {after.revision} has the revisions {revisions}")


def _going_back(items: ItemEvidence, losses: Losses, sid: str, client: str) -> Iterator[Finding]:
    acknowledged = {each.revision for each in items.applied(sid)}
    reads = [
        each
        for each in items.snapshots[sid]
        if isinstance(each, ItemsRead) and each.client == client
    ]
    for before, after in pairwise(reads):
        older = {state.key: state.revision for state in before.items}
        for state in after.items:
            revision = older.get(state.key, 0)
            is_excused = revision not in acknowledged and losses.possible(before.at, after.at)
            if state.revision < revision and not is_excused:
                yield Finding(
                    document=sid,
                    client=client,
                    at=after.at,
                    text=f"item {state.key} was at revision {revision}, and later at "
                    f"{state.revision}",
                )


def _wrong_replays(evidence: Evidence, sid: str, client: str) -> Iterator[Finding]:
    items = evidence.items
    copies, scope = list(rebuild(items, sid, client)), items.scope(client)
    known, lost = stored_at(items, sid), LostChanges.of(evidence, sid)
    for copy in copies:
        if isinstance(copy.seen, ItemsChanged):
            known.setdefault(copy.revision, copy.items)
    for copy in copies:
        # A portion of the changes is no state.
        if isinstance(copy.seen, ItemsReplayed) and copy.seen.head is None:
            since = f"with what changed since {copy.seen.since}"
            yield from difference(copy, known, lost, scope, how=since)


def _stale(evidence: Evidence, sid: str, client: str) -> Iterator[Finding]:
    items = evidence.items
    final = items.final(sid)
    assert final is not None
    assert final.revision is not None
    if client in items.observers:
        last = next(each for each in reversed(items.seen[sid, client]) if not is_tried(each))
        if isinstance(last, CollectionRemoved):
            yield _of(last, "it received the end, and the collection is there")
        elif not items.scope(client).is_whole:
            # An observer of a part does not see the revisions of other items.
            yield from _unlike_final(evidence, sid, client, final)
        elif last.revision < final.revision:
            yield _of(last, f"it ended at {last.revision}, and {final.revision} is stored")
        return
    newest = max(
        each.revision or 0
        for each in items.snapshots[sid]
        if isinstance(each, ItemsRead) and each.client == client
    )
    if newest < final.revision:
        text = f"it ended at {newest}, and {final.revision} is stored"
        yield Finding(document=sid, client=client, text=text)


def _unlike_final(evidence: Evidence, sid: str, client: str, final: ItemsRead) -> Iterator[Finding]:
    *_, copy = (each for each in rebuild(evidence.items, sid, client) if not is_tried(each.seen))
    stored = {copy.revision: index(final.items)}
    lost, scope = LostChanges.of(evidence, sid), evidence.items.scope(client)
    yield from difference(copy, stored, lost, scope, how="where it ended")


def _looks(items: ItemEvidence, sid: str, client: str) -> bool:
    """True of a client that has looked at a collection at all; writers do not."""
    return bool(items.seen.get((sid, client))) or any(
        each.client == client for each in items.snapshots[sid]
    )


def _of(each: ItemSeen, text: str) -> Finding:
    return Finding(document=each.collection, client=each.client, at=each.at, text=text)
