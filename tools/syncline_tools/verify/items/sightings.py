"""How long it took until each observer of items received each acknowledged change."""

from __future__ import annotations

from itertools import accumulate

from syncline_tools.verify.evidence import Evidence
from syncline_tools.verify.sightings import Sightings

from .copies import is_tried
from .evidence import ItemSeen
from .records import MessageReceived

__all__ = ["sightings_of_items"]


def sightings_of_items(evidence: Evidence) -> dict[str, Sightings]:
    """Those of all observers of events, by client."""
    end = evidence.ended.at if evidence.ended else 0.0
    return {
        client: Sightings(
            client, sorted([*_changes(evidence, client, end), *_messages(evidence, client)])
        )
        for client in evidence.items.observers
    }


def _changes(evidence: Evidence, client: str, end: float) -> list[tuple[float, float]]:
    items, pairs = evidence.items, list[tuple[float, float]]()
    scope = items.scope(client)
    for sid in items.collections:
        seen = [each for each in items.seen.get((sid, client), ()) if not is_tried(each)]
        acknowledged = sorted(
            (each.revision, each.at)
            for each in items.applied(sid)
            if each.revision is not None and scope.has(each.key or "")
        )
        if seen:
            pairs += _pairs(acknowledged, seen, end)
    return pairs


def _pairs(
    acknowledged: list[tuple[int, float]], seen: list[ItemSeen], end: float
) -> list[tuple[float, float]]:
    reached = list(accumulate((each.revision for each in seen), max))
    pairs, place = [], 0
    for revision, at in acknowledged:
        while place < len(seen) and reached[place] < revision:
            place += 1
        seen_at = seen[place].at if place < len(seen) else end
        if at >= seen[0].at:
            pairs.append((at, max(at, seen_at)))
    return pairs


def _messages(evidence: Evidence, client: str) -> list[tuple[float, float]]:
    """Of messages that came: one that did not come once never comes."""
    items = evidence.items
    received: list[MessageReceived] = [
        each for (_, of), messages in items.messages.items() if of == client for each in messages
    ]
    published = [
        (each.at, items.writes[each.write].acknowledged_at)
        for each in received
        if each.write in items.writes
    ]
    return [(known, max(known, at)) for at, known in published if known < float("inf")]
