from __future__ import annotations

import base64
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import orjson
import pytest

from syncline_protocol.errors import Code, Refusal
from syncline_protocol.item_types import LIST_ITEMS, MAP_ITEMS, ItemType
from syncline_protocol.items import ItemQuery, index_key
from syncline_server.http.item_paging import ItemCursor, ItemPageRequest

URL = "http://sync.test/v1/Services/default/Maps/m/Items"
MAP = "MP" + "0" * 32
LIST = "ES" + "0" * 32


def asked(query: str, items: ItemType = MAP_ITEMS) -> ItemPageRequest:
    return ItemPageRequest.of(query.encode(), items)


def test_the_defaults_are_the_first_fifty_in_ascending_order() -> None:
    assert asked("").cursor.query == ItemQuery(
        start=None, is_inclusive=True, is_descending=False, size=50
    )


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("Order=desc", ItemQuery(is_descending=True)),
        ("Order=asc&PageSize=5000", ItemQuery(size=100)),
        ("From=a%2Fb%25&PageSize=2", ItemQuery(start="a/b%", size=2)),
        ("From=a&Bounds=exclusive", ItemQuery(start="a", is_inclusive=False)),
        ("From=a&Bounds=inclusive&Order=desc", ItemQuery(start="a", is_descending=True)),
    ],
)
def test_a_query_says_which_items(query: str, expected: ItemQuery) -> None:
    assert asked(query).cursor.query == expected


def test_a_list_counts_from_an_index() -> None:
    assert asked("From=7", LIST_ITEMS).cursor.query.start == index_key(7)


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("Order=up", Code.INVALID_ORDER),
        ("Order=", Code.INVALID_ORDER),
        ("Order=asc&Order=desc", Code.INVALID_ORDER),
        ("Bounds=both", Code.INVALID_BOUNDS),
        ("PageSize=0", Code.INVALID_PAGE_SIZE),
        ("Page=-1", Code.INVALID_PARAMETER),
        ("From=", Code.INVALID_ITEM_KEY),
        ("From=" + "x" * 321, Code.INVALID_ITEM_KEY),
        ("From=a&From=b", Code.INVALID_ITEM_KEY),
        ("PageToken=", Code.INVALID_PAGE_TOKEN),
        ("PageToken=x", Code.INVALID_PAGE_TOKEN),
        ("PageToken=PAabc", Code.INVALID_PAGE_TOKEN),
        ("PageToken=%C3%A9", Code.INVALID_PAGE_TOKEN),
    ],
)
def test_what_cannot_be_a_page_is_refused(query: str, code: Code) -> None:
    with pytest.raises(Refusal) as caught:
        asked(query)
    assert caught.value.code is code


@pytest.mark.parametrize("start", ["x", "-1", "1.5", "01"])
def test_a_list_counts_from_no_text(start: str) -> None:
    with pytest.raises(Refusal, match="From is wrong") as caught:
        asked(f"From={start}", LIST_ITEMS)
    assert caught.value.code is Code.INVALID_INDEX


CURSOR = ItemCursor(
    sid=MAP, key="é/ü", is_inclusive=False, is_descending=True, is_backwards=True, size=7, first="f"
)


def test_a_token_alone_says_all() -> None:
    assert asked(f"PageToken={CURSOR.token()}").cursor == CURSOR
    # Read towards the beginning of a descending order: ascending.
    assert CURSOR.query == ItemQuery(start="é/ü", is_inclusive=False, is_descending=False, size=7)


def test_order_and_size_beside_a_token_count_from_there_on() -> None:
    changed = asked(f"PageToken={CURSOR.token()}&Order=asc&PageSize=3&From=other").cursor
    assert changed == replace(CURSOR, is_descending=False, size=3)


@pytest.mark.parametrize(
    "token",
    [
        CURSOR.token() + "=",
        CURSOR.token()[:-1],
        CURSOR.token()[:5] + "." + CURSOR.token()[5:],
        replace(CURSOR, sid=LIST).token(),
        replace(CURSOR, sid="MP").token(),
        replace(CURSOR, size=101).token(),
        replace(CURSOR, size=0).token(),
        replace(CURSOR, key="x" * 321).token(),
        replace(CURSOR, first="").token(),
    ],
)
def test_another_token_is_refused(token: str) -> None:
    with pytest.raises(Refusal) as caught:
        asked(f"PageToken={quote(token)}")
    assert caught.value.code is Code.INVALID_PAGE_TOKEN


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"[]", b"[1,2,3,4,5]", b'["MP",[],0,50,null]', b"null", b"\xff"]
)
def test_no_forged_token_is_more_than_refused(content: bytes) -> None:
    token = "PT" + base64.urlsafe_b64encode(content).decode().rstrip("=")
    with pytest.raises(Refusal) as caught:
        asked(f"PageToken={token}")
    assert caught.value.code is Code.INVALID_PAGE_TOKEN


def test_a_token_of_another_collection_is_refused() -> None:
    request = asked(f"PageToken={CURSOR.token()}")
    request.check_collection(MAP)
    with pytest.raises(Refusal) as caught:
        request.check_collection("MP" + "1" * 32)
    assert caught.value.code is Code.INVALID_PAGE_TOKEN
    asked("").check_collection(MAP)


def query_of(url: str) -> dict[str, Any]:
    assert url.startswith(f"{URL}?")
    return {name: value for name, [value] in parse_qs(urlsplit(url).query).items()}


def test_meta_repeats_what_was_asked() -> None:
    meta = asked("From=a%2Fb&Bounds=exclusive&Order=desc&PageSize=2").meta(
        URL, MAP_ITEMS, None, CURSOR
    )
    first = {"From": "a/b", "Bounds": "exclusive", "Order": "desc", "PageSize": "2", "Page": "0"}
    assert query_of(meta["first_page_url"]) == query_of(meta["url"]) == first
    assert (meta["key"], meta["page"], meta["page_size"]) == ("items", 0, 2)
    assert meta["previous_page_url"] is None
    following = query_of(meta["next_page_url"])
    assert following == {"PageToken": CURSOR.token(), "Order": "desc", "PageSize": "2", "Page": "1"}


def test_meta_of_a_page_with_a_token_knows_the_first_page() -> None:
    cursor = replace(CURSOR, first=index_key(3), key=index_key(9), sid=LIST)
    request = asked(f"PageToken={cursor.token()}&Page=4", LIST_ITEMS)
    meta = request.meta(URL, LIST_ITEMS, cursor, None)
    assert query_of(meta["first_page_url"])["From"] == "3"
    assert query_of(meta["url"])["PageToken"] == cursor.token()
    assert query_of(meta["previous_page_url"])["Page"] == "3"
    assert meta["next_page_url"] is None
    assert orjson.dumps(meta)


def test_urls_of_the_longest_keys_stay_below_the_limit_of_urls() -> None:
    key = "🎉" * 320
    cursor = replace(CURSOR, key=key, first=key)
    meta = asked(f"From={quote(key)}").meta(URL, MAP_ITEMS, cursor, cursor)
    assert max(len(url) for name, url in meta.items() if name.endswith("url") and url) < 8192
