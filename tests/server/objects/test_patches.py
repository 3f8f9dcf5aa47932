from __future__ import annotations

import copy
import json
import tracemalloc
from collections import Counter
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import jsonpatch
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.strategies import json_objects, json_values, text
from syncline_protocol import jsondata
from syncline_protocol.documents import Increment, MergePatch, OperationsPatch, PatchBody
from syncline_protocol.errors import Code, Refusal
from syncline_protocol.jsondata import DEPTH_LIMIT
from syncline_server.objects import json_patch, patches
from syncline_server.objects.json_patch import POINTER_STEPS
from syncline_server.objects.patches import COPY_FACTOR, OPERATIONS_LIMIT, STEPS_LIMIT, patched

LIMIT = 16_384
MEBIBYTE = 2**20


def apply(data: Any, body: PatchBody, limit: int = LIMIT) -> Any:
    return orjson.loads(patched(orjson.dumps(data), body, limit))


def merged(data: Any, patch: Any) -> Any:
    return apply(data, MergePatch(patch))


def operated(data: Any, *operations: Any) -> Any:
    return apply(data, OperationsPatch(list(operations)))


def incremented(data: Any, by: dict[str, int | float]) -> Any:
    return apply(data, Increment(by))


def refused(data: Any, body: PatchBody, limit: int = LIMIT) -> Refusal:
    with pytest.raises(Refusal) as caught:
        apply(data, body, limit)
    return caught.value


def nested(depth: int) -> Any:
    value: Any = {}
    for _ in range(depth - 1):
        value = {"a": value}
    return value


class TestMerge:
    # RFC 7396, appendix A, as far as both sides may be a document's data.
    @pytest.mark.parametrize(
        ("data", "patch", "result"),
        [
            ({"a": "b"}, {"a": "c"}, {"a": "c"}),
            ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
            ({"a": "b"}, {"a": None}, {}),
            ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
            ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
            ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
            ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
            ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
            ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
            ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
        ],
    )
    def test_the_examples_of_the_rfc_hold(self, data: Any, patch: Any, result: Any) -> None:
        assert merged(data, patch) == result

    def test_an_object_replaces_what_is_none_and_its_nulls_vanish(self) -> None:
        assert merged({"a": [1]}, {"a": {"b": 1, "c": None}}) == {"a": {"b": 1}}

    def test_nulls_in_an_array_are_values(self) -> None:
        assert merged({}, {"a": [None, {"b": None}]}) == {"a": [None, {"b": None}]}

    def test_removing_what_is_not_there_changes_nothing(self) -> None:
        assert merged({"a": 1}, {"b": None}) == {"a": 1}

    @given(json_objects, json_objects)
    def test_a_merge_patch_applied_again_changes_nothing(self, data: Any, patch: Any) -> None:
        once = merged(data, patch)

        assert merged(once, patch) == once


