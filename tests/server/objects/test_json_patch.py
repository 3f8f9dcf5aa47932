"""Beside the library that applies JSON patches in the Python world."""

from __future__ import annotations

import copy
from typing import Any

import jsonpatch
import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from jsonpointer import JsonPointerException

from syncline_server.objects.json_patch import Misfit, Operation, parse_pointer

DATA = {
    "a": [1, {"b": [True, 0, [], {}]}, "x"],
    "": {"": {"~": 1, "/": [0]}},
    "0": {"-": None, "1": 2},
    "-": 1.0,
}

NAMES = ["a", "b", "", "0", "1", "2", "3", "00", "-", "-1", "~0", "~1", "x", "1e0", "٣", "9" * 12]
VALUES = [None, True, False, 0, 1, 1.0, "x", [], {}, [1, [True]], {"b": {"c": 1}}, [1.0, [1]]]

pointers = st.lists(st.sampled_from(NAMES), max_size=4).map(
    lambda names: "".join(f"/{name}" for name in names)
)
operations = st.fixed_dictionaries(
    {
        "op": st.sampled_from(["add", "copy", "move", "remove", "replace", "test"]),
        "path": pointers,
        "from": pointers,
        "value": st.sampled_from(VALUES),
    }
)


def ours(data: Any, patch: list[dict[str, Any]]) -> Any:
    for each in patch:
        source = parse_pointer(each["from"])
        operation = Operation(each["op"], parse_pointer(each["path"]), source, each["value"])
        data = operation.apply(data)
    return data


def theirs(data: Any, patch: list[dict[str, Any]]) -> Any:
    try:
        return jsonpatch.JsonPatch(patch).apply(data)
    except (jsonpatch.JsonPatchException, JsonPointerException):
        raise Misfit from None


@given(patch=st.lists(operations, max_size=6))
@example(patch=[{"op": "test", "path": "/a/1/b/0", "from": "", "value": 1}])
@example(patch=[{"op": "test", "path": "/-", "from": "", "value": 1}])
@example(patch=[{"op": "move", "path": "/a/1", "from": "/a", "value": 1}])
@example(patch=[{"op": "move", "path": "", "from": "/a", "value": 1}])
@example(patch=[{"op": "copy", "path": "/a/-", "from": "", "value": 1}])
def test_any_patch_does_as_in_the_library(patch: list[dict[str, Any]]) -> None:
    given = copy.deepcopy(patch)
    try:
        expected = theirs(copy.deepcopy(DATA), copy.deepcopy(patch))
    except Misfit:
        with pytest.raises(Misfit):
            ours(copy.deepcopy(DATA), patch)
    else:
        found = ours(copy.deepcopy(DATA), patch)
        assert orjson.dumps(found) == orjson.dumps(expected)
    assert patch == given  # it may be applied again


@pytest.mark.parametrize("pointer", ["a", "a/b", "/~", "/~2", "/a~", "#/a", " "])
def test_what_is_no_pointer(pointer: str) -> None:
    with pytest.raises(ValueError):
        parse_pointer(pointer)


@pytest.mark.parametrize(
    ("first", "second", "equal"),
    [
        ([True, 1], [True, 1.0], True),
        ([True, 1], [1, True], False),
        ({"a": [False], "b": 0}, {"b": 0, "a": [False]}, True),
        ({"a": [False], "b": 0.0}, {"b": -0.0, "a": [0]}, False),
        ("true", "true", True),
        (["true", 1], ["true", 1.0], True),
        (2**63, float(2**63), True),
    ],
)
def test_numbers_are_equal_by_value_and_booleans_to_themselves(
    first: Any, second: Any, equal: bool
) -> None:
    test = Operation("test", ["a"], [], second)
    if equal:
        test.apply({"a": first})
    else:
        with pytest.raises(Misfit):
            test.apply({"a": first})


def test_a_later_operation_does_not_change_what_an_earlier_one_brought() -> None:
    value: dict[str, Any] = {"b": []}
    add = Operation("add", ["a"], [], value)
    root = Operation("add", ["a", "b", "-"], [], 1).apply(add.apply({}))
    assert (root, value) == ({"a": {"b": [1]}}, {"b": []})
