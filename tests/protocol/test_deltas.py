from __future__ import annotations

import copy
import random
from typing import Any, ClassVar

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.javascript import Twin
from support.strategies import json_values
from support.vectors import each
from syncline_protocol import deltas
from syncline_protocol.canonical import canonical, digest
from syncline_protocol.deltas import Inapplicable, applied, apply, between, diff

KEYS = [
    "",
    "a",
    "b",
    "~",
    "/",
    "~1",
    "~0/",
    "0",
    "-",
    "__proto__",
    "constructor",
    "é",
    "\U0001f600",
]

FILLER = {"filler": "." * 2_000}
"""So much that every change is shorter than the whole."""

# Few keys and small arrays: two drawn values have a lot in common.
_nested = st.recursive(
    json_values | st.integers(0, 3) | st.sampled_from(["", "x"]),
    lambda inner: (
        st.lists(inner, max_size=5) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=5)
    ),
    max_leaves=20,
)
objects = st.dictionaries(st.sampled_from(KEYS), _nested, max_size=6)


def made(value: dict[str, Any]) -> bytes:
    return orjson.dumps(FILLER | value)


def changed(before: dict[str, Any], after: dict[str, Any]) -> list[Any]:
    """The operations from one to the other, which are proved by applying them."""
    operations = diff(before, after)
    assert operations is not None
    value = copy.deepcopy(before)
    apply(value, copy.deepcopy(operations))
    assert value == after
    return operations


class TestDiff:
    @given(objects, objects)
    def test_it_leads_from_one_value_to_the_other(
        self, before: dict[str, Any], after: dict[str, Any]
    ) -> None:
        changed(before, after)

    @given(objects)
    def test_there_is_nothing_between_equals(self, value: dict[str, Any]) -> None:
        assert diff(value, copy.deepcopy(value)) == []

    @pytest.mark.parametrize("key", KEYS)
    def test_any_key_can_be_pointed_to(self, key: str) -> None:
        pointer = "/" + key.replace("~", "~0").replace("/", "~1")
        inner = {"op": "replace", "path": f"{pointer}{pointer}", "value": 2}

        assert changed({key: 1}, {key: 2}) == [{"op": "replace", "path": pointer, "value": 2}]
        assert changed({key: 1}, {}) == [{"op": "remove", "path": pointer}]
        assert changed({}, {key: 1}) == [{"op": "add", "path": pointer, "value": 1}]
        assert changed({key: {key: 1}}, {key: {key: 2}}) == [inner]

    @pytest.mark.parametrize(
        ("before", "after", "paths"),
        [
            ([1, 2, 3], [1, 2, 3, 4], ["add /a/3"]),
            ([1, 2, 3], [0, 1, 2, 3], ["add /a/0"]),
            ([1, 2, 3], [1, 3], ["remove /a/1"]),
            ([1, 2, 3], [1, 9, 3], ["replace /a/1"]),
            ([1, 2, 3], [], ["remove /a/0"] * 3),
            ([], [1, 2], ["add /a/0", "add /a/1"]),
            ([7, 7, 7], [7, 7], ["remove /a/2"]),
            ([1, 2, 3, 4], [1, 8, 9, 5, 4], ["replace /a/1", "replace /a/2", "add /a/3"]),
            ([{"n": 1}, {"n": 2}], [{"n": 1}, {"n": 3}], ["replace /a/1/n"]),
            ([[1], [2, 3]], [[1], [2, 3, 4]], ["add /a/1/2"]),
            ([1], {"0": 1}, ["replace /a"]),
            (None, [None], ["replace /a"]),
        ],
    )
    def test_an_array_changes_only_where_it_differs(
        self, before: Any, after: Any, paths: list[str]
    ) -> None:
        operations = changed({"a": before}, {"a": after})

        assert [f"{operation['op']} {operation['path']}" for operation in operations] == paths

    def test_what_lies_deep_is_replaced_with_what_it_lies_in(self) -> None:
        def nested(value: int) -> dict[str, Any]:
            data: Any = {"n": value}
            for _ in range(40):
                data = [data]
            return {"a": data}

        [operation] = changed(nested(1), nested(2))
        assert operation["path"].count("/") == 8

    def test_what_needs_too_many_operations_has_none(self) -> None:
        limit = deltas.OPERATIONS_LIMIT
        numbers = {str(n): n for n in range(limit + 1)}

        assert diff(numbers, {key: n + 1 for key, n in numbers.items()}) is None
        del numbers["0"]
        assert len(changed(numbers, {key: n + 1 for key, n in numbers.items()})) == limit