class TestOperations:
    # RFC 6902, appendix A.
    @pytest.mark.parametrize(
        ("data", "operation", "result"),
        [
            ({"foo": "bar"}, {"op": "add", "path": "/baz", "value": "qux"},
             {"baz": "qux", "foo": "bar"}),
            ({"foo": ["bar", "baz"]}, {"op": "add", "path": "/foo/1", "value": "qux"},
             {"foo": ["bar", "qux", "baz"]}),
            ({"baz": "qux", "foo": "bar"}, {"op": "remove", "path": "/baz"}, {"foo": "bar"}),
            ({"foo": ["bar", "qux", "baz"]}, {"op": "remove", "path": "/foo/1"},
             {"foo": ["bar", "baz"]}),
            ({"baz": "qux", "foo": "bar"}, {"op": "replace", "path": "/baz", "value": "boo"},
             {"baz": "boo", "foo": "bar"}),
            ({"foo": {"bar": "baz", "waldo": "fred"}, "qux": {"corge": "grault"}},
             {"op": "move", "from": "/foo/waldo", "path": "/qux/thud"},
             {"foo": {"bar": "baz"}, "qux": {"corge": "grault", "thud": "fred"}}),
            ({"foo": ["all", "grass", "cows", "eat"]},
             {"op": "move", "from": "/foo/1", "path": "/foo/3"},
             {"foo": ["all", "cows", "eat", "grass"]}),
            ({"baz": "qux"}, {"op": "test", "path": "/baz", "value": "qux"}, {"baz": "qux"}),
            ({"foo": "bar"}, {"op": "add", "path": "/child", "value": {"grandchild": {}}},
             {"foo": "bar", "child": {"grandchild": {}}}),
            ({"foo": "bar"}, {"op": "add", "path": "/baz", "value": "qux", "xyz": 123},
             {"foo": "bar", "baz": "qux"}),
            ({"/": 9, "~1": 10}, {"op": "test", "path": "/~01", "value": 10}, {"/": 9, "~1": 10}),
            ({"foo": ["bar"]}, {"op": "add", "path": "/foo/-", "value": ["abc", "def"]},
             {"foo": ["bar", ["abc", "def"]]}),
        ],
    )  # fmt: skip
    def test_the_examples_of_the_rfc_hold(self, data: Any, operation: Any, result: Any) -> None:
        assert operated(data, operation) == result

    @pytest.mark.parametrize(
        ("data", "operation", "result"),
        [
            ({"a": 1}, {"op": "replace", "path": "", "value": {"b": 2}}, {"b": 2}),
            ({"a": 1}, {"op": "add", "path": "", "value": {"b": 2}}, {"b": 2}),
            ({"a": {"b": 1}}, {"op": "move", "from": "/a", "path": ""}, {"b": 1}),
            ({"a": 1}, {"op": "copy", "from": "", "path": "/b"}, {"a": 1, "b": {"a": 1}}),
            ({"a": 1}, {"op": "move", "from": "/a", "path": "/a"}, {"a": 1}),
            ({"a": []}, {"op": "add", "path": "/a/0", "value": 1}, {"a": [1]}),
            ({"": {"": 1}}, {"op": "remove", "path": "//"}, {"": {}}),
            ({"a/b": 1, "m~n": 2}, {"op": "remove", "path": "/a~1b"}, {"m~n": 2}),
            ({"a": {"-": 1, "01": 2}}, {"op": "remove", "path": "/a/-"}, {"a": {"01": 2}}),
            ({"a": {"01": 2}}, {"op": "replace", "path": "/a/01", "value": 3}, {"a": {"01": 3}}),
            ({"a": 1}, {"op": "add", "path": "/a", "value": None}, {"a": None}),
            ({"a": 1}, {"op": "test", "path": "", "value": {"a": 1}}, {"a": 1}),
            ({"a": 1.0}, {"op": "test", "path": "/a", "value": 1}, {"a": 1.0}),
            ({"a": {"b": 1, "c": 2}}, {"op": "test", "path": "/a", "value": {"c": 2, "b": 1}},
             {"a": {"b": 1, "c": 2}}),
        ],
    )  # fmt: skip
    def test_the_edges_of_pointers_hold(self, data: Any, operation: Any, result: Any) -> None:
        assert operated(data, operation) == result

    @pytest.mark.parametrize(
        ("operation", "sentence"),
        [
            ({"op": "remove", "path": "/x"}, "(remove) does not fit the data at '/x'."),
            ({"op": "remove", "path": ""}, "(remove) does not fit the data at ''."),
            ({"op": "remove", "path": "/list/2"}, "(remove)"),
            ({"op": "remove", "path": "/list/-"}, "(remove)"),
            ({"op": "remove", "path": "/list/01"}, "(remove)"),
            ({"op": "remove", "path": "/list/-1"}, "(remove)"),
            ({"op": "remove", "path": "/list/x"}, "(remove)"),
            ({"op": "remove", "path": "/list/١"}, "(remove)"),
            ({"op": "remove", "path": "/text/0"}, "(remove)"),
            ({"op": "remove", "path": "/number/0"}, "(remove)"),
            ({"op": "replace", "path": "/x", "value": 1}, "(replace)"),
            ({"op": "replace", "path": "/list/2", "value": 1}, "(replace)"),
            ({"op": "replace", "path": "/list/-", "value": 1}, "(replace)"),
            ({"op": "add", "path": "/x/y", "value": 1}, "(add) does not fit the data at '/x/y'."),
            ({"op": "add", "path": "/list/3", "value": 1}, "(add)"),
            ({"op": "add", "path": "/list/00", "value": 1}, "(add)"),
            ({"op": "add", "path": "/list/1e0", "value": 1}, "(add)"),
            ({"op": "add", "path": "/list/" + "9" * 5000, "value": 1}, "(add)"),
            ({"op": "add", "path": "/text/0", "value": "x"}, "(add)"),
            ({"op": "add", "path": "/number/x", "value": 1}, "(add)"),
            ({"op": "add", "path": "/list/-/x", "value": 1}, "(add)"),
            ({"op": "copy", "from": "/x", "path": "/y"},
             "(copy) does not fit the data from '/x' to '/y'."),
            ({"op": "copy", "from": "/list/-", "path": "/y"}, "(copy)"),
            ({"op": "copy", "from": "/text/0", "path": "/y"}, "(copy)"),
            ({"op": "copy", "from": "/list", "path": "/x/y"}, "(copy)"),
            ({"op": "move", "from": "/x", "path": "/x"}, "(move)"),
            ({"op": "move", "from": "/list", "path": "/list/0"}, "(move)"),
            ({"op": "move", "from": "", "path": "/x"}, "(move)"),
            ({"op": "test", "path": "/number", "value": 2},
             "(test) failed: the data at '/number' is not the value tested for."),
            ({"op": "test", "path": "/number", "value": True}, "(test) failed"),
            ({"op": "test", "path": "/number", "value": "1"}, "(test) failed"),
            ({"op": "test", "path": "/list", "value": [2, 1]}, "(test) failed"),
            ({"op": "test", "path": "/list/-", "value": None}, "(test) failed"),
            ({"op": "test", "path": "/x", "value": None}, "(test) failed"),
        ],
    )  # fmt: skip
    def test_one_that_does_not_fit_is_a_conflict_that_names_it(
        self, operation: Any, sentence: str
    ) -> None:
        data = {"list": [1, 2], "text": "abc", "number": 1}
        fitting = {"op": "test", "path": "/number", "value": 1}

        refusal = refused(data, OperationsPatch([fitting, operation]))

        assert refusal.code is Code.CONFLICT
        assert refusal.message.startswith("operations[1] ")
        assert sentence in refusal.message

    @pytest.mark.parametrize(
        ("operation", "sentence"),
        [
            (5, "operations[1] must be a JSON object; 5 was given."),
            ([], "operations[1] must be a JSON object; an array was given."),
            ({}, "operations[1].op must be one of add, copy, move, remove, replace, test; "
                 "null was given."),
            ({"op": "append", "path": "/a", "value": "x"}, "'append' was given."),
            ({"op": ["add"], "path": "/a", "value": "x"}, "an array was given."),
            ({"op": "remove"}, "operations[1] (remove) needs the member path."),
            ({"op": "add", "path": "/a"}, "operations[1] (add) needs the member value."),
            ({"op": "replace", "path": "/a"}, "operations[1] (replace) needs the member value."),
            ({"op": "test", "path": "/a"}, "operations[1] (test) needs the member value."),
            ({"op": "copy", "path": "/a"}, "operations[1] (copy) needs the member from."),
            ({"op": "move", "path": "/a"}, "operations[1] (move) needs the member from."),
            ({"op": "remove", "path": "a"}, "operations[1].path must be a JSON pointer, empty or "
                                            "beginning with a slash; 'a' was given."),
            ({"op": "remove", "path": "/a~2"}, "'/a~2' was given."),
            ({"op": "remove", "path": "/a~"}, "'/a~' was given."),
            ({"op": "remove", "path": None}, "null was given."),
            ({"op": "remove", "path": 1}, "1 was given."),
            ({"op": "copy", "from": "#/a", "path": "/b"}, "operations[1].from must be"),
            ({"op": "move", "from": {}, "path": "/b"}, "operations[1].from must be"),
        ],
    )  # fmt: skip
    def test_one_that_is_none_is_an_invalid_parameter_that_names_it(
        self, operation: Any, sentence: str
    ) -> None:
        # The first does not fit: what is wrong whatever the data says is reported before that.
        refusal = refused({}, OperationsPatch([{"op": "remove", "path": "/x"}, operation]))

        assert refusal.code is Code.INVALID_PARAMETER
        assert sentence in refusal.message

    @pytest.mark.parametrize(
        "operations",
        [
            [{"op": "replace", "path": "", "value": [1]}],
            [{"op": "add", "path": "", "value": None}],
            [{"op": "move", "from": "/a", "path": ""}],
        ],
    )
    def test_data_stays_an_object(self, operations: list[Any]) -> None:
        refusal = refused({"a": 1}, OperationsPatch(operations))

        assert refusal.code is Code.CONFLICT
        assert (
            refusal.message == "The patch would turn the data into something other than an object."
        )

    def test_data_may_be_something_else_between_two_operations(self) -> None:
        there = {"op": "replace", "path": "", "value": [1]}
        back = {"op": "replace", "path": "", "value": {"b": 2}}

        assert operated({"a": 1}, there, {"op": "remove", "path": "/0"}, back) == {"b": 2}

    def test_operations_see_what_those_before_them_did(self) -> None:
        assert operated(
            {},
            {"op": "add", "path": "/a", "value": []},
            {"op": "add", "path": "/a/-", "value": {}},
            {"op": "copy", "from": "/a/0", "path": "/b"},
            {"op": "add", "path": "/a/0/c", "value": 1},
        ) == {"a": [{"c": 1}], "b": {}}

    def test_a_thousand_operations_are_allowed_and_no_more(self) -> None:
        append = {"op": "add", "path": "/a/-", "value": 0}

        assert operated({"a": []}, *[append] * OPERATIONS_LIMIT) == {"a": [0] * OPERATIONS_LIMIT}
        refusal = refused({"a": []}, OperationsPatch([append] * (OPERATIONS_LIMIT + 1)))
        assert refusal.code is Code.INVALID_PARAMETER
        assert refusal.message == "operations may have at most 1000 operations; 1001 were given."

    def test_none_at_all_changes_nothing(self) -> None:
        assert operated({"a": 1}) == {"a": 1}

    @given(json_objects, json_objects)
    def test_what_leads_from_one_state_to_another_does(self, data: Any, result: Any) -> None:
        assert operated(data, *jsonpatch.make_patch(data, result).patch) == result


