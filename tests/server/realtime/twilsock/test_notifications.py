"""What subscribers of each type of object receive, as the vendor's notifications."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from syncline_protocol.item_keys import index_key
from syncline_protocol.items import Change, ChangeKind, Item, ItemsChanged, ItemsReset
from syncline_protocol.objects import ExpiryChanged, Removed
from syncline_protocol.streams import Message, Missed
from syncline_server.realtime.twilsock.notifications import Notification, echo, notifications

URL = "https://sync.example.com/v3/Services/IS0"

HEADS: dict[str, dict[str, Any]] = {
    "list": {"sid": "ES" + "0" * 32, "unique_name": "l"},
    "map": {"sid": "MP" + "0" * 32, "unique_name": "m"},
    "stream": {"sid": "TO" + "0" * 32, "unique_name": "s"},
}

AT: dict[str, Any] = {"revision": 7, "previous": 4, "at_ms": 1_500, "by": "bob"}

DATE = "1970-01-01T00:00:01.500Z"


def change(kind: ChangeKind, key: str, revision: int = 7, **members: Any) -> Change:
    item = {
        "key": key,
        "revision": revision,
        "born": 5,
        "data": b'{"n":1}',
        "created_ms": 1_000,
        "updated_ms": 1_500,
        "expires_ms": None,
        "created_by": "bob",
        "updated_by": "bob",
    }
    return Change(kind=kind, item=Item(**{**item, **members}))


def shown(several: Any) -> list[tuple[str, dict[str, Any]]]:
    """Type and body of each, as a client reads them."""
    found: list[Notification] = list(several)
    return [(each.event_type, orjson.loads(orjson.dumps(each.body))) for each in found]


@pytest.mark.parametrize("kind", list(ChangeKind))
@pytest.mark.parametrize(
    ("name", "key", "id_name", "item_id", "path"),
    [
        ("map", "a/b é", "key", "a/b é", "Maps/{sid}/Items/a%2Fb%20%C3%A9"),
        ("list", index_key(3), "index", 3, "Lists/{sid}/Items/3"),
    ],
)
def test_change_of_an_item(
    kind: ChangeKind, name: str, key: str, id_name: str, item_id: object, path: str
) -> None:
    event = ItemsChanged(**HEADS[name], **AT, changes=(change(kind, key, expires_ms=2_500),))
    expires = None if kind is ChangeKind.REMOVED else "1970-01-01T00:00:02.500Z"
    assert shown(notifications(event, URL)) == [
        (
            f"{name}_item_{kind.value}",
            {
                "id": 7,
                f"{name}_sid": event.sid,
                f"{name}_revision": "7",
                f"item_{id_name}": item_id,
                "item_revision": "7",
                "item_data": {"n": 1},
                "item_url": f"{URL}/{path.format(sid=event.sid)}",
                "date_created": DATE,
                "date_expires": expires,
            },
        )
    ]


def test_changes_of_one_commit_come_one_by_one() -> None:
    changes = (
        change(ChangeKind.REMOVED, "a", 6, data=b""),
        change(ChangeKind.ADDED, "a", 7),
    )
    event = ItemsChanged(**HEADS["map"], **AT, changes=changes)
    removed, added = shown(notifications(event, URL))
    assert [removed[0], added[0]] == ["map_item_removed", "map_item_added"]
    assert [removed[1]["id"], added[1]["id"]] == [6, 7]
    # Not known any more; handlers of applications read its members.
    assert removed[1]["item_data"] == {}
    ids = [each.packet_id for each in notifications(event, URL)]
    assert len(set(ids)) == 2


@pytest.mark.parametrize("name", ["list", "map", "stream"])
def test_removal(name: str) -> None:
    event = Removed(**HEADS[name], **AT, expired=True)
    body = {"id": 7, f"{name}_sid": event.sid, f"{name}_unique_name": event.unique_name}
    assert shown(notifications(event, URL)) == [(f"{name}_removed", body)]


@pytest.mark.parametrize("name", ["list", "map"])
def test_collection_that_must_be_read_again_is_removed(name: str) -> None:
    event = ItemsReset(**HEADS[name], **AT)
    assert shown(notifications(event, URL))[0][0] == f"{name}_removed"


def test_message() -> None:
    event = Message(**HEADS["stream"], **AT, message_sid="TZ1", data=b'{"n":1}')
    body = {"stream_sid": event.sid, "message_sid": "TZ1", "message_data": {"n": 1}}
    assert shown(notifications(event, URL)) == [("stream_message_published", body)]


@pytest.mark.parametrize("name", ["list", "map", "stream"])
def test_what_the_vendor_does_not_have_is_no_notification(name: str) -> None:
    assert not shown(notifications(ExpiryChanged(**HEADS[name], **AT, expires_ms=None), URL))
    assert not shown(notifications(Missed(**HEADS[name], **AT, count=3), URL))


@pytest.mark.parametrize("name", ["list", "map"])
def test_echo(name: str) -> None:
    sid = HEADS[name]["sid"]
    body = {"id": 7, f"{name}_sid": sid, f"{name}_revision": "7"}
    assert shown([echo(sid, 7)]) == [(f"{name}_echo", body)]
