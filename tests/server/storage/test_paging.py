from __future__ import annotations

import pytest

from syncline_protocol.errors import Code, Refusal
from syncline_server.storage.paging import Cursor, Page, read_page
from syncline_server.storage.redis.client import Redis
from syncline_server.storage.redis.connection import Connection

NAMES = ["a", "b/é", "c", "d\0", "e"]


@pytest.fixture
async def index(admin: Connection, service_sid: str) -> str:
    """An index with `NAMES`."""
    index = f"{{{service_sid}}}:index"
    await admin.execute("ZADD", index, *(part for name in NAMES for part in ("0", name)))
    return index


async def test_forward_to_the_end_and_back_to_the_start(redis: Redis, index: str) -> None:
    pages = [await read_page(redis, index, 2, None)]
    while pages[-1].next:
        pages.append(await read_page(redis, index, 2, pages[-1].next))
    assert [page.items for page in pages] == [NAMES[:2], NAMES[2:4], NAMES[4:]]

    back = [await read_page(redis, index, 2, pages[-1].previous)]
    while back[-1].previous:
        back.append(await read_page(redis, index, 2, back[-1].previous))
    assert [page.items for page in back] == [NAMES[2:4], NAMES[:2]]
    assert (await read_page(redis, index, 2, back[-1].next)).items == NAMES[2:4]


async def test_an_empty_index_has_one_page(redis: Redis, service_sid: str) -> None:
    assert await read_page(redis, f"{{{service_sid}}}:none", 5, None) == Page([], None, None)


async def test_before_the_first_is_an_empty_page_that_leads_on(redis: Redis, index: str) -> None:
    second = await read_page(redis, index, 4, None)
    assert second.next is not None
    before = await read_page(
        redis, index, 4, (await read_page(redis, index, 4, second.next)).previous
    )
    assert before.items == NAMES[:4]
    nothing = await read_page(redis, index, 4, "PBYQ")  # before "a"
    assert (nothing.items, nothing.previous) == ([], None)
    assert (await read_page(redis, index, 4, nothing.next)).items == NAMES[1:]


async def test_what_is_taken_out_meanwhile_hides_nothing(
    redis: Redis, admin: Connection, index: str
) -> None:
    page = await read_page(redis, index, 2, None)
    await admin.execute("ZREM", index, "b/é", "c")
    assert (await read_page(redis, index, 2, page.next)).items == ["d\0", "e"]


@pytest.mark.parametrize(
    "token", ["", "PA", "PB", "PAYQ==", "PCYQ", "PA*Q", "PAYR", "payq", "PA_w", "ä", "PA\0", "YQ"]
)
def test_a_token_that_no_page_gave(token: str) -> None:
    with pytest.raises(Refusal, match="PageToken must be one from the meta of a page") as caught:
        Cursor.parse(token)
    assert caught.value.code is Code.INVALID_PAGE_TOKEN
