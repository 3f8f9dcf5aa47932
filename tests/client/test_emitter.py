from __future__ import annotations

import asyncio
import logging
import weakref
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest

from syncline.emitter import Emitter
from syncline.event_queue import EventQueue


@dataclass(frozen=True)
class Changed:
    value: int
    since: int = 0
    name: ClassVar[str] = "changed"

    def following(self, earlier: Any) -> Changed:
        return Changed(self.value, earlier.since)


@dataclass(frozen=True)
class Gone:
    name: ClassVar[str] = "gone"

    def following(self, earlier: Any) -> Gone:
        return self


AnyEvent = Changed | Gone


def make_emitter(bound: int = 10) -> Emitter[AnyEvent]:
    return Emitter(("changed", "gone"), bound)


async def rest_of(queue: EventQueue[AnyEvent]) -> list[AnyEvent]:
    """What waits in a queue that has ended."""
    return [event async for event in queue]


class TestQueue:
    async def test_events_come_out_in_the_order_in_which_they_went_in(self) -> None:
        queue: EventQueue[AnyEvent] = EventQueue(10)
        for value in range(3):
            queue.put(Changed(value))
        queue.end()

        assert await rest_of(queue) == [Changed(0), Changed(1), Changed(2)]

    async def test_a_reader_waits_for_an_event(self) -> None:
        queue: EventQueue[AnyEvent] = EventQueue(10)
        reader = asyncio.create_task(anext(queue))
        asyncio.get_running_loop().call_soon(queue.put, Changed(1))

        assert await reader == Changed(1)

    async def test_a_waiting_reader_is_notified_of_the_end(self) -> None:
        queue: EventQueue[AnyEvent] = EventQueue(10)
        reader = asyncio.create_task(rest_of(queue))
        asyncio.get_running_loop().call_soon(queue.end)

        assert await reader == []

    async def test_two_readers_share_what_comes(self) -> None:
        queue: EventQueue[AnyEvent] = EventQueue(10)
        readers = [asyncio.create_task(rest_of(queue)) for _ in range(2)]
        asyncio.get_running_loop().call_soon(queue.put, Changed(1))
        asyncio.get_running_loop().call_soon(queue.end)

        first, second = await asyncio.gather(*readers)

        assert first + second == [Changed(1)]

    async def test_a_full_queue_joins_the_newest_with_the_last(self) -> None:
        queue: EventQueue[AnyEvent] = EventQueue(2)
        for value in range(1, 6):
            queue.put(Changed(value, since=value - 1))
        queue.end()

        assert await rest_of(queue) == [Changed(1, since=0), Changed(5, since=1)]

    async def test_the_last_event_of_another_type_finds_room_always(self) -> None:
        queue: EventQueue[AnyEvent] = EventQueue(1)
        queue.put(Changed(1))
        queue.put(Gone())
        queue.end()

        assert await rest_of(queue) == [Changed(1), Gone()]

    async def test_an_error_comes_after_what_was_queued(self) -> None:
        queue: EventQueue[AnyEvent] = EventQueue(10)
        queue.put(Changed(1))
        queue.end(ConnectionError("lost"))

        assert await anext(queue) == Changed(1)
        with pytest.raises(ConnectionError, match="lost"):
            await anext(queue)

    async def test_closing_drops_what_was_queued(self) -> None:
        queue: EventQueue[AnyEvent] = EventQueue(10)
        queue.put(Changed(1))
        queue.close()

        assert await rest_of(queue) == []

    @pytest.mark.parametrize("finish", [EventQueue.end, EventQueue.close])
    async def test_nothing_comes_after_the_end(self, finish: Any) -> None:
        queue: EventQueue[AnyEvent] = EventQueue(10)
        finish(queue)
        queue.put(Changed(1))

        assert await rest_of(queue) == []


