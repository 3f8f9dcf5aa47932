from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.strategies import json_values
from syncline_protocol import fields
from syncline_protocol.errors import Code, Refusal

SID = "ET" + "0a" * 16
SURROGATE = "\ud800"


def refused(check: Callable[[Any, str], object], value: Any) -> Refusal:
    with pytest.raises(Refusal) as caught:
        check(value, "Field")
    return caught.value


def test_text_is_any_string_that_utf8_can_carry() -> None:
    assert fields.text("", "Field") == ""
    assert fields.text("schön/\n\U0001f600", "Field") == "schön/\n\U0001f600"


@pytest.mark.parametrize(
    ("value", "shown"), [(None, "null"), (True, "true"), (5, "5"), ([], "an array")]
)
def test_text_of_another_type_is_an_invalid_parameter(value: Any, shown: str) -> None:
    refusal = refused(fields.text, value)

    assert refusal.code is Code.INVALID_PARAMETER
    assert refusal.message == f"Field must be a string; {shown} was given."


def test_text_with_a_lone_surrogate_is_an_invalid_parameter() -> None:
    refusal = refused(fields.text, SURROGATE)

    assert refusal.code is Code.INVALID_PARAMETER
    assert refusal.message.startswith("Field holds half of a surrogate pair (\\ud")
    assert refusal.message.endswith(", which UTF-8 cannot encode.")


@pytest.mark.parametrize("name", ["a", "user/prefs", " ", "ключ", "x" * 320, SID[:-1], SID.lower()])
def test_a_unique_name_has_1_to_320_characters(name: str) -> None:
    assert fields.unique_name(name, "Field") == name


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("", "'' of 0 characters"),
        ("x" * 321, "…' of 321 characters"),
        (SID, f"'{SID}' of 34 characters"),
        (".", "it cannot stand in a URL"),
        ("..", "it cannot stand in a URL"),
        (7, "7 was given"),
        (SURROGATE, "UTF-8"),
    ],
)
def test_another_unique_name_is_refused_with_a_code_of_its_own(value: Any, shown: str) -> None:
    refusal = refused(fields.unique_name, value)

    assert refusal.code is Code.INVALID_NAME
    assert refusal.message.startswith("Invalid unique name. Field ")
    assert shown in refusal.message


@pytest.mark.parametrize(
    ("value", "seconds"),
    [(0, 0), (31_536_000, 31_536_000), ("0", 0), ("31536000", 31_536_000), ("007", 7), ("", 0)],
)
def test_a_ttl_is_whole_seconds_up_to_a_year(value: Any, seconds: int) -> None:
    assert fields.ttl(value, "Field") == seconds


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (-1, "-1"),
        (31_536_001, "31536001"),
        ("31536001", "31536001"),
        ("-1", "'-1'"),
        ("1.5", "'1.5'"),
        (1.0, "1.0"),
        (" 1", "' 1'"),
        ("1_0", "'1_0'"),
        ("٣", "'٣'"),
        ("9" * 5000, "…'"),
        (2**64, str(2**64)),
        (True, "true"),
        (None, "null"),
        ({}, "an object"),
    ],
)
def test_another_ttl_is_refused(value: Any, shown: str) -> None:
    refusal = refused(fields.ttl, value)

    assert refusal.code is Code.INVALID_TTL
    assert "Field must be a whole number of seconds from 0 to 31536000; " in refusal.message
    assert f"{shown} was given." in refusal.message


@pytest.mark.parametrize(
    ("value", "number"),
    [("0", 0), ('"12"', 12), ("9007199254740991", 2**53 - 1)],
)
def test_a_revision_is_digits_bare_or_quoted(value: str, number: int) -> None:
    assert fields.revision(value, "Field") == number


@pytest.mark.parametrize(
    "value",
    ["", '""', '"1', '1"', "01", "-1", "1.0", "1,2", "*", 'W/"1"', "9007199254740992", "9" * 99]
    + ["٣", " 1", "1\n", 1, True, None, []],
)
def test_another_revision_is_an_invalid_if_match(value: Any) -> None:
    refusal = refused(fields.revision, value)

    assert refusal.code is Code.INVALID_IF_MATCH
    assert refusal.message == (
        "Field must be one revision that the server gave, a string of digits; "
        f"{fields.show(value)} was given."
    )


@pytest.mark.parametrize("value", ["x", "x" * 64, "ü" * 64])
def test_an_operation_id_has_1_to_64_characters(value: str) -> None:
    assert fields.operation(value, "Field") == value


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ("", "Field must have 1 to 64 characters; 0 were given."),
        ("x" * 65, "Field must have 1 to 64 characters; 65 were given."),
        (5, "Field must be a string; 5 was given."),
        (
            SURROGATE,
            "Field holds half of a surrogate pair (\\ud800) as character 0, "
            "which UTF-8 cannot encode.",
        ),
    ],
)
def test_another_operation_id_is_an_invalid_parameter(value: Any, sentence: str) -> None:
    refusal = refused(fields.operation, value)

    assert refusal.code is Code.INVALID_PARAMETER
    assert refusal.message == sentence


def test_what_came_is_shown_as_json_has_it() -> None:
    shown = [fields.show(value) for value in (None, True, False, 1, 1.5, "x", {"a": 1}, [1])]

    assert shown == ["null", "true", "false", "1", "1.5", "'x'", "an object", "an array"]


@given(json_values | st.text(max_size=200) | st.integers())
def test_what_came_is_shown_short_and_printable(value: Any) -> None:
    shown = fields.show(value)

    assert len(shown) <= 60
    assert shown.isprintable()
    assert shown.encode()


@given(json_values | st.text())
def test_any_value_is_taken_or_refused_with_a_sentence(value: Any) -> None:
    checks = (fields.text, fields.unique_name, fields.ttl, fields.revision, fields.operation)
    for check in checks:
        try:
            check(value, "Field")
        except Refusal as refusal:
            assert re.search(r"\bField\b.*\.$", refusal.message)
            assert refusal.code.status == 400
