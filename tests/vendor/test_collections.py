"""The vendor's Python helper library, unmodified: all that it can do with lists, maps and
streams."""

from __future__ import annotations

import json
import re
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import httpx2
import pytest
from twilio.base.exceptions import TwilioException, TwilioRestException

from support.api import unique
from support.server import RunningServer

COLLECTIONS = ["lists", "maps"]
OBJECTS = [*COLLECTIONS, "streams"]


class Helper:
    """The helper's attributes for one type of object.

    Attributes:
        objects: the list resource, as `service.sync_maps`.
    """

    def __init__(self, service: Any, plural: str) -> None:
        self.plural = plural
        self.is_map = plural == "maps"
        self.objects = getattr(service, f"sync_{plural}")

    def items(self, address: str) -> Any:
        return getattr(self.objects(address), f"sync_{self.plural[:-1]}_items")

    def permissions(self, address: str) -> Any:
        return getattr(self.objects(address), f"sync_{self.plural[:-1]}_permissions")

    def add(self, address: str, key: str = "", **parameters: Any) -> Any:
        """Add an item; a list gives its index."""
        if self.is_map:
            parameters["key"] = key or unique("key")
        return self.items(address).create(**{"data": {}, **parameters})

    def id_of(self, item: Any) -> Any:
        return item.key if self.is_map else item.index


@pytest.fixture(params=OBJECTS)
def helper(service: Any, request: pytest.FixtureRequest) -> Helper:
    return Helper(service, request.param)


@pytest.fixture(params=COLLECTIONS)
def collections(service: Any, request: pytest.FixtureRequest) -> Helper:
    return Helper(service, request.param)


def error(call: Any, *args: Any, **options: Any) -> tuple[int, int]:
    with pytest.raises(TwilioRestException) as caught:
        call(*args, **options)
    assert caught.value.msg
    return caught.value.status, caught.value.code


def page_error(call: Any, **options: Any) -> tuple[int, int]:
    """Of a page, the helper raises the bare reply."""
    with pytest.raises(TwilioException, match="Unable to fetch page") as caught:
        call(**options)
    reply = caught.value.args[1]
    return reply.status_code, json.loads(reply.text)["code"]


def test_every_operation_on_an_object(helper: Helper) -> None:
    name = unique("My Object é")
    before = datetime.now(UTC).replace(microsecond=0)
    created = helper.objects.create(unique_name=name, ttl=3600)
    assert (created.unique_name, created.created_by) == (name, "system")
    assert before <= created.date_created <= datetime.now(UTC)
    assert created.date_expires - created.date_created == timedelta(hours=1)
    for address in (created.sid, quote(name, safe="")):
        assert helper.objects(address).fetch().sid == created.sid
    assert created.update(ttl=0).date_expires is None
    assert created.sid in [each.sid for each in helper.objects.list()]
    assert error(helper.objects.create, unique_name=name) == (409, 54301)
    assert created.delete() is True
    assert error(helper.objects(created.sid).fetch) == (404, 20404)
    assert error(created.update, ttl=1) == (404, 20404)
    assert error(created.delete) == (404, 20404)


def test_an_object_without_parameters(helper: Helper) -> None:
    created = helper.objects.create()
    assert (created.unique_name, created.date_expires) == (None, None)
    assert created.url.endswith(f"/{helper.plural.capitalize()}/{created.sid}")
    nested = {"messages"} if helper.plural == "streams" else {"items", "permissions"}
    assert set(created.links) == nested


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({"unique_name": ""}, 54302),
        ({"unique_name": "x" * 321}, 54302),
        ({"unique_name": "MP" + "0" * 32}, 54302),
        ({"ttl": -1}, 54011),
        ({"ttl": 31_536_001}, 54011),
        ({"ttl": "soon"}, 54011),
    ],
)
def test_the_errors_of_create(helper: Helper, parameters: dict[str, Any], code: int) -> None:
    assert error(helper.objects.create, **parameters) == (400, code)


def test_the_errors_of_update(helper: Helper) -> None:
    created = helper.objects.create()
    assert error(created.update) == (400, 54010)
    assert error(created.update, ttl=-1) == (400, 54011)


def test_the_collection_ttl_counts_more_than_the_ttl(collections: Helper) -> None:
    created = collections.objects.create(ttl=60, collection_ttl=0)
    assert created.date_expires is None
    limited = created.update(collection_ttl=60, ttl=0)
    assert limited.date_expires is not None
    assert limited.revision != created.revision


