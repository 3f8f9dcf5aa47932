from __future__ import annotations

from typing import Any

import pytest

from syncline_protocol.errors import Code, Refusal
from syncline_protocol.item_commands import ItemOperation, Verb
from syncline_protocol.item_types import LIST_ITEMS, MAP_ITEMS, ItemType
from syncline_server.http.item_parameters import ItemParameters

LIMIT = 400

Given = tuple[str, Any]


def new(*given: Given, items: ItemType = MAP_ITEMS) -> ItemParameters:
    return ItemParameters.of_new(given, items, LIMIT)


def update(*given: Given, items: ItemType = MAP_ITEMS) -> ItemParameters:
    return ItemParameters.of_update(given, items, LIMIT)


def test_a_form_gives_text() -> None:
    given = [("Key", "a/b"), ("Data", '{"a": 1}'), ("ItemTtl", "60"), ("CollectionTtl", "0")]
    assert new(*given) == ItemParameters(key="a/b", data=b'{"a":1}', ttl=60, collection_ttl=0)


def test_json_gives_values_and_either_spelling() -> None:
    given = [("key", "k"), ("data", {"a": [1]}), ("item_ttl", 60), ("collection_ttl", 5)]
    assert new(*given) == ItemParameters(key="k", data=b'{"a":[1]}', ttl=60, collection_ttl=5)
    assert new(("data", {}), items=LIST_ITEMS) == ItemParameters(data=b"{}")


def test_the_ttl_of_the_item_counts_more_than_its_alias() -> None:
    assert new(("Key", "k"), ("Data", {}), ("Ttl", 9)).ttl == 9
    assert new(("Key", "k"), ("Data", {}), ("Ttl", "x"), ("ItemTtl", 5)).ttl == 5
    assert update(("ItemTtl", ""), ("Ttl", 9)).ttl == 0


@pytest.mark.parametrize(
    ("items", "code"), [(LIST_ITEMS, Code.INVALID_LIST_DATA), (MAP_ITEMS, Code.INVALID_MAP_DATA)]
)
@pytest.mark.parametrize("data", ["null", None, "", "absent"])
def test_a_new_item_needs_data(items: ItemType, code: Code, data: str | None) -> None:
    given: list[Given] = [("Key", "k")] if items.has_chosen_keys else []
    given += [] if data == "absent" else [("Data", data)]
    with pytest.raises(Refusal, match="Data must be a JSON object; null was given") as caught:
        new(*given, items=items)
    assert caught.value.code is code
    if data not in ("", "absent"):
        with pytest.raises(Refusal) as caught:
            update(("Data", data), ("Ttl", 1), items=items)
        assert caught.value.code is code


def test_an_empty_data_in_an_update_counts_as_missing() -> None:
    assert update(("Data", ""), ("Ttl", "5")) == ItemParameters(ttl=5)


@pytest.mark.parametrize("given", [[], [("CollectionTtl", 5)], [("Data", "")]])
def test_an_update_needs_data_or_a_ttl_of_the_item(given: list[Given]) -> None:
    with pytest.raises(Refusal, match="An update needs Data, ItemTtl or Ttl") as caught:
        update(*given)
    assert caught.value.code is Code.NO_PARAMETERS


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("Key", "", Code.INVALID_ITEM_KEY),
        ("Key", "x" * 321, Code.INVALID_ITEM_KEY),
        ("Key", 7, Code.INVALID_ITEM_KEY),
        ("Key", None, Code.INVALID_ITEM_KEY),
        ("Key", "\ud800", Code.INVALID_ITEM_KEY),
        ("Data", "{", Code.INVALID_JSON),
        ("Data", "[1]", Code.INVALID_JSON),
        ("Data", 5, Code.INVALID_JSON),
        ("Data", '{"a":"%s"}' % ("x" * 393), Code.TOO_LARGE),
        ("Ttl", "-1", Code.INVALID_TTL),
        ("ItemTtl", True, Code.INVALID_TTL),
        ("CollectionTtl", 31_536_001, Code.INVALID_TTL),
        ("Dta", "{}", Code.UNKNOWN_PARAMETER),
        ("UniqueName", "a", Code.UNKNOWN_PARAMETER),
    ],
)
def test_a_wrong_parameter_is_refused(name: str, value: Any, code: Code) -> None:
    given = {"Key": "k", "Data": "{}", name: value}
    with pytest.raises(Refusal) as caught:
        new(*given.items())
    assert caught.value.code is code


def test_a_key_is_needed_only_where_clients_choose_it() -> None:
    with pytest.raises(Refusal) as caught:
        new(("Data", "{}"))
    assert caught.value.code is Code.INVALID_ITEM_KEY
    for given in (("Key", "k"), ("Index", "1")):
        with pytest.raises(Refusal) as caught:
            new(("Data", "{}"), given, items=LIST_ITEMS)
        assert caught.value.code is Code.UNKNOWN_PARAMETER


def test_a_put_takes_the_key_from_the_path() -> None:
    put = ItemParameters.of_new([("data", {"a": 1}), ("ttl", 5)], MAP_ITEMS, LIMIT, has_key=False)
    assert put == ItemParameters(data=b'{"a":1}', ttl=5)
    assert put.operation(Verb.PUT, "k", -1) == ItemOperation(
        verb=Verb.PUT, key="k", data=b'{"a":1}', ttl=5, if_match=-1
    )


def test_a_query_has_times_to_live_alone() -> None:
    query = [("Ttl", "1"), ("ItemTtl", "2"), ("CollectionTtl", "3"), ("_", "x")]
    assert ItemParameters.of_query(query) == ItemParameters(ttl=2, collection_ttl=3)
    for wrong in ([("Ttl", "1"), ("Ttl", "2")], [("ItemTtl", "x")]):
        with pytest.raises(Refusal) as caught:
            ItemParameters.of_query(wrong)
        assert caught.value.code is Code.INVALID_TTL


def test_unknown_names_are_ignored_where_that_is_asked_for() -> None:
    given = [("purpose", 1), ("key", "k"), ("data", {})]
    lenient = ItemParameters.of_new(given, MAP_ITEMS, LIMIT, is_strict=False)
    assert lenient == ItemParameters(key="k", data=b"{}")