class TestBlowUp:
    def test_copies_of_copies_are_refused_before_they_fill_the_memory(self) -> None:
        doubling = OperationsPatch([{"op": "copy", "from": "/a", "path": "/a/-"}] * 1000)
        tracemalloc.start()
        try:
            refusal = refused({"a": [0]}, doubling)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()

        assert refusal.code is Code.TOO_LARGE
        assert refusal.message.endswith(
            f"the operations of one patch may copy {COPY_FACTOR * LIMIT} bytes in all."
        )
        assert peak < 8 * MEBIBYTE

    def test_copies_of_a_large_value_are_counted_also_where_they_replace_each_other(self) -> None:
        data: dict[str, Any] = {"a": [[] for _ in range(5000)]}
        copies = [{"op": "copy", "from": "/a", "path": "/b"}, {"op": "remove", "path": "/b"}]

        assert apply(data, OperationsPatch(copies * COPY_FACTOR)) == data
        refusal = refused(data, OperationsPatch(copies * (COPY_FACTOR + 1)))
        assert refusal.code is Code.TOO_LARGE
        assert refusal.message.startswith(f"operations[{2 * COPY_FACTOR}] (copy) ")

    def test_many_small_copies_are_fine(self) -> None:
        copies = [{"op": "copy", "from": "/a", "path": f"/b{n}"} for n in range(OPERATIONS_LIMIT)]

        assert len(operated({"a": [1]}, *copies)) == OPERATIONS_LIMIT + 1

    def test_values_within_values_are_refused_however_deep_they_become(self) -> None:
        deepen = [
            {"op": "move", "from": "/a", "path": "/b"},
            {"op": "add", "path": "/a", "value": nested(60)},
            {"op": "move", "from": "/b", "path": "/a" + "/a" * 59 + "/a"},
        ]
        missing = {"op": "remove", "path": "/a/x"}

        too_deep = refused({"a": 1}, OperationsPatch(deepen * 300))
        misfit = refused({"a": 1}, OperationsPatch([*deepen * 300, missing]))

        assert too_deep.code is Code.INVALID_JSON
        assert misfit.code is Code.CONFLICT
        assert misfit.message.startswith("operations[900] (remove) ")

    def test_what_is_too_deep_is_not_copied(self) -> None:
        steps = [
            {"op": "add", "path": "/a" * 60, "value": nested(60)},
            {"op": "add", "path": "/a" * 119, "value": nested(60)},
            {"op": "add", "path": "/a" * 178, "value": nested(60)},
            {"op": "add", "path": "/a" * 237, "value": nested(60)},
            {"op": "copy", "from": "/a", "path": "/b"},
        ]

        refusal = refused(nested(60), OperationsPatch(steps))

        assert refusal.code is Code.CONFLICT
        assert refusal.message.startswith("operations[4] (copy) ")


