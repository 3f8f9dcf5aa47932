from __future__ import annotations

from dataclasses import replace

import orjson
import pytest

from syncline_protocol.item_keys import index_key
from syncline_protocol.item_types import LIST_ITEMS, MAP_ITEMS
from syncline_protocol.items import Change, ChangeKind, Item
from syncline_protocol.objects import LIST, Header
from syncline_server.http.object_forms import ObjectForm
from syncline_server.http.object_resources import (
    batch_resource,
    item_resource,
    object_resource,
)
from syncline_server.http.reply_context import ReplyContext

HEADER = Header(
    sid="ES" + "0" * 32,
    unique_name="tasks",
    revision=1806543210987654,
    created_ms=1_769_847_330_999,
    updated_ms=1_769_847_331_001,
    expires_ms=None,
    created_by="system",
    updated_by="alice",
)
ITEM = Item(
    key=index_key(7),
    revision=1806543210987653,
    born=1806543210987653,
    data=b'{"a":1}',
    created_ms=1_769_847_330_999,
    updated_ms=1_769_847_331_001,
    expires_ms=1_769_847_391_001,
    created_by="system",
    updated_by="alice",
)
WHERE = ReplyContext("https://sync.test/base", "AC" + "1" * 32, "IS" + "2" * 32)
URL = f"https://sync.test/base/v1/Services/{WHERE.service_sid}"
FORM = ObjectForm(
    type=LIST, links={"items": "Items", "permissions": "Permissions"}, has_revision=True
)


def test_all_properties_of_an_object() -> None:
    url = f"{URL}/Lists/{HEADER.sid}"
    assert object_resource(HEADER, WHERE, FORM) == {
        "sid": HEADER.sid,
        "unique_name": "tasks",
        "account_sid": WHERE.account_sid,
        "service_sid": WHERE.service_sid,
        "url": url,
        "links": {"items": f"{url}/Items", "permissions": f"{url}/Permissions"},
        "revision": "1806543210987654",
        "date_created": "2026-01-31T08:15:30Z",
        "date_updated": "2026-01-31T08:15:31Z",
        "date_expires": None,
        "created_by": "system",
        "updated_by": "alice",
    }
    assert "revision" not in object_resource(HEADER, WHERE, replace(FORM, has_revision=False))


def test_all_properties_of_an_item() -> None:
    resource = item_resource(ITEM, LIST_ITEMS, HEADER, WHERE)
    assert orjson.loads(orjson.dumps(resource)) == {
        "index": 7,
        "account_sid": WHERE.account_sid,
        "service_sid": WHERE.service_sid,
        "list_sid": HEADER.sid,
        "url": f"{URL}/Lists/{HEADER.sid}/Items/7",
        "revision": "1806543210987653",
        "data": {"a": 1},
        "date_created": "2026-01-31T08:15:30Z",
        "date_updated": "2026-01-31T08:15:31Z",
        "date_expires": "2026-01-31T08:16:31Z",
        "created_by": "system",
        "updated_by": "alice",
    }
    assert "data" not in item_resource(replace(ITEM, data=b""), LIST_ITEMS, HEADER, WHERE)


@pytest.mark.parametrize(
    ("key", "segment"),
    [
        ("plain-key_1.~", "plain-key_1.~"),
        ("a/b", "a%2Fb"),
        ("100%", "100%25"),
        ("a b", "a%20b"),
        ("?#&+", "%3F%23%26%2B"),
        ("é🎉", "%C3%A9%F0%9F%8E%89"),
    ],
)
def test_a_key_is_one_segment_of_the_url(key: str, segment: str) -> None:
    resource = item_resource(replace(ITEM, key=key), MAP_ITEMS, HEADER, WHERE)
    assert (resource["key"], resource["map_sid"]) == (key, HEADER.sid)
    assert resource["url"] == f"{URL}/Maps/{HEADER.sid}/Items/{segment}"


def test_a_batch_shows_each_item_without_its_data() -> None:
    gone = Change(kind=ChangeKind.REMOVED, item=replace(ITEM, revision=5), expired=True)
    removed = Change(kind=ChangeKind.REMOVED, item=replace(ITEM, revision=7))
    added = Change(kind=ChangeKind.ADDED, item=replace(ITEM, revision=6))
    dates = {
        "date_created": "2026-01-31T08:15:30Z",
        "date_updated": "2026-01-31T08:15:31Z",
        "date_expires": "2026-01-31T08:16:31Z",
        "created_by": "system",
        "updated_by": "alice",
    }
    assert batch_resource([gone, added, removed], LIST_ITEMS, HEADER) == {
        "list_sid": HEADER.sid,
        "revision": "1806543210987654",
        "date_updated": "2026-01-31T08:15:31Z",
        "date_expires": None,
        "items": [
            {"index": 7, "change": "added", "revision": "6", **dates},
            {"index": 7, "change": "removed", "revision": "7"},
        ],
    }
