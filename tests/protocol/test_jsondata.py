from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.strategies import json_objects, json_values
from syncline_protocol import jsondata
from syncline_protocol.errors import Code, Refusal
from syncline_protocol.jsondata import (
    DEPTH_LIMIT,
    TEXT_DEPTH_LIMIT,
    compact,
    parse,
    parse_object,
    values_in,
    values_limit,
)


def refusal_of(text: str | bytes) -> str:
    """The sentence with which `text` is refused as JSON."""
    with pytest.raises(Refusal) as caught:
        parse(text, "Data")
    assert caught.value.code is Code.INVALID_JSON
    return caught.value.message


def nested(depth: int) -> Any:
    """Objects and arrays in turn, an object outermost."""
    value: Any = 1
    for level in reversed(range(depth)):
        value = [value] if level % 2 else {"a": value}
    return value


@given(json_values)
def test_what_json_can_say_is_read_as_it_was_written(value: Any) -> None:
    text = json.dumps(value)

    assert parse(text, "Data") == value
    assert parse(text.encode(), "Data") == value


@given(json_objects)
def test_what_is_stored_is_what_was_given(value: Any) -> None:
    data = parse_object(value, "Data", 100_000)

    assert orjson.loads(data) == value
    assert data == orjson.dumps(value)


@given(st.binary() | st.text())
def test_garbage_is_refused_and_nothing_else_happens(text: str | bytes) -> None:
    try:
        parse(text, "Data")
    except Refusal as refusal:
        assert refusal.code is Code.INVALID_JSON
        assert refusal.message.startswith("Data is not ")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "Data is not valid JSON: Expecting value at character 0."),
        ('{"a":', "Data is not valid JSON: Expecting value at character 5."),
        ("{} {}", "Data is not valid JSON: Extra data at character 3."),
        (b"\xff", "Data is not valid UTF-8."),
        (b'"\xed\xa0\x80"', "Data is not valid UTF-8."),
    ],
)
def test_malformed_text_is_refused_with_the_place(text: str | bytes, sentence: str) -> None:
    assert refusal_of(text) == sentence


@pytest.mark.parametrize("text", ["'a'", "{a:1}", "[1,]", "01", "+1", "1.", "\ufeff{}", '"\t"'])
def test_what_only_looks_like_json_is_refused(text: str) -> None:
    assert refusal_of(text).startswith("Data is not valid JSON: ")


@pytest.mark.parametrize("constant", ["NaN", "Infinity", "-Infinity"])
def test_constants_of_python_are_no_numbers(constant: str) -> None:
    assert refusal_of(f'{{"a":{constant}}}') == (
        f"Data is not acceptable JSON: {constant} is not a JSON number, at character 5."
    )


def test_the_place_of_a_constant_is_not_that_of_its_name_in_a_text() -> None:
    text = r'{"NaN":"a \" NaN","b":[NaN]}'

    assert refusal_of(text).endswith(
        f"NaN is not a JSON number, at character {text.index('[') + 1}."
    )


@pytest.mark.parametrize("number", ["1e999", "-1e400", "9" * 400, f"-{'1' * 310}"])
def test_a_number_beyond_floating_point_is_refused(number: str) -> None:
    shown = json.dumps(number if len(number) <= 40 else number[:39] + "…")

    assert refusal_of(f"[{number}]") == (
        f"Data is not acceptable JSON: the number {shown} is too large: a double does not hold it."
    )


@pytest.mark.parametrize("number", [-(2**63), 2**64 - 1, 0])
def test_integers_of_64_bits_are_kept_exactly(number: int) -> None:
    assert parse(str(number), "Data") == number


@pytest.mark.parametrize(
    "number", [-(2**63) - 1, 2**64, 10**20, -(10**20), 123456789012345678901, 3 * 10**300]
)
def test_larger_integers_are_the_doubles_that_they_denote(number: int) -> None:
    [read] = parse(f"[{number}]", "Data")

    assert isinstance(read, float)
    assert read == float(number)
    assert orjson.loads(parse_object({"a": read}, "Data", 100)) == {"a": float(number)}


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_double_is_read_from_all_of_its_digits(number: float) -> None:
    """JavaScript writes those up to 1e21 without an exponent."""
    if number.is_integer():
        assert parse(f"{int(number)}", "Data") == number


def test_an_integer_of_a_million_digits_is_refused_unread() -> None:
    assert refusal_of("9" * 1_000_000) == (
        f'Data is not acceptable JSON: the number "{"9" * 39}\\u2026" is too large: '
        "a double does not hold it."
    )


