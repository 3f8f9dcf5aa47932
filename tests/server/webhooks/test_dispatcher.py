"""Webhooks on their way from the queue to a receiver, within one process and between several."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from itertools import count
from typing import Any

import pytest

from support.receiver import Answer, Delivery, Receiver, in_order
from support.rig import Rig
from support.store import Store, eventually
from syncline_protocol.documents import Document
from syncline_protocol.sids import bucket_of_name
from syncline_server.observability.metrics import Limit
from syncline_server.storage import keys, periodic_lease
from syncline_server.storage.periodic_lease import PeriodicLease
from syncline_server.storage.redis.connection import Connection
from syncline_server.storage.services import Service
from syncline_server.webhooks import consumer as consumer
from syncline_server.webhooks import dispatcher

SOME = 12


async def documents(rig: Rig, service: Service, count: int = SOME) -> list[Document]:
    return list(await asyncio.gather(*(rig.create(service) for _ in range(count))))


async def write_all(rig: Rig, service: Service, made: list[Document], rounds: int = 3) -> None:
    for n in range(rounds):
        await asyncio.gather(*(rig.set(service, each.sid, b'{"n":%d}' % n) for each in made))


async def test_all_is_delivered_once_and_in_order(
    rig: Rig, receiver: Receiver, admin: Connection
) -> None:
    service = await rig.service(receiver.url)
    async with rig.delivering():
        made = await documents(rig, service)
        await write_all(rig, service, made)
        await receiver.until_taken(4 * SOME)
        assert in_order(receiver.came)
        # Nothing of it stays, the note and the lease included.
        await eventually(lambda: rig.meters.webhooks_waiting == 0)
        while await admin.execute("KEYS", "*webhooks*"):
            await asyncio.sleep(0.02)
    assert rig.meters.webhooks["delivered"] == 4 * SOME


async def test_more_than_fits_in_memory_comes_in_order_too(rig: Rig, receiver: Receiver) -> None:
    """All of it in one bucket, and before anybody looks."""
    service = await rig.service(receiver.url)
    document = await rig.create(service, "prefs")
    await asyncio.gather(*(rig.set(service, "prefs", b'{"n":%d}' % n) for n in range(300)))
    async with rig.delivering():
        await receiver.until_taken(301)
    assert in_order(receiver.came)
    assert {each.form["DocumentSid"] for each in receiver.came} == {document.sid}


async def test_no_more_is_in_memory_than_allowed(
    rig: Rig, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit = rig.settings.webhook_concurrency * consumer.OBJECT_LOAD
    monkeypatch.setattr(consumer, "LOAD_BYTES", 0)
    service = await rig.service(receiver.url)
    go_on = asyncio.Event()

    async def answer(_: Delivery) -> Answer:
        await go_on.wait()
        return Answer()

    receiver.answer = answer
    made = await documents(rig, service, 60)
    await write_all(rig, service, made)
    async with rig.delivering() as delivering:
        await receiver.until(lambda: len(receiver.came) == rig.settings.webhook_concurrency)
        [running] = delivering._consumers.values()
        in_memory = sum(bucket.loaded for bucket in running._buckets.values())
        assert rig.settings.webhook_concurrency <= in_memory <= limit
        go_on.set()
        await receiver.until_taken(4 * 60)
    assert in_order(receiver.came)


async def test_what_fails_is_sent_again_and_only_then_the_next(
    rig: Rig, receiver: Receiver
) -> None:
    service = await rig.service(receiver.url)
    failures = 3

    def answer(_: Delivery) -> Answer:
        return Answer(500 if len(receiver.came) <= failures else 200)

    receiver.answer = answer
    document = await rig.create(service)
    await rig.set(service, document.sid, b'{"n":1}')
    async with rig.delivering():
        await receiver.until_taken(2)
    kinds = [each.kind for each in receiver.came]
    assert kinds == ["document_created"] * (failures + 1) + ["document_updated"]
    assert len({each.token for each in receiver.came}) == 2
    assert rig.meters.webhooks["failed"] == failures


async def test_an_object_that_fails_holds_up_no_other(rig: Rig, receiver: Receiver) -> None:
    service = await rig.service(receiver.url)
    bad, *good = await documents(rig, service)
    receiver.answer = lambda each: Answer(500 if each.form["DocumentSid"] == bad.sid else 200)
    async with rig.delivering():
        await write_all(rig, service, [bad, *good])
        await receiver.until_taken(4 * len(good))
    assert {each.kind for each in receiver.came if each.form["DocumentSid"] == bad.sid} == {
        "document_created"
    }


async def test_an_object_that_fails_takes_no_room_from_others(rig: Rig, receiver: Receiver) -> None:
    """More than fits in memory is of one object, and waits before what is of another."""
    service = await rig.service(receiver.url)
    bad = await rig.create(service, "name 0")
    others = (f"name {n}" for n in count(1))
    name = next(other for other in others if bucket_of_name(other) == bucket_of_name("name 0"))
    is_bad = True

    def answer(each: Delivery) -> Answer:
        return Answer(500 if is_bad and each.form["DocumentSid"] == bad.sid else 200)

    receiver.answer = answer
    for n in range(3 * consumer.BUCKET_LOAD):
        await rig.set(service, bad.sid, b'{"n":%d}' % n)
    await rig.create(service, name)
    async with rig.delivering():
        [good] = await receiver.until_taken(1)
        assert good.form["DocumentUniqueName"] == name
        is_bad = False
        taken = await receiver.until_taken(3 * consumer.BUCKET_LOAD + 2)
    assert in_order(taken)
    assert [each.form["DocumentData"] for each in taken[2:]] == [
        f'{{"n":{n}}}' for n in range(3 * consumer.BUCKET_LOAD)
    ]


async def test_a_receiver_that_does_not_answer_holds_up_no_other_service(
    rig: Rig, receiver: Receiver
) -> None:
    never = asyncio.Event()

    async def wait(_: Delivery) -> Answer:
        await never.wait()
        return Answer()

    async with Receiver() as stuck:
        stuck.answer = wait
        slow, quick = await rig.service(stuck.url), await rig.service(receiver.url)
        async with rig.delivering():
            await documents(rig, slow, 40)
            await stuck.until(lambda: len(stuck.came) == rig.settings.webhook_concurrency)
            made = await documents(rig, quick)
            await write_all(rig, quick, made)
            await receiver.until_taken(4 * SOME)
            # No more are under way than may be.
            assert len(stuck.came) == rig.settings.webhook_concurrency
            never.set()


async def test_a_receiver_that_asks_for_a_pause_gets_it(rig: Rig, receiver: Receiver) -> None:
    service = await rig.service(receiver.url)
    times: list[float] = []
    clock = asyncio.get_running_loop().time

    def answer(_: Delivery) -> Answer:
        times.append(clock())
        return Answer(503, {"Retry-After": "1"}) if len(times) == 1 else Answer()

    receiver.answer = answer
    async with rig.delivering():
        await rig.create(service)
        await receiver.until_taken(1)
        assert times[1] - times[0] >= 1


async def test_after_a_bounded_time_it_is_parked_and_the_next_one_has_its_turn(
    rig: Rig, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "syncline.webhooks")
    rig = rig.with_settings(webhook_retry_time=0.5)
    service = await rig.service(receiver.url)
    receiver.answer = lambda each: Answer(500 if each.kind == "document_created" else 200)
    async with rig.delivering():
        document = await rig.create(service)
        await rig.set(service, document.sid, b'{"n":1}')
        await receiver.until_taken(1)
    [parked] = (await rig.dead_letters.page(service.sid, 10, None)).items
    assert (parked.event.kind, parked.event.subject, parked.status) == (
        "document_created",
        document.sid,
        500,
    )
    # At least one: on a busy machine, the time may be over after the first attempt.
    assert parked.attempts == len(receiver.came) - 1 >= 1
    assert rig.meters.webhooks["parked"] == rig.meters.limit_hits[Limit.WEBHOOK_RETRY_TIME] == 1
    assert document.sid in caplog.text


async def test_one_that_is_gone_permanently_is_parked_at_once(rig: Rig, receiver: Receiver) -> None:
    service = await rig.service(receiver.url)
    receiver.answer = lambda _: Answer(410)
    async with rig.delivering():
        await rig.create(service)
        await eventually(lambda: rig.meters.webhooks["parked"])
    assert len(receiver.came) == 1


async def test_one_that_has_waited_for_too_long_is_parked_untried(
    rig: Rig, receiver: Receiver, admin: Connection
) -> None:
    service = await rig.service(receiver.url)
    tag = keys.bucket_tag(service.sid, 0)
    old = ("k", "document_updated", "o", f"ET00{'0' * 30}", "i", "alice", "r", "1", "d", "{}")
    await admin.execute("XADD", keys.webhook_queue(tag), "1000-0", *old)
    await rig.queue.add_bucket(service.sid, "00")
    async with rig.delivering():
        await eventually(lambda: rig.meters.webhooks["parked"])
    assert receiver.came == []
    [parked] = (await rig.dead_letters.page(service.sid, 10, None)).items
    assert (parked.attempts, parked.status) == (0, None)
    assert rig.meters.limit_hits[Limit.WEBHOOK_AGE] == 1


async def test_a_replayed_one_is_delivered(rig: Rig, receiver: Receiver) -> None:
    service = await rig.service(receiver.url)
    receiver.answer = lambda _: Answer(410)
    async with rig.delivering():
        await rig.create(service, "prefs")
        await eventually(lambda: rig.meters.webhooks["parked"])
        receiver.answer = lambda _: Answer()
        [parked] = (await rig.dead_letters.page(service.sid, 10, None)).items
        await rig.dead_letters.replay(service.sid, parked.id)
        [taken] = await receiver.until_taken(1)
    assert taken.form == receiver.came[0].form


async def test_the_url_is_the_newest_and_without_one_what_waits_is_dropped(
    rig: Rig, receiver: Receiver
) -> None:
    async with Receiver() as before:
        service = await rig.service(before.url)
        before.answer = lambda _: Answer(500)
        async with rig.delivering():
            document = await rig.create(service)
            await before.until(lambda: before.came)
            await rig.services.update(service.sid, {"webhook_url": receiver.url})
            await receiver.until_taken(1)
            receiver.answer = lambda _: Answer(500)
            await rig.set(service, document.sid, b'{"n":1}')
            await receiver.until(lambda: len(receiver.came) > 1)
            await rig.services.update(service.sid, {"webhook_url": None})
            await eventually(lambda: rig.meters.webhooks["discarded"] == 1)


async def test_what_is_not_noted_is_found_by_an_inspection(
    rig: Rig, receiver: Receiver, admin: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = await rig.service(receiver.url)
    await rig.create(service)
    await admin.execute("DEL", keys.WEBHOOKS)
    async with rig.delivering():
        await receiver.until_taken(1)
        # The first one is at the start; then one after the other.
        monkeypatch.setattr(dispatcher, "INSPECTION_INTERVAL", 0.05)
        await admin.execute("DEL", keys.WEBHOOK_INSPECTION)
        await rig.create(service)
        await admin.execute("DEL", keys.WEBHOOKS)
        await receiver.until_taken(2)


async def test_two_processes_share_the_work_without_doing_it_twice(
    rig: Rig, another: Callable[[], Any], receiver: Receiver
) -> None:
    other: Rig = await another()
    services = [await rig.service(receiver.url) for _ in range(3)]
    async with rig.delivering(), other.delivering():
        for service in services:
            made = await documents(rig, service)
            await write_all(other, service, made)
        await receiver.until_taken(3 * 4 * SOME)
    assert len(receiver.came) == 3 * 4 * SOME
    assert in_order(receiver.came)


async def test_who_stops_finishes_what_is_under_way_and_hands_the_rest_over(
    rig: Rig, another: Callable[[], Any], receiver: Receiver
) -> None:
    other: Rig = await another()
    service = await rig.service(receiver.url)
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def answer(_: Delivery) -> Answer:
        begun.set()
        await go_on.wait()
        return Answer()

    receiver.answer = answer
    async with rig.delivering():
        made = await documents(rig, service, 40)
        await begun.wait()
        asyncio.get_running_loop().call_later(0.1, go_on.set)
    assert 0 < len(receiver.taken) < 40
    async with other.delivering():
        await receiver.until_taken(40)
    assert len(receiver.came) == len(made) == 40


async def test_who_lost_the_lease_ends_and_who_has_it_begins_with_what_was_not_done(
    rig: Rig, another: Callable[[], Any], receiver: Receiver, admin: Connection
) -> None:
    other: Rig = await another()
    service = await rig.service(receiver.url)
    stuck = asyncio.Event()

    async def answer(_: Delivery) -> Answer:
        await stuck.wait()
        return Answer()

    receiver.answer = answer
    async with rig.delivering():
        made = await documents(rig, service)
        await receiver.until(lambda: len(receiver.came) == rig.settings.webhook_concurrency)
        await admin.execute("SET", keys.webhook_lease(service.sid), "somebody else")
        await eventually(lambda: rig.meters.webhooks_waiting == 0)
        await admin.execute("DEL", keys.webhook_lease(service.sid))
        receiver.answer = lambda _: Answer()
        async with other.delivering():
            await write_all(rig, service, made)
            await receiver.until_taken(4 * SOME)
            stuck.set()
    assert len({each.token for each in receiver.came}) == 4 * SOME


async def test_no_attempt_begins_that_the_lease_may_not_outlast(
    rig: Rig, receiver: Receiver, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While Redis is away, another server may reach it and take the lease."""
    monkeypatch.setattr(dispatcher, "LEASE_MARGIN", 0.5)
    rig = rig.with_settings(webhook_timeout=0.5)
    service = await rig.service(receiver.url)
    receiver.answer = lambda _: Answer(500)
    async with rig.delivering():
        await rig.create(service)
        await receiver.until(lambda: len(receiver.came) > 2)
        with store.paused():
            await asyncio.sleep(1.5)
            came = len(receiver.came)
            await asyncio.sleep(1.0)
            assert len(receiver.came) == came
        receiver.answer = lambda _: Answer()
        await receiver.until_taken(1)


