"""Whether observers receive items in time, only what they asked for, and replies before events."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from itertools import accumulate, chain, product
from typing import NamedTuple

from syncline_tools.verify.calm import Calm
from syncline_tools.verify.checks_delivery import FRESH_WITHIN
from syncline_tools.verify.evidence import Evidence
from syncline_tools.verify.findings import Check, Finding
from syncline_tools.verify.losses import Losses

from .actions import expires
from .copies import is_tried
from .evidence import ItemEvidence, ItemSeen, ItemWrite
from .observer import STORE
from .records import ItemsChanged, ItemsOpened, ItemState, MessageReceived

__all__ = ["check_item_fresh", "check_item_parts", "check_item_replies"]


def check_item_fresh(evidence: Evidence) -> Check:
    """A change of an item reaches every observer in time, in the middle of a run too.

    An observer at the store itself is not judged: how fast it is back is not the server's doing.
    """
    items, calm, losses = evidence.items, Calm(evidence), Losses.of(evidence)
    judged, findings = 0, list[Finding]()
    for sid in items.collections:
        moments = _moments(items, sid)
        for client in items.observers:
            if items.wires[client] == STORE:
                continue
            seen = [each for each in items.seen.get((sid, client), ()) if not is_tried(each)]
            if seen:
                scope = items.scope(client)
                of_client = [each for each in moments if scope.has(each.key)]
                judged += len(of_client)
                findings += _late(calm, losses, of_client, seen)
    return Check.of(
        "item-fresh",
        f"Every observer received every change of an item within {FRESH_WITHIN:g} s",
        examined=judged,
        unit="changes",
        findings=findings,
    )


def check_item_parts(evidence: Evidence) -> Check:
    """An observer of a part receives no other items."""
    items = evidence.items
    parts = [client for client in items.observers if not items.scope(client).is_whole]
    received = [
        (each, state)
        for sid, client in product(items.collections, parts)
        for each in items.seen.get((sid, client), ())
        for state in _states(each)
    ]
    return Check.of(
        "item-parts",
        "Every observer of a part received only the items of its part",
        examined=len(received),
        unit="items",
        findings=(
            Finding(
                document=each.collection,
                client=each.client,
                at=each.at,
                text=f"it received item {state.key}, which is not of its part",
            )
            for each, state in received
            if not items.scope(each.client).has(state.key)
        ),
    )


def check_item_replies(evidence: Evidence) -> Check:
    """A writer's reply comes before its event, or message.

    The promise is of one connection: REST has none, and a write that was sent again on another has
    had its event maybe before.
    """
    items = evidence.items
    pairs = list(_own_events(items))
    return Check.of(
        "item-replies",
        "A writer had its reply before its event",
        examined=len(pairs),
        unit="own events and messages",
        findings=(
            Finding(
                document=event.collection,
                client=event.client,
                at=event.at,
                text=f"the event of its own write {write.number} came before the reply",
            )
            for write, event in pairs
            if items.places[id(event)] < items.places[id(write.answered)]
        ),
    )


class _Moment(NamedTuple):
    """From `at` on it is known that an item has reached a revision."""

    at: float
    revision: int
    key: str
    is_acknowledged: bool


def _moments(items: ItemEvidence, sid: str) -> list[_Moment]:
    """When each revision became known, to its writer or to any observer."""
    known: dict[int, _Moment] = {}
    found = chain(
        (
            _Moment(each.at, each.revision, each.key, True)
            for each in items.applied(sid)
            if each.revision is not None and each.key is not None
        ),
        (
            _Moment(event.at, change.revision, change.key, False)
            for event in items.changes_of(sid)
            for change in event.changes
        ),
    )
    for each in found:
        first = known.setdefault(each.revision, each)
        known[each.revision] = _Moment(
            min(first.at, each.at),
            each.revision,
            each.key,
            first.is_acknowledged or each.is_acknowledged,
        )
    return sorted(each for each in known.values() if not expires(each.key))


def _late(
    calm: Calm, losses: Losses, moments: list[_Moment], seen: list[ItemSeen]
) -> Iterator[Finding]:
    times = [each.at for each in seen]
    reached = list(accumulate((each.revision for each in seen), max))
    client, found = seen[0].client, 0

    def reached_at(moment: float) -> int:
        place = bisect_right(times, moment)
        return reached[place - 1] if place else 0

    for moment in moments:
        since = max(moment.at, times[0])
        if reached_at(since + FRESH_WITHIN) >= moment.revision or moment.revision <= found:
            continue
        due = calm.due(client, since, FRESH_WITHIN)
        if due is None or reached_at(due) >= moment.revision:
            continue
        if not moment.is_acknowledged and losses.possible(moment.at, due):
            continue
        found = moment.revision
        yield Finding(
            document=seen[0].collection,
            client=client,
            at=due,
            is_doubt=calm.is_starved(since, due),
            text=f"it did not have revision {moment.revision} of item {moment.key} "
            f"{due - moment.at:.2f} s after it was known",
        )


def _states(each: ItemSeen) -> tuple[ItemState, ...]:
    if isinstance(each, ItemsOpened):
        return each.items
    return getattr(each, "changes", ())


def _own_events(items: ItemEvidence) -> Iterator[tuple[ItemWrite, ItemsChanged | MessageReceived]]:
    """Each write whose reply can be compared with its event on the same connection."""
    events: dict[tuple[str, str, int], ItemsChanged | MessageReceived] = {}
    for sid in items.created:
        for event in items.changes_of(sid):
            for change in event.changes:
                events.setdefault((sid, event.client, change.revision), event)
    messages: dict[tuple[str, int | None], MessageReceived] = {}
    for received in items.messages.values():
        for each in received:
            messages.setdefault((each.client, each.write), each)
    for write in items.writes.values():
        answered, invoked = write.answered, write.invoked
        if answered is None or not write.is_acknowledged or answered.is_repeated:
            continue
        if invoked.connection is None or invoked.connection != answered.connection:
            continue
        revisions = [each for each in answered.revisions if each is not None]
        own = [events.get((invoked.collection, invoked.client, each)) for each in revisions]
        own += [messages.get((invoked.client, write.number))] if not revisions else []
        for event_or_none in own:
            if event_or_none is not None and event_or_none.connection == answered.connection:
                yield write, event_or_none
