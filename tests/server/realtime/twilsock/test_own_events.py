"""What a client receives of its own changes."""

from __future__ import annotations

from typing import Any

from syncline_protocol.documents import Updated
from syncline_protocol.item_commands import Verb, WriteItem
from syncline_protocol.items import Change, ChangeKind, Item, ItemsChanged
from syncline_protocol.objects import MAP, Event, Header
from syncline_protocol.streams import Message
from syncline_server.objects.items import ItemWritten
from syncline_server.realtime.twilsock.own_events import REMEMBERED, OwnEvents

MAP_SID = "MP" + "0" * 32


def changed(kind: ChangeKind, revision: int) -> ItemsChanged:
    item = Item(
        key="k",
        revision=revision,
        born=1,
        data=b"{}",
        created_ms=1,
        updated_ms=1,
        expires_ms=None,
        created_by="alice",
        updated_by="alice",
    )
    return ItemsChanged(
        sid=MAP_SID,
        unique_name=None,
        revision=revision,
        previous=revision - 1,
        at_ms=1,
        by="alice",
        changes=(Change(kind=kind, item=item),),
    )


def written(event: ItemsChanged) -> ItemWritten:
    header = Header(
        sid=event.sid,
        unique_name=None,
        revision=event.revision,
        created_ms=1,
        updated_ms=1,
        expires_ms=None,
        created_by="alice",
        updated_by="alice",
    )
    return ItemWritten(header, event.changes[0], repeated=False)


def command(**members: Any) -> WriteItem:
    return WriteItem(MAP_SID, type=MAP, action=Verb.UPDATE, item_key="k", **members)


def types(own: OwnEvents, event: Event) -> list[str]:
    return [each.event_type for each in own.notifications(event, "https://x.example/v3")]


def test_added_and_updated_items_come_as_to_everybody() -> None:
    own = OwnEvents(receives_messages=False)
    event = changed(ChangeKind.UPDATED, 2)
    own.record_reply(command(data=b"{}"), written(event))
    assert types(own, event) == ["map_item_updated"]
    assert types(own, changed(ChangeKind.ADDED, 3)) == ["map_item_added"]


def test_removals_and_times_to_live_come_as_echoes() -> None:
    own = OwnEvents(receives_messages=True)
    assert types(own, changed(ChangeKind.REMOVED, 2)) == ["map_echo"]
    event = changed(ChangeKind.UPDATED, 3)
    own.record_reply(command(ttl=60), written(event))
    assert types(own, event) == ["map_echo"]
    assert types(own, changed(ChangeKind.UPDATED, 4)) == ["map_item_updated"]


def test_messages_come_to_those_that_do_not_report_them_by_themselves() -> None:
    head: Any = {"sid": "TO1", "unique_name": None, "revision": 1, "previous": 1}
    event = Message(**head, at_ms=1, by="alice", message_sid="TZ1", data=b"{}")
    assert types(OwnEvents(receives_messages=False), event) == []
    assert types(OwnEvents(receives_messages=True), event) == ["stream_message_published"]


def test_documents_come_as_to_everybody() -> None:
    event = Updated(
        sid="ET" + "0" * 32,
        unique_name=None,
        revision=2,
        previous=1,
        at_ms=1,
        by="alice",
        data=b"{}",
        expires_ms=None,
    )
    assert types(OwnEvents(receives_messages=False), event) == ["document_updated"]


def test_memory_is_bounded() -> None:
    own = OwnEvents(receives_messages=False)
    for revision in range(2, REMEMBERED + 4):
        own.record_reply(command(ttl=60), written(changed(ChangeKind.UPDATED, revision)))
    assert types(own, changed(ChangeKind.UPDATED, 2)) == ["map_item_updated"]
    assert types(own, changed(ChangeKind.UPDATED, REMEMBERED + 3)) == ["map_echo"]
