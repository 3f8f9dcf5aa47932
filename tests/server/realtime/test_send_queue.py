from __future__ import annotations

import asyncio
import socket as sockets
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.api import unique
from support.server import RunningServer
from support.socket import NativeSocket, native_socket
from support.strategies import bounded
from syncline_protocol.documents import Updated
from syncline_protocol.items import Change, ChangeKind, Item, ItemsChanged, ItemsReset
from syncline_protocol.objects import Event, Removed
from syncline_protocol.streams import Message, Missed
from syncline_server.realtime.send_queue import QueueLimits, SendQueue

MARK = 100


def updated(sid: str, revision: int) -> Updated:
    return Updated(
        sid=sid,
        unique_name=None,
        revision=revision,
        previous=revision - 1,
        at_ms=0,
        by="alice",
        data=b"{}",
        expires_ms=None,
    )


def removed(sid: str, revision: int) -> Removed:
    return Removed(
        sid=sid,
        unique_name=None,
        revision=revision,
        previous=revision - 1,
        at_ms=0,
        by="alice",
        expired=False,
    )


def whole(event: Event) -> bytes:
    return b"whole %d" % event.revision


def everything(send_queue: SendQueue) -> list[bytes]:
    frames = []
    while not send_queue.empty:
        frames.append(send_queue.take_frame())
    return frames


class TestBelowTheMark:
    def test_everything_is_kept_in_order(self) -> None:
        send_queue = SendQueue(QueueLimits(mark=MARK))
        send_queue.add_event(updated("a", 1), b"a1")
        send_queue.add_frame(b"reply")
        send_queue.add_event(updated("a", 2), b"a2")

        assert everything(send_queue) == [b"a1", b"reply", b"a2"]

    async def test_get_waits_for_the_next(self) -> None:
        send_queue = SendQueue(QueueLimits(mark=MARK))
        getting = asyncio.create_task(send_queue.wait_for_frame())
        await asyncio.sleep(0)
        send_queue.add_frame(b"one")
        send_queue.add_frame(b"two")

        assert await getting == b"one"
        assert await send_queue.wait_for_frame() == b"two"
        assert send_queue.empty

    async def test_get_can_be_cancelled_without_a_loss(self) -> None:
        send_queue = SendQueue(QueueLimits(mark=MARK))
        getting = asyncio.create_task(send_queue.wait_for_frame())
        await asyncio.sleep(0)
        send_queue.add_frame(b"one")
        getting.cancel()

        with pytest.raises(asyncio.CancelledError):
            await getting
        assert send_queue.take_frame() == b"one"


