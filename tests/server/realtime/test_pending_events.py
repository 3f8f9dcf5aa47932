"""Events that wait for a reply, or until the store was read: what becomes of too many."""

from __future__ import annotations

from syncline_protocol.items import Change, ChangeKind, Item, ItemsChanged
from syncline_protocol.objects import Event, ExpiryChanged
from syncline_protocol.streams import Message, Missed
from syncline_server.realtime.pending_events import PENDING_LIMIT, PendingEvents


def changed(revision: int) -> ItemsChanged:
    item = Item(
        key="k",
        revision=revision,
        born=1,
        data=b"{}",
        created_ms=0,
        updated_ms=0,
        expires_ms=None,
        created_by="alice",
        updated_by="alice",
    )
    return ItemsChanged(
        sid="MP",
        unique_name=None,
        revision=revision,
        previous=revision - 1,
        at_ms=0,
        by="alice",
        changes=(Change(kind=ChangeKind.UPDATED, item=item),),
    )


def message(n: int) -> Message:
    return Message(
        sid="TO",
        unique_name=None,
        revision=0,
        previous=0,
        at_ms=0,
        by="alice",
        message_sid=f"TZ{n}",
        data=b"{}",
    )


def expiry(revision: int) -> ExpiryChanged:
    return ExpiryChanged(
        sid="TO",
        unique_name=None,
        revision=revision,
        previous=0,
        at_ms=0,
        by="alice",
        expires_ms=None,
    )


def filled(*events: Event) -> PendingEvents:
    pending = PendingEvents()
    for event in events:
        pending.add(event)
    return pending


def test_of_changes_of_items_the_newest_is_dropped_and_named() -> None:
    events = [changed(n) for n in range(1, PENDING_LIMIT + 1)]
    pending = filled(*events)
    assert pending.add(changed(1000)) == 1000
    assert list(pending) == events
    pending.drop_replayable()
    assert list(pending) == []
    assert pending.add(changed(1001)) == 0


def test_a_reset_replaces_all_changes() -> None:
    reset = changed(1000).after_loss()
    pending = filled(*(changed(n) for n in range(1, PENDING_LIMIT + 1)), reset)
    assert list(pending) == [reset]
    pending.drop_replayable()
    assert list(pending) == [reset]


def test_of_messages_the_oldest_is_dropped_and_counted() -> None:
    messages = [message(n) for n in range(PENDING_LIMIT)]
    end = expiry(7)
    pending = filled(end, *messages, message(1000))
    first, *rest = pending
    assert isinstance(first, Missed) and first.count == 2
    assert rest == [end, *messages[2:], message(1000)]