def test_a_listing_of_objects(helper: Helper) -> None:
    made = {helper.objects.create().sid for _ in range(7)}
    listed = [each.sid for each in helper.objects.list(page_size=3)]
    assert made <= set(listed)
    assert len(set(listed)) == len(listed)
    assert len(helper.objects.list(limit=5)) == 5
    first = helper.objects.page(page_size=2)
    back = first.next_page().previous_page()
    assert [each.sid for each in back] == [each.sid for each in helper.objects.page(page_size=2)]
    assert page_error(helper.objects.page, page_size=0) == (400, 54454)
    assert page_error(helper.objects.page, page_token="garbage") == (400, 54453)


def test_every_operation_on_an_item(collections: Helper) -> None:
    sid = collections.objects.create().sid
    created = collections.add(sid, "first", data={"a": 1, "u": "é"}, item_ttl=3600)
    item_id = collections.id_of(created)
    assert item_id == ("first" if collections.is_map else 0)
    assert created.data == {"a": 1, "u": "é"}
    assert created.created_by == "system"
    assert created.date_expires - created.date_created == timedelta(hours=1)
    assert (created.map_sid if collections.is_map else created.list_sid) == sid
    item = collections.items(sid)(item_id)
    assert item.fetch().revision == created.revision
    updated = item.update(data={"b": 2})
    assert updated.data == {"b": 2}
    assert updated.revision != created.revision
    assert updated.date_expires == created.date_expires
    assert item.update(ttl=60, item_ttl=0).date_expires is None
    assert item.update(if_match=item.fetch().revision, data={}).data == {}
    assert error(item.update, if_match=created.revision, data={}) == (
        412,
        54205 if collections.is_map else 54155,
    )
    parent = collections.objects(sid).fetch()
    assert int(parent.revision) >= int(item.fetch().revision)
    assert item.update(data={}, collection_ttl=60).date_expires is None
    assert collections.objects(sid).fetch().date_expires is not None
    assert item.delete() is True
    assert error(item.fetch) == (404, 20404)
    assert error(item.update, data={}) == (404, 20404)
    assert error(item.delete) == (404, 20404)


@pytest.mark.parametrize(
    ("parameters", "status", "codes"),
    [
        ({"data": "null"}, 400, {"lists": 54156, "maps": 54206}),
        ({"data": ""}, 400, {"lists": 54156, "maps": 54206}),
        ({"data": "{"}, 400, {"lists": 54008, "maps": 54008}),
        ({"data": [1]}, 400, {"lists": 54008, "maps": 54008}),
        ({"data": {"a": "x" * 17_000}}, 413, {"lists": 54006, "maps": 54006}),
        ({"ttl": -1}, 400, {"lists": 54011, "maps": 54011}),
        ({"item_ttl": "x"}, 400, {"lists": 54011, "maps": 54011}),
        ({"collection_ttl": 31_536_001}, 400, {"lists": 54011, "maps": 54011}),
    ],
)
def test_the_errors_of_items(
    collections: Helper, parameters: dict[str, Any], status: int, codes: dict[str, int]
) -> None:
    sid = collections.objects.create().sid
    kept = collections.add(sid, data={"kept": True})
    expected = status, codes[collections.plural]
    assert error(collections.add, sid, **parameters) == expected
    if parameters.get("data") != "":
        # A collection's TTL alone is no update.
        beside = parameters | ({"data": {}} if "collection_ttl" in parameters else {})
        assert error(kept.update, **beside) == expected
    assert error(kept.update) == (400, 54010)
    assert error(kept.update, collection_ttl=5) == (400, 54010)
    assert error(kept.update, if_match="garbage", data={}) == (400, 54003)
    items = collections.items(sid).list()
    assert [item.data for item in items] == [{"kept": True}]


def test_the_errors_of_keys_and_indexes(service: Any) -> None:
    maps, lists = Helper(service, "maps"), Helper(service, "lists")
    sid = maps.objects.create().sid
    maps.add(sid, "a")
    assert error(maps.add, sid, "a") == (409, 54208)
    assert error(maps.items(sid).create, key="", data={}) == (400, 54209)
    assert error(maps.add, sid, "x" * 321) == (400, 54209)
    assert error(maps.items(sid)("x" * 321).fetch) == (400, 54209)
    assert maps.items(sid)(maps.add(sid, "x" * 320).key).fetch().data == {}
    sid = lists.objects.create().sid
    for index in (-1, 1.5, "x"):
        assert error(lists.items(sid)(index).fetch) == (400, 54458)
        assert error(lists.items(sid)(index).update, data={}) == (400, 54458)
        assert error(lists.items(sid)(index).delete) == (400, 54458)
    assert error(lists.items(sid)(0).fetch) == (404, 20404)


