from __future__ import annotations

import json
import math
import zlib
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.javascript import Twin
from support.strategies import json_objects, json_values
from syncline_protocol.canonical import canonical, digest

ODD_KEYS = [
    "",
    "__proto__",
    "constructor",
    "é",
    "\ue000",
    "\uffff",
    "\U0001f600",
    "\U00010000",
    "10",
    "9",
]

odd_objects = st.dictionaries(st.sampled_from(ODD_KEYS), json_values, max_size=6)

NUMBERS = [
    (0, "0"),
    (-0.0, "0"),
    (1.0, "1"),
    (-1.5, "-1.5"),
    (100.0, "100"),
    (1e15, "1000000000000000"),
    (9007199254740993, "9007199254740992"),
    (2**64 - 1, "18446744073709552000"),
    (-(2**63), "-9223372036854776000"),
    (1e20, "100000000000000000000"),
    (1.2345678901234568e20, "123456789012345680000"),
    (1e21, "1e+21"),
    (1.5e300, "1.5e+300"),
    (123456.789, "123456.789"),
    (1234567890123.4567, "1234567890123.4568"),
    (1e-4, "0.0001"),
    (0.000001, "0.000001"),
    (0.00000123, "0.00000123"),
    (1e-7, "1e-7"),
    (-1.25e-9, "-1.25e-9"),
    (5e-324, "5e-324"),
    (1.7976931348623157e308, "1.7976931348623157e+308"),
]


@pytest.mark.parametrize(("number", "text"), NUMBERS, ids=str)
def test_numbers_are_written_as_ecmascript_does(number: float, text: str, twin: Twin) -> None:
    assert canonical([number]) == f"[{text}]".encode()
    assert canonical({"n": [number]}) == f'{{"n":[{text}]}}'.encode()
    assert twin.ask(value=[number])["canonical"] == f"[{text}]"


def test_members_stand_in_the_order_of_their_keys_utf_16_code_units(twin: Twin) -> None:
    value = {key: {"b": 1, "a": [{"d": 1, "c": 2}]} for key in ODD_KEYS}
    text = canonical(value).decode()

    assert list(json.loads(text)) == sorted(ODD_KEYS, key=lambda key: key.encode("utf-16-be"))
    assert list(json.loads(text)) != sorted(ODD_KEYS)
    assert '{"a":[{"c":2,"d":1}],"b":1}' in text
    assert twin.ask(value=value)["canonical"] == text


def test_strings_have_the_fewest_escapes(twin: Twin) -> None:
    text = "".join(map(chr, range(0x80))) + "é\u2028\u2029\ufeff\U0001f600"
    written = canonical([text]).decode()

    assert written.startswith(r'["\u0000\u0001\u0002\u0003\u0004\u0005\u0006\u0007\b\t\n\u000b\f\r')
    assert written.endswith('\x7fé\u2028\u2029\ufeff\U0001f600"]')
    assert twin.ask(value=[text])["canonical"] == written


def test_a_digest_is_the_crc_of_that_form() -> None:
    assert digest({}) == f"{zlib.crc32(b'{}'):08x}"
    written = b'{"a":null,"b":1}'
    assert digest({"b": 1.0, "a": None}) == f"{zlib.crc32(written):08x}"
    # Eight digits, also where the first is 0.
    assert {len(digest({"n": n})) for n in range(100)} == {8}


@given(odd_objects | json_objects)
def test_it_means_the_same_value(value: dict[str, Any]) -> None:
    expected = json.loads(orjson.dumps(value), parse_int=float)
    found = json.loads(canonical(orjson.loads(orjson.dumps(value))), parse_int=float)

    assert found == expected


@given(st.lists(st.one_of(odd_objects, json_values), max_size=5))
def test_both_languages_have_the_same_form_and_digest(twin: Twin, value: list[Any]) -> None:
    text = orjson.dumps(value)
    answer = twin.ask(value=orjson.Fragment(text))

    assert answer["canonical"] == canonical(orjson.loads(text)).decode()
    assert answer["digest"] == digest(orjson.loads(text))


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=50))
def test_both_languages_write_the_same_numbers(twin: Twin, numbers: list[float]) -> None:
    assert twin.ask(value=numbers)["canonical"] == canonical(list(numbers)).decode()


@given(st.integers(-(2**63), 2**64 - 1))
def test_an_integer_counts_as_the_double_next_to_it(twin: Twin, integer: int) -> None:
    written = canonical([integer])

    assert json.loads(written, parse_int=float) == [float(integer)]
    assert twin.ask(value=[integer])["canonical"] == written.decode()


@pytest.mark.parametrize("value", [["\ud800"], {"\udfff": 1}], ids=ascii)
def test_a_lone_surrogate_has_no_form(value: Any) -> None:
    with pytest.raises(ValueError, match="no canonical form"):
        canonical(value)


def test_neither_has_what_is_nested_too_deeply() -> None:
    value: Any = []
    for _ in range(300):
        value = [value]
    with pytest.raises(ValueError, match="no canonical form"):
        canonical(value)


def test_every_power_of_ten_is_written_alike(twin: Twin) -> None:
    numbers = [sign * 10.0**power * 1.5 for power in range(-320, 308) for sign in (1, -1)]
    numbers = [number for number in numbers if math.isfinite(number)]

    assert twin.ask(value=numbers)["canonical"] == canonical(list(numbers)).decode()
