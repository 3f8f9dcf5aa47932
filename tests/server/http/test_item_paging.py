from __future__ import annotations

import base64
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import orjson
import pytest

from syncline_protocol.errors import Code, Refusal
from syncline_protocol.item_commands import ItemQuery
from syncline_protocol.item_keys import index_key
from syncline_protocol.item_types import LIST_ITEMS, MAP_ITEMS, ItemType
from syncline_protocol.items import Item
from syncline_protocol.objects import Header
from syncline_server.http import urlencoded
from syncline_server.http.item_paging import ItemCursor, ItemPageReply, ItemPageRequest

URL = "http://sync.test/v1/Services/default/Maps/m/Items"
MAP = "MP" + "0" * 32
LIST = "ES" + "0" * 32


def asked(query: str, items: ItemType = MAP_ITEMS) -> ItemPageRequest:
    return ItemPageRequest.of(urlencoded.pairs(query.encode(), "the query"), items)


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


@dataclass(frozen=True)
class Page:
    header: Header
    items: list[Item]
    next_key: str | None


class Collection:
    """Items in memory, read as a store reads them."""

    def __init__(self, *keys: str, sid: str = MAP) -> None:
        self._header = Header(
            sid=sid,
            unique_name=None,
            revision=1,
            created_ms=0,
            updated_ms=0,
            expires_ms=None,
            created_by="system",
            updated_by="system",
        )
        self._keys = sorted(keys)

    async def read(self, query: ItemQuery) -> Page:
        keys = self._keys[::-1] if query.is_descending else self._keys
        found = [key for key in keys if self._is_from(query, key)]
        shown = found[: query.size]
        items = [
            Item(
                key=key,
                revision=1,
                born=1,
                data=b"{}",
                created_ms=0,
                updated_ms=0,
                expires_ms=None,
                created_by="system",
                updated_by="system",
            )
            for key in shown
        ]
        return Page(self._header, items, shown[-1] if len(found) > query.size else None)

    def _is_from(self, query: ItemQuery, key: str) -> bool:
        if query.start is None or key == query.start:
            return query.start is None or query.is_inclusive
        return (key < query.start) is query.is_descending


async def keys_of(collection: Collection, query: str) -> tuple[list[str], ItemPageReply]:
    reply = await asked(query).read(collection.read)
    return [item.key for item in reply.items], reply


async def walk(collection: Collection, query: str, name: str) -> list[list[str]]:
    """The pages from that query on, by tokens alone; `name`: `following` or `previous`."""
    pages = []
    while True:
        keys, reply = await keys_of(collection, query)
        pages.append(keys)
        cursor: ItemCursor | None = getattr(reply, name)
        if cursor is None:
            return pages
        query = f"PageToken={cursor.token()}"


@pytest.mark.parametrize("order", ["asc", "desc"])
async def test_tokens_lead_to_the_end_and_back(order: str) -> None:
    collection = Collection(*"abcdefg")
    there = await walk(collection, f"Order={order}&PageSize=3", "following")
    assert there == (
        [["a", "b", "c"], ["d", "e", "f"], ["g"]]
        if order == "asc"
        else [["g", "f", "e"], ["d", "c", "b"], ["a"]]
    )
    _, last = await keys_of(collection, f"Order={order}&PageSize=3&From={there[-1][0]}")
    assert last.previous is not None
    back = await walk(collection, f"PageToken={last.previous.token()}", "previous")
    assert back == there[1::-1]


@pytest.mark.parametrize(
    ("query", "keys", "has_previous", "has_following"),
    [
        ("", "bcd", False, False),
        ("PageSize=2", "bc", False, True),
        ("From=a", "bcd", False, False),
        ("From=b", "bcd", False, False),
        ("From=b&Bounds=exclusive", "cd", True, False),
        ("From=c&PageSize=1", "c", True, True),
        ("From=bb", "cd", True, False),
        ("From=e", "", True, False),
        ("From=d&Bounds=exclusive", "", True, False),
        ("From=a&Order=desc", "", True, False),
        ("From=d&Order=desc", "dcb", False, False),
        ("From=c&Order=desc&Bounds=exclusive", "b", True, False),
    ],
)
async def test_neighbours_are_named_exactly_where_there_are_items(
    query: str, keys: str, has_previous: bool, has_following: bool
) -> None:
    found, reply = await keys_of(Collection(*"bcd"), query)
    assert found == list(keys)
    assert (reply.previous is not None, reply.following is not None) == (
        has_previous,
        has_following,
    )


@pytest.mark.parametrize(
    ("query", "page_before"),
    [("From=e", "cd"), ("From=d&Bounds=exclusive", "cd"), ("From=a&Order=desc", "cb")],
)
async def test_the_page_before_an_empty_page_has_the_items_beside_it(
    query: str, page_before: str
) -> None:
    collection = Collection(*"bcd")
    _, reply = await keys_of(collection, f"{query}&PageSize=2")
    assert reply.previous is not None
    found, _ = await keys_of(collection, f"PageToken={reply.previous.token()}")
    assert found == list(page_before)


async def test_an_empty_collection_has_no_neighbours() -> None:
    for query in ("", "Order=desc", "From=a"):
        found, reply = await keys_of(Collection(), query)
        assert (found, reply.previous, reply.following) == ([], None, None)


async def test_a_token_of_another_collection_is_refused() -> None:
    token = CURSOR.token()
    assert (await keys_of(Collection("a"), f"PageToken={token}"))[0] == []
    with pytest.raises(Refusal) as caught:
        await keys_of(Collection("a", sid="MP" + "1" * 32), f"PageToken={token}")
    assert caught.value.code is Code.INVALID_PAGE_TOKEN


def a_reply(previous: ItemCursor | None, following: ItemCursor | None) -> ItemPageReply:
    header = Collection()._header
    return ItemPageReply(header=header, items=[], previous=previous, following=following)


def query_of(url: str) -> dict[str, Any]:
    assert url.startswith(f"{URL}?")
    return {name: value for name, [value] in parse_qs(urlsplit(url).query).items()}


def test_meta_repeats_what_was_asked() -> None:
    meta = asked("From=a%2Fb&Bounds=exclusive&Order=desc&PageSize=2").meta(
        URL, MAP_ITEMS, a_reply(None, CURSOR)
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
    meta = request.meta(URL, LIST_ITEMS, a_reply(cursor, None))
    assert query_of(meta["first_page_url"])["From"] == "3"
    assert query_of(meta["url"])["PageToken"] == cursor.token()
    assert query_of(meta["previous_page_url"])["Page"] == "3"
    assert meta["next_page_url"] is None
    assert orjson.dumps(meta)


def test_urls_of_the_longest_keys_stay_below_the_limit_of_urls() -> None:
    key = "🎉" * 320
    cursor = replace(CURSOR, key=key, first=key)
    meta = asked(f"From={quote(key)}").meta(URL, MAP_ITEMS, a_reply(cursor, cursor))
    assert max(len(url) for name, url in meta.items() if name.endswith("url") and url) < 8192
