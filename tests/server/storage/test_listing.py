from __future__ import annotations

import asyncio
import base64
import random
import re
from collections.abc import Awaitable

import pytest

from support.store import Elapse, Service, Store, refused
from syncline_protocol.documents import Document
from syncline_protocol.errors import Code
from syncline_protocol.objects import DOCUMENT
from syncline_protocol.sids import bucket_of_name
from syncline_server.storage import keys
from syncline_server.storage.filled_buckets import FilledBuckets
from syncline_server.storage.listing import Listing
from syncline_server.storage.objects import Objects
from syncline_server.storage.redis.client import Redis
from syncline_server.storage.redis.connection import Connection
from syncline_server.storage.services import Services


class Pages:
    """The documents of one service, page by page."""

    def __init__(self, listing: Listing, service_sid: str) -> None:
        self._listing = listing
        self._service_sid = service_sid

    async def page(
        self, size: int, token: str | None = None
    ) -> tuple[list[str], str | None, str | None]:
        """SIDs, and the tokens of the pages before and after."""
        page = await self._listing.page(self._service_sid, DOCUMENT, size, token)
        return [document.sid for document in page.items], page.previous, page.next

    async def forward(self, size: int) -> list[list[str]]:
        """Every page, from the first to the last."""
        sids, _, token = await self.page(size)
        pages = [sids]
        while token is not None:
            sids, _, token = await self.page(size, token)
            pages.append(sids)
        return pages

    async def last(self, size: int) -> str | None:
        """The token of the page before the last one."""
        _, previous, token = await self.page(size)
        while token is not None:
            _, previous, token = await self.page(size, token)
        return previous


@pytest.fixture
def pages(redis: Redis, objects: Objects, service_sid: str) -> Pages:
    return Pages(Listing(redis, objects, 100), service_sid)


async def fill(service: Service, count: int) -> list[str]:
    """SIDs of new documents, in the order of the list."""
    made = await asyncio.gather(*(service.create() for _ in range(count)))
    return sorted(document.sid for document in made)


def names_of_one_bucket(count: int) -> list[str]:
    bucket = bucket_of_name("0")
    numbers = (n for n in range(1_000_000) if bucket_of_name(f"{n}") == bucket)
    return [f"{next(numbers)}" for _ in range(count)]


async def test_an_empty_service_has_one_empty_page(pages: Pages) -> None:
    assert await pages.page(50) == ([], None, None)


@pytest.mark.parametrize("count", [1, 4, 5, 6, 10, 33])
async def test_every_document_is_on_one_page(pages: Pages, service: Service, count: int) -> None:
    sids = await fill(service, count)
    found = await pages.forward(5)
    assert [sid for page in found for sid in page] == sids
    assert [len(page) for page in found[:-1]] == [5] * (len(found) - 1)
    assert 1 <= len(found[-1]) <= 5


