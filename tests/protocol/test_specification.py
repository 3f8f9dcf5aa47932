"""docs/protocol.md and the code say the same."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from support.vectors import vectors
from syncline_protocol import deltas, native
from syncline_protocol.errors import Code, Refusal
from syncline_protocol.native import decoder

TEXT = (Path(__file__).parents[2] / "docs/protocol.md").read_text("utf-8")

MEMBERS = {
    "document": "user_prefs",
    "mode": "open_or_create",
    "data": {},
    "ttl": 60,
    "revision": "5",
    "if_match": "5",
    "op": "o",
    "token": "eyJ",
    "deltas": True,
    "merge": {},
}
"""A good value for each member; of the three that exclude each other, one."""

REST_ONLY = {
    Code.AUTHENTICATION_FAILED,
    Code.METHOD_NOT_ALLOWED,
    Code.BAD_REQUEST,
    Code.FORBIDDEN,
    Code.NOT_FOUND,
    Code.REQUEST_TIMEOUT,
    Code.URI_TOO_LONG,
    Code.UNSUPPORTED_MEDIA_TYPE,
    Code.HEADERS_TOO_LARGE,
    Code.NO_PARAMETERS,
    Code.INVALID_WEBHOOK_URL,
    Code.INVALID_FRIENDLY_NAME,
    Code.INVALID_IDENTITY,
    Code.PERMISSION_NOT_FOUND,
    Code.INVALID_PAGE_TOKEN,
    Code.INVALID_PAGE_SIZE,
    Code.LIST_NOT_FOUND,
    Code.LIST_ITEM_NOT_FOUND,
    Code.LIST_ITEM_MISMATCH,
    Code.INVALID_LIST_DATA,
    Code.MAP_NOT_FOUND,
    Code.MAP_ITEM_NOT_FOUND,
    Code.MAP_ITEM_MISMATCH,
    Code.INVALID_MAP_DATA,
    Code.MAP_ITEM_EXISTS,
    Code.INVALID_ITEM_KEY,
    Code.STREAM_NOT_FOUND,
    Code.INVALID_MESSAGE,
    Code.INVALID_ORDER,
    Code.INVALID_BOUNDS,
    Code.INVALID_INDEX,
}
"""Codes for what a message of the native protocol cannot do wrong: it knows documents only."""


def table(section: int) -> list[list[str]]:
    """The cells of the first table in a section, without its head."""
    [body] = re.findall(rf"^## {section}\. .*?(?=^## |\Z)", TEXT, re.MULTILINE | re.DOTALL)
    rows = [line.strip("|").split("|") for line in body.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row] for row in rows[2:]]


def test_every_verb_is_specified_and_every_specified_verb_is_there() -> None:
    assert sorted(row[0].strip("`") for row in table(3)) == sorted(decoder.VERBS)


@pytest.mark.parametrize("row", table(3), ids=lambda row: row[0])
def test_a_verb_takes_the_members_that_are_specified_and_needs_the_required(
    row: list[str],
) -> None:
    verb = row[0].strip("`")
    found = {name: bool(optional) for name, optional in re.findall(r"`(\w+)`(\??)", row[1])}
    allowed = {name: value for name, value in MEMBERS.items() if name in found}

    def command(without: str | None = None) -> object:
        members = {name: value for name, value in allowed.items() if name != without}
        return native.decode(json.dumps({"id": 1, "do": verb, **members}), 100).command

    whole = command()
    assert not isinstance(whole, Refusal)
    for name in allowed:
        lacking = command(without=name)
        if found[name]:
            assert not isinstance(lacking, Refusal)
        else:
            assert isinstance(lacking, Refusal)
            assert lacking.code is Code.UNKNOWN_PARAMETER


def test_the_bounds_of_a_delta_are_the_specified_ones() -> None:
    assert f"at most {deltas.OPERATIONS_LIMIT} of them" in TEXT
    assert f"below {deltas.SMALLEST_DATA} bytes" in TEXT
    assert f"longer than {deltas.LARGEST_SHARE} of it" in TEXT


def test_every_specified_error_has_the_status_that_the_code_gives_it() -> None:
    specified = [
        (int(code), int(status))
        for status, codes, _ in table(7)
        for code in re.findall(r"\d{5}", codes)
    ]

    assert sorted(specified) == sorted((int(code), code.status) for code in set(Code) - REST_ONLY)


def test_the_specification_says_of_the_right_errors_that_they_are_worth_another_try() -> None:
    retried = {
        int(code)
        for _, codes, when in table(7)
        for code in re.findall(r"\d{5}", codes)
        if "`retry` is true" in when
    }

    assert retried == {code for code in Code if code.retry}


def test_every_close_code_is_specified_with_what_its_range_says() -> None:
    specified = {
        int(code): again
        for codes, _, again in table(8)
        for code in codes.split(", ")
        if code.isdigit()
    }

    assert set(specified) == set(native.Close)
    for code, again in specified.items():
        assert again.startswith("no" if code in native.FINAL_CLOSE_CODES else "yes")


def test_the_vectors_know_every_close_code() -> None:
    known = {vector["code"]: vector for vector in vectors("close_codes")}

    for code in native.Close:
        assert known[code]["own"]
        # An expired or refused token is an error of its own: connecting needs another token.
        is_lost = known[code]["error"] == "lost"
        assert known[code]["retry"] is (is_lost and code not in native.FINAL_CLOSE_CODES)


def test_the_vectors_of_errors_name_documented_codes() -> None:
    codes = {int(code): code.status for code in Code}

    for vector in vectors("errors"):
        if vector["error"] == "refused" and "more_info" not in vector["body"]:
            code, status = vector["body"]["code"], vector["status"]
            assert codes.get(code, code - 20_000) == status


def references() -> list[Any]:
    """The numbers of rules that the clients and the protocol package refer to, with their files."""
    root = Path(__file__).parents[2]
    files = [*root.glob("clients/**/src/**/*.js"), *root.glob("clients/python/**/*.py")]
    files += [*root.glob("protocol/**/*.py"), *root.glob("protocol/vectors/*.md")]
    return [
        pytest.param(number, id=f"{number} in {file.name}")
        for file in sorted(files)
        for number in sorted(set(re.findall(r"\bC\d+\b", file.read_text("utf-8"))))
    ]


def rules() -> list[str]:
    return re.findall(r"^- \*\*(C\d+)\*\*", TEXT, re.MULTILINE)


def test_the_rules_for_clients_are_numbered_in_order() -> None:
    assert rules() == [f"C{number}" for number in range(1, len(rules()) + 1)]


@pytest.mark.parametrize("number", references())
def test_a_rule_that_the_code_refers_to_stands_in_the_specification(number: str) -> None:
    assert number in rules()
