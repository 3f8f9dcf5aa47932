"""Pages of items, over REST."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from support.collections import CollectionsApi, error
from support.server import RunningServer

COUNT = 1_050


@dataclass(frozen=True)
class Filled:
    """A collection of `COUNT` items; `ids`: their keys or indexes, in ascending order."""

    api: CollectionsApi
    sid: str
    id_name: str
    ids: list[Any]

    def page(self, **query: str | int) -> Any:
        return self.api.ok("GET", self.sid, "Items", params=query)

    def ids_of(self, page: Any) -> list[Any]:
        return [item[self.id_name] for item in page["items"]]

    def refusal(self, **query: str | int) -> tuple[int, int]:
        return error(self.api.call("GET", self.sid, "Items", params=query))


@pytest.fixture(scope="module", params=["Lists", "Maps"])
def filled(server: RunningServer, request: pytest.FixtureRequest) -> Iterator[Filled]:
    with CollectionsApi(server, request.param) as api:
        sid = api.create()["sid"]
        if request.param == "Lists":
            api.fill(sid, [{"op": "add", "data": {}}] * COUNT)
            yield Filled(api, sid, "index", list(range(COUNT)))
        else:
            # Not in the order of their making; `ä` and `/` follow the letters of ASCII in UTF-8.
            keys = [f"{number % 7}/{number}ä" for number in range(COUNT)]
            api.fill(sid, [{"op": "add", "key": key, "data": {}} for key in keys])
            yield Filled(api, sid, "key", sorted(keys, key=str.encode))


@pytest.mark.parametrize("order", ["asc", "desc"])
def test_urls_lead_through_all_items_and_back(filled: Filled, order: str) -> None:
    expected = filled.ids if order == "asc" else filled.ids[::-1]
    page = filled.page(Order=order, PageSize=100)
    assert page["meta"]["key"] == "items"
    found, pages = filled.ids_of(page), [filled.ids_of(page)]
    while (url := page["meta"]["next_page_url"]) is not None:
        page = filled.api.page(url)
        found += filled.ids_of(page)
        pages.append(filled.ids_of(page))
    assert found == expected
    for earlier in pages[-2::-1]:
        page = filled.api.page(page["meta"]["previous_page_url"])
        assert filled.ids_of(page) == earlier
    assert page["meta"]["previous_page_url"] is None


@pytest.mark.parametrize("order", ["asc", "desc"])
def test_a_token_alone_has_order_and_size(filled: Filled, order: str) -> None:
    expected = filled.ids if order == "asc" else filled.ids[::-1]
    page = filled.page(Order=order, PageSize=30)
    for start in (30, 60):
        query = parse_qs(urlsplit(page["meta"]["next_page_url"]).query)
        page = filled.page(PageToken=query["PageToken"][0])
        assert filled.ids_of(page) == expected[start : start + 30]
        assert page["meta"]["page_size"] == 30


def test_the_default_is_fifty_in_ascending_order(filled: Filled) -> None:
    page = filled.page()
    assert filled.ids_of(page) == filled.ids[:50]
    assert (page["meta"]["page"], page["meta"]["page_size"]) == (0, 50)
    assert len(filled.page(PageSize=5000)["items"]) == 100


def test_from_and_bounds(filled: Filled) -> None:
    start = filled.ids[500]
    for query, expected in [
        ({"From": start}, filled.ids[500:550]),
        ({"From": start, "Bounds": "exclusive"}, filled.ids[501:551]),
        ({"From": start, "Order": "desc"}, filled.ids[500:450:-1]),
        ({"From": start, "Order": "desc", "Bounds": "exclusive"}, filled.ids[499:449:-1]),
    ]:
        page = filled.page(**query)
        assert filled.ids_of(page) == expected
        first = filled.api.page(page["meta"]["first_page_url"])
        assert filled.ids_of(first) == expected
        following = filled.api.page(page["meta"]["next_page_url"])
        back = filled.api.page(following["meta"]["previous_page_url"])
        assert filled.ids_of(back) == expected
        again = filled.api.page(following["meta"]["first_page_url"])
        assert filled.ids_of(again) == expected


def test_from_need_not_exist(filled: Filled) -> None:
    beyond: str | int = COUNT + 5 if filled.id_name == "index" else "zzz"
    page = filled.page(From=beyond)
    assert page["items"] == []
    assert page["meta"]["next_page_url"] is None
    before = filled.api.page(page["meta"]["previous_page_url"])
    assert filled.ids_of(before) == filled.ids[-50:]
    assert filled.ids_of(filled.page(From=beyond, Order="desc", PageSize=2)) == [
        *filled.ids[:-3:-1]
    ]


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"Order": "up"}, 54451),
        ({"Bounds": "both"}, 54452),
        ({"PageToken": "x"}, 54453),
        ({"PageToken": ""}, 54453),
        ({"PageSize": "0"}, 54454),
        ({"PageSize": "ten"}, 54454),
        ({"Page": "-1"}, 20422),
        ({"Ordr": "asc"}, 20001),
    ],
)
def test_the_errors_of_a_page(filled: Filled, query: dict[str, str], code: int) -> None:
    assert filled.refusal(**query) == (400, code)


def test_from_must_be_an_id(filled: Filled) -> None:
    if filled.id_name == "index":
        for start in ("x", "-1", "1.5", ""):
            assert filled.refusal(From=start) == (400, 54458)
    else:
        for start in ("", "x" * 321):
            assert filled.refusal(From=start) == (400, 54209)


def test_a_token_of_another_collection_is_refused(filled: Filled) -> None:
    url = filled.page()["meta"]["next_page_url"]
    [token] = parse_qs(urlsplit(url).query)["PageToken"]
    other = filled.api.create()["sid"]
    reply = filled.api.call("GET", other, "Items", params={"PageToken": token})
    assert error(reply) == (400, 54453)
    listing = filled.api.call("GET", params={"PageToken": token})
    assert error(listing) == (400, 54453)


def test_a_walk_meets_each_item_that_stays_once(filled: Filled) -> None:
    sid = filled.api.create()["sid"]
    adds = [
        {"op": "add", "data": {}} | ({} if filled.id_name == "index" else {"key": f"k{number:02}"})
        for number in range(9)
    ]
    filled.api.fill(sid, adds)
    page = filled.api.ok("GET", sid, "Items", params={"PageSize": 3})
    ids = filled.ids_of(page)
    # The last item of the page is gone before the next page is read.
    filled.api.ok("DELETE", sid, "Items", ids[-1])
    filled.api.fill(sid, [adds[0] | ({} if filled.id_name == "index" else {"key": "k99"})])
    found = list(ids)
    while (url := page["meta"]["next_page_url"]) is not None:
        page = filled.api.page(url)
        found += filled.ids_of(page)
    assert len(found) == len(set(found)) == 10


def test_an_empty_collection_has_one_empty_page(filled: Filled) -> None:
    sid = filled.api.create()["sid"]
    page = filled.api.ok("GET", sid, "Items")
    assert page["items"] == []
    assert page["meta"]["previous_page_url"] is None
    assert page["meta"]["next_page_url"] is None


class TestNamedItems:
    def page(self, filled: Filled, ids: list[Any], *more: tuple[str, str]) -> Any:
        name = filled.id_name.capitalize()
        params = [(name, str(each)) for each in ids] + list(more)
        return filled.api.call("GET", filled.sid, "Items", params=params)

    def test_they_come_on_one_page_in_the_order_asked_for(self, filled: Filled) -> None:
        absent: str | int = COUNT + 5 if filled.id_name == "index" else "zzz"
        ids = filled.ids[200:0:-1]
        reply = self.page(filled, [*ids, absent, ids[0]])
        assert reply.status_code == 200
        page = reply.json()
        assert filled.ids_of(page) == filled.ids[1:201]
        assert page["meta"]["next_page_url"] is page["meta"]["previous_page_url"] is None
        reply = self.page(filled, ids, ("Order", "desc"))
        assert filled.ids_of(reply.json()) == filled.ids[200:0:-1]

    def test_more_than_a_part_may_have(self, filled: Filled) -> None:
        assert error(self.page(filled, filled.ids[:257])) == (400, 20422)

    def test_where_a_page_begins_is_not_named_beside_them(self, filled: Filled) -> None:
        token = parse_qs(urlsplit(filled.page()["meta"]["next_page_url"]).query)["PageToken"][0]
        for more in (("From", str(filled.ids[0])), ("PageToken", token)):
            assert error(self.page(filled, filled.ids[:2], more)) == (400, 20422)

    def test_a_wrong_one(self, filled: Filled) -> None:
        wrong, code = ("-1", 54458) if filled.id_name == "index" else ("k" * 321, 54209)
        assert error(self.page(filled, [filled.ids[0], wrong])) == (400, code)
