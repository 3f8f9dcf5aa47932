"""Requests, replies and events of lists, maps and streams in the native protocol."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.strategies import json_values
from syncline_protocol import commands, documents, native
from syncline_protocol.errors import Refusal
from syncline_protocol.item_commands import (
    ABSENT,
    BatchItems,
    GetItem,
    GetItems,
    ItemOperation,
    ItemQuery,
    OpenCollection,
    Part,
    PatchItem,
    Verb,
    WriteItem,
)
from syncline_protocol.item_keys import index_key
from syncline_protocol.item_types import LIST_ITEMS, MAP_ITEMS
from syncline_protocol.items import Change, ChangeKind, Item, ItemsChanged, ItemsReset
from syncline_protocol.native import decoder
from syncline_protocol.objects import LIST, MAP, STREAM, ExpiryChanged, Removed
from syncline_protocol.streams import Message, Missed, Publish

LIMITS = native.Limits(data=1000, item=400, message=40, values=2000)
MAP_SID = "MP" + "0a" * 16
LIST_SID = "ES" + "0a" * 16
STREAM_SID = "TO" + "0a" * 16
MOMENT_MS = 1_769_847_330_123
MOMENT = "2026-01-31T08:15:30.123Z"
PAGE = ItemQuery()


def decode(**message: Any) -> Any:
    """The command of a request with these members."""
    return native.decode(json.dumps({"id": 7, **message}), LIMITS).command


def refused(**message: Any) -> Refusal:
    command = decode(**message)
    assert isinstance(command, Refusal)
    return command


def write(action: Verb, key: str | None, **rest: Any) -> WriteItem:
    return WriteItem("a", type=MAP, action=action, item_key=key, **rest)


@pytest.mark.parametrize(
    ("message", "command"),
    [
        ({"do": "open", "map": "a"}, OpenCollection("a", type=MAP, items=PAGE)),
        ({"do": "open", "map": None}, OpenCollection(None, type=MAP, items=PAGE)),
        ({"do": "open", "list": "a", "items": False}, OpenCollection("a", type=LIST)),
        (
            {"do": "open", "map": "a", "items": {"limit": 500, "order": "desc"}, "prefix": "x"},
            OpenCollection(
                "a",
                type=MAP,
                items=ItemQuery(size=500, is_descending=True, prefix="x"),
                part=Part(prefix="x"),
            ),
        ),
        (
            {"do": "open", "list": "a", "indexes": [3, "4", 3], "revision": "5"},
            OpenCollection(
                "a",
                type=LIST,
                part=Part(keys=frozenset({index_key(3), index_key(4)})),
                revision=5,
            ),
        ),
        (
            {"do": "open", "map": "a", "mode": "create_new", "ttl": 60, "op": "o", "keys": ["k"]},
            OpenCollection(
                "a",
                type=MAP,
                mode=commands.Mode.CREATE_NEW,
                ttl=60,
                op="o",
                items=PAGE,
                part=Part(keys=frozenset({"k"})),
            ),
        ),
        ({"do": "open", "stream": "a"}, commands.Open("a", type=STREAM)),
        ({"do": "get", "list": LIST_SID}, commands.Get(LIST_SID, type=LIST)),
        ({"do": "ttl", "stream": "a", "ttl": 0}, commands.SetTtl("a", 0, type=STREAM)),
        ({"do": "ttl_collection", "map": "a", "ttl": 9}, commands.SetTtl("a", 9, type=MAP)),
        (
            {"do": "remove_collection", "map": "a", "op": "o"},
            commands.Remove("a", type=MAP, op="o"),
        ),
        ({"do": "unsubscribe", "map": "a"}, commands.Unsubscribe("a", type=MAP)),
        ({"do": "items", "map": "a"}, GetItems("a", PAGE, type=MAP)),
        (
            {"do": "items", "map": "a", "after": "k", "limit": 1, "order": "desc"},
            GetItems(
                "a",
                ItemQuery(start="k", is_inclusive=False, is_descending=True, size=1),
                type=MAP,
            ),
        ),
        (
            {"do": "items", "list": "a", "from": 7},
            GetItems("a", ItemQuery(start=index_key(7)), type=LIST),
        ),
        (
            {"do": "items", "map": "a", "prefix": "x"},
            GetItems("a", ItemQuery(prefix="x"), type=MAP, part=Part(prefix="x")),
        ),
        ({"do": "item", "map": "a", "key": "k"}, GetItem("a", "k", type=MAP)),
        ({"do": "item", "list": "a", "index": 0}, GetItem("a", index_key(0), type=LIST)),
        (
            {"do": "add", "map": "a", "key": "k", "data": {"b": 1}, "ttl": 6, "op": "o"},
            write(Verb.ADD, "k", data=b'{"b":1}', ttl=6, op="o"),
        ),
        (
            {"do": "add", "list": "a", "index": 3, "data": {}},
            WriteItem("a", type=LIST, action=Verb.ADD, item_key=None, data=b"{}"),
        ),
        (
            {"do": "set", "map": "a", "key": "k", "data": {}, "if_match": "5"},
            write(Verb.PUT, "k", data=b"{}", if_match=5),
        ),
        (
            {"do": "set", "map": "a", "key": "k", "data": {}, "if_match": "-1"},
            write(Verb.PUT, "k", data=b"{}", if_match=ABSENT),
        ),
        (
            {"do": "set", "list": "a", "index": 2, "data": {}, "collection_ttl": 5},
            WriteItem(
                "a",
                type=LIST,
                action=Verb.UPDATE,
                item_key=index_key(2),
                data=b"{}",
                collection_ttl=5,
            ),
        ),
        (
            {"do": "patch", "map": "a", "key": "k", "increment": {"/n": 1}, "if_match": "5"},
            PatchItem("a", type=MAP, item_key="k", body=documents.Increment({"/n": 1}), if_match=5),
        ),
        (
            {"do": "ttl", "map": "a", "key": "k", "ttl": 60, "if_match": "5"},
            write(Verb.UPDATE, "k", ttl=60, if_match=5),
        ),
        (
            {"do": "remove", "map": "a", "key": "k", "if_match": "5", "op": "o"},
            write(Verb.REMOVE, "k", if_match=5, op="o"),
        ),
        (
            {
                "do": "batch",
                "map": "a",
                "operations": [{"op": "put", "key": "k", "data": {}}, {"op": "remove", "key": "l"}],
                "collection_ttl": 9,
                "op": "o",
            },
            BatchItems(
                "a",
                type=MAP,
                operations=(
                    ItemOperation(verb=Verb.PUT, key="k", data=b"{}"),
                    ItemOperation(verb=Verb.REMOVE, key="l"),
                ),
                collection_ttl=9,
                op="o",
            ),
        ),
        (
            {"do": "publish", "stream": "a", "data": {"x": 1}, "op": "o"},
            Publish("a", data=b'{"x":1}', op="o"),
        ),
    ],
)
def test_each_request_becomes_its_command(message: dict[str, Any], command: object) -> None:
    assert decode(**message) == command


SET = {"do": "set", "map": "a", "key": "k", "data": {}}
OPEN = {"do": "open", "map": "a"}


@pytest.mark.parametrize(
    ("message", "code", "sentence"),
    [
        ({**SET, "document": "b"}, 20001, "document and map were given."),
        ({"do": "publish", "map": "a", "data": {}}, 20001, "A map has no 'publish'; what it has"),
        ({"do": "items", "document": "a"}, 20001, "A document has no 'items'; what it has is "),
        ({"do": "items"}, 20001, "items needs one of the members document, list, map, stream."),
        ({"do": "get", "map": None}, 20422, "map must be a string; null was given."),
        ({"do": "get", "map": 7}, 20422, "map must be a string; 7 was given."),
        ({"do": "set", "map": "a", "data": {}}, 20001, "set needs the member key."),
        ({"do": "item", "list": "a"}, 20001, "item needs the member index."),
        ({**SET, "key": None}, 54209, "; null was given."),
        ({**SET, "key": "x" * 321}, 54209, "of 321 characters was given."),
        ({**SET, "key": ".."}, 54209, "no URL can carry it."),
        ({"do": "item", "list": "a", "index": -1}, 54458, "not -1."),
        ({"do": "item", "list": "a", "index": 1.5}, 54458, "not 1.5."),
        ({**SET, "data": None}, 54206, "null was given."),
        ({"do": "add", "list": "a", "data": None}, 54156, "null was given."),
        ({"do": "publish", "stream": "a", "data": None}, 54251, "null was given."),
        ({**SET, "data": [1]}, 54008, "an array was given."),
        ({**SET, "data": {"a": "x" * 400}}, 54006, "at most 400 are allowed."),
        ({"do": "publish", "stream": "a", "data": {"a": "x" * 40}}, 54006, "at most 40 are"),
        ({**SET, "ttl": -1}, 54011, "; -1 was given."),
        ({"do": "ttl", "map": "a", "key": "k", "ttl": None}, 54011, "null was given."),
        ({**SET, "collection_ttl": "x"}, 54011, "collection_ttl must be a whole number"),
        ({**SET, "if_match": 5}, 54003, "; 5 was given."),
        ({**SET, "if_match": "-2"}, 54003, "; '-2' was given."),
        ({"do": "remove", "map": "a", "key": "k", "if_match": "-1"}, 54003, "'-1' was given."),
        ({"do": "set", "list": "a", "index": 1, "data": {}, "if_match": "-1"}, 54003, "'-1' was"),
        (
            {"do": "remove_collection", "map": "a", "if_match": "5"},
            54003,
            "not for a map as a whole.",
        ),
        ({"do": "ttl", "stream": "a", "ttl": 5, "if_match": "5"}, 54003, "not for a stream as a"),
        ({"do": "remove", "map": "a", "index": 3}, 20001, "is named by key, not by index."),
        ({"do": "remove", "list": "a", "key": "k"}, 20001, "is named by index, not by key."),
        ({"do": "ttl", "list": "a", "key": "k", "ttl": 5}, 20001, "is named by index, not by"),
        ({"do": "remove", "map": "a", "key": None}, 54209, "null was given."),
        ({"do": "remove", "map": "a", "op": "o"}, 20001, "remove needs the member key."),
        ({"do": "remove", "list": "a"}, 20001, "remove needs the member index."),
        ({"do": "ttl", "map": "a", "ttl": 9}, 20001, "ttl needs the member key."),
        ({"do": "remove_collection", "map": "a", "key": "k"}, 20001, "so key is not allowed."),
        ({"do": "ttl_collection", "list": "a", "index": 0}, 20001, "so index is not allowed."),
        ({"do": "remove_collection", "document": "a"}, 20001, "has no 'remove_collection'"),
        ({**OPEN, "items": 5}, 20422, "items must be true, false or an object; 5 was given."),
        ({**OPEN, "items": {"limit": 0}}, 54454, "from 1 to 500; 0 was given."),
        ({**OPEN, "items": {"limit": True}}, 54454, "from 1 to 500; true was given."),
        ({**OPEN, "items": {"limit": 501}, "revision": "5"}, 54454, "from 1 to 500; 501 was"),
        ({**OPEN, "items": {"order": "up"}}, 54451, "order must be one of asc, desc; 'up' was"),
        ({**OPEN, "keys": []}, 20422, "keys must be an array of 1 to 256; an array of 0 was"),
        ({**OPEN, "keys": ["k"] * 257}, 20422, "an array of 257 was given."),
        ({**OPEN, "keys": "k"}, 20422, "'k' was given."),
        ({**OPEN, "keys": ["k", ""]}, 54209, "keys[1] is wrong. "),
        ({**OPEN, "keys": ["k"], "prefix": "k"}, 20422, "keys or prefix, not by both."),
        ({**OPEN, "prefix": ""}, 54209, "prefix must have 1 to 320 characters"),
        ({**OPEN, "prefix": 5}, 54209, "prefix must be a string; 5 was given."),
        ({**OPEN, "prefix": "\ud800"}, 54209, "prefix holds half of a surrogate pair"),
        ({"do": "open", "list": "a", "prefix": "k"}, 20422, "A list has no prefix; use indexes."),
        ({**OPEN, "revision": "x"}, 54003, "; 'x' was given."),
        ({"do": "items", "map": "a", "from": "a", "after": "b"}, 20422, "not both."),
        ({"do": "items", "list": "a", "after": "x"}, 54458, "after is wrong. "),
        ({"do": "items", "map": "a", "limit": "5"}, 54454, "; '5' was given."),
        ({"do": "patch", "map": "a", "key": "k"}, 20001, "; 0 were given."),
        ({"do": "batch", "map": "a"}, 20001, "batch needs the member operations."),
        ({"do": "batch", "map": "a", "operations": []}, 20422, "an array of 0 was given."),
        (
            {"do": "batch", "list": "a", "operations": [{"op": "put", "index": 1, "data": {}}]},
            20422,
            "operations[0].op must be add, update, remove; 'put' was given.",
        ),
        (
            {"do": "batch", "map": "a", "operations": [{"op": "update", "key": "k"}]},
            54010,
            "operations[0] needs data or ttl.",
        ),
    ],
)
def test_each_bad_member_has_its_code_and_a_sentence(
    message: dict[str, Any], code: int, sentence: str
) -> None:
    refusal = refused(**message)
    assert refusal.code == code
    assert sentence in refusal.message


MEMBER_NAMES = ["document", "list", "map", "stream", "key", "index", "keys", "indexes", "prefix"]
MEMBER_NAMES += ["items", "from", "after", "order", "limit", "data", "ttl", "collection_ttl"]
MEMBER_NAMES += ["if_match", "revision", "op", "operations", "merge", "increment", "mode"]


@given(
    st.sampled_from(sorted(decoder.VERBS)),
    st.sampled_from(["list", "map", "stream"]),
    st.dictionaries(st.sampled_from(MEMBER_NAMES), json_values | st.text(max_size=400)),
)
def test_members_of_any_value_give_a_command_or_a_refusal_that_can_be_sent(
    verb: str, name: str, members: dict[str, Any]
) -> None:
    command = decode(do=verb, **{name: "a", **members})

    if isinstance(command, Refusal):
        assert 400 <= command.code.status < 500
        error = orjson.loads(native.encode_error(7, command))["error"]
        assert error["message"].endswith(".")


def item(key: str, revision: int, data: bytes = b'{"a":1}') -> Item:
    return Item(
        key=key,
        revision=revision,
        born=5,
        data=data,
        created_ms=MOMENT_MS,
        updated_ms=MOMENT_MS,
        expires_ms=None,
        created_by="alice",
        updated_by="bob",
    )


ITEM_BODY = {
    "date_created": MOMENT,
    "date_updated": MOMENT,
    "date_expires": None,
    "created_by": "alice",
    "updated_by": "bob",
}


def of_map(**rest: Any) -> dict[str, Any]:
    return {
        "sid": MAP_SID,
        "unique_name": "players",
        "revision": 8,
        "previous": 7,
        "at_ms": MOMENT_MS,
        "by": "bob",
        **rest,
    }


MAP_HEAD = {
    "sid": MAP_SID,
    "unique_name": "players",
    "revision": "8",
    "previous_revision": "7",
    "date_updated": MOMENT,
    "updated_by": "bob",
}


def changed(*changes: Change, **rest: Any) -> ItemsChanged:
    return ItemsChanged(**of_map(**rest), changes=changes)


def sent(event: Any, instead: dict[str, Any] | None = None) -> Any:
    return orjson.loads(native.encode_event(event, instead))


class TestEvents:
    def test_a_change_has_the_whole_item(self) -> None:
        assert sent(changed(Change(kind=ChangeKind.ADDED, item=item("k", 8)))) == {
            "event": "items",
            "map": {**MAP_HEAD, "date_expires": None},
            "changes": [
                {"kind": "added", "key": "k", "revision": "8", "data": {"a": 1}, **ITEM_BODY}
            ],
        }

    def test_a_change_has_the_expiry_of_the_collection(self) -> None:
        event = changed(Change(kind=ChangeKind.ADDED, item=item("k", 8)), expires_ms=MOMENT_MS)
        narrowed = event.with_changes(event.changes)
        assert sent(event)["map"] == sent(narrowed)["map"] == {**MAP_HEAD, "date_expires": MOMENT}

    def test_an_item_of_a_list_has_an_index(self) -> None:
        change = Change(kind=ChangeKind.UPDATED, item=item(index_key(12), 8))
        message = sent(changed(change, sid=LIST_SID))
        assert message["list"]["sid"] == LIST_SID
        assert message["changes"][0]["index"] == 12
        assert "key" not in message["changes"][0]

    def test_a_removal_has_the_last_data_where_the_server_knows_it(self) -> None:
        known = Change(kind=ChangeKind.REMOVED, item=item("k", 7), expired=True)
        unknown = Change(kind=ChangeKind.REMOVED, item=item("l", 8, b""))
        first, second = sent(changed(known, unknown))["changes"]
        assert first == {
            "kind": "removed",
            "key": "k",
            "revision": "7",
            "data": {"a": 1},
            "date_removed": MOMENT,
            "removed_by": "bob",
            "expired": True,
        }
        assert "data" not in second and second["expired"] is False

    def test_the_writer_of_one_item_has_its_data(self) -> None:
        update = Change(kind=ChangeKind.UPDATED, item=item("k", 8))
        [bare] = sent(changed(update), {})["changes"]
        assert bare == {"kind": "updated", "key": "k", "revision": "8", **ITEM_BODY}

    def test_changes_of_several_items_always_have_their_data(self) -> None:
        update = Change(kind=ChangeKind.UPDATED, item=item("k", 7))
        other = Change(kind=ChangeKind.UPDATED, item=item("l", 8))
        assert all("data" in each for each in sent(changed(update, other), {})["changes"])

    def test_a_removal_has_its_data_for_the_writer_too(self) -> None:
        removal = Change(kind=ChangeKind.REMOVED, item=item("k", 8))
        assert "data" in sent(changed(removal), {})["changes"][0]

    def test_the_expiry_of_a_collection(self) -> None:
        assert sent(ExpiryChanged(**of_map(), expires_ms=MOMENT_MS)) == {
            "event": "expiry",
            "map": {**MAP_HEAD, "date_expires": MOMENT},
        }

    def test_a_reset(self) -> None:
        assert sent(ItemsReset(**of_map())) == {"event": "reset", "map": MAP_HEAD}

    def test_the_removal_of_a_collection(self) -> None:
        message = sent(Removed(**of_map(), expired=False))
        assert message["event"] == "removed"
        assert message["map"]["removed_by"] == "bob"

    def test_a_message_has_no_revision(self) -> None:
        message = Message(
            **of_map(sid=STREAM_SID, revision=0, previous=0), message_sid="TZ1", data=b'{"x":1}'
        )
        assert sent(message) == {
            "event": "message",
            "stream": {"sid": STREAM_SID},
            "message": {
                "sid": "TZ1",
                "data": {"x": 1},
                "date_created": MOMENT,
                "created_by": "bob",
            },
        }

    def test_missed_messages_are_counted(self) -> None:
        missed = Missed(**of_map(sid=STREAM_SID, revision=0, previous=0), count=17)
        assert sent(missed) == {"event": "missed", "stream": {"sid": STREAM_SID}, "count": 17}


def test_an_item_comes_without_data_where_the_client_has_it() -> None:
    assert native.item_body(item("k", 8), MAP_ITEMS, data=False) == {
        "key": "k",
        "revision": "8",
        **ITEM_BODY,
    }
    assert "data" not in native.item_body(item(index_key(1), 8, b""), LIST_ITEMS)
