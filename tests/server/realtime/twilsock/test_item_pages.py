"""Pages of items as the SDKs of every age ask for them."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from support.server import RunningServer
from support.v3 import TRANSPORTS, Call, below

COUNT = 12

KEYS = [f"k{n:02}" for n in range(COUNT)]


async def filled(call: Call, count: int = COUNT) -> str:
    """The path of the items of a map with the first `count` of `KEYS`."""
    made = (await call("POST", "/v3/Maps", {}))[1]
    path = below(made["links"]["items"])
    for key in KEYS[:count]:
        assert (await call("PUT", f"{path}/{key}", {"data": {"k": key}}))[0] == 201
    return path


async def read(call: Call, path: str, query: str) -> tuple[list[str], Any]:
    status, page = await call("GET", f"{path}?{query}")
    assert status == 200, page
    assert all(item["data"] == {"k": item["key"]} for item in page["items"])
    return [item["key"] for item in page["items"]], page["meta"]


def ends(meta: Any) -> tuple[bool, bool]:
    """True for each side on which there is more."""
    return meta["previous_token"] is not None, meta["next_token"] is not None


@pytest.mark.parametrize("order", ["asc", "desc"])
async def test_javascript_of_today_pages_by_the_last_key(call: Call, order: str) -> None:
    """Inclusive, without a token, and one item more; it asks only whether tokens are null."""
    path = await filled(call)
    keys = KEYS if order == "asc" else KEYS[::-1]
    page, meta = await read(call, path, f"HideExpired=true&PageSize=5&Order={order}")
    assert (page, ends(meta)) == (keys[:5], (False, True))
    page, meta = await read(call, path, f"From={page[-1]}&PageSize=6&Order={order}")
    assert (page, ends(meta)) == (keys[4:10], (True, True))
    page, meta = await read(call, path, f"From={page[-1]}&PageSize=6&Order={order}")
    assert (page, ends(meta)) == (keys[9:], (True, False))
    # Back: the order turned round, from the first key.
    back = "desc" if order == "asc" else "asc"
    page, meta = await read(call, path, f"From={page[0]}&PageSize=100&Order={back}")
    assert (page, ends(meta)) == (keys[9::-1], (True, False))
    page, meta = await read(call, path, f"From={keys[0]}&PageSize=100&Order={order}")
    assert (page, ends(meta)) == (keys, (False, False))


@pytest.mark.parametrize("order", ["asc", "desc"])
async def test_older_sdks_page_by_the_token_alone(call: Call, order: str) -> None:
    path = await filled(call)
    keys = KEYS if order == "asc" else KEYS[::-1]
    pages, query = [], f"PageSize=5&Order={order}"
    while True:
        page, meta = await read(call, path, query)
        pages.append(page)
        if meta["next_token"] is None:
            break
        query = f"PageToken={quote(meta['next_token'], safe='')}"
    assert pages == [keys[:5], keys[5:10], keys[10:]]
    page, meta = await read(call, path, f"PageToken={meta['previous_token']}")
    assert (page, ends(meta)) == (keys[5:10], (True, True))
    # What is given beside a token counts for that page and all that follow.
    page, meta = await read(call, path, f"PageToken={meta['previous_token']}&PageSize=2")
    assert page == keys[3:5]
    page, meta = await read(call, path, f"PageToken={meta['previous_token']}")
    assert page == keys[1:3]


async def test_kotlin_names_the_bounds(call: Call) -> None:
    path = await filled(call)
    page, meta = await read(call, path, "Order=asc&PageSize=2&Bounds=inclusive&From=k03")
    assert (page, ends(meta)) == (["k03", "k04"], (True, True))
    page, meta = await read(call, path, "Order=desc&PageSize=2&Bounds=exclusive&From=k03")
    assert (page, ends(meta)) == (["k02", "k01"], (True, True))
    page, meta = await read(call, path, "Order=asc&PageSize=1&Bounds=inclusive&From=k03a")
    assert (page, ends(meta)) == (["k04"], (True, True))
    page, meta = await read(call, path, "Order=asc&PageSize=9&Bounds=inclusive&From=z")
    assert (page, ends(meta)) == ([], (True, False))


async def test_empty_collection_has_no_tokens(call: Call) -> None:
    path = await filled(call, 0)
    for query in ("", "Order=desc&PageSize=2", "From=a&Bounds=inclusive"):
        page, meta = await read(call, path, query)
        assert (page, ends(meta)) == ([], (False, False))


async def test_list_is_in_the_order_of_its_indexes(call: Call) -> None:
    made = (await call("POST", "/v3/Lists", {}))[1]
    path = below(made["links"]["items"])
    for n in range(COUNT):
        await call("POST", path, {"data": {"n": n}})
    page = (await call("GET", f"{path}?Order=desc&PageSize=4&From=10"))[1]
    assert [item["index"] for item in page["items"]] == [10, 9, 8, 7]
    token = page["meta"]["next_token"]
    page = (await call("GET", f"{path}?PageToken={token}"))[1]
    assert [item["index"] for item in page["items"]] == [6, 5, 4, 3]


async def test_large_page_is_cut_to_a_hundred(server: RunningServer) -> None:
    async with TRANSPORTS[0](server) as call:
        made = (await call("POST", "/v3/Lists", {}))[1]
        path = below(made["links"]["items"])
        for _ in range(101):
            await call("POST", path, {"data": {}})
        for query in ("PageSize=500", "PageSize=1000", "PageSize=100", "PageSize=5000"):
            page = (await call("GET", f"{path}?{query}"))[1]
            assert len(page["items"]) == 100
            assert ends(page["meta"]) == (False, True)
        fetched = (await call("GET", f"{below(made['url'])}?Include=items"))[1]
        assert len(fetched["items"]) == 100
        assert len((await call("GET", path))[1]["items"]) == 50


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("Order=up", 54451),
        ("Bounds=both&From=a", 54452),
        ("PageToken=x", 54453),
        ("PageSize=0", 54454),
        ("PageSize=-1", 54454),
        ("From=", 54209),
        ("From=%zz", 20400),
        ("From=%ff", 20400),
        ("From=a&Key=", 54209),
    ],
)
async def test_query_that_is_wrong(call: Call, query: str, code: int) -> None:
    path = await filled(call, 1)
    status, refusal = await call("GET", f"{path}?{query}")
    assert (status, refusal["status"], refusal["code"]) == (400, 400, code)


async def test_token_of_another_collection(call: Call) -> None:
    path, other = await filled(call, 2), await filled(call, 2)
    _, meta = await read(call, path, "PageSize=1")
    status, refusal = await call("GET", f"{other}?PageToken={meta['next_token']}")
    assert (status, refusal["code"]) == (400, 54453)
