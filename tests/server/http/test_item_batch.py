from __future__ import annotations

from typing import Any

import pytest

from syncline_protocol.errors import Code, Refusal
from syncline_protocol.item_commands import ItemOperation, Verb
from syncline_protocol.item_types import LIST_ITEMS, MAP_ITEMS, ItemType
from syncline_server.http.item_batch import ItemBatch

LIMIT = 400


def batch(*operations: Any, items: ItemType = MAP_ITEMS, **members: Any) -> ItemBatch:
    given = {"operations": list(operations), **members}
    return ItemBatch.of(given.items(), items, LIMIT)


def test_a_batch_of_every_operation_on_a_map() -> None:
    read = batch(
        {"op": "add", "key": "a", "data": {"n": 1}, "ttl": 60},
        {"op": "put", "key": "b", "data": {}, "if_match": "7"},
        {"op": "update", "key": "c", "ttl": 0},
        {"op": "remove", "key": "d", "if_match": '"9"'},
        collection_ttl=5,
    )
    assert read == ItemBatch(
        operations=(
            ItemOperation(verb=Verb.ADD, key="a", data=b'{"n":1}', ttl=60),
            ItemOperation(verb=Verb.PUT, key="b", data=b"{}", if_match=7),
            ItemOperation(verb=Verb.UPDATE, key="c", ttl=0),
            ItemOperation(verb=Verb.REMOVE, key="d", if_match=9),
        ),
        collection_ttl=5,
    )


def test_a_batch_on_a_list_appends_several_items() -> None:
    add = {"op": "add", "data": {}}
    update = {"op": "update", "index": 3, "data": {"a": 1}}
    read = batch(add, add, update, {"op": "remove", "index": "4"}, items=LIST_ITEMS)
    assert [each.key for each in read.operations] == [None, None, f"{3:016d}", f"{4:016d}"]


@pytest.mark.parametrize(
    "given", [{}, {"operations": {}}, {"operations": []}, {"operations": [{}] * 101}]
)
def test_a_batch_has_1_to_100_operations(given: dict[str, Any]) -> None:
    with pytest.raises(Refusal, match="1 to 100 operations") as caught:
        ItemBatch.of(given.items(), MAP_ITEMS, LIMIT)
    assert caught.value.code is Code.INVALID_PARAMETER
    add = {"op": "add", "data": {}}
    assert len(batch(*[add] * 100, items=LIST_ITEMS).operations) == 100


ADD = {"op": "add", "key": "a", "data": {}}


@pytest.mark.parametrize(
    ("operation", "code", "sentence"),
    [
        (5, Code.INVALID_PARAMETER, "operations[1] must be an object; 5"),
        ({}, Code.INVALID_PARAMETER, "operations[1].op must be add, put, update, remove; null"),
        ({"op": []}, Code.INVALID_PARAMETER, "an array was given"),
        ({"op": "patch"}, Code.INVALID_PARAMETER, "'patch' was given"),
        (ADD | {"if_match": "1"}, Code.UNKNOWN_PARAMETER, "'if_match'"),
        (ADD | {"Ttl": 1}, Code.UNKNOWN_PARAMETER, "are op, key, data, ttl"),
        (ADD | {"index": 1}, Code.UNKNOWN_PARAMETER, "'index'"),
        ({"op": "remove", "key": "b", "ttl": 1}, Code.UNKNOWN_PARAMETER, "'ttl'"),
        ({"op": "remove"}, Code.INVALID_ITEM_KEY, "operations[1]: The key"),
        (ADD | {"key": "x" * 321}, Code.INVALID_ITEM_KEY, "321 characters"),
        (ADD | {"key": "b", "data": None}, Code.INVALID_MAP_DATA, "operations[1].data"),
        ({"op": "put", "key": "b"}, Code.INVALID_MAP_DATA, "operations[1].data"),
        (ADD | {"key": "b", "data": "{}"}, Code.INVALID_JSON, "operations[1].data"),
        (ADD | {"key": "b", "data": {"a": "x" * 400}}, Code.TOO_LARGE, "operations[1].data"),
        (ADD | {"key": "b", "ttl": -1}, Code.INVALID_TTL, "operations[1].ttl"),
        ({"op": "update", "key": "b"}, Code.NO_PARAMETERS, "operations[1] needs data or ttl"),
        (
            {"op": "remove", "key": "b", "if_match": 7},
            Code.INVALID_IF_MATCH,
            "operations[1].if_match",
        ),
        (ADD, Code.INVALID_PARAMETER, "operations[1] has the same key as another operation, 'a'"),
    ],
)
def test_a_wrong_operation_is_refused_and_named(operation: Any, code: Code, sentence: str) -> None:
    with pytest.raises(Refusal) as caught:
        batch(ADD, operation)
    assert caught.value.code is code
    assert sentence in caught.value.message


@pytest.mark.parametrize(
    ("operation", "code"),
    [
        ({"op": "put", "index": 1, "data": {}}, Code.INVALID_PARAMETER),
        ({"op": "add", "index": 1, "data": {}}, Code.UNKNOWN_PARAMETER),
        ({"op": "remove", "index": -1}, Code.INVALID_INDEX),
        ({"op": "remove", "key": "a"}, Code.UNKNOWN_PARAMETER),
        ({"op": "add"}, Code.INVALID_LIST_DATA),
    ],
)
def test_a_list_gives_the_index_itself(operation: Any, code: Code) -> None:
    with pytest.raises(Refusal) as caught:
        batch(operation, items=LIST_ITEMS)
    assert caught.value.code is code


def test_other_members_are_refused() -> None:
    for members in ({"CollectionTtl": 1}, {"collection_ttl": -1}, {"if_match": "1"}):
        with pytest.raises(Refusal):
            batch(ADD, **members)
