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
from syncline_protocol.item_batch import OPERATIONS_LIMIT
from syncline_protocol.item_commands import PART_KEYS_LIMIT
from syncline_protocol.item_parts import PAGE_LIMIT
from syncline_protocol.native import decoder
from syncline_protocol.native.item_requests import PAGE_SIZE

TEXT = (Path(__file__).parents[2] / "docs/protocol.md").read_text("utf-8")

LIMITS = native.Limits(data=100, item=100, message=100, values=1000)

MEMBERS = {
    "mode": "open_or_create",
    "data": {},
    "ttl": 60,
    "collection_ttl": 60,
    "revision": "5",
    "if_match": "5",
    "op": "o",
    "token": "eyJ",
    "deltas": True,
    "merge": {},
    "key": "k",
    "index": 7,
    "keys": ["k"],
    "indexes": [7],
    "items": {"limit": 10},
    "from": "7",
    "order": "desc",
    "limit": 10,
    "operations": [{"op": "remove", "key": "k"}],
}
"""A good value for each member; of those that exclude each other, one."""

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
    Code.INVALID_WEBHOOK_URL,
    Code.INVALID_FRIENDLY_NAME,
    Code.INVALID_IDENTITY,
    Code.PERMISSION_NOT_FOUND,
    Code.INVALID_PAGE_TOKEN,
    Code.INVALID_BOUNDS,
}
"""Codes for what a message of the native protocol cannot do wrong."""


def table(section: int) -> list[list[str]]:
    """The cells of the tables in a section that are like its first, without the heads."""
    [body] = re.findall(rf"^## {section}\. .*?(?=^## |\Z)", TEXT, re.MULTILINE | re.DOTALL)
    rows = [line.strip("|").split("|") for line in body.splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in row] for row in rows]
    return [row for row in cells if row != cells[0] and not set(row[0]) <= set("-")]


def requests() -> list[Any]:
    """Each verb, the type of object that it is of, or "", and its specified members."""
    return [
        pytest.param(row[0].strip("`"), name.strip("–"), row[2], id=f"{row[0]} {name}")
        for row in table(3)
        for name in row[1].split(", ")
    ]


def test_every_verb_is_specified_and_every_specified_verb_is_there() -> None:
    specified: dict[str, set[str]] = {}
    for request in requests():
        verb, name, _ = request.values
        specified.setdefault(str(name), set()).add(str(verb))

    assert specified.pop("") == {"auth", "ping"}
    assert specified == {name: set(verbs) for name, verbs in decoder.VERBS_BY_TYPE.items()}


@pytest.mark.parametrize(("verb", "name", "members"), requests())
def test_a_verb_takes_the_members_that_are_specified_and_needs_the_required(
    verb: str, name: str, members: str
) -> None:
    found = {name: bool(optional) for name, optional in re.findall(r"`(\w+)`(\??)", members)}
    good = MEMBERS
    if verb == "batch" and name == "list":
        good = MEMBERS | {"operations": [{"op": "remove", "index": 7}]}
    allowed = {name: value for name, value in good.items() if name in found}
    if verb == "patch":
        allowed.pop("operations")
    if name:
        allowed, found = {name: "a", **allowed}, {name: verb == "open", **found}

    def command(without: str | None = None) -> object:
        given = {name: value for name, value in allowed.items() if name != without}
        return native.decode(json.dumps({"id": 1, "do": verb, **given}), LIMITS).command

    whole = command()
    assert not isinstance(whole, Refusal)
    for member in allowed:
        lacking = command(without=member)
        if found[member]:
            assert not isinstance(lacking, Refusal)
        else:
            assert isinstance(lacking, Refusal)
            assert lacking.code is Code.UNKNOWN_PARAMETER


def test_the_bounds_of_a_delta_are_the_specified_ones() -> None:
    assert f"at most {deltas.OPERATIONS_LIMIT} of them" in TEXT
    assert f"below {deltas.SMALLEST_DATA} bytes" in TEXT
    assert f"longer than {deltas.LARGEST_SHARE} of it" in TEXT


def test_the_bounds_of_pages_and_parts_are_the_specified_ones() -> None:
    assert f"`limit` is 1 to {PAGE_LIMIT} ({PAGE_SIZE})" in TEXT
    assert f"an array of 1 to {PART_KEYS_LIMIT} keys" in TEXT
    assert f"writes up to {OPERATIONS_LIMIT} items" in TEXT


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
