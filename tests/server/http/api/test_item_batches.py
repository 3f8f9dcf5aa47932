"""Batches of items, over REST: all operations or none."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from support.api import unique
from support.collections import CollectionsApi, error
from support.server import RunningServer


@pytest.fixture(scope="module")
def maps(server: RunningServer) -> Iterator[CollectionsApi]:
    with CollectionsApi(server, "Maps") as maps:
        yield maps


@pytest.fixture(scope="module")
def lists(server: RunningServer) -> Iterator[CollectionsApi]:
    with CollectionsApi(server, "Lists") as lists:
        yield lists


def batch(*operations: dict[str, Any], **members: Any) -> dict[str, Any]:
    return {"json": {"operations": list(operations), **members}}


def test_every_operation_on_a_map_in_one_commit(maps: CollectionsApi) -> None:
    sid = maps.create()["sid"]
    updated = maps.add(sid, key="update", data={"n": 1})
    maps.add(sid, key="remove")
    reply = maps.ok(
        "POST",
        sid,
        "Batch",
        **batch(
            {"op": "add", "key": "a/b", "data": {"n": 1}, "ttl": 60},
            {"op": "put", "key": "put", "data": {"n": 2}},
            {"op": "update", "key": "update", "ttl": 5, "if_match": updated["revision"]},
            {"op": "remove", "key": "remove"},
            collection_ttl=3600,
        ),
    )
    assert reply["map_sid"] == sid
    assert [(item["key"], item["change"]) for item in reply["items"]] == [
        ("a/b", "added"),
        ("put", "added"),
        ("update", "updated"),
        ("remove", "removed"),
    ]
    revisions = [int(item["revision"]) for item in reply["items"]]
    assert revisions == list(range(revisions[0], revisions[0] + 4))
    collection = maps.fetch(sid)
    assert collection["revision"] == reply["revision"] == str(revisions[-1])
    assert collection["date_expires"] == reply["date_expires"] is not None
    page = maps.ok("GET", sid, "Items")
    assert [(item["key"], item["data"]) for item in page["items"]] == [
        ("a/b", {"n": 1}),
        ("put", {"n": 2}),
        ("update", {"n": 1}),
    ]
    # What a batch says of an item is what a page says of it.
    dates = ("date_created", "date_updated", "date_expires")
    names = ("key", "revision", *dates, "created_by", "updated_by")
    shown = {item["key"]: {name: item[name] for name in names} for item in page["items"]}
    for item in reply["items"][:3]:
        assert {name: item[name] for name in names} == shown[item["key"]]
        assert item.keys() == {*names, "change"}
    assert shown["a/b"]["date_expires"] is not None
    assert shown["update"]["date_created"] == updated["date_created"]
    assert reply["items"][3].keys() == {"key", "change", "revision"}


def test_a_list_gives_consecutive_indexes(lists: CollectionsApi) -> None:
    sid = lists.create()["sid"]
    lists.add(sid)
    adds = [{"op": "add", "data": {"n": number}} for number in range(3)]
    reply = lists.ok("POST", sid, "Batch", **batch(*adds, {"op": "remove", "index": 0}))
    assert reply["list_sid"] == sid
    assert [item["index"] for item in reply["items"]] == [1, 2, 3, 0]
    page = lists.ok("GET", sid, "Items")
    assert [(item["index"], item["data"]["n"]) for item in page["items"]] == [
        (1, 0),
        (2, 1),
        (3, 2),
    ]


@pytest.mark.parametrize(
    ("operation", "status", "code"),
    [
        ({"op": "add", "key": "taken", "data": {}}, 409, 54208),
        ({"op": "update", "key": "none", "data": {}}, 404, 20404),
        ({"op": "remove", "key": "none"}, 404, 20404),
        ({"op": "put", "key": "taken", "data": {}, "if_match": "1"}, 412, 54205),
        ({"op": "put", "key": "none", "data": {}, "if_match": "1"}, 412, 54205),
        ({"op": "remove", "key": "taken", "if_match": "1"}, 412, 54205),
        ({"op": "put", "key": "big", "data": {"a": "x" * 16_384}}, 413, 54006),
        ({"op": "put", "key": "null", "data": None}, 400, 54206),
        ({"op": "put", "key": "new", "data": {}}, 400, 20422),
        ({"op": "put", "key": "x" * 321, "data": {}}, 400, 54209),
        ({"op": "patch", "key": "a"}, 400, 20422),
        ({"op": "put", "key": "a", "data": {}, "Data": {}}, 400, 20001),
    ],
)
def test_a_batch_that_is_refused_changes_nothing(
    maps: CollectionsApi, operation: dict[str, Any], status: int, code: int
) -> None:
    sid = maps.create()["sid"]
    taken = maps.add(sid, key="taken", data={"kept": True})
    before = maps.fetch(sid)
    new = {"op": "add", "key": "new", "data": {}}
    last = {"op": "add", "key": "last", "data": {}}
    reply = maps.call("POST", sid, "Batch", **batch(new, operation, last, collection_ttl=60))
    assert error(reply) == (status, code)
    assert maps.fetch(sid) == before
    assert maps.ok("GET", sid, "Items")["items"] == [taken]


def test_the_refusal_of_a_batch_names_the_item_that_is_missing(maps: CollectionsApi) -> None:
    sid = maps.create()["sid"]
    operations = batch({"op": "put", "key": "a", "data": {}}, {"op": "remove", "key": "none"})
    message = maps.call("POST", sid, "Batch", **operations).json()["message"]
    assert "no item 'none' (operation 2 of 2)" in message


def test_a_batch_of_a_hundred_and_one_is_refused(lists: CollectionsApi) -> None:
    sid = lists.create()["sid"]
    adds = [{"op": "add", "data": {}}] * 101
    assert error(lists.call("POST", sid, "Batch", **batch(*adds))) == (400, 20422)
    assert len(lists.ok("POST", sid, "Batch", **batch(*adds[:100]))["items"]) == 100


@pytest.mark.parametrize(
    ("request_", "status", "code"),
    [
        ({"data": {"operations": "[]"}}, 415, 20415),
        ({"content": b"", "headers": {"Content-Type": "application/json"}}, 400, 54008),
        ({"json": {}}, 400, 20422),
        ({"json": []}, 400, 54008),
        ({"json": {"operations": [], "Ttl": 1}}, 400, 20001),
        (
            {
                "content": b'{"operations":["%s"]}' % (b"x" * 524_288),
                "headers": {"Content-Type": "application/json"},
            },
            413,
            54006,
        ),
    ],
)
def test_other_bodies_are_refused(
    maps: CollectionsApi, request_: dict[str, Any], status: int, code: int
) -> None:
    sid = maps.create()["sid"]
    assert error(maps.call("POST", sid, "Batch", **request_)) == (status, code)


def test_a_batch_of_too_many_values_is_refused(maps: CollectionsApi) -> None:
    sid = maps.create()["sid"]
    # Less than the limit of bytes, and slow to parse.
    body = b'{"operations":[' + b"[]," * 80_000 + b"1]}"
    headers = {"Content-Type": "application/json"}
    reply = maps.call("POST", sid, "Batch", content=body, headers=headers)
    assert error(reply) == (413, 54006)
    assert "commas and opening brackets" in reply.json()["message"]


def test_a_large_batch_has_room(maps: CollectionsApi) -> None:
    sid = maps.create()["sid"]
    puts = [{"op": "put", "key": str(number), "data": {"a": "x" * 16_000}} for number in range(32)]
    assert len(maps.ok("POST", sid, "Batch", **batch(*puts))["items"]) == 32


def test_a_repeated_batch_is_applied_once(lists: CollectionsApi) -> None:
    sid = lists.create()["sid"]
    request = batch({"op": "add", "data": {}}, {"op": "add", "data": {"n": 1}})
    key = {"Idempotency-Key": unique()}
    first = lists.call("POST", sid, "Batch", headers=key, **request)
    again = lists.call("POST", sid, "Batch", headers=key, **request)
    assert again.status_code == 200
    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.json()["revision"] == first.json()["revision"]
    assert len(lists.ok("GET", sid, "Items")["items"]) == 2
    other = lists.call("POST", sid, "Batch", headers=key, **batch({"op": "add", "data": {}}))
    assert error(other) == (409, 20409)