class TestIterators:
    async def test_each_receives_everything_from_its_start_on(self) -> None:
        emitter = make_emitter()
        first = emitter.events()
        emitter.emit(Changed(1))
        second = emitter.events()
        emitter.emit(Gone())
        emitter.end()

        assert await rest_of(first) == [Changed(1), Gone()]
        assert await rest_of(second) == [Gone()]

    async def test_one_that_comes_after_the_end_ends_at_once(self) -> None:
        emitter = make_emitter()
        emitter.end(ConnectionError("lost"))

        with pytest.raises(ConnectionError):
            await anext(emitter.events())

    async def test_closing_the_source_drops_what_waits(self) -> None:
        emitter = make_emitter()
        events = emitter.events()
        emitter.emit(Changed(1))
        emitter.close()

        assert await rest_of(events) == []
        assert await rest_of(emitter.events()) == []

    async def test_one_that_is_dropped_collects_no_longer(self) -> None:
        emitter = make_emitter()
        events = emitter.events()
        alive = weakref.ref(events)
        del events
        emitter.emit(Changed(1))

        assert alive() is None


class TestCallbacks:
    async def test_only_events_of_the_name_are_handed_on(self) -> None:
        emitter = make_emitter()
        received: asyncio.Queue[AnyEvent] = asyncio.Queue()
        emitter.on("gone", received.put_nowait)
        emitter.emit(Changed(1))
        emitter.emit(Gone())

        assert await received.get() == Gone()
        assert received.empty()

    async def test_a_name_that_does_not_exist_is_refused(self) -> None:
        with pytest.raises(ValueError, match="the events are changed, gone; there is no 'chnaged'"):
            make_emitter().on("chnaged", print)

    async def test_an_asynchronous_callback_gets_one_event_after_the_other(self) -> None:
        emitter = make_emitter()
        entered: asyncio.Queue[int] = asyncio.Queue()
        release = asyncio.Semaphore(0)

        async def slow(event: Any) -> None:
            entered.put_nowait(event.value)
            await release.acquire()

        emitter.on("changed", slow)
        emitter.emit(Changed(1))
        emitter.emit(Changed(2))

        assert await entered.get() == 1
        assert entered.empty()
        release.release()
        assert await entered.get() == 2

    async def test_one_that_raises_is_logged_and_called_again(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        emitter = make_emitter()
        received: asyncio.Queue[int] = asyncio.Queue()

        def failing(event: Any) -> None:
            received.put_nowait(event.value)
            raise RuntimeError("boom")

        emitter.on("changed", failing)
        with caplog.at_level(logging.ERROR, "syncline"):
            emitter.emit(Changed(1))
            emitter.emit(Changed(2))
            assert [await received.get(), await received.get()] == [1, 2]

        assert "a callback for 'changed' failed" in caplog.text
        assert "boom" in caplog.text

    async def test_one_that_was_removed_is_not_called_even_for_what_waits(self) -> None:
        emitter = make_emitter()
        received: list[AnyEvent] = []
        remove = emitter.on("changed", received.append)
        control: asyncio.Queue[AnyEvent] = asyncio.Queue()
        emitter.on("changed", control.put_nowait)

        emitter.emit(Changed(1))
        remove()
        emitter.emit(Changed(2))
        await control.get()
        await control.get()

        assert received == []

    async def test_one_may_remove_itself(self) -> None:
        emitter = make_emitter()
        received: list[AnyEvent] = []

        def once(event: AnyEvent) -> None:
            received.append(event)
            remove()

        remove = emitter.on("changed", once)
        control: asyncio.Queue[AnyEvent] = asyncio.Queue()
        emitter.on("changed", control.put_nowait)
        for value in range(3):
            emitter.emit(Changed(value))
            await control.get()

        assert received == [Changed(0)]

    async def test_what_waits_is_still_reported_when_the_source_ends_with_an_error(self) -> None:
        emitter = make_emitter()
        received: asyncio.Queue[AnyEvent] = asyncio.Queue()
        emitter.on("changed", received.put_nowait)
        emitter.emit(Changed(1))
        emitter.end(ConnectionError("lost"))

        assert await received.get() == Changed(1)