async def test_a_break_of_redis_loses_nothing(rig: Rig, receiver: Receiver, store: Store) -> None:
    service = await rig.service(receiver.url)
    async with rig.delivering():
        made = await documents(rig, service)
        await receiver.until(lambda: receiver.came)
        await store.cut("normal")
        await receiver.until_taken(SOME)
        await rig.redis.reconnected("key")
        await write_all(rig, service, made)
        await store.cut("normal")
        taken = await receiver.until_taken(4 * SOME)
    assert in_order(taken)


async def test_a_process_that_writes_delivers_without_the_lease_of_the_periodic_work(
    rig: Rig, receiver: Receiver
) -> None:
    service = await rig.service(receiver.url)
    async with rig.delivering(PeriodicLease()):
        made = await documents(rig, service)
        await write_all(rig, service, made)
        await receiver.until_taken(4 * SOME)
    assert in_order(receiver.came)


async def test_webhooks_that_no_process_has_are_left_to_the_one_with_that_lease(
    rig: Rig, receiver: Receiver, admin: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(periodic_lease, "LEASE_MS", 3_600_000)
    # Who inspects the queues takes what it finds.
    await admin.execute("SET", keys.WEBHOOK_INSPECTION, "", "PX", 3_600_000)
    service, lease = await rig.service(receiver.url), PeriodicLease()
    # By a process that died before it could deliver.
    await documents(rig.with_settings(), service)
    async with rig.delivering(lease) as dispatcher:
        for _ in range(3):
            await dispatcher._task.run_again()
        assert not dispatcher._consumers
        lease.update(True, time.monotonic())
        await receiver.until_taken(SOME)
    await admin.execute("DEL", keys.WEBHOOK_INSPECTION)
    assert in_order(receiver.came)
