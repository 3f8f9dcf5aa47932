from __future__ import annotations

import pytest
from starlette.datastructures import Headers

from syncline_protocol.errors import Code, Refusal
from syncline_server.http.preconditions import (
    IfNoneMatch,
    if_match,
    if_none_match,
    operation,
    write_condition,
)


def headers(name: str, *values: bytes) -> Headers:
    return Headers(raw=[(name.lower().encode(), value) for value in values])


def test_without_the_headers_nothing_is_asked() -> None:
    assert if_match(Headers({})) is None
    assert operation(Headers({})) is None


@pytest.mark.parametrize("value", [b"17", b'"17"'])
def test_a_revision_is_bare_or_in_quotes(value: bytes) -> None:
    assert if_match(headers("If-Match", value)) == 17


def test_a_star_matches_every_revision() -> None:
    assert if_match(headers("If-Match", b"*")) is None


@pytest.mark.parametrize(
    "values",
    [
        [b""],
        [b"abc"],
        [b"-1"],
        [b"017"],
        [b"1, 2"],
        [b'"1", "2"'],
        [b'W/"1"'],
        [b"1", b"1"],
        [b"9" * 20],
        [b"\xff"],
    ],
)
def test_anything_else_is_refused(values: list[bytes]) -> None:
    with pytest.raises(Refusal, match="If-Match must be") as caught:
        if_match(headers("If-Match", *values))
    assert caught.value.code is Code.INVALID_IF_MATCH


def test_an_operation_id_is_any_short_text() -> None:
    assert operation(headers("Idempotency-Key", b"f81d4fae")) == "f81d4fae"


@pytest.mark.parametrize("values", [[b""], [b"x" * 65], [b"a", b"b"]])
def test_an_operation_id_is_one_and_bounded(values: list[bytes]) -> None:
    with pytest.raises(Refusal, match="Idempotency-Key must") as caught:
        operation(headers("Idempotency-Key", *values))
    assert caught.value.code is Code.INVALID_PARAMETER


@pytest.mark.parametrize(
    ("values", "tags"),
    [
        ([b"17"], {"17"}),
        ([b'"17"'], {"17"}),
        ([b'W/"17"'], {"17"}),
        ([b'W/"17", "18" ,19'], {"17", "18", "19"}),
        ([b'"1"', b'W/"2"'], {"1", "2"}),
        ([b'"a,b", "c"'], {"a,b", "c"}),
        ([b'""'], {""}),
    ],
)
def test_if_none_match_is_a_list_of_tags(values: list[bytes], tags: set[str]) -> None:
    assert if_none_match(headers("If-None-Match", *values)) == IfNoneMatch(frozenset(tags))


def test_if_none_match_with_a_star_names_all() -> None:
    found = if_none_match(headers("If-None-Match", b" * "))
    assert found is not None and found.tags is None and found.matches("17")
    assert if_none_match(Headers({})) is None


@pytest.mark.parametrize("value", [b"", b'"1', b'"1",', b'"1" "2"', b',"1"', b'W/"', b"1 2"])
def test_if_none_match_that_makes_no_sense_is_refused(value: bytes) -> None:
    with pytest.raises(Refusal) as caught:
        if_none_match(headers("If-None-Match", value))
    assert caught.value.code is Code.INVALID_IF_MATCH


EXISTS = Refusal(Code.MAP_ITEM_MISMATCH, "It exists.")


@pytest.mark.parametrize(
    ("given", "condition"),
    [
        ({}, None),
        ({"If-Match": "5"}, 5),
        ({"If-Match": "*"}, None),
        ({"If-None-Match": '"5", W/"6"'}, 7),
        ({"If-None-Match": "5", "If-Match": "6"}, 6),
    ],
)
async def test_a_write_is_conditional_on_one_revision(
    given: dict[str, str], condition: int | None
) -> None:
    async def newest() -> int:
        return 7

    assert await write_condition(Headers(given), newest, EXISTS) == condition


@pytest.mark.parametrize("value", ["*", "7", '"6", W/"7"'])
async def test_a_write_to_a_state_that_is_named_is_refused(value: str) -> None:
    async def newest() -> int:
        return 7

    with pytest.raises(Refusal) as caught:
        await write_condition(Headers({"If-None-Match": value}), newest, EXISTS)
    assert caught.value is EXISTS
