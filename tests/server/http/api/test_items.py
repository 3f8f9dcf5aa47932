"""Items of lists and maps, over REST."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import httpx2
import pytest

from support.api import unique
from support.collections import CollectionsApi, error
from support.server import RunningServer


@dataclass(frozen=True)
class Collection:
    """A new list or map.

    Attributes:
        id_name: `index` or `key`.
        mismatch, invalid_data: error codes.
    """

    api: CollectionsApi
    sid: str
    id_name: str
    mismatch: int
    invalid_data: int

    @property
    def is_map(self) -> bool:
        return self.id_name == "key"

    def add(self, data: Any = None, **parameters: Any) -> Any:
        if self.is_map:
            parameters.setdefault("key", unique("key"))
        return self.api.add(self.sid, data=data or {}, **parameters)

    def call(self, method: str, *item_id: str | int, **request: Any) -> httpx2.Response:
        return self.api.call(method, self.sid, "Items", *item_id, **request)

    def get(self, item: Any) -> Any:
        return self.api.item(self.sid, item[self.id_name])


@pytest.fixture(scope="module", params=["Lists", "Maps"])
def api(server: RunningServer, request: pytest.FixtureRequest) -> Iterator[CollectionsApi]:
    with CollectionsApi(server, request.param) as api:
        yield api


@pytest.fixture
def collection(api: CollectionsApi) -> Collection:
    sid = api.create()["sid"]
    if api.url.endswith("Lists"):
        return Collection(api, sid, "index", 54155, 54156)
    return Collection(api, sid, "key", 54205, 54206)


@pytest.fixture(scope="module")
def maps(server: RunningServer) -> Iterator[CollectionsApi]:
    with CollectionsApi(server, "Maps") as maps:
        yield maps


def test_add_and_fetch(collection: Collection, server: RunningServer) -> None:
    form = {"Data": '{"a": 1, "u": "é"}', "ItemTtl": "60"}
    if collection.is_map:
        form["Key"] = "first"
    reply = collection.call("POST", data=form)
    assert reply.status_code == 201
    item = reply.json()
    item_id = "first" if collection.is_map else 0
    assert item[collection.id_name] == item_id
    assert reply.headers["ETag"] == item["revision"]
    assert item["data"] == {"a": 1, "u": "é"}
    owner = "map_sid" if collection.is_map else "list_sid"
    assert item[owner] == collection.sid
    assert item["account_sid"] == server.credentials.account_sid
    assert item["url"].endswith(f"/{collection.sid}/Items/{item_id}")
    assert (item["created_by"], item["updated_by"]) == ("system", "system")
    life = datetime.fromisoformat(item["date_expires"]) - datetime.fromisoformat(
        item["date_created"]
    )
    assert life == timedelta(seconds=60)
    fetched = collection.call("GET", item_id)
    assert fetched.json() == item
    assert fetched.headers["ETag"] == item["revision"]
    assert collection.api.page(item["url"]) == item


def test_indexes_of_a_list_are_never_given_again(server: RunningServer) -> None:
    with CollectionsApi(server, "Lists") as lists:
        sid = lists.create()["sid"]
        assert [lists.add(sid)["index"] for _ in range(3)] == [0, 1, 2]
        lists.ok("DELETE", sid, "Items", 2)
        assert lists.add(sid)["index"] == 3
        page = lists.ok("GET", sid, "Items")
        assert [item["index"] for item in page["items"]] == [0, 1, 3]


def test_update_replaces_data_or_expiry(collection: Collection) -> None:
    created = collection.add({"a": 1})
    item_id = created[collection.id_name]
    changed = collection.call("POST", item_id, data={"Data": '{"b":2}'})
    assert changed.status_code == 200
    assert changed.headers["ETag"] == changed.json()["revision"] != created["revision"]
    assert changed.json()["data"] == {"b": 2}
    assert changed.json()["date_created"] == created["date_created"]
    limited = collection.call("POST", item_id, json={"ttl": 60}).json()
    assert limited["date_expires"] is not None
    assert limited["data"] == {"b": 2}
    kept = collection.call("POST", item_id, json={"data": {"c": 3}}).json()
    assert kept["date_expires"] == limited["date_expires"]
    both = collection.call("POST", item_id, data={"ItemTtl": "0", "Ttl": "60", "Data": "{}"})
    assert both.json()["date_expires"] is None
    assert collection.get(created) == both.json()


def test_the_collection_moves_with_its_items(collection: Collection) -> None:
    before = collection.api.fetch(collection.sid)
    item = collection.add()
    after = collection.api.fetch(collection.sid)
    assert int(after["revision"]) >= int(item["revision"]) > int(before["revision"])
    assert after["date_updated"] == item["date_updated"]
    assert after["date_expires"] is None


def test_an_item_may_set_the_expiry_of_its_collection(collection: Collection) -> None:
    item = collection.add(collection_ttl=60)
    assert collection.api.fetch(collection.sid)["date_expires"] is not None
    item_id = item[collection.id_name]
    collection.call("POST", item_id, data={"Data": "{}", "CollectionTtl": "0"})
    assert collection.api.fetch(collection.sid)["date_expires"] is None
    assert item["date_expires"] is None


def test_delete_ends_the_item(collection: Collection) -> None:
    item_id = collection.add()[collection.id_name]
    reply = collection.call("DELETE", item_id)
    assert (reply.status_code, reply.content) == (204, b"")
    for method, body in [("GET", {}), ("POST", {"Data": "{}"}), ("DELETE", {})]:
        assert error(collection.call(method, item_id, data=body)) == (404, 20404)
    stale = collection.call("POST", item_id, data={"Data": "{}"}, headers={"If-Match": "1"})
    assert error(stale) == (404, 20404)


@pytest.mark.parametrize(
    "key",
    [
        "a/b",
        "100%",
        "%2F",
        "with space",
        "a+b&c=d?e#f",
        "🎉 é",
        "...",
        "x" * 320,
        "🎉" * 320,
        "default",
        "Items",
        '"quoted"',
        "line\nbreak",
    ],
)
def test_keys_of_every_character(maps: CollectionsApi, key: str) -> None:
    sid = maps.create()["sid"]
    created = maps.ok("POST", sid, "Items", data={"Key": key, "Data": '{"n":1}'})
    assert created["key"] == key
    assert maps.item(sid, key) == maps.page(created["url"]) == created
    updated = maps.ok("POST", sid, "Items", key, data={"Data": '{"n":2}'})
    assert updated["data"] == {"n": 2}
    page = maps.ok("GET", sid, "Items", params={"From": key})
    assert [item["key"] for item in page["items"]] == [key]
    assert maps.page(page["meta"]["first_page_url"])["items"] == page["items"]
    assert maps.call("DELETE", sid, "Items", key).status_code == 204


@pytest.mark.parametrize("key", ["", "x" * 321, "🎉" * 321, ".", ".."])
def test_what_cannot_be_a_key_is_refused(maps: CollectionsApi, key: str) -> None:
    sid = maps.create()["sid"]
    assert error(maps.call("POST", sid, "Items", data={"Key": key, "Data": "{}"})) == (400, 54209)
    if key not in ("", ".", ".."):
        assert error(maps.call("GET", sid, "Items", key)) == (400, 54209)
    assert maps.ok("GET", sid, "Items")["items"] == []


@pytest.mark.parametrize("index", ["x", "-1", "1.5", "01", "9007199254740992", "1e3", "٣"])
def test_an_index_that_is_no_whole_number_is_refused(server: RunningServer, index: str) -> None:
    with CollectionsApi(server, "Lists") as lists:
        sid = lists.create()["sid"]
        for method in ("GET", "POST", "DELETE"):
            refused = lists.call(method, sid, "Items", index, data={"Data": "{}"})
            assert error(refused) == (400, 54458)
        assert error(lists.call("GET", sid, "Items", 7)) == (404, 20404)


@pytest.mark.parametrize(
    ("parameters", "status", "code"),
    [
        ({"Data": ""}, 400, None),
        ({"Data": "null"}, 400, None),
        ({"Data": "{"}, 400, 54008),
        ({"Data": "[1]"}, 400, 54008),
        ({"Data": '"text"'}, 400, 54008),
        ({"Data": '{"a":"%s"}' % ("x" * 16_377)}, 413, 54006),
        ({"Data": "{}", "Ttl": "-1"}, 400, 54011),
        ({"Data": "{}", "ItemTtl": "x"}, 400, 54011),
        ({"Data": "{}", "CollectionTtl": "31536001"}, 400, 54011),
        ({"Data": "{}", "UniqueName": "a"}, 400, 20001),
    ],
)
def test_the_errors_of_writes(
    collection: Collection, parameters: dict[str, str], status: int, code: int | None
) -> None:
    kept = collection.add({"kept": True})
    before = collection.api.fetch(collection.sid)
    key = {"Key": "new"} if collection.is_map else {}
    expected = status, code or collection.invalid_data
    assert error(collection.call("POST", data={**key, **parameters})) == expected
    if parameters["Data"] != "":
        refused = collection.call("POST", kept[collection.id_name], data=parameters)
        assert error(refused) == expected
    assert collection.get(kept) == kept
    assert collection.api.fetch(collection.sid) == before


def test_the_largest_item_is_taken(collection: Collection) -> None:
    largest = {"a": "x" * (16_384 - 8)}
    assert collection.get(collection.add(largest))["data"] == largest


def test_an_update_of_nothing_is_refused(collection: Collection) -> None:
    item_id = collection.add()[collection.id_name]
    for parameters in ({}, {"Data": ""}, {"CollectionTtl": "60"}):
        assert error(collection.call("POST", item_id, data=parameters)) == (400, 54010)
    assert collection.api.fetch(collection.sid)["date_expires"] is None


def test_a_key_is_added_once(maps: CollectionsApi) -> None:
    sid = maps.create()["sid"]
    first = maps.add(sid, key="a", data={"n": 1})
    again = {"Key": "a", "Data": '{"n":2}'}
    assert error(maps.call("POST", sid, "Items", data=again)) == (409, 54208)
    unless = {"If-None-Match": "*"}
    assert error(maps.call("POST", sid, "Items", data=again, headers=unless)) == (412, 54205)
    assert maps.item(sid, "a") == first


def test_a_put_creates_or_replaces(maps: CollectionsApi) -> None:
    sid = maps.create()["sid"]
    created = maps.call("PUT", sid, "Items", "a/b", json={"data": {"n": 1}})
    replaced = maps.call("PUT", sid, "Items", "a/b", data={"Data": '{"n":2}'})
    assert (created.status_code, replaced.status_code) == (201, 200)
    assert maps.item(sid, "a/b") == replaced.json()
    assert replaced.headers["ETag"] == replaced.json()["revision"]
    only_new = maps.call(
        "PUT", sid, "Items", "a/b", json={"data": {}}, headers={"If-None-Match": "*"}
    )
    assert error(only_new) == (412, 54205)
    stale = {"If-Match": created.json()["revision"]}
    assert error(maps.call("PUT", sid, "Items", "a/b", json={"data": {}}, headers=stale)) == (
        412,
        54205,
    )
    missing = {"If-Match": "1"}
    assert error(maps.call("PUT", sid, "Items", "c", json={"data": {}}, headers=missing)) == (
        412,
        54205,
    )
    existing = {"If-Match": "*"}
    assert error(maps.call("PUT", sid, "Items", "c", json={"data": {}}, headers=existing)) == (
        404,
        20404,
    )
    new = maps.call("PUT", sid, "Items", "c", json={"data": {}}, headers={"If-None-Match": "*"})
    assert new.status_code == 201


def test_a_list_has_no_put(server: RunningServer) -> None:
    with CollectionsApi(server, "Lists") as lists:
        sid = lists.create()["sid"]
        assert error(lists.call("PUT", sid, "Items", 0, json={"data": {}})) == (405, 20004)


@pytest.mark.parametrize("form", ["{}", '"{}"', "*"])
def test_if_match_lets_the_right_revision_through(collection: Collection, form: str) -> None:
    item = collection.add()
    headers = {"If-Match": form.format(item["revision"])}
    item_id = item[collection.id_name]
    assert collection.call("POST", item_id, data={"Ttl": "5"}, headers=headers).status_code == 200


@pytest.mark.parametrize("method", ["POST", "PATCH", "DELETE"])
def test_a_mismatch_changes_nothing_and_carries_the_newest_item(
    collection: Collection, method: str
) -> None:
    old = collection.add({"n": 1})
    item_id = old[collection.id_name]
    newest = collection.call("POST", item_id, data={"Data": '{"n":2}'}).json()
    stale = {"If-Match": old["revision"], "Content-Type": "application/merge-patch+json"}
    if method == "POST":
        stale["Content-Type"] = "application/json"
    body = b'{"data":{"n":3}}' if method == "POST" else b'{"n":3}'
    reply = collection.call(method, item_id, content=body, headers=stale)
    assert error(reply) == (412, collection.mismatch)
    assert reply.json()["details"]["item"] == newest
    assert collection.get(old) == newest


@pytest.mark.parametrize("value", ["x", "-1", "1.5", '"1', 'W/"1"', "1,2", ""])
def test_a_malformed_if_match_is_refused(collection: Collection, value: str) -> None:
    item = collection.add()
    headers = {"If-Match": value}
    for method in ("POST", "DELETE"):
        refused = collection.call(method, item[collection.id_name], headers=headers)
        assert error(refused) == (400, 54003)
    assert collection.get(item) == item


@pytest.mark.parametrize("form", ["{}", '"{}"', 'W/"{}"', "*"])
def test_if_none_match_on_reads_and_writes(collection: Collection, form: str) -> None:
    item = collection.add({"n": 1})
    item_id = item[collection.id_name]
    named = {"If-None-Match": form.format(item["revision"])}
    read = collection.call("GET", item_id, headers=named)
    assert (read.status_code, read.content) == (304, b"")
    assert read.headers["ETag"] == item["revision"]
    for method in ("POST", "DELETE"):
        refused = collection.call(method, item_id, headers=named)
        assert error(refused) == (412, collection.mismatch)
    other = {"If-None-Match": '"1"'}
    assert collection.call("GET", item_id, headers=other).json() == item
    changed = collection.call("POST", item_id, data={"Data": "{}"}, headers=other)
    assert changed.status_code == 200
    missing = "none" if collection.is_map else 99
    assert error(collection.call("POST", missing, headers=other)) == (404, 20404)


@pytest.mark.parametrize(
    ("media_type", "patch", "result"),
    [
        ("merge-patch+json", '{"a":null,"c":{"d":1}}', {"n": 1, "c": {"d": 1}}),
        ("json-patch+json", '[{"op":"add","path":"/b","value":2}]', {"a": 1, "n": 1, "b": 2}),
        ("vnd.syncline.increment+json", '{"/n":2,"/new":1}', {"a": 1, "n": 3, "new": 1}),
    ],
)
def test_patch_changes_the_newest_data(
    collection: Collection, media_type: str, patch: str, result: object
) -> None:
    item = collection.add({"a": 1, "n": 1})
    headers = {"Content-Type": f"application/{media_type}"}
    item_id = item[collection.id_name]
    reply = collection.call(
        "PATCH", item_id, content=patch, headers=headers, params={"ItemTtl": 60, "Ttl": 0}
    )
    assert reply.status_code == 200
    assert reply.headers["ETag"] == reply.json()["revision"]
    assert reply.json()["data"] == result
    assert reply.json()["date_expires"] is not None
    assert collection.get(item) == reply.json()


def test_a_patch_that_does_not_fit_is_refused(collection: Collection) -> None:
    item = collection.add({"a": "text"})
    item_id = item[collection.id_name]
    increment = {"Content-Type": "application/vnd.syncline.increment+json"}
    merge = {"Content-Type": "application/merge-patch+json"}
    large = '{"b":"%s"}' % ("x" * 16_380)
    for content, headers, expected in [
        ('{"/a":1}', increment, (409, 20409)),
        (large, merge, (413, 54006)),
        ("[", merge, (400, 54008)),
        ("{}", {"Content-Type": "application/json"}, (415, 20415)),
    ]:
        reply = collection.call("PATCH", item_id, content=content, headers=headers)
        assert error(reply) == expected
    wrong = collection.call("PATCH", item_id, content="{}", headers=merge, params={"Ttl": "x"})
    assert error(wrong) == (400, 54011)
    unknown = collection.call("PATCH", item_id, content="{}", headers=merge, params={"Tl": "1"})
    assert error(unknown) == (400, 20001)
    missing = "none" if collection.is_map else 99
    assert error(collection.call("PATCH", missing, content="{}", headers=merge)) == (404, 20404)
    assert collection.get(item) == item


@pytest.mark.parametrize("method", ["POST", "PATCH", "DELETE"])
def test_a_repeated_write_is_applied_once(collection: Collection, method: str) -> None:
    item = collection.add({"n": 1})
    item_id = item[collection.id_name]
    key = {"Idempotency-Key": unique()}
    media = "application/vnd.syncline.increment+json"
    request: dict[str, Any] = {"headers": {**key, "Content-Type": media}, "content": '{"/n":1}'}
    if method != "PATCH":
        request = {"headers": key, "data": {"Data": '{"n":2}'} if method == "POST" else {}}
    first = collection.call(method, item_id, **request)
    again = collection.call(method, item_id, **request)
    assert (first.status_code, again.status_code) == (
        (204, 204) if method == "DELETE" else (200, 200)
    )
    if method != "DELETE":
        assert again.json()["revision"] == first.json()["revision"]
        assert again.headers["Idempotency-Replayed"] == "true"
        assert collection.get(item) == first.json()
        assert first.json()["data"] == {"n": 2}


def test_a_repeated_add_adds_once(collection: Collection) -> None:
    key = {"Idempotency-Key": unique()}
    body: dict[str, Any] = {"data": {"n": 1}} | ({"key": "a"} if collection.is_map else {})
    first = collection.call("POST", json=body, headers=key)
    again = collection.call("POST", json=body, headers=key)
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json()[collection.id_name] == first.json()[collection.id_name]
    assert again.headers["Idempotency-Replayed"] == "true"
    assert len(collection.call("GET").json()["items"]) == 1
    other = collection.call("POST", json=body | {"data": {"n": 2}}, headers=key)
    assert error(other) == (409, 20409)


@pytest.mark.parametrize("method", ["POST", "PATCH", "DELETE"])
def test_an_operation_id_belongs_to_one_request(collection: Collection, method: str) -> None:
    first, other = collection.add({"n": 1}), collection.add({"n": 1})
    headers = {"Idempotency-Key": unique(), "Content-Type": "application/json"}
    if method == "PATCH":
        headers["Content-Type"] = "application/vnd.syncline.increment+json"
    request: dict[str, Any] = {"headers": headers}
    if method != "DELETE":
        request["content"] = b'{"/n":1}' if method == "PATCH" else b'{"data":{"n":2}}'
    item_id = first[collection.id_name]
    assert collection.call(method, item_id, **request).is_success
    assert error(collection.call(method, other[collection.id_name], **request)) == (409, 20409)
    assert collection.get(other) == other
    if method == "PATCH":
        for query in ({"Ttl": "60"}, {"CollectionTtl": "60"}):
            again = collection.call(method, item_id, params=query, **request)
            assert error(again) == (409, 20409)
        assert collection.api.fetch(collection.sid)["date_expires"] is None


@pytest.mark.parametrize("method", ["POST", "PATCH", "PUT"])
def test_a_host_that_no_url_can_have_is_refused_before_the_write(
    collection: Collection, method: str
) -> None:
    item = collection.add({"n": 1})
    headers = {"Host": "a b", "Content-Type": "application/json"}
    if method == "PATCH":
        headers["Content-Type"] = "application/merge-patch+json"
    body = b'{"data":{"n":2}}' if method != "PATCH" else b'{"n":2}'
    allowed = collection.is_map or method != "PUT"
    refused = collection.call(method, item[collection.id_name], content=body, headers=headers)
    assert error(refused) == ((400, 20400) if allowed else (405, 20004))
    new: dict[str, Any] = {"data": {}} | ({"key": "new"} if collection.is_map else {})
    assert error(collection.call("POST", json=new, headers={"Host": "a b"})) == (400, 20400)
    assert collection.call("GET").json()["items"] == [item]


def test_items_of_a_removed_collection_are_gone(collection: Collection) -> None:
    item_id = collection.add()[collection.id_name]
    collection.api.ok("DELETE", collection.sid)
    body: dict[str, Any] = {"data": {}} | ({"key": "a"} if collection.is_map else {})
    batch = {"operations": [{"op": "add", **body}]}
    for reply in [
        collection.call("GET"),
        collection.call("POST", json=body),
        collection.call("GET", item_id),
        collection.call("POST", item_id, json={"data": {}}),
        collection.call("DELETE", item_id),
        collection.api.call("POST", collection.sid, "Batch", json=batch),
    ]:
        assert error(reply) == (404, 20404)


def test_a_collection_made_again_under_its_name_is_empty(api: CollectionsApi) -> None:
    name = unique()
    api.create(UniqueName=name)
    api.add(name, **({"key": "a"} if api.url.endswith("Maps") else {}))
    api.ok("DELETE", name)
    api.create(UniqueName=name)
    assert api.ok("GET", name, "Items")["items"] == []


def test_an_item_past_its_time_is_absent(collection: Collection) -> None:
    kept = collection.add()
    brief = collection.add(ttl=1)
    url = brief["url"]
    while (reply := collection.api.http.get(url)).status_code == 200:
        assert reply.json() == brief
        time.sleep(0.05)
    assert error(reply) == (404, 20404)
    assert collection.call("GET").json()["items"] == [kept]