class TestAboveTheMark:
    def test_a_newer_state_takes_the_place_of_those_that_wait(self) -> None:
        send_queue = SendQueue(QueueLimits(mark=MARK))
        send_queue.add_frame(b"reply".ljust(80))
        for revision in range(1, 9):
            send_queue.add_event(updated("a", revision), b"a%d" % revision + b" " * 10)
            send_queue.add_event(updated("b", revision), b"b%d" % revision + b" " * 10)

        assert [frame[:2] for frame in everything(send_queue)] == [b"re", b"a8", b"b8"]

    def test_removals_and_replies_stay(self) -> None:
        send_queue = SendQueue(QueueLimits(mark=MARK))
        for n in range(10):
            send_queue.add_frame(b"reply%d" % n + b" " * MARK)
            send_queue.add_event(updated("a", n), b"a%d" % n)
        send_queue.add_event(removed("a", 10), b"removed")

        frames = everything(send_queue)
        assert [frame[:6] for frame in frames if frame.startswith(b"reply")] == [
            b"reply%d" % n for n in range(10)
        ]
        assert frames[-2:] == [b"a9", b"removed"]

    def test_what_takes_the_place_of_others_is_encoded_as_a_whole(self) -> None:
        send_queue = SendQueue(QueueLimits(mark=MARK))
        send_queue.add_event(updated("a", 1), b"whole 1", whole)
        assert send_queue.add_event(updated("a", 2), b"delta 2".ljust(MARK - 10), whole) == 0
        assert send_queue.add_event(updated("a", 3), b"delta 3", whole) == 2
        assert send_queue.add_event(updated("a", 4), b"delta 4", whole) == 0
        assert send_queue.add_event(updated("b", 1), b"delta 1".ljust(MARK), whole) == 0

        assert everything(send_queue) == [b"whole 3", b"delta 4", b"delta 1".ljust(MARK)]
        assert send_queue.size == 0

    def test_what_was_taken_makes_room(self) -> None:
        send_queue = SendQueue(QueueLimits(mark=MARK))
        send_queue.add_frame(b" " * MARK)
        send_queue.take_frame()
        send_queue.add_event(updated("a", 1), b"a1")
        send_queue.add_event(updated("a", 2), b"a2")

        assert everything(send_queue) == [b"a1", b"a2"]

    @bounded
    @given(
        st.lists(
            st.tuples(st.sampled_from(["update", "remove", "reply", "take"]), st.integers(0, 3))
        )
    )
    def test_order_holds_and_only_replaced_updates_are_omitted(
        self, steps: list[tuple[str, int]]
    ) -> None:
        send_queue, put, taken = SendQueue(QueueLimits(mark=MARK)), list[bytes](), list[bytes]()
        for revision, (step, document) in enumerate(steps):
            sid, frame = f"d{document}", b"%s %d %d" % (step.encode(), document, revision)
            if step == "take":
                if not send_queue.empty:
                    taken.append(send_queue.take_frame())
                continue
            put.append(frame.ljust(30))
            event: Event
            if step == "reply":
                send_queue.add_frame(put[-1])
                continue
            event = updated(sid, revision) if step == "update" else removed(sid, revision)
            send_queue.add_event(event, put[-1])
        taken += everything(send_queue)

        assert taken == [frame for frame in put if frame in taken]
        assert len(set(taken)) == len(taken)
        left_out = [frame for frame in put if frame not in taken]
        for frame in left_out:
            assert frame.startswith(b"update")
            later = put[put.index(frame) + 1 :]
            assert any(each.split()[:2] == frame.split()[:2] for each in later)


def slow_socket(server: RunningServer) -> Any:
    """One that reads only what it is asked for, and has little room in between."""
    raw = sockets.socket()
    raw.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 4096)
    raw.connect(("127.0.0.1", server.port))
    raw.setblocking(False)
    return native_socket(server, sock=raw, max_queue=1, ping_interval=None)


LARGE = "x" * 16_000
WRITES = 600
"""So many large writes fit in no buffer of the kernel."""


async def write(socket: NativeSocket, sid: str, count: int) -> dict[str, Any]:
    """The document after so many large writes."""
    document: dict[str, Any] = {}
    for n in range(count):
        document = await socket.document("set", document=sid, data={"n": n, "text": LARGE})
    return document


class TestSlowReader:
    async def test_it_gets_the_newest_state_and_every_removal(self, server: RunningServer) -> None:
        async with native_socket(server) as writer, slow_socket(server) as reader:
            first, gone = [await reader.document("open", document=unique()) for _ in range(2)]
            newest = await write(writer, first["sid"], WRITES)
            await writer.ok("set", document=gone["sid"], data={"last": True})
            await writer.ok("remove", document=gone["sid"])
            events: list[dict[str, Any]] = []
            while not events or events[-1]["event"] != "removed":
                events.append(await reader.event())

        revisions = [
            int(event["document"]["revision"])
            for event in events
            if event["document"]["sid"] == first["sid"]
        ]
        assert revisions == sorted(set(revisions))
        assert revisions[-1] == int(newest["revision"])
        assert 0 < len(revisions) < WRITES / 2
        assert events[-1]["document"]["sid"] == gone["sid"]

    async def test_one_that_takes_nothing_is_closed(self, strict_server: RunningServer) -> None:
        async with native_socket(strict_server) as writer, slow_socket(strict_server) as reader:
            first = await reader.document("open", document=unique())
            await write(writer, first["sid"], WRITES)
            # A socket that never authenticates marks the time: it is ended later than a slow one.
            async with native_socket(strict_server, auth=False) as other:
                await other.closed()

            # The reason is lost (1006) if this test is too slow to read it in time.
            assert await reader.closed() in [(4003, "the client does not read"), (1006, "")]

    async def test_its_requests_wait_but_none_goes_unanswered(self, server: RunningServer) -> None:
        async with native_socket(server) as writer, slow_socket(server) as reader:
            first = await reader.document("open", document=unique())
            await write(writer, first["sid"], WRITES)
            ids = [await reader.send("get", document=first["sid"]) for _ in range(100)]
            replies = [await reader.reply(request_id) for request_id in ids]

        assert all(reply["ok"]["document"]["data"]["n"] == WRITES - 1 for reply in replies)


