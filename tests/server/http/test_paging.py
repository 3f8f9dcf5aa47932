from __future__ import annotations

import pytest

from syncline_protocol.errors import Code, Refusal
from syncline_server.http.paging import PageRequest

URL = "http://sync.test/v1/Services/default/Documents"


def test_the_defaults_are_the_first_page_of_fifty() -> None:
    assert PageRequest.of(b"") == PageRequest(50, 0, None)


@pytest.mark.parametrize(
    ("asked", "size"),
    [
        (b"1", 1),
        (b"050", 50),
        (b"100", 100),
        (b"101", 100),
        (b"1001", 100),
        (b"5000", 100),
        (b"9" * 5000, 100),
    ],
)
def test_a_size_above_the_largest_is_taken_as_that(asked: bytes, size: int) -> None:
    page = PageRequest.of(b"PageSize=" + asked)
    meta = page.meta("documents", URL, None, "next")
    assert page.size == meta["page_size"] == size
    assert f"PageSize={size}&" in meta["next_page_url"]


def test_the_number_and_the_token_come_from_the_query() -> None:
    query = b"PageSize=2&Page=3&PageToken=PT%2B1&Order=asc"
    assert PageRequest.of(query) == PageRequest(2, 3, "PT+1")


@pytest.mark.parametrize(
    ("query", "code", "sentence"),
    [
        (b"PageSize=0", Code.INVALID_PAGE_SIZE, "'0' was given"),
        (b"PageSize=000", Code.INVALID_PAGE_SIZE, "at least 1;"),
        (b"PageSize=-1", Code.INVALID_PAGE_SIZE, "'-1'"),
        (b"PageSize=", Code.INVALID_PAGE_SIZE, "''"),
        (b"PageSize=ten", Code.INVALID_PAGE_SIZE, "'ten'"),
        (b"PageSize=1.5", Code.INVALID_PAGE_SIZE, "'1.5'"),
        (b"PageSize=-" + b"9" * 5000, Code.INVALID_PAGE_SIZE, "…"),
        ("PageSize=٣".encode(), Code.INVALID_PAGE_SIZE, "whole number"),
        (b"PageSize=1&PageSize=2", Code.INVALID_PAGE_SIZE, "given 2 times"),
        (b"PageToken=", Code.INVALID_PAGE_TOKEN, "PageToken must not be empty"),
        (b"PageToken=a&PageToken=b", Code.INVALID_PAGE_TOKEN, "given 2 times"),
        (b"Page=-1", Code.INVALID_PARAMETER, "Page must be a whole number"),
        (b"Page=x", Code.INVALID_PARAMETER, "'x' was given"),
        (b"Page=%zz", Code.BAD_REQUEST, "Page in the query has a percent sign"),
    ],
)
def test_what_cannot_be_a_page_is_refused(query: bytes, code: Code, sentence: str) -> None:
    with pytest.raises(Refusal) as caught:
        PageRequest.of(query)
    assert caught.value.code is code
    assert sentence in caught.value.message


def test_meta_of_the_only_page() -> None:
    assert PageRequest(50, 0, None).meta("documents", URL, None, None) == {
        "key": "documents",
        "page": 0,
        "page_size": 50,
        "url": f"{URL}?PageSize=50&Page=0",
        "first_page_url": f"{URL}?PageSize=50&Page=0",
        "previous_page_url": None,
        "next_page_url": None,
    }


def test_meta_of_a_page_between_others() -> None:
    meta = PageRequest(2, 3, "now").meta("services", URL, "before", "a+b")
    assert meta["key"] == "services"
    assert meta["url"] == f"{URL}?PageSize=2&Page=3&PageToken=now"
    assert meta["first_page_url"] == f"{URL}?PageSize=2&Page=0"
    assert meta["previous_page_url"] == f"{URL}?PageSize=2&Page=2&PageToken=before"
    assert meta["next_page_url"] == f"{URL}?PageSize=2&Page=4&PageToken=a%2Bb"


def test_the_url_of_the_next_page_asks_for_it() -> None:
    url: str = PageRequest(2, 0, None).meta("documents", URL, None, "tok en")["next_page_url"]
    assert PageRequest.of(url.partition("?")[2].encode()) == PageRequest(2, 1, "tok en")


def test_a_count_that_lost_its_way_does_not_become_negative() -> None:
    meta = PageRequest(2, 0, "now").meta("documents", URL, "before", None)
    assert meta["previous_page_url"] == f"{URL}?PageSize=2&Page=0&PageToken=before"