@pytest.mark.parametrize(
    "text", ['{"a":1,"a":2}', '[{"b":{"x":1,"a":1,"a":1}}]', '{"a":1,"\\u0061":2}']
)
def test_a_key_that_stands_twice_is_refused(text: str) -> None:
    assert refusal_of(text) == (
        'Data is not acceptable JSON: the key "a" stands twice in one object.'
    )


def test_the_same_key_in_two_objects_is_fine() -> None:
    assert parse('[{"a":1},{"a":{"a":2}}]', "Data") == [{"a": 1}, {"a": {"a": 2}}]


def test_a_refusal_quotes_no_more_than_a_line_of_the_text() -> None:
    key = "k" * 10_000

    assert len(refusal_of(f'{{"{key}":1,"{key}":1}}')) < 120


def test_a_text_may_be_nested_as_deep_as_data_and_what_wraps_it() -> None:
    assert parse(json.dumps(nested(TEXT_DEPTH_LIMIT)), "Data") == nested(TEXT_DEPTH_LIMIT)
    assert refusal_of(json.dumps(nested(TEXT_DEPTH_LIMIT + 1))) == (
        f"Data is not acceptable JSON: it is nested more than {TEXT_DEPTH_LIMIT} deep, "
        f"at character {json.dumps(nested(TEXT_DEPTH_LIMIT + 1)).index('1') - 6}."
    )


@pytest.mark.parametrize("opening", ["[", '{"a":', '[{"a":'])
def test_a_hundred_thousand_brackets_do_no_harm(opening: str) -> None:
    assert "nested more than" in refusal_of(opening * 100_000)
    closing = {"[": "]", "{": "}"}
    closed = opening * 100_000 + "1" + "".join(closing.get(c, "") for c in opening[::-1]) * 100_000
    assert "nested more than" in refusal_of(closed)


def test_many_brackets_side_by_side_are_not_deep() -> None:
    wide = [[] for _ in range(1000)]  # type: list[list[int]]

    assert parse(json.dumps(wide), "Data") == wide
    assert parse_object({"a": wide}, "Data", 10_000)
    assert parse_object({"a": "[" * 1000}, "Data", 10_000)


def test_data_is_nested_at_most_so_deep() -> None:
    assert orjson.loads(parse_object(nested(DEPTH_LIMIT), "Data", 1000)) == nested(DEPTH_LIMIT)

    for depth in (DEPTH_LIMIT + 1, DEPTH_LIMIT + 200):
        with pytest.raises(Refusal, match="^Data .*at /a/0/a/0/.* nested more than 64") as caught:
            parse_object(nested(depth), "Data", 10_000)
        assert caught.value.code is Code.INVALID_JSON


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (r'"\ud800"', r"at the top it holds half of a surrogate pair (\ud800) as character 0"),
        (r'{"\udfff":1}', r"at the top it has a key with half of a surrogate pair (\udfff)"),
        (r'{"a":[{"b/~":"ü\ude00"}]}', r"at /a/0/b~1~0 it holds half of a surrogate pair (\ude00)"),
        (r'{"a":{"ok":1,"x\ud83d":{}}}', "at /a it has a key with half of a surrogate pair"),
    ],
)
def test_a_lone_surrogate_cannot_be_stored(text: str, place: str) -> None:
    with pytest.raises(Refusal) as caught:
        compact(parse(text, "Data"), "Data")

    assert caught.value.code is Code.INVALID_JSON
    assert caught.value.message.startswith(f"Data is not acceptable JSON: {place}")
    assert "nested" not in caught.value.message
    caught.value.message.encode()


def test_a_surrogate_pair_is_one_character() -> None:
    assert compact(parse('"\\ud83d\\ude00"', "Data"), "Data") == '"\U0001f600"'.encode()


def test_null_is_no_data_and_has_a_code_of_its_own() -> None:
    with pytest.raises(Refusal) as caught:
        parse_object(None, "Data", 100)

    assert caught.value.code is Code.INVALID_DATA
    assert caught.value.message == "Data must be a JSON object; null was given."


@pytest.mark.parametrize(
    ("value", "shown"), [([], "an array"), ("x", "'x'"), (1, "1"), (True, "true")]
)
def test_data_must_be_an_object(value: Any, shown: str) -> None:
    with pytest.raises(Refusal) as caught:
        parse_object(value, "Data", 100)

    assert caught.value.code is Code.INVALID_JSON
    assert caught.value.message.endswith(f"Data must be a JSON object; {shown} was given.")