class Dropped:
    """What a queue says that it dropped."""

    def __init__(self) -> None:
        self.behind: list[tuple[str, int]] = []
        self.missed = 0

    def fall_behind(self, sid: str, since: int) -> None:
        self.behind.append((sid, since))

    def count_missed(self) -> None:
        self.missed += 1


SID = "MP" + "0" * 32


def shown(event: Event) -> bytes:
    """The frame of an event of items, or of messages."""
    if isinstance(event, ItemsChanged):
        changes = ",".join(f"{each.kind.value} {each.item.key}" for each in event.changes)
        return f"{event.revision}: {changes}".encode()
    if isinstance(event, Missed):
        return b"missed %d" % event.count
    return b"reset" if isinstance(event, ItemsReset) else b"message"


def items(
    revision: int, *keys: str, kind: ChangeKind = ChangeKind.UPDATED, born: int = 1
) -> ItemsChanged:
    changes = tuple(
        Change(
            kind=kind,
            item=Item(
                key=key,
                revision=revision,
                born=born,
                data=b"{}",
                created_ms=0,
                updated_ms=0,
                expires_ms=None,
                created_by="alice",
                updated_by="alice",
            ),
        )
        for key in keys
    )
    return ItemsChanged(
        sid=SID,
        unique_name=None,
        revision=revision,
        previous=revision - 1,
        at_ms=0,
        by="alice",
        changes=changes,
    )


def removal(revision: int, key: str, born: int = 1) -> ItemsChanged:
    return items(revision, key, kind=ChangeKind.REMOVED, born=born)


def addition(revision: int, key: str) -> ItemsChanged:
    return items(revision, key, kind=ChangeKind.ADDED, born=revision)