class TestIncrement:
    @pytest.mark.parametrize(
        ("data", "by", "result"),
        [
            ({"likes": 1}, {"/likes": 1}, {"likes": 2}),
            ({}, {"/likes": 1}, {"likes": 1}),
            ({"a": {"b": [1, 2]}}, {"/a/b/1": -3}, {"a": {"b": [1, -1]}}),
            ({"a": 1}, {"/a": 0.5}, {"a": 1.5}),
            ({"a": 0.5}, {"/a": 1}, {"a": 1.5}),
            ({"a": 1, "b": 1}, {"/a": 1, "/b": 2}, {"a": 2, "b": 3}),
            ({}, {"/": 1, "/~0~1": 2}, {"": 1, "~/": 2}),
            ({"a": {"01": 1}}, {"/a/01": 1, "/a/-": 1}, {"a": {"01": 2, "-": 1}}),
            ({"a": 2**64 - 2}, {"/a": 1}, {"a": 2**64 - 1}),
            ({"a": 1 - 2**63}, {"/a": -1}, {"a": -(2**63)}),
            ({"a": 2**53}, {"/a": 1}, {"a": 2**53 + 1}),
        ],
    )
    def test_numbers_are_added_where_the_pointers_say(
        self, data: Any, by: Any, result: Any
    ) -> None:
        assert incremented(data, by) == result

    def test_integers_stay_integers(self) -> None:
        assert patched(b'{"a":1}', Increment({"/a": 1}), LIMIT) == b'{"a":2}'
        assert patched(b'{"a":1.0}', Increment({"/a": 1}), LIMIT) == b'{"a":2.0}'
        assert patched(b"{}", Increment({"/a": 1.0}), LIMIT) == b'{"a":1.0}'

    @pytest.mark.parametrize(
        "pointer",
        ["", "/text", "/true", "/null", "/object", "/list", "/list/2", "/list/-", "/list/01"]
        + ["/list/x", "/missing/x", "/text/0", "/number/x", "/list/0/x", "/list/-/x"],
    )
    def test_anything_but_a_number_or_a_member_to_be_is_a_conflict(self, pointer: str) -> None:
        data = {
            "text": "1",
            "true": True,
            "null": None,
            "object": {},
            "list": [1, 2],
            "number": 1,
        }

        refusal = refused(data, Increment({"/number": 1, pointer: 1}))

        assert refusal.code is Code.CONFLICT
        assert refusal.message == (
            f"The increment at {pointer!r} does not fit: there must be a number, or no member "
            "yet in an object."
        )

    @pytest.mark.parametrize("pointer", ["likes", "/a~2", "~0", "#/a"])
    def test_a_key_that_is_no_pointer_is_an_invalid_parameter(self, pointer: str) -> None:
        refusal = refused({}, Increment({pointer: 1}))

        assert refusal.code is Code.INVALID_PARAMETER
        assert refusal.message == (
            "An increment's key must be a JSON pointer, empty or beginning with a slash; "
            f"{pointer!r} was given."
        )

    @pytest.mark.parametrize(
        ("number", "by"),
        [(1.7e308, 1.7e308), (-1.7e308, -1.7e308)],
    )
    def test_a_sum_beyond_what_a_number_may_be_is_a_conflict(self, number: Any, by: Any) -> None:
        refusal = refused({"a": number}, Increment({"/a": by}))

        assert refusal.code is Code.CONFLICT
        assert refusal.message.startswith("The increment at '/a' is too large: ")

    @pytest.mark.parametrize(
        ("number", "by", "total"),
        [
            (2**64 - 1, 1, 2.0**64),
            (-(2**63), -1, -(2.0**63)),
            (10**19, 10**19, 2e19),
            (1e20, 10**19, 1.1e20),
        ],
    )
    def test_a_sum_beyond_64_bits_is_a_double(self, number: Any, by: Any, total: float) -> None:
        data = patched(orjson.dumps({"a": number}), Increment({"/a": by}), LIMIT)

        assert orjson.loads(data) == {"a": total}
        assert isinstance(orjson.loads(data)["a"], float)

    @given(st.integers(-(2**62), 2**62), st.lists(st.integers(-1000, 1000)))
    def test_increments_add_up_exactly(self, start: int, steps: list[int]) -> None:
        data: Any = {"a": {"b": start}}
        for step in steps:
            data = incremented(data, {"/a/b": step})

        assert data == {"a": {"b": start + sum(steps)}}


