"""The checks of a run about lists, maps and streams."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from syncline_tools.verify.evidence import Evidence
from syncline_tools.verify.findings import Check

from .checks_batches import check_item_batches
from .checks_complete import check_item_complete
from .checks_contention import check_item_conditions, check_item_indexes
from .checks_delivery import check_item_fresh, check_item_parts, check_item_replies
from .checks_events import check_item_converged, check_item_order, check_item_replay
from .checks_freshness import check_replica_fresh
from .checks_lives import check_item_expiry, check_messages
from .checks_replicas import (
    check_replica_converged,
    check_replica_order,
    check_replica_own,
)
from .checks_revisions import check_item_removals, check_item_revisions
from .checks_writes import check_item_kept, check_item_origin

__all__ = ["item_checks"]

OfItems = Callable[[Evidence], Check]

_ON_ITEMS: tuple[OfItems, ...] = (
    check_item_kept,
    check_item_origin,
    check_item_revisions,
    check_item_conditions,
    check_item_batches,
    check_item_order,
    check_item_converged,
)

_ON_EVENTS: tuple[OfItems, ...] = (
    check_item_complete,
    check_item_fresh,
    check_item_replay,
    check_item_removals,
)

_ON_REPLICAS: tuple[OfItems, ...] = (
    check_replica_converged,
    check_replica_fresh,
    check_replica_order,
    check_replica_own,
)


def item_checks(evidence: Evidence) -> Iterator[Check]:
    """Those that the run is about: without observers of events, nothing says what they received."""
    items = evidence.items
    types = {created.type for created in items.created.values()}
    if types & {"list", "map"}:
        yield from (check(evidence) for check in _ON_ITEMS)
        if items.observers:
            yield from (check(evidence) for check in _ON_EVENTS)
        if items.replicas:
            yield from (check(evidence) for check in _ON_REPLICAS)
    if "list" in types:
        yield check_item_indexes(evidence)
    if "map" in types:
        yield check_item_expiry(evidence)
        if any(not items.scope(client).is_whole for client in items.observers):
            yield check_item_parts(evidence)
    if items.observers:
        yield check_item_replies(evidence)
    if "stream" in types and items.observers:
        yield check_messages(evidence)
