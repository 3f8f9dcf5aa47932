"""Clients that open one object in the same turn of the event loop."""

from __future__ import annotations

import asyncio

from support.backend import make_backend
from syncline_protocol.commands import Open
from syncline_protocol.objects import DOCUMENT
from syncline_server.objects.access import Access
from syncline_server.storage.redis.client import Redis


async def test_one_creates_and_the_others_find(redis: Redis, service_sid: str) -> None:
    backend = make_backend(redis)
    documents = backend.registry.of(DOCUMENT)
    accesses = [Access(backend, service_sid, f"client {number}") for number in range(4)]
    names = ["herd", "herd", "herd", "other"]
    opened = await asyncio.gather(
        *[
            documents.open(access, Open(name, type=DOCUMENT, data=b'{"by":%d}' % number))
            for number, (name, access) in enumerate(zip(names, accesses, strict=True))
        ]
    )
    states = [state for state, _ in opened]
    assert [created for _, created in opened] == [True, False, False, True]
    assert states[0] is states[1] is states[2]
    assert states[0].created_by == "client 0"
    again = await documents.open(accesses[1], Open("herd", type=DOCUMENT))
    assert again == (states[0], False)


async def test_an_open_with_an_operation_id_is_its_own(redis: Redis, service_sid: str) -> None:
    backend = make_backend(redis)
    documents = backend.registry.of(DOCUMENT)
    access = Access(backend, service_sid, "alice")
    opens = [Open("herd", type=DOCUMENT, op=op) for op in ("first", "second", "first")]
    opened = await asyncio.gather(*[documents.open(access, each) for each in opens])
    # The third is a repetition of the first, and so gets its answer.
    assert [created for _, created in opened] == [True, False, True]