class TestItems:
    """Above the mark from the first frame on."""

    @pytest.fixture
    def dropped(self) -> Dropped:
        return Dropped()

    @pytest.fixture
    def queue(self, dropped: Dropped) -> SendQueue:
        queue = SendQueue(QueueLimits(mark=0, items=4, size=10_000), dropped)
        queue.add_frame(b"reply")
        return queue

    def add(self, queue: SendQueue, *events: Event) -> None:
        for event in events:
            queue.add_event(event, event.encoded(shown), shown)

    def test_a_newer_change_of_an_item_replaces_the_one_that_waits(
        self, queue: SendQueue, dropped: Dropped
    ) -> None:
        self.add(queue, *(items(n, "ab"[n % 2]) for n in range(10, 30)))
        assert everything(queue) == [b"reply", b"28: updated a", b"29: updated b"]
        assert dropped.behind == []

    def test_beyond_the_limit_none_waits(self, queue: SendQueue, dropped: Dropped) -> None:
        self.add(queue, *(items(n, f"{n}") for n in range(10, 15)))
        assert dropped.behind == [(SID, 9)]
        assert everything(queue) == [b"reply"]

    def test_a_reader_is_behind_since_what_was_sent_last(
        self, queue: SendQueue, dropped: Dropped
    ) -> None:
        self.add(queue, items(10, "a"), items(11, "b"), items(12, "a"))
        assert [queue.take_frame() for _ in range(2)] == [b"reply", b"11: updated b"]
        self.add(queue, *(items(n, f"{n}") for n in range(13, 17)))
        assert dropped.behind == [(SID, 11)]

    def test_one_event_may_always_wait(self, queue: SendQueue, dropped: Dropped) -> None:
        """Else a portion of many items could never be sent."""
        self.add(queue, items(10, *"abcdefgh"))
        assert dropped.behind == []
        self.add(queue, items(11, "a"))
        assert dropped.behind == [(SID, 9)]

    def test_what_was_added_and_changed_is_added(self, queue: SendQueue) -> None:
        self.add(queue, addition(10, "a"), items(11, "a", born=10))
        assert everything(queue) == [b"reply", b"11: added a"]

    def test_what_was_added_and_removed_is_not_mentioned(self, queue: SendQueue) -> None:
        self.add(queue, addition(10, "a"), removal(11, "a", born=10))
        assert everything(queue) == [b"reply"]
        self.add(queue, items(12, "b"))
        assert everything(queue) == [b"12: updated b"]

    def test_what_a_waiting_batch_has_is_removed(self, queue: SendQueue) -> None:
        self.add(queue, addition(10, "a"), items(11, "a", "b", born=10), removal(12, "a", born=10))
        assert everything(queue) == [b"reply", b"11: updated a,updated b", b"12: removed a"]

    def test_what_was_removed_and_added_and_removed_is_removed(self, queue: SendQueue) -> None:
        self.add(queue, removal(10, "a"), addition(11, "a"), removal(12, "a", born=11))
        assert everything(queue) == [b"reply", b"12: removed a"]

    def test_a_reset_makes_what_waits_useless(self, queue: SendQueue, dropped: Dropped) -> None:
        self.add(queue, *(items(n, f"{n}") for n in range(10, 13)))
        reset = items(13, "a").after_loss()
        self.add(queue, reset, items(14, "a"))
        assert everything(queue) == [b"reply", b"reset", b"14: updated a"]
        assert dropped.behind == []

    def test_bytes_are_bounded_over_all_collections(self, dropped: Dropped) -> None:
        queue = SendQueue(QueueLimits(mark=0, items=100, size=60), dropped)
        self.add(queue, *(items(n, f"{n}") for n in range(10, 15)))
        assert dropped.behind == [(SID, 9)]
        assert queue.size <= 60


class TestMessages:
    def message(self, n: int, sid: str = "a") -> Message:
        return Message(
            sid=sid,
            unique_name=None,
            revision=0,
            previous=0,
            at_ms=0,
            by="alice",
            message_sid=f"TZ{n}",
            data=b"{}",
        )

    def test_the_oldest_are_dropped_and_counted_in_their_place(self) -> None:
        dropped = Dropped()
        queue = SendQueue(QueueLimits(mark=0, messages=2), dropped)
        for n in range(10):
            queue.add_event(self.message(n), b"%d" % n, shown)
            if n == 4:
                queue.add_frame(b"reply")
        assert everything(queue) == [b"missed 8", b"reply", b"8", b"9"]
        assert (queue.size, dropped.missed) == (0, 8)
        queue.add_event(self.message(10), b"10", shown)
        assert everything(queue) == [b"10"]

    def test_each_stream_has_its_count(self) -> None:
        queue = SendQueue(QueueLimits(mark=0, messages=1), Dropped())
        for n in range(6):
            queue.add_event(self.message(n, "ab"[n % 2]), b"%d" % n, shown)
        assert everything(queue) == [b"missed 3", b"missed 2", b"5"]

    def test_their_bytes_are_bounded(self) -> None:
        queue = SendQueue(QueueLimits(mark=0, size=100), Dropped())
        for n in range(10):
            queue.add_event(self.message(n), bytes(40), shown)
        assert everything(queue) == [b"missed 8", bytes(40), bytes(40)]
