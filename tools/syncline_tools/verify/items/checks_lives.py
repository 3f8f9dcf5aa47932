"""Whether items expire in time, and messages of streams arrive."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from syncline_tools.verify.calm import Calm
from syncline_tools.verify.evidence import Evidence
from syncline_tools.verify.findings import Check, Finding
from syncline_tools.verify.losses import Losses
from syncline_tools.verify.records import Connected

from .evidence import Applied, ItemEvidence, ItemWrite
from .observer import STORE
from .records import ItemsChanged

__all__ = ["check_item_expiry", "check_messages"]

CLOCK_TOLERANCE = 0.25
"""Seconds by which the clocks of this machine and of Redis may differ."""

NOTIFIED_WITHIN = 3.0
"""Seconds after its expiry, or after a disturbance, within which an observer receives it."""

DELIVERED_WITHIN = 3.0
"""Seconds after its acknowledgement within which a message arrives."""


def check_item_expiry(evidence: Evidence) -> Check:
    """An item that lives for so long lives neither shorter nor longer."""
    items, calm = evidence.items, Calm(evidence)
    expiring = {
        sid: [each for each in items.applied(sid) if each.part.ttl] for sid in items.collections
    }
    return Check.of(
        "item-expiry",
        "Items that expire were there until then, and gone after",
        examined=sum(map(len, expiring.values())),
        unit="items",
        findings=chain.from_iterable(
            chain(_untimely(items, sid, each), _notified_late(evidence, calm, sid, each))
            for sid, applied in expiring.items()
            for each in applied
        ),
    )


def check_messages(evidence: Evidence) -> Check:
    """Each message reaches every undisturbed subscriber once, in the order of its publisher."""
    items, calm, losses = evidence.items, Calm(evidence), Losses.of(evidence)
    streams = [sid for sid, created in items.created.items() if created.type == "stream"]
    return Check.of(
        "messages",
        "Every undisturbed subscriber received every message once",
        examined=sum(len(each) for each in items.messages.values()),
        unit="messages",
        findings=chain.from_iterable(
            chain(
                _wrong_messages(items, losses, sid, client),
                _missing_messages(evidence, calm, sid, client),
            )
            for sid in streams
            for client in items.observers
        ),
    )


def _untimely(items: ItemEvidence, sid: str, applied: Applied) -> Iterator[Finding]:
    ttl = applied.part.ttl or 0
    earliest, latest = applied.began + ttl, applied.at + ttl
    for snapshot in items.snapshots_of_all(sid):
        is_there = any(state.key == applied.key for state in snapshot.items)
        if is_there and snapshot.began > latest + CLOCK_TOLERANCE:
            text = f"item {applied.key} was there {snapshot.began - latest:.2f} s after its expiry"
        elif (
            not is_there
            and snapshot.began >= applied.at
            and snapshot.at < earliest - CLOCK_TOLERANCE
        ):
            text = f"item {applied.key} was gone {earliest - snapshot.at:.2f} s before its expiry"
        else:
            continue
        yield Finding(document=sid, client=snapshot.client, at=snapshot.at, text=text)


def _notified_late(evidence: Evidence, calm: Calm, sid: str, applied: Applied) -> Iterator[Finding]:
    items, latest = evidence.items, applied.at + (applied.part.ttl or 0)
    for client in items.observers:
        seen = items.seen.get((sid, client), [])
        if not items.scope(client).has(applied.key or ""):
            continue
        if not seen or seen[0].at > applied.began:
            continue
        notified = [
            each.at
            for each in seen
            if isinstance(each, ItemsChanged)
            for change in each.changes
            if change.key == applied.key and change.expired
        ]
        due = calm.due(client, latest, NOTIFIED_WITHIN)
        is_undisturbed = calm.undisturbed(client, applied.began, latest + NOTIFIED_WITHIN)
        if due is not None and is_undisturbed and not (notified and notified[0] <= due):
            yield Finding(
                document=sid,
                client=client,
                at=due,
                is_doubt=calm.is_starved(latest, due),
                text=f"it was not notified of the expiry of item {applied.key} in time",
            )


def _wrong_messages(
    items: ItemEvidence, losses: Losses, sid: str, client: str
) -> Iterator[Finding]:
    received: dict[int, float] = {}
    newest = 0.0
    for each in items.messages.get((sid, client), ()):
        write = None if each.write is None else items.writes.get(each.write)
        if write is None or items.is_refused(write):
            text = f"it received message {each.write}, which was never published"
        elif write.number in received:
            # The store may have lost that it was published before anybody knew: it came again.
            is_lost = losses.possible(received[write.number], each.at)
            text = "" if is_lost else f"it received message {each.write} twice"
        elif write.acknowledged_at < newest:
            text = f"it received message {each.write} after one that was published later"
        else:
            text = ""
        if write is not None and write.number not in received:
            received[write.number] = each.at
            newest = max(newest, write.invoked.at)
        if text:
            yield Finding(document=sid, client=client, at=each.at, text=text)


def _missing_messages(evidence: Evidence, calm: Calm, sid: str, client: str) -> Iterator[Finding]:
    items = evidence.items
    received = {each.write for each in items.messages.get((sid, client), ())}
    end = evidence.ended.at if evidence.ended else 0.0
    lacking = [
        write
        for write in items.writes_to(sid)
        if write.is_acknowledged
        and write.number not in received
        and write.acknowledged_at + DELIVERED_WITHIN < end
        and calm.undisturbed(client, write.invoked.at, write.acknowledged_at + DELIVERED_WITHIN)
        and _is_open(evidence, sid, client, write.invoked.at)
    ]
    # The server says how many messages it dropped because their reader was too slow.
    counted = sum(each.count for each in items.missed.get((sid, client), ()))
    for write in lacking[counted:]:
        yield _without(sid, client, write)


def _is_open(evidence: Evidence, sid: str, client: str, at: float) -> bool:
    """True if a client had a stream open at that moment, on the connection of then."""
    connected = [
        each.at
        for each in evidence.connections[client]
        if isinstance(each, Connected) and each.at <= at
    ]
    if not connected or evidence.items.wires[client] == STORE:
        return bool(connected)
    opened = evidence.items.seen.get((sid, client), ())
    return any(connected[-1] <= each.at <= at for each in opened)


def _without(sid: str, client: str, write: ItemWrite) -> Finding:
    return Finding(
        document=sid,
        client=client,
        at=write.acknowledged_at,
        text=f"it did not receive message {write.number}, which was acknowledged",
    )