class TestBetween:
    @given(objects, objects)
    def test_it_leads_to_exactly_the_new_data(
        self, before: dict[str, Any], after: dict[str, Any]
    ) -> None:
        delta = between(made(before), made(after))
        if delta is not None:
            result = applied(made(before), orjson.loads(delta.operations), delta.digest)
            # Not merely equal: 1, 1.0 and true are distinguished.
            assert _sorted(result) == _sorted(made(after))

    @given(objects, objects)
    def test_the_browser_client_comes_to_the_same(
        self, twin: Twin, before: dict[str, Any], after: dict[str, Any]
    ) -> None:
        delta = between(made(before), made(after))
        if delta is not None:
            answer = twin.ask(before=orjson.Fragment(made(before)), delta=_parsed(delta))
            assert answer["after"] == canonical(orjson.loads(made(after))).decode()

    def test_small_changes_of_ordinary_data_are_worth_it(self) -> None:
        random_numbers = random.Random(1)
        items: list[Any] = [{"n": n, "done": False, "x": n / 4} for n in range(100)]
        for _ in range(200):
            before = made({"items": items})
            _edit(random_numbers, items)
            delta = between(before, after := made({"items": items}))
            assert delta is not None
            assert len(delta.operations) < len(after) / 10
            assert applied(before, orjson.loads(delta.operations), delta.digest) == after

    def test_data_that_is_small_goes_whole(self) -> None:
        text = "." * (deltas.SMALLEST_DATA - len('{"s":""}'))
        small, large = {"s": text[:-1]}, {"s": text}

        assert between(orjson.dumps(large), orjson.dumps(small)) is None
        assert between(orjson.dumps(large), orjson.dumps(large)) is not None

    def test_a_change_that_is_nearly_all_goes_whole(self) -> None:
        before = {"a": "." * 700, "b": "-" * 300}

        assert between(orjson.dumps(before), orjson.dumps(before | {"b": "+" * 300})) is not None
        assert between(orjson.dumps(before), orjson.dumps(before | {"a": "+" * 700})) is None

    def test_the_same_data_in_another_order_is_no_change(self) -> None:
        delta = between(made({"a": 1, "b": 2}), made({"b": 2, "a": 1}))

        assert delta is not None
        assert delta.operations == b"[]"

    @pytest.mark.parametrize(
        ("before", "after"),
        [(1, True), (0, False), (1, 1.0), (0.0, -0.0), ([1], [True]), ({"a": 0}, {"a": -0.0})],
    )
    def test_values_that_only_python_takes_for_equal_go_whole(
        self, before: Any, after: Any
    ) -> None:
        assert between(made({"v": before}), made({"v": after})) is None

    def test_numbers_that_javascript_does_not_hold_are_no_obstacle(self, twin: Twin) -> None:
        before, after = made({"n": 2**63, "m": 1}), made({"n": 2**63 + 1, "m": 2})
        delta = between(before, after)

        assert delta is not None
        assert applied(before, orjson.loads(delta.operations), delta.digest) == after
        answer = twin.ask(before=orjson.Fragment(before), delta=_parsed(delta))
        assert answer["after"] == canonical(orjson.loads(after)).decode()


@each("deltas")
def test_vectors(vector: dict[str, Any]) -> None:
    before = orjson.dumps(vector["before"])
    operations = vector["operations"]
    if "repeat" in vector:
        operations = operations * vector["repeat"]

    if vector["after"] is None:
        with pytest.raises(Inapplicable):
            applied(before, operations, vector["digest"])
    else:
        after = applied(before, operations, vector["digest"])
        assert _sorted(after) == _sorted(orjson.dumps(vector["after"]))


class TestApply:
    DATA: ClassVar[dict[str, Any]] = {"n": 1}

    def test_another_result_than_was_meant_is_named(self) -> None:
        operations = [{"op": "replace", "path": "/n", "value": 2}]
        meant = digest({"n": 3})

        with pytest.raises(Inapplicable, match=f"the digest is [0-9a-f]{{8}}, not '{meant}'"):
            applied(orjson.dumps(self.DATA), operations, meant)

    def test_what_no_document_can_hold_is_refused(self) -> None:
        nested: Any = []
        for _ in range(300):
            nested = [nested]
        for value in (nested, "\ud800", {"\udfff": 1}):
            operations = [{"op": "add", "path": "/a", "value": value}]
            with pytest.raises(Inapplicable):
                applied(orjson.dumps(self.DATA), operations, "00000000")

    @given(
        objects,
        st.lists(
            st.fixed_dictionaries(
                {
                    "op": st.sampled_from(["add", "replace", "remove"]),
                    "path": st.lists(
                        st.sampled_from(["a", "b", "0", "1", "-", ""]), max_size=4
                    ).map(lambda names: "".join(f"/{name}" for name in names)),
                    "value": _nested,
                }
            ),
            max_size=4,
        ),
    )
    def test_both_languages_agree_on_what_fits(
        self, twin: Twin, before: dict[str, Any], operations: list[Any]
    ) -> None:
        value = copy.deepcopy(before)
        try:
            apply(value, copy.deepcopy(operations))
        except Inapplicable:
            expected = None
        else:
            expected = canonical(copy.deepcopy(value)).decode()
        meant = digest(value) if expected is not None else "00000000"
        delta = {"operations": operations, "digest": meant}

        assert twin.ask(before=before, delta=delta)["after"] == expected


def _parsed(delta: deltas.Delta) -> dict[str, Any]:
    return {"operations": orjson.Fragment(delta.operations), "digest": delta.digest}


def _sorted(data: bytes) -> bytes:
    return orjson.dumps(orjson.loads(data), option=orjson.OPT_SORT_KEYS)


def _edit(numbers: random.Random, items: list[Any]) -> None:
    place = numbers.randrange(len(items))
    match numbers.randrange(4):
        case 0:
            items.insert(place, {"n": numbers.random(), "done": True, "x": 1.0})
        case 1:
            del items[place]
        case 2:
            items[place]["done"] = not items[place]["done"]
        case _:
            items[place]["note"] = "é" * numbers.randrange(9)
