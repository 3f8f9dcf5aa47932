from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.strategies import text
from syncline_protocol.objects import DOCUMENT
from syncline_protocol.sids import (
    BUCKETS,
    SID_ENTROPY_BYTES,
    bucket_of_name,
    bucket_of_sid,
    is_sid,
    is_sid_of,
    make_sid,
)

DIGITS = "0123456789abcdef" * 2


@pytest.mark.parametrize("sid", ["ET" + DIGITS, "IS" + DIGITS, "ZZ" + DIGITS])
def test_two_capitals_and_32_hexadecimal_digits_are_a_sid(sid: str) -> None:
    assert is_sid(sid)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ET",
        "et" + DIGITS,
        "ET" + DIGITS.upper(),
        "ET" + DIGITS[1:],
        "ET" + DIGITS + "0",
        "ET" + DIGITS + "\n",
        " ET" + DIGITS,
        "ET" + "٠" * 32,
        "ÉT" + DIGITS,
    ],
)
def test_anything_else_is_none(text: str) -> None:
    assert not is_sid(text)
    assert not is_sid_of(DOCUMENT, text)


def test_only_et_is_a_documents_sid() -> None:
    assert is_sid_of(DOCUMENT, "ET" + DIGITS)
    assert not is_sid_of(DOCUMENT, "MP" + DIGITS)


@given(st.integers(0, BUCKETS - 1), st.binary(min_size=15, max_size=15))
def test_a_documents_sid_carries_its_bucket(bucket: int, entropy: bytes) -> None:
    sid = make_sid(DOCUMENT, bucket, entropy)

    assert is_sid_of(DOCUMENT, sid)
    assert bucket_of_sid(sid) == bucket


@given(text)
def test_every_name_has_a_bucket(name: str) -> None:
    assert 0 <= bucket_of_name(name) < BUCKETS


def test_a_name_always_has_the_same_bucket() -> None:
    # Stored documents are looked for where these say: a change here loses them.
    assert bucket_of_name("user_prefs") == 0xF1
    assert bucket_of_name("") == 0
    assert bucket_of_name("schlüssel") == 0xF6


def test_too_little_entropy_is_refused() -> None:
    with pytest.raises(ValueError, match=f"{SID_ENTROPY_BYTES} bytes, not 14"):
        make_sid(DOCUMENT, 0, bytes(SID_ENTROPY_BYTES - 1))