@pytest.mark.parametrize("key", ["a/b", "100%", "a b", "🎉é", "?#&+="])
def test_keys_that_the_helper_does_not_encode(
    service: Any, server: RunningServer, key: str
) -> None:
    maps = Helper(service, "maps")
    sid = maps.objects.create().sid
    created = maps.add(sid, key, data={"n": 1})
    assert created.key == key
    reply = httpx2.get(created.url, auth=server.basic)
    assert reply.json()["key"] == key
    assert maps.items(sid)(quote(key, safe="")).update(data={"n": 2}).data == {"n": 2}
    assert [item.key for item in maps.items(sid).list(from_=key)] == [key]
    assert maps.items(sid)(quote(key, safe="")).delete() is True


def test_pages_over_more_than_a_thousand_items_in_both_orders(collections: Helper) -> None:
    sid = collections.objects.create().sid
    with ThreadPoolExecutor(8) as threads:
        keys = [f"{number * 7919 % 1050:04}" for number in range(1050)]
        made = list(threads.map(lambda key: collections.add(sid, key), keys))
    ids = sorted(collections.id_of(item) for item in made)
    for order, expected in (("asc", ids), ("desc", ids[::-1])):
        for page_size in (100, 1000, None):
            listed = collections.items(sid).list(order=order, page_size=page_size)
            assert [collections.id_of(item) for item in listed] == expected
    assert len(collections.items(sid).list(limit=1001)) == 1001
    middle = ids[500]
    for bounds, order, expected in [
        ("inclusive", "asc", ids[500:]),
        ("exclusive", "asc", ids[501:]),
        ("inclusive", "desc", ids[500::-1]),
        ("exclusive", "desc", ids[499::-1]),
    ]:
        listed = collections.items(sid).list(from_=middle, bounds=bounds, order=order)
        assert [collections.id_of(item) for item in listed] == expected
    first = collections.items(sid).page(page_size=10)
    second = first.next_page()
    assert [collections.id_of(item) for item in second] == ids[10:20]
    assert [collections.id_of(item) for item in second.previous_page()] == ids[:10]


def test_the_errors_of_pages_of_items(collections: Helper) -> None:
    sid = collections.objects.create().sid
    for _ in range(2):
        collections.add(sid)
    page = collections.items(sid).page
    assert page_error(page, order="up") == (400, 54451)
    assert page_error(page, bounds="both") == (400, 54452)
    assert page_error(page, page_token="garbage") == (400, 54453)
    assert page_error(page, page_size=0) == (400, 54454)
    if not collections.is_map:
        assert page_error(page, from_="x") == (400, 54458)
    token = re.search(r"PageToken=([^&]+)", page(page_size=1).next_page_url)
    assert token is not None
    other = collections.items(collections.objects.create().sid).page
    assert page_error(other, page_token=token[1]) == (400, 54453)


def test_rivals_of_one_item_lose_no_write(collections: Helper) -> None:
    sid = collections.objects.create().sid
    item_id = collections.id_of(collections.add(sid, data={"n": 0}))

    def count(_: int) -> None:
        item = collections.items(sid)(item_id)
        for _ in range(5):
            while True:
                newest = item.fetch()
                try:
                    item.update(if_match=newest.revision, data={"n": newest.data["n"] + 1})
                except TwilioRestException as refusal:
                    assert refusal.status == 412
                else:
                    break

    with ThreadPoolExecutor(8) as rivals:
        list(rivals.map(count, range(8)))
    assert collections.items(sid)(item_id).fetch().data == {"n": 40}


def test_every_operation_on_a_permission(collections: Helper) -> None:
    sid = collections.objects.create().sid
    permission = collections.permissions(sid)("alice")
    assert error(permission.fetch) == (404, 54354)
    given = permission.update(read=True, write=False, manage=True)
    assert (given.identity, given.read, given.write, given.manage) == ("alice", True, False, True)
    assert (given.map_sid if collections.is_map else given.list_sid) == sid
    assert given.url.endswith(f"/{sid}/Permissions/alice")
    assert [each.identity for each in collections.permissions(sid).list()] == ["alice"]
    assert permission.fetch().read is True
    assert permission.delete() is True
    assert error(permission.delete) == (404, 54354)
    assert error(collections.permissions("none")("alice").fetch) == (404, 20404)


def test_every_operation_on_a_message(service: Any) -> None:
    stream = service.sync_streams.create(unique_name=unique())
    for address in (stream.sid, stream.unique_name):
        messages = service.sync_streams(address).stream_messages
        message = messages.create(data={"a": [1, None]})
        assert re.fullmatch("TZ[0-9a-f]{32}", message.sid)
        assert message.data == {"a": [1, None]}
    messages = service.sync_streams(stream.sid).stream_messages
    assert error(messages.create, data="null") == (400, 54251)
    assert error(messages.create, data="nonsense") == (400, 54008)
    assert error(messages.create, data={"a": "x" * 4097}) == (413, 54006)
    assert error(service.sync_streams("none").stream_messages.create, data={}) == (404, 20404)
