"""Tests of the parts of collections, and of which events move an object."""

from __future__ import annotations

from typing import Any

from syncline_protocol.item_commands import Part
from syncline_protocol.items import ItemsReset
from syncline_protocol.streams import Message, Missed

COMMON: dict[str, Any] = {
    "sid": "TO" + "0" * 32,
    "unique_name": None,
    "revision": 0,
    "previous": 0,
    "at_ms": 1,
    "by": "alice",
}


def test_a_part_of_keys_has_these_keys() -> None:
    part = Part(keys=frozenset({"a", "b"}))
    assert part.has("a")
    assert not part.has("ab")


def test_a_part_with_a_prefix_has_the_keys_that_begin_with_it() -> None:
    part = Part(prefix="user:")
    assert part.has("user:7")
    assert part.has("user:")
    assert not part.has("use")


def test_messages_do_not_move_the_stream() -> None:
    assert not Message(**COMMON, message_sid="TZ" + "0" * 32, data=b"{}").is_stored
    assert not Missed(**COMMON, count=3).is_stored
    assert ItemsReset(**COMMON).is_stored
