from __future__ import annotations

import pytest
from starlette.datastructures import Headers

from syncline_protocol.errors import Code, Refusal
from syncline_server.http.preconditions import if_match, operation


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
