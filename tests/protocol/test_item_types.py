from __future__ import annotations

import pytest

from syncline_protocol.errors import Code, Refusal
from syncline_protocol.item_commands import Verb
from syncline_protocol.item_types import ITEM_TYPES, LIST_ITEMS, MAP_ITEMS, item_type
from syncline_protocol.objects import TYPES


def test_every_type_with_items_has_a_row() -> None:
    assert set(ITEM_TYPES) == {each for each in TYPES if each.has_items}
    for type_, row in ITEM_TYPES.items():
        assert item_type(type_) is row


@pytest.mark.parametrize("key", ["a", "x" * 320, "🎉" * 320, "a/b%2F c?#", "...", " ", "\x00"])
def test_a_key_is_stored_as_it_is(key: str) -> None:
    assert MAP_ITEMS.parse_id(key) == MAP_ITEMS.show_id(key) == key


@pytest.mark.parametrize("key", ["", "x" * 321, ".", "..", 7, None, "\ud800", ["a"]])
def test_what_cannot_be_a_key_is_refused(key: object) -> None:
    with pytest.raises(Refusal) as caught:
        MAP_ITEMS.parse_id(key)
    assert caught.value.code is Code.INVALID_ITEM_KEY
    assert caught.value.message.encode()


@pytest.mark.parametrize("index", [0, 7, 2**53 - 1])
def test_an_index_is_stored_with_all_its_digits(index: int) -> None:
    assert LIST_ITEMS.parse_id(index) == LIST_ITEMS.parse_id(str(index)) == f"{index:016d}"
    assert LIST_ITEMS.show_id(f"{index:016d}") == index


@pytest.mark.parametrize("index", [-1, 2**53, 1.0, True, None, "", "-1", "01", "1.5", "1e3", "٣"])
def test_what_cannot_be_an_index_is_refused(index: object) -> None:
    with pytest.raises(Refusal) as caught:
        LIST_ITEMS.parse_id(index)
    assert caught.value.code is Code.INVALID_INDEX


def test_only_keys_of_clients_can_exist_before_they_are_added() -> None:
    assert MAP_ITEMS.has_chosen_keys and not LIST_ITEMS.has_chosen_keys
    assert Verb.PUT in MAP_ITEMS.verbs and Verb.PUT not in LIST_ITEMS.verbs
