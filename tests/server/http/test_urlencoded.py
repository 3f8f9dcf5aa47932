from __future__ import annotations

from urllib.parse import quote, unquote_to_bytes, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncline_protocol.errors import Code, Refusal
from syncline_server.http import urlencoded

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


@given(TEXT)
def test_decode_undoes_percent_encoding(text: str) -> None:
    assert urlencoded.decode(quote(text, safe="").encode(), "It") == text


@given(st.lists(st.tuples(TEXT, TEXT), max_size=10))
def test_pairs_are_those_that_were_encoded(fields: list[tuple[str, str]]) -> None:
    assert urlencoded.pairs(urlencode(fields).encode(), "the form") == fields


@given(
    st.lists(
        st.sampled_from([b"%41", b"%3d", b"=", b"=3D", b"=\n", b"_", b"\r\n", b" ", b"a", b"%20"])
    )
)
def test_what_is_special_in_other_encodings_is_not_here(parts: list[bytes]) -> None:
    encoded = b"".join(parts)
    assert urlencoded.decode(encoded, "It") == unquote_to_bytes(encoded).decode()


@given(st.binary(max_size=60))
def test_any_bytes_are_decoded_or_refused(encoded: bytes) -> None:
    try:
        assert isinstance(urlencoded.decode(encoded, "It"), str)
    except Refusal as refusal:
        assert refusal.code is Code.BAD_REQUEST


@pytest.mark.parametrize("encoded", [b"%", b"%4", b"a%zz", b"%%41"])
def test_a_percent_sign_needs_two_hexadecimal_digits(encoded: bytes) -> None:
    with pytest.raises(Refusal, match="Data in the form has a percent sign") as caught:
        urlencoded.pairs(b"Data=" + encoded, "the form")
    assert caught.value.code is Code.BAD_REQUEST


@pytest.mark.parametrize("encoded", [b"%ff", b"%C3", b"\xff", b"%ED%A0%80"])
def test_text_must_be_utf8(encoded: bytes) -> None:
    with pytest.raises(Refusal, match="The document in the path is not valid UTF-8"):
        urlencoded.decode(encoded, "The document in the path")


def test_a_plus_is_a_blank_in_a_form_and_a_plus_in_a_path() -> None:
    assert urlencoded.pairs(b"a+b=c+d%2B", "the form") == [("a b", "c d+")]
    assert urlencoded.decode(b"a+b", "It") == "a+b"


def test_a_field_without_a_value_is_empty_and_empty_fields_are_none() -> None:
    assert urlencoded.pairs(b"&a&&b=&", "the form") == [("a", ""), ("b", "")]


def test_the_number_of_fields_is_bounded() -> None:
    most = b"&".join([b"a"] * urlencoded.FIELD_LIMIT)
    assert len(urlencoded.pairs(most, "the form")) == urlencoded.FIELD_LIMIT
    with pytest.raises(Refusal, match="more than 100 fields"):
        urlencoded.pairs(most + b"&", "the form")