def test_size_is_counted_in_bytes_of_compact_utf8() -> None:
    value = {"a": "üü"}
    size = len('{"a":"üü"}'.encode())

    assert len(parse_object(value, "Data", size)) == size
    with pytest.raises(Refusal) as caught:
        parse_object(value, "Data", size - 1)
    assert caught.value.code is Code.TOO_LARGE
    assert caught.value.message == (
        f"Data is {size} bytes as compact JSON; at most {size - 1} are allowed."
    )


@pytest.mark.parametrize("text", ["[0,0,0]", '[{},{"a":1}]', b"[[],[[]]]", '[",[{"]'])
def test_a_text_of_too_many_values_is_refused_before_it_is_parsed(text: str | bytes) -> None:
    count = values_in(text)
    parse(text, "Data", count)
    broken = text[:-1]
    with pytest.raises(Refusal, match="commas and opening brackets; at most") as caught:
        parse(broken, "Data", count - 1)
    assert caught.value.code is Code.TOO_LARGE


@pytest.mark.parametrize("filling", [b",", b"[", b"{", b"0,", b"{},", b"[],"])
def test_no_document_of_an_allowed_size_has_too_many_values(filling: bytes) -> None:
    data = b'{"a":"%s"}' % (filling * 1000)
    parse(data, "Data", values_limit(len(data)))


@pytest.mark.parametrize("text", ["[0,0]", "[[[[[[", ",,,,,", "{}", b"[0,0]", b"[[[[[[", b",,,,,"])
def test_a_text_is_refused_for_its_values_exactly_above_the_limit(text: str | bytes) -> None:
    count = values_in(text)
    with pytest.raises(Refusal) as caught:
        parse(text, "Data", count - 1)
    assert caught.value.code is Code.TOO_LARGE
    try:
        parse(text, "Data", count)
    except Refusal as refusal:
        assert refusal.code is Code.INVALID_JSON


@pytest.mark.parametrize(
    "value",
    [
        [2**63 - 1, -(2**63), 2**64 - 1],
        {"n": 10**18, "s": "1" * 30},
        [1.5e300, 0.1, 1e-7, "1" * 19],
    ],
)
def test_long_numbers_are_read_as_they_were_written(value: Any) -> None:
    assert parse(json.dumps(value), "Data") == value


@pytest.mark.parametrize("text", ["[18446744073709551616]", "[-9223372036854775809]"])
def test_an_integer_beyond_64_bits_is_the_double_next_to_it(text: str) -> None:
    [number] = parse(text, "Data")
    assert (type(number), number) == (float, float(text.strip("[]")))


def test_an_integer_that_no_double_holds_is_refused() -> None:
    assert "too large" in refusal_of("1" * 5000)


@pytest.mark.parametrize("inside", ['"]]]]"', '"[[[["', '"\\"[["', '"\\\\"', '{"[{":"}]"}'])
def test_brackets_in_strings_do_not_nest(inside: str) -> None:
    depth = TEXT_DEPTH_LIMIT - inside.startswith("{")
    parse("[" * depth + inside + "]" * depth, "Data")
    assert "nested more than" in refusal_of("[" * (depth + 1) + inside + "]" * (depth + 1))


def test_a_text_whose_brackets_all_stand_in_a_string_is_not_deep() -> None:
    text = "[" * 10 * TEXT_DEPTH_LIMIT
    assert parse(json.dumps(text), "Data") == text


@pytest.mark.parametrize(
    "text",
    [
        '{"a":1,"b":[1.5,-0.0,true,null,{"c":"é"}]}',
        '{"n":[9223372036854775807,-9223372036854775808,18446744073709551615,1e22,1e-7,5e-324]}',
        '{"n":[18446744073709551616,-9223372036854775809,0.1,123456789012345678901234567890]}',
        '{"a": 1}',
        '{"a":"\\u00e9","b":"\\ud83d\\ude00","c":"\\n/","\\u0000":1}',
        "{}",
    ],
)
def test_a_compact_text_is_parsed_as_any_other(text: str) -> None:
    """orjson reads a text that it would write itself; the values are the same, and their types."""
    spaced = text.replace(",", " , ")
    assert repr(jsondata.parse(text, "Data")) == repr(jsondata.parse(spaced, "Data"))
    assert repr(jsondata.parse(text, "Data")) == repr(jsondata._parse_carefully(text))


@pytest.mark.parametrize(
    "text", ['{"a":1,"a":1}', '{"a":{"b":1,"b":2}}', '{"a":NaN}', '{"a":1e999}', '{"a":-1e999}']
)
def test_a_compact_text_is_refused_as_any_other(text: str) -> None:
    with pytest.raises(Refusal) as refused:
        jsondata.parse(text, "Data")
    assert refused.value.code is Code.INVALID_JSON
