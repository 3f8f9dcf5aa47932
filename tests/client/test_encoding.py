from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

import orjson
import pytest
from hypothesis import given

from support.strategies import json_objects, json_values, text
from syncline.encoding import encode, encode_data, pointer_to
from syncline.errors import InvalidRequest, RequestError, TooLarge
from syncline_protocol.documents import OperationsPatch
from syncline_protocol.jsondata import parse
from syncline_server.objects.patches import patched


def circle() -> list[Any]:
    ring: list[Any] = []
    ring.append(ring)
    return ring


def deep() -> list[Any]:
    value: list[Any] = []
    for _ in range(100_000):
        value = [value]
    return value


@given(json_values)
def test_the_server_reads_what_was_meant(value: Any) -> None:
    assert parse(encode(value), "Data") == value


def test_it_is_compact_utf8() -> None:
    assert encode({"a": [1, "ü"], "b": None}) == '{"a":[1,"ü"],"b":null}'.encode()


@pytest.mark.parametrize(
    "value",
    [object(), {1, 2}, b"bytes", float("nan"), float("inf"), "\ud800", {("a",): 1}],
)
def test_what_json_does_not_have_is_an_invalid_request(value: object) -> None:
    with pytest.raises(InvalidRequest, match=r"^a: ") as caught:
        encode({"a": value})

    assert (caught.value.code, caught.value.status) == (54008, 400)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"a": [1, {"b/c": float("nan")}]}, "a[1]['b/c']: nan is not a JSON number; store None"),
        ({"a": float("-inf")}, "a: -inf is not a JSON number"),
        ({"a": ["ok", "x\ud83d"]}, "a[1]: it holds half of a surrogate pair"),
        ({"\ud83d": {1}}, "data: it has a key with half of a surrogate pair"),
        ({"a": {"x\udc00": 1}}, "a: it has a key with half of a surrogate pair"),
        ({"a": [{(1, 2): 3}]}, "a[0]: it has a key of the type tuple; keys must be strings"),
        ({"a": [{1: 2}]}, "a[0]: it has a key of the type int; keys must be strings"),
        ({"a": {None: 2}}, "a: it has a key of the type NoneType"),
        ({True: 2}, "data: it has a key of the type bool"),
        ({"a": (1, {2})}, "a[1]: a set is not a JSON value; store a list"),
        ({"a": circle()}, "a[0]: it contains itself"),
        ({"a": 10**20 + 1}, "a: the integer 100000000000000000001 neither fits 64 bits nor"),
        ({"a": [10**400]}, "a[0]: the integer is larger than any number of JSON may be"),
        (
            {"players": [{"joined": datetime(2026, 1, 1)}]},
            "players[0].joined: a datetime is not a JSON value; store a str, such as its isoformat",
        ),
        ({"a": {"price": Decimal(1)}}, "a.price: a Decimal is not a JSON value; store a str."),
    ],
)
def test_the_sentence_says_what_is_wrong_and_where_and_what_to_do(value: Any, message: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        encode(value)

    assert caught.value.message.startswith(message)
    assert "nested" not in caught.value.message
    caught.value.message.encode()


def test_a_str_of_a_type_of_its_own_is_a_key_like_any_other() -> None:
    class Name(str):
        pass

    assert encode({Name("a"): Name("b")}) == b'{"a":"b"}'


@pytest.mark.parametrize("number", [2**64, 10**20, -(10**22), 2**1000])
def test_an_integer_that_a_double_holds_exactly_is_stored_as_one(number: int) -> None:
    assert parse(encode({"a": number}), "Data") == {"a": float(number)}


def test_what_is_nested_too_deeply_is_an_invalid_request() -> None:
    with pytest.raises(InvalidRequest, match="it is nested more than 1000 deep"):
        encode(deep())


def test_data_is_nested_no_more_deeply_than_the_server_accepts() -> None:
    data: dict[str, Any] = {"text": "[" * 100, "list": [[]] * 100}
    for _ in range(61):
        data = {"a": data}

    assert encode_data(data, None) == encode(data)
    with pytest.raises(
        InvalidRequest, match=r"^a\.a\..*: it is nested more than 64 deep"
    ) as caught:
        encode_data({"a": data}, None)
    assert caught.value.code == 54008


@given(json_objects)
def test_data_of_the_largest_size_passes_and_one_byte_more_does_not(value: Any) -> None:
    size = len(encode(value))

    assert encode_data(value, size) == encode_data(value, None) == encode(value)
    with pytest.raises(TooLarge) as caught:
        encode_data(value, size - 1)
    assert (caught.value.code, caught.value.status) == (54006, 413)
    assert f"{size} bytes" in caught.value.message
    assert f"at most {size - 1}" in caught.value.message


@pytest.mark.parametrize("value", [None, [], "x", 1])
def test_data_that_is_no_dict_is_an_invalid_request(value: object) -> None:
    with pytest.raises(InvalidRequest, match=rf"not {type(value).__name__}\.") as caught:
        encode_data(value, None)

    assert isinstance(caught.value, RequestError)


@pytest.mark.parametrize(
    ("key", "pointer"), [("a", "/a"), ("", "/"), ("a/b", "/a~1b"), ("~1", "/~01"), ("~/", "/~0~1")]
)
def test_a_key_is_escaped_in_a_pointer(key: str, pointer: str) -> None:
    assert pointer_to(key) == pointer


@given(text)
def test_the_server_finds_the_key_that_a_pointer_names(key: str) -> None:
    add = {"op": "add", "path": pointer_to(key), "value": 1}

    assert orjson.loads(patched(b"{}", OperationsPatch([add]), 1000)) == {key: 1}
