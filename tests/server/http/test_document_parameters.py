from __future__ import annotations

from typing import Any

import pytest

from syncline_protocol.commands import SetTtl
from syncline_protocol.errors import Code, Refusal
from syncline_server.http.document_parameters import DocumentParameters

LIMIT = 400


def check(*given: tuple[str, Any]) -> DocumentParameters:
    return DocumentParameters.of(given, LIMIT)


def test_what_is_not_given_is_none() -> None:
    assert check() == DocumentParameters(None, None, None)


def test_a_form_gives_text() -> None:
    given = check(("UniqueName", "prefs"), ("Data", '{"a": 1, "u": "\\u00e9"}'), ("Ttl", "60"))
    assert given == DocumentParameters("prefs", '{"a":1,"u":"é"}'.encode(), 60)


def test_json_gives_values_and_either_spelling() -> None:
    given = check(("unique_name", "prefs"), ("data", {"a": [1]}), ("ttl", 60))
    assert given == DocumentParameters("prefs", b'{"a":[1]}', 60)


def test_json_may_hold_data_as_text() -> None:
    assert check(("Data", '{"a": 1}')).data == b'{"a":1}'


def test_null_leaves_the_name_and_the_expiry_out() -> None:
    assert check(("UniqueName", None), ("Ttl", None)) == DocumentParameters(None, None, None)


def test_empty_data_is_as_if_it_were_missing() -> None:
    assert check(("UniqueName", "prefs"), ("Data", "")) == DocumentParameters("prefs", None, None)
    assert check(("Data", ""), ("Ttl", "60")).update("prefs", None, None) == SetTtl("prefs", 60)
    with pytest.raises(Refusal) as caught:
        check(("Data", "")).update("prefs", None, None)
    assert caught.value.code is Code.NO_PARAMETERS


def test_an_empty_ttl_means_no_expiry() -> None:
    assert check(("Ttl", "")).ttl == 0


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("uniqueName", "UniqueName"),
        ("Unique_Name", "UniqueName"),
        ("Uniquename", "UniqueName"),
        ("TTL", "Ttl"),
        ("DATA", "Data"),
        ("Dat", "Data"),
    ],
)
def test_a_misspelt_name_is_refused_with_the_one_that_was_meant(name: str, meant: str) -> None:
    with pytest.raises(Refusal) as caught:
        check((name, "{}"))

    assert caught.value.code is Code.UNKNOWN_PARAMETER
    assert caught.value.message == (
        f"There is no parameter {name!r} in the body of this request. {meant} was meant, perhaps. "
        "Allowed parameters: UniqueName, Data, Ttl, Sid."
    )


@pytest.mark.parametrize("name", ["Nonsense", "", "x" * 100_000, "\ud800", "'\"\n"])
def test_a_name_that_is_like_none_is_refused_with_all_there_are(name: str) -> None:
    with pytest.raises(Refusal) as caught:
        check((name, None))

    assert caught.value.code is Code.UNKNOWN_PARAMETER
    assert "was meant" not in caught.value.message
    assert caught.value.message.endswith("Allowed parameters: UniqueName, Data, Ttl, Sid.")
    assert len(caught.value.message.encode()) < 300


def test_other_names_are_ignored_where_that_is_asked_for() -> None:
    given = [("HideExpired", "true"), ("Nonsense", None), ("Ttl", 60)]
    assert DocumentParameters.of(given, LIMIT, is_strict=False) == DocumentParameters(
        None, None, 60
    )


@pytest.mark.parametrize(
    ("name", "value", "code", "sentence"),
    [
        ("UniqueName", "", Code.INVALID_NAME, "1 to 320 characters"),
        ("UniqueName", "x" * 321, Code.INVALID_NAME, "321 characters"),
        ("UniqueName", "ET" + "a" * 32, Code.INVALID_NAME, "not look like a SID"),
        ("UniqueName", 7, Code.INVALID_NAME, "UniqueName must be a string; 7"),
        ("UniqueName", "\ud800", Code.INVALID_NAME, "UTF-8"),
        ("Data", None, Code.INVALID_DATA, "Data must be a JSON object; null"),
        ("Data", "null", Code.INVALID_DATA, "Data must be a JSON object; null"),
        ("Data", " ", Code.INVALID_JSON, "Data is not valid JSON"),
        ("Data", "{", Code.INVALID_JSON, "Data is not valid JSON"),
        ("Data", "[1]", Code.INVALID_JSON, "Data must be a JSON object; an array"),
        ("Data", '"{}"', Code.INVALID_JSON, "Data must be a JSON object; '{}' was"),
        ("Data", 5, Code.INVALID_JSON, "Data must be a JSON object; 5 was given"),
        ("Data", '{"a":1,"a":2}', Code.INVALID_JSON, "stands twice"),
        ("Data", '{"a":NaN}', Code.INVALID_JSON, "NaN"),
        ("Data", '{"a":1e999}', Code.INVALID_JSON, "too large"),
        ("Data", '{"a":%s}' % (10**400), Code.INVALID_JSON, "too large"),
        ("Data", '{"a":"\\ud800"}', Code.INVALID_JSON, "UTF-8"),
        ("Data", '{"a":' * 65 + "1" + "}" * 65, Code.INVALID_JSON, "64 deep"),
        (
            "Data",
            '{"a":"%s"}' % ("x" * 393),
            Code.TOO_LARGE,
            "401 bytes as compact JSON; at most 400",
        ),
        ("Ttl", "-1", Code.INVALID_TTL, "Ttl must be a whole number"),
        ("Ttl", "1.5", Code.INVALID_TTL, "'1.5' was given"),
        ("Ttl", 31_536_001, Code.INVALID_TTL, "31536001 was given"),
        ("Ttl", True, Code.INVALID_TTL, "true was given"),
        ("Ttl", [1], Code.INVALID_TTL, "an array was given"),
    ],
)
def test_each_violation_names_the_field_and_what_is_allowed(
    name: str, value: Any, code: Code, sentence: str
) -> None:
    with pytest.raises(Refusal) as caught:
        check((name, value))
    assert caught.value.code is code
    assert sentence in caught.value.message


def test_the_largest_document_is_allowed() -> None:
    text = '{"a": "%s"}' % ("x" * (LIMIT - 8))
    assert len(check(("Data", text)).data or b"") == LIMIT


@pytest.mark.parametrize("second", ["Ttl", "ttl"])
def test_a_parameter_that_stands_twice_is_refused(second: str) -> None:
    with pytest.raises(Refusal, match="Ttl must be given once") as caught:
        check(("Ttl", "1"), (second, "1"))
    assert caught.value.code is Code.INVALID_PARAMETER