class TestSteps:
    """What the pointers of a patch name is bounded, whatever the data."""

    DEEP = OperationsPatch([{"op": "add", "path": "/a" * 60, "value": 1}] * OPERATIONS_LIMIT)

    @pytest.mark.parametrize(
        "body",
        [
            DEEP,
            OperationsPatch([{"op": "move", "path": "/a" * 30, "from": "/b" * 30}] * 900),
            OperationsPatch([{"op": "test", "path": "/a/~1/~0" * 30, "value": 1}] * 900),
            Increment({f"/a/{n}": 1 for n in range(4000)}),
        ],
    )
    def test_too_many_are_refused_before_the_data_is_parsed(self, body: PatchBody) -> None:
        with pytest.raises(Refusal) as caught:
            patched(b"no JSON", body, LIMIT)
        assert caught.value.code is Code.TOO_LARGE
        assert f"steps in all; at most {STEPS_LIMIT} are allowed" in caught.value.message

    def test_as_many_as_are_allowed_are_applied(self) -> None:
        data = nested(60)
        steps = OPERATIONS_LIMIT * (POINTER_STEPS + 60)
        patched(orjson.dumps(data), self.DEEP, LIMIT, steps)
        with pytest.raises(Refusal):
            patched(orjson.dumps(data), self.DEEP, LIMIT, steps - 1)

    def test_the_data_is_parsed_once_and_written_once(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        calls: Counter[str] = Counter()

        def counted(name: str) -> Callable[[Any], Any]:
            real = getattr(orjson, name)

            def call(value: Any) -> Any:
                calls[name] += 1
                return real(value)

            return call

        counting = SimpleNamespace(
            loads=counted("loads"), dumps=counted("dumps"), JSONEncodeError=orjson.JSONEncodeError
        )
        for module in (patches, json_patch, jsondata):
            monkeypatch.setattr(module, "orjson", counting)
        add = [{"op": "add", "path": f"/a/k{n}", "value": {"n": n}} for n in range(500)]
        patched(b'{"a":{}}', OperationsPatch(add), LIMIT)
        assert calls == {"loads": 1, "dumps": 1}


class TestEveryPatch:
    @pytest.mark.parametrize(
        "body",
        [
            MergePatch({"a": "x" * 100}),
            OperationsPatch([{"op": "add", "path": "/a", "value": "x" * 100}]),
            Increment({"/" + "x" * 102: 1}),
        ],
    )
    def test_the_result_has_the_size_of_any_data(self, body: PatchBody) -> None:
        assert len(patched(b"{}", body, 108)) == 108

        refusal = refused({}, body, 107)
        assert refusal.code is Code.TOO_LARGE
        assert refusal.message == (
            "The patched data is 108 bytes as compact JSON; at most 107 are allowed."
        )

    @pytest.mark.parametrize(
        "body",
        [
            MergePatch(nested(DEPTH_LIMIT + 1)),
            OperationsPatch([{"op": "add", "path": "/a", "value": nested(DEPTH_LIMIT)}]),
        ],
    )
    def test_the_result_is_no_deeper_than_any_data(self, body: PatchBody) -> None:
        refusal = refused({}, body)

        assert refusal.code is Code.INVALID_JSON
        assert refusal.message.startswith("The patched data is not acceptable JSON: at /a/")
        assert refusal.message.endswith(" it is nested more than 64 deep.")

    @pytest.mark.parametrize(
        "body",
        [
            MergePatch({"a": "\ud800"}),
            OperationsPatch([{"op": "add", "path": "/\ud800", "value": 1}]),
            Increment({"/\ud800": 1}),
        ],
    )
    def test_a_lone_surrogate_does_not_get_in(self, body: PatchBody) -> None:
        refusal = refused({}, body)

        assert refusal.code is Code.INVALID_JSON
        assert "half of a surrogate pair" in refusal.message

    @given(json_objects, json_objects)
    def test_neither_the_data_nor_the_patch_is_altered(self, data: Any, value: Any) -> None:
        bodies: list[PatchBody] = [
            MergePatch({"a": value, "b": [value]}),
            OperationsPatch(
                [
                    {"op": "add", "path": "/a", "value": value},
                    {"op": "add", "path": "/a/b", "value": [value]},
                    {"op": "move", "from": "/a/b", "path": "/c"},
                    {"op": "replace", "path": "/c/0", "value": value},
                ]
            ),
            Increment({"/zz": 1}),
        ]
        stored = orjson.dumps({**data, "zz": 1})
        for body in bodies:
            before = copy.deepcopy(body)
            result = patched(stored, body, LIMIT)

            assert body == before
            assert patched(stored, body, LIMIT) == result

    pointers = st.lists(st.sampled_from(["a", "b", "0", "-", "~1", "01"]) | text, max_size=3).map(
        lambda parts: "".join("/" + part for part in parts)
    )
    operations = st.fixed_dictionaries(
        {"op": st.sampled_from(["add", "copy", "move", "remove", "replace", "test"])},
        optional={"path": pointers | json_values, "from": pointers, "value": json_values},
    )

    @given(json_objects, st.lists(operations | json_values, max_size=6))
    def test_any_operations_give_data_or_a_refusal(self, data: Any, operations: Any) -> None:
        data = {"a": data, "b": [data, 0]}
        try:
            result = operated(data, *operations)
        except Refusal as refusal:
            assert refusal.message.endswith(".")
            assert refusal.message.encode()
        else:
            assert isinstance(result, dict)

    @given(json_objects, st.dictionaries(pointers, st.integers(-9, 9) | st.floats(-9, 9)))
    def test_any_increments_give_data_or_a_refusal(self, data: Any, by: Any) -> None:
        data = {"a": data, "b": [data, 0]}
        try:
            result = incremented(data, by)
        except Refusal as refusal:
            assert refusal.code in {Code.CONFLICT, Code.INVALID_PARAMETER}
        else:
            assert json.dumps(result)
