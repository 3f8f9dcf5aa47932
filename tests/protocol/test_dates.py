from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncline_protocol.dates import format_milliseconds, format_seconds, parse

MOMENT = datetime(2026, 1, 31, 8, 15, 30, 7_000, tzinfo=UTC)
MOMENT_MS = 1_769_847_330_007
YEAR_2200_MS = 7_258_118_400_000


def test_milliseconds_have_three_digits_always() -> None:
    assert format_milliseconds(MOMENT_MS) == "2026-01-31T08:15:30.007Z"
    assert format_milliseconds(0) == "1970-01-01T00:00:00.000Z"


def test_whole_seconds_are_cut_not_rounded() -> None:
    assert format_seconds(MOMENT_MS) == "2026-01-31T08:15:30Z"
    assert format_seconds(999) == "1970-01-01T00:00:00Z"


def test_both_forms_are_read_as_utc() -> None:
    assert parse("2026-01-31T08:15:30.007Z") == MOMENT
    assert parse("2026-01-31T08:15:30Z") == MOMENT.replace(microsecond=0)
    assert parse("2026-01-31T08:15:30Z").tzinfo is UTC


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "2026-01-31",
        "2026-01-31T08:15:30",
        "2026-01-31 08:15:30Z",
        "2026-01-31T08:15:30+01:00",
        "2026-01-31T08:15:30.1Z",
        "2026-01-31T08:15:30.123456Z",
        "2026-02-30T08:15:30Z",
        "2026-01-31T08:15:30Z\n",
        "٢٠٢٦-01-31T08:15:30Z",
    ],
)
def test_any_other_form_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError):
        parse(text)


@given(st.integers(0, YEAR_2200_MS))
def test_what_is_written_is_read_as_the_same_moment(ms: int) -> None:
    assert round(parse(format_milliseconds(ms)).timestamp() * 1000) == ms
    assert round(parse(format_seconds(ms)).timestamp()) == ms // 1000


@given(st.integers(0, YEAR_2200_MS), st.integers(0, YEAR_2200_MS))
def test_dates_sort_as_text(first: int, second: int) -> None:
    assert (format_milliseconds(first) <= format_milliseconds(second)) == (first <= second)
