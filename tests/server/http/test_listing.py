from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest

from support.api import DocumentsApi
from support.limits import WAIT_LIMIT
from support.server import RunningServer


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DocumentsApi]:
    """A server whose documents nobody else makes."""
    with RunningServer(tmp_path_factory.mktemp("listing") / "data") as server:
        with DocumentsApi(server) as api:
            yield api


@pytest.fixture(autouse=True)
def empty(own: DocumentsApi) -> None:
    for page in pages(own, PageSize=100):
        for document in page["documents"]:
            own.call("DELETE", document["sid"])


def pages(api: DocumentsApi, **query: int) -> list[Any]:
    found = [api.page(**query)]
    while url := found[-1]["meta"]["next_page_url"]:
        found.append(api.page(url))
    return found


def sids(*found: Any) -> list[str]:
    return [document["sid"] for page in found for document in page["documents"]]


def create(api: DocumentsApi, count: int) -> list[str]:
    return [api.create()["sid"] for _ in range(count)]


def test_a_service_without_documents(own: DocumentsApi) -> None:
    page = own.page()
    assert page["documents"] == []
    assert page["meta"]["next_page_url"] is None
    assert page["meta"]["previous_page_url"] is None


def test_a_page_holds_the_resources(own: DocumentsApi) -> None:
    document = own.create(Data='{"a":1}')
    assert own.page()["documents"] == [document]


def test_fifty_on_a_page_unless_asked_otherwise_and_never_more_than_a_hundred(
    own: DocumentsApi,
) -> None:
    made = create(own, 101)
    assert len(own.page()["documents"]) == 50
    page = own.page(PageSize=1001)
    assert len(page["documents"]) == page["meta"]["page_size"] == 100
    assert Counter(sids(*pages(own, PageSize=1001))) == Counter(made)


@pytest.mark.parametrize("size", [1, 2, 3, 5, 6, 7])
def test_the_pages_lead_to_every_document_once_and_back(own: DocumentsApi, size: int) -> None:
    made = create(own, 6)
    there = pages(own, PageSize=size)
    assert Counter(sids(*there)) == Counter(made)
    assert [page["meta"]["page"] for page in there] == list(range(len(there)))
    back = [there[-1]]
    while url := back[-1]["meta"]["previous_page_url"]:
        back.append(own.page(url))
    assert [sids(page) for page in reversed(back)] == [sids(page) for page in there]


def test_the_urls_of_meta_are_absolute_and_keep_the_size(
    own: DocumentsApi,
) -> None:
    create(own, 3)
    first, second, *_ = pages(own, PageSize=1)
    for url in (second["meta"][f"{which}_page_url"] for which in ("first", "previous", "next")):
        assert url.startswith(own.url.partition("/v1/")[0])
        assert parse_qs(urlsplit(url).query)["PageSize"] == ["1"]
    assert own.page(second["meta"]["url"]) == second
    assert own.page(second["meta"]["first_page_url"]) == first
    assert second["meta"]["key"] == "documents"


def test_an_expired_document_is_not_listed(own: DocumentsApi) -> None:
    kept = own.create()["sid"]
    gone = own.create(Ttl="1")["sid"]
    deadline = time.monotonic() + 10
    while own.call("GET", gone).status_code == 200 and time.monotonic() < deadline:
        pass
    assert sids(own.page()) == [kept]


async def test_what_exists_throughout_is_listed_once_while_others_come_and_go(
    own: DocumentsApi,
) -> None:
    stable = create(own, 120)
    async with httpx2.AsyncClient(auth=own.http.auth, timeout=WAIT_LIMIT) as http:

        async def come_and_go() -> None:
            """One is there at any time, and another each time."""
            before = None
            while True:
                created = (await http.post(own.url)).json()["sid"]
                come.release()
                if before is not None:
                    await http.delete(f"{own.url}/{before}")
                before = created

        async def listed(size: int) -> list[str]:
            url, found = f"{own.url}?PageSize={size}", []
            while url:
                page = (await http.get(url)).json()
                found += sids(page)
                url = page["meta"]["next_page_url"]
            return found

        come = asyncio.Semaphore(0)
        churn = [asyncio.create_task(come_and_go()) for _ in range(4)]
        try:
            async with asyncio.timeout(WAIT_LIMIT):
                await come.acquire()
            seen = [Counter(await listed(size)) for size in (1, 7, 50)]
        finally:
            for task in churn:
                task.cancel()
            await asyncio.gather(*churn, return_exceptions=True)
    assert any(len(counts) > len(stable) for counts in seen), "nothing came and went"
    for counts in seen:
        assert {sid: counts[sid] for sid in stable} == dict.fromkeys(stable, 1)
        assert max(counts.values()) == 1