async def test_a_thousand_documents_and_more(pages: Pages, service: Service) -> None:
    sids = await fill(service, 1100)
    for size in (1000, 100, 1100, 1101):
        found = await pages.forward(size)
        assert [sid for page in found for sid in page] == sids
        assert len(found) == -(-1100 // size)


async def test_the_states_are_the_newest(redis: Redis, service: Service) -> None:
    await service.create("prefs", b'{"a":1}')
    document = (await service.set("prefs", b'{"a":2}', 60)).state
    page = await Listing(redis, service.objects, 100).page(service.sid, DOCUMENT, 50, None)
    assert page.items == [document]


async def test_a_page_leads_back_to_the_one_before(pages: Pages, service: Service) -> None:
    sids = await fill(service, 23)
    previous = await pages.last(5)
    found = [sids[20:]]
    while previous is not None:
        page, previous, following = await pages.page(5, previous)
        assert following is not None
        assert (await pages.page(5, following))[0] == found[0]
        found.insert(0, page)
    assert [sid for page in found for sid in page] == sids
    assert [len(page) for page in found] == [5, 5, 5, 5, 3]


async def test_one_bucket_may_hold_them_all(pages: Pages, service: Service) -> None:
    names = names_of_one_bucket(60)
    made = await asyncio.gather(*(service.create(name) for name in names))
    sids = sorted(document.sid for document in made)
    assert len({sid[:4] for sid in sids}) == 1
    assert [sid for page in await pages.forward(7) for sid in page] == sids
    previous = await pages.last(7)
    assert previous is not None
    assert (await pages.page(7, previous))[0] == sids[49:56]


async def test_the_outermost_buckets_count_too(pages: Pages, service: Service) -> None:
    names: dict[int, str] = {}
    for n in range(10_000):
        names.setdefault(bucket_of_name(f"{n}"), f"{n}")
    made = [await service.create(names[bucket]) for bucket in (0, 255)]
    sids = [document.sid for document in made]
    first, previous, following = await pages.page(1)
    assert (first, previous) == (sids[:1], None)
    second, previous, following = await pages.page(1, following)
    assert (second, following) == (sids[1:], None)
    assert (await pages.page(1, previous))[0] == sids[:1]


async def test_what_exists_throughout_is_listed_once_whatever_comes_and_goes(
    pages: Pages, service: Service
) -> None:
    stays = set(await fill(service, 150))
    goes = await fill(service, 150)
    random.shuffle(goes)

    async def disturb() -> None:
        doomed = [goes.pop() for _ in range(min(8, len(goes)))]
        await asyncio.gather(*(service.remove(sid) for sid in doomed))
        await fill(service, 8)

    listed: list[str] = []
    sids, _, token = await pages.page(10)
    while True:
        listed += sids
        if token is None:
            break
        await disturb()
        sids, _, token = await pages.page(10, token)
    assert len(listed) == len(set(listed))
    assert stays <= set(listed)
    assert listed == sorted(listed)


async def test_the_same_backwards(pages: Pages, service: Service) -> None:
    stays = set(await fill(service, 60))
    goes = await fill(service, 60)
    sids, token, _ = await pages.page(10, await pages.last(10))
    listed = list(sids)
    before = {sid for sid in stays if sid <= sids[-1]}
    while token is not None:
        await asyncio.gather(*(service.remove(goes.pop()) for _ in range(min(5, len(goes)))))
        await fill(service, 5)
        sids, token, _ = await pages.page(10, token)
        listed = sids + listed
    assert listed == sorted(set(listed))
    assert before <= set(listed)


async def test_a_page_goes_on_where_its_mark_is_gone(pages: Pages, service: Service) -> None:
    sids = await fill(service, 20)
    _, _, token = await pages.page(10)
    await service.remove(sids[9])
    await service.remove(sids[10])
    assert (await pages.page(10, token))[0] == sids[11:]


async def test_what_is_past_its_expiry_is_not_listed_and_leaves_no_hole(
    pages: Pages, service: Service, elapse: Elapse
) -> None:
    stays = await fill(service, 12)
    expiring: list[Document] = await asyncio.gather(*(service.create(ttl=10) for _ in range(40)))
    assert sum(len(page) for page in await pages.forward(5)) == 12 + len(expiring)
    await elapse(11_000)
    found = await pages.forward(5)
    assert [sid for page in found for sid in page] == stays
    assert [len(page) for page in found] == [5, 5, 2]


@pytest.mark.parametrize(
    "token",
    [
        "",
        "garbage",
        "PA",
        "PB",
        "PA" + "0" * 31,
        "PC" + base64.urlsafe_b64encode(b"ET" + b"0" * 32).decode().rstrip("="),
        "PA" + base64.urlsafe_b64encode(b"IS" + b"0" * 32).decode().rstrip("="),
        "PA" + base64.urlsafe_b64encode(b"ET" + b"0" * 33).decode().rstrip("="),
        "PA" + base64.urlsafe_b64encode(b"ET" + b"F" * 32).decode().rstrip("="),
        "PA" + base64.urlsafe_b64encode(b"ET" + b"0" * 32).decode(),
        "PA" + base64.urlsafe_b64encode(b"ET" + b"0" * 32).decode().rstrip("=") + "\n",
        " PA" + base64.urlsafe_b64encode(b"ET" + b"0" * 32).decode().rstrip("="),
        "PA\xff",
        "PAé",
        "PA\x00",
        "P" * 10_000,
        "PA+",
        "\ud800",
        "PA\ud800",
    ],
)
async def test_a_token_that_no_page_gave_is_refused(pages: Pages, token: str) -> None:
    refusal = await refused(pages.page(5, token), Code.INVALID_PAGE_TOKEN)
    assert len(refusal.message) < 200


SMALL_SERVICE_COMMANDS = 30
"""What a list of a few documents costs at most, with the commands in scripts."""


async def commands_of(admin: Connection, work: Awaitable[object]) -> int:
    """How many commands Redis carried out for something."""
    await admin.execute("CONFIG", "RESETSTAT")
    await work
    stats = (await admin.execute("INFO", "commandstats")).decode()
    return sum(
        int(calls) for calls in re.findall(r"^cmdstat_(?!config|info).*?calls=(\d+)", stats, re.M)
    )


@pytest.fixture
async def new_service_sid(redis: Redis) -> str:
    """One that was made as the API makes it."""
    return (await Services(redis).create({}, 100_000)).sid


@pytest.mark.parametrize(("count", "size"), [(0, 50), (3, 50), (5, 1), (300, 1)])
async def test_a_small_page_costs_few_commands(
    redis: Redis,
    objects: Objects,
    new_service_sid: str,
    admin: Connection,
    count: int,
    size: int,
) -> None:
    await fill(Service(objects, new_service_sid), count)
    pages = Pages(Listing(redis, objects, 100), new_service_sid)
    assert await commands_of(admin, pages.page(size)) <= SMALL_SERVICE_COMMANDS


@pytest.mark.parametrize("count", [60, 1000])
async def test_the_cost_follows_the_page(
    redis: Redis, objects: Objects, new_service_sid: str, admin: Connection, count: int
) -> None:
    await fill(Service(objects, new_service_sid), count)
    pages = Pages(Listing(redis, objects, 100), new_service_sid)
    for size in (5, 20, 50):
        # A document: its bucket's index, the script, and two commands in it.
        assert await commands_of(admin, pages.page(size)) <= 4 * (size + 1) + 20


async def test_what_was_stored_before_there_was_an_index_is_found(
    redis: Redis, pages: Pages, service: Service, admin: Connection
) -> None:
    sids = await fill(service, 40)
    await admin.execute("DEL", keys.filled(service.sid))
    found = await pages.forward(15)
    assert [sid for page in found for sid in page] == sids
    later = await fill(service, 40)
    found = await pages.forward(15)
    assert [sid for page in found for sid in page] == sorted(sids + later)


async def test_an_inspection_puts_back_what_the_index_has_lost(
    redis: Redis, pages: Pages, service: Service, admin: Connection
) -> None:
    sids = await fill(service, 40)
    await pages.page(1)
    lost = {sid[2:4] for sid in sids[::3]}
    await admin.execute("HDEL", keys.filled(service.sid), *lost)
    buckets = await FilledBuckets(redis).inspect(service.sid)
    assert buckets == sorted({int(sid[2:4], 16) for sid in sids})
    assert [sid for page in await pages.forward(50) for sid in page] == sids


async def test_buckets_that_are_empty_cost_one_list_more_and_no_other(
    redis: Redis, objects: Objects, new_service_sid: str, admin: Connection
) -> None:
    service = Service(objects, new_service_sid)
    sids = await fill(service, 500)
    pages = Pages(Listing(redis, objects, 100), new_service_sid)
    await asyncio.gather(*(service.remove(sid) for sid in sids[3:]))
    assert [sid for page in await pages.forward(50) for sid in page] == sids[:3]
    assert await commands_of(admin, pages.page(50)) <= SMALL_SERVICE_COMMANDS
    again = await fill(service, 30)
    assert [sid for page in await pages.forward(50) for sid in page] == sorted(sids[:3] + again)


async def test_lists_beyond_the_limit_are_refused(
    redis: Redis, service: Service, store: Store
) -> None:
    listing = Listing(redis, service.objects, 2)
    with store.paused():
        two = [asyncio.create_task(listing.page(service.sid, DOCUMENT, 5, None)) for _ in range(2)]
        await asyncio.sleep(0)
        refusal = await refused(
            listing.page(service.sid, DOCUMENT, 5, None), Code.TOO_MANY_REQUESTS
        )
    assert refusal.code.retry
    await asyncio.gather(*two)
    assert (await listing.page(service.sid, DOCUMENT, 5, None)).items == []


async def test_a_token_of_an_emptied_service_leads_nowhere(pages: Pages, service: Service) -> None:
    sids = await fill(service, 10)
    _, _, following = await pages.page(5)
    _, previous, _ = await pages.page(5, following)
    await asyncio.gather(*(service.remove(sid) for sid in sids))
    assert (await pages.page(5, following))[0] == []
    assert (await pages.page(5, previous))[0] == []
