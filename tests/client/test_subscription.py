from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from support.snapshots import SID, make_snapshot
from syncline.emitter import Emitter
from syncline.events import DocumentEvent, Removed, Updated
from syncline.subscription import Removal, Subscription
from syncline_protocol.canonical import digest


class Recorder(Emitter[DocumentEvent]):
    """A handle's emitter that keeps what it was told.

    Attributes:
        told: the events so far.
        ends: why it ended, once for each time that it was told so.
    """

    def __init__(self) -> None:
        super().__init__((Updated.name, Removed.name), 10)
        self.told: list[DocumentEvent] = []
        self.ends: list[Exception | None] = []

    def emit(self, event: DocumentEvent) -> None:
        self.told.append(event)

    def end(self, error: Exception | None = None) -> None:
        self.ends.append(error)

    @property
    def revisions(self) -> list[tuple[int, bool]]:
        """Revision and `is_local` of each update so far."""
        return [
            (event.snapshot.revision, event.is_local)
            for event in self.told
            if isinstance(event, Updated)
        ]


@pytest.fixture
def subscription() -> Subscription:
    """One that was opened at revision 1."""
    return Subscription(make_snapshot(1), 10)


@pytest.fixture
def handle(subscription: Subscription) -> Recorder:
    recorder = Recorder()
    subscription.handles.add(recorder)
    return recorder


def updates(handle: Recorder) -> list[Updated]:
    return [event for event in handle.told if isinstance(event, Updated)]


def receive(subscription: Subscription, *revisions: int, may_be_early: bool = False) -> None:
    for revision in revisions:
        subscription.receive(make_snapshot(revision), may_be_early=may_be_early)


class TestWritesOfOthers:
    def test_each_is_told_with_the_state_before_it(
        self, subscription: Subscription, handle: Recorder
    ) -> None:
        receive(subscription, 2, 3)

        assert handle.told == [
            Updated(make_snapshot(2), make_snapshot(1), is_local=False),
            Updated(make_snapshot(3), make_snapshot(2), is_local=False),
        ]
        assert subscription.current == make_snapshot(3)
        assert subscription.sid == SID

    def test_every_handle_hears_them(self, subscription: Subscription, handle: Recorder) -> None:
        other = Recorder()
        subscription.handles.add(other)
        receive(subscription, 2)

        assert handle.told == other.told != []

    def test_what_is_not_newer_is_not_told_again(
        self, subscription: Subscription, handle: Recorder
    ) -> None:
        receive(subscription, 1, 3, 2, 3)

        assert handle.revisions == [(3, False)]
        assert subscription.current == make_snapshot(3)

    def test_a_newer_state_from_a_reply_is_current_at_once_and_told_by_its_event(
        self, subscription: Subscription, handle: Recorder
    ) -> None:
        subscription.adopt(make_snapshot(3))
        assert subscription.current == make_snapshot(3)
        assert handle.told == []

        receive(subscription, 2, 3)
        assert handle.revisions == [(2, False), (3, False)]

    def test_an_older_state_from_a_reply_changes_nothing(self, subscription: Subscription) -> None:
        subscription.adopt(make_snapshot(0))

        assert subscription.current == make_snapshot(1)


def update(
    revision: int,
    after: dict[str, Any] | None = None,
    *,
    previous: int | None = None,
    **members: Any,
) -> dict[str, Any]:
    """The `document` of an event whose delta begins with `at` and replaces it by `revision`."""
    delta = {
        "operations": [{"op": "replace", "path": "/at", "value": revision}],
        "digest": digest({"at": revision} if after is None else after),
    }
    return {
        "sid": SID,
        "revision": str(revision),
        "previous_revision": str(revision - 1 if previous is None else previous),
        **(members or {"delta": delta}),
    }


class TestDeltas:
    def test_each_leads_from_the_last_event_s_state_to_its_own(
        self, subscription: Subscription, handle: Recorder
    ) -> None:
        for body in (update(2), update(3), update(4, data={"at": 4}), update(5)):
            subscription.update(body, may_be_early=False)

        assert [event.snapshot.data for event in updates(handle)] == [
            {"at": revision} for revision in (2, 3, 4, 5)
        ]
        assert [event.previous.data for event in updates(handle)] == [
            {"at": revision} for revision in (1, 2, 3, 4)
        ]
        assert not subscription.is_lost

    def test_states_that_were_told_before_do_not_change(
        self, subscription: Subscription, handle: Recorder
    ) -> None:
        first = subscription.current
        subscription.update(update(2), may_be_early=False)
        subscription.update(update(3), may_be_early=False)

        assert first == make_snapshot(1)
        assert [event.snapshot for event in updates(handle)] == [make_snapshot(2), make_snapshot(3)]

    @pytest.mark.parametrize(
        "body",
        [
            update(3, previous=2),
            update(3, {"at": 99}, previous=1),
            update(3, previous=1, delta=None),
            update(3, previous=1, delta=[]),
            update(3, previous=1, delta={}),
            update(3, previous=1, date_expires=None),
        ],
        ids=["other base", "other digest", "null", "array", "empty", "bare"],
    )
    def test_what_cannot_be_understood_is_not_told_and_the_whole_is_waited_for(
        self, subscription: Subscription, handle: Recorder, body: dict[str, Any]
    ) -> None:
        subscription.update(body, may_be_early=False)
        assert subscription.is_lost
        subscription.update(update(4), may_be_early=False)
        receive(subscription, 3)
        assert subscription.is_lost
        assert subscription.current == make_snapshot(3)

        receive(subscription, 4)
        assert not subscription.is_lost
        assert handle.revisions == [(3, False), (4, False)]

    def test_they_do_not_begin_at_what_a_reply_to_a_write_told(
        self, subscription: Subscription, handle: Recorder
    ) -> None:
        """The server counts only what it told by itself."""
        with subscription.writing():
            subscription.wrote(3, make_snapshot(3))
        assert subscription.current == make_snapshot(3)
        subscription.update(update(2), may_be_early=False)
        subscription.update(update(3, delta=None), may_be_early=False)
        subscription.update(update(4), may_be_early=False)

        assert handle.told == [
            Updated(make_snapshot(2), make_snapshot(1), is_local=False),
            Updated(make_snapshot(3), make_snapshot(2), is_local=True),
            Updated(make_snapshot(4), make_snapshot(3), is_local=False),
        ]

    def test_the_event_of_an_own_write_may_say_nothing_even_after_newer_states(
        self, subscription: Subscription, handle: Recorder
    ) -> None:
        with subscription.writing():
            subscription.wrote(2, make_snapshot(2))
        subscription.adopt(make_snapshot(5))
        subscription.update(update(2, date_expires=None), may_be_early=False)
        subscription.update(update(3), may_be_early=False)

        assert handle.revisions == [(2, True), (3, False)]
        assert not subscription.is_lost
        assert subscription.current == make_snapshot(5)

    def test_of_an_own_write_whose_data_is_not_known_the_whole_is_waited_for(
        self, subscription: Subscription
    ) -> None:
        with subscription.writing():
            subscription.wrote(2, None)
        subscription.update(update(2, date_expires=None), may_be_early=False)

        assert subscription.is_lost


class TestOwnWrites:
    def test_one_is_told_once_and_as_local_when_its_event_comes(
        self, subscription: Subscription, handle: Recorder
    ) -> None:
        with subscription.writing():
            subscription.wrote(2, make_snapshot(2))
        assert subscription.current == make_snapshot(2)
        assert handle.told == []

        receive(subscription, 2, 3)
        assert handle.revisions == [(2, True), (3, False)]

    def test_one_whose_event_was_lost_is_told_before_the_next_state(
        self, subscription: Subscription, handle: Recorder
    ) -> None:
        with subscription.writing():
            subscription.wrote(2, make_snapshot(2))
        receive(subscription, 4)

        assert handle.told == [
            Updated(make_snapshot(2), make_snapshot(1), is_local=True),
            Updated(make_snapshot(4), make_snapshot(2), is_local=False),
        ]

    def test_several_whose_events_were_lost_are_told_in_order(
        self, subscription: Subscription, handle: Recorder
    ) -> None:
        for revision in (3, 2):
            with subscription.writing():
                subscription.wrote(revision, make_snapshot(revision))
        receive(subscription, 4)

        assert handle.revisions == [(2, True), (3, True), (4, False)]

    def test_one_whose_data_is_not_known_is_told_by_its_event_alone(
        self, subscription: Subscription, handle: Recorder
    ) -> None:
        with subscription.writing():
            subscription.wrote(2, None)
            subscription.wrote(3, None)
        assert subscription.current == make_snapshot(1)

        receive(subscription, 3)
        assert handle.revisions == [(3, True)]

    def test_an_answer_that_was_repeated_after_its_event_is_not_told_again(
        self, subscription: Subscription, handle: Recorder
    ) -> None:
        receive(subscription, 2)
        with subscription.writing():
            subscription.wrote(2, make_snapshot(2))
        receive(subscription, 3)

        assert handle.revisions == [(2, False), (3, False)]


class TestEventsThatOvertakeReplies:
    def test_one_waits_for_the_write_that_may_be_its_cause(
        self, subscription: Subscription, handle: Recorder
    ) -> None:
        with subscription.writing():
            receive(subscription, 2, may_be_early=True)
            assert handle.told == []
            assert subscription.current == make_snapshot(2)
            subscription.wrote(2, make_snapshot(2))

        assert handle.revisions == [(2, True)]

    def test_one_is_told_as_foreign_when_the_write_turns_out_to_be_another(
        self, subscription: Subscription, handle: Recorder
    ) -> None:
        with subscription.writing():
            receive(subscription, 2, may_be_early=True)
            subscription.wrote(3, make_snapshot(3))
        receive(subscription, 3, may_be_early=True)

        assert handle.revisions == [(2, False), (3, True)]

    def test_one_is_told_when_the_write_fails(
        self, subscription: Subscription, handle: Recorder
    ) -> None:
        with pytest.raises(ConnectionError), subscription.writing():
            receive(subscription, 2, may_be_early=True)
            raise ConnectionError

        assert handle.revisions == [(2, False)]

    def test_one_waits_only_for_writes_that_were_under_way_when_it_came(
        self, subscription: Subscription, handle: Recorder
    ) -> None:
        first, second = subscription.writing(), subscription.writing()
        first.__enter__()
        receive(subscription, 2, may_be_early=True)
        second.__enter__()

        subscription.wrote(2, make_snapshot(2))
        first.__exit__(None, None, None)
        assert handle.revisions == [(2, True)]

        second.__exit__(None, None, None)
        assert handle.revisions == [(2, True)]

    def test_later_ones_do_not_pass_one_that_waits(
        self, subscription: Subscription, handle: Recorder
    ) -> None:
        with subscription.writing():
            receive(subscription, 2, may_be_early=True)
            receive(subscription, 3, may_be_early=False)
            assert handle.told == []

        assert handle.revisions == [(2, False), (3, False)]

    def test_one_is_told_at_once_when_nothing_is_under_way(
        self, subscription: Subscription, handle: Recorder
    ) -> None:
        receive(subscription, 2, may_be_early=True)

        assert handle.revisions == [(2, False)]

    def test_the_oldest_give_way_when_too_many_wait(self) -> None:
        subscription, handle = Subscription(make_snapshot(1), 2), Recorder()
        subscription.handles.add(handle)
        with subscription.writing():
            receive(subscription, 2, 3, 4, may_be_early=True)
            subscription.receive(Removal(), may_be_early=True)

        assert handle.revisions == [(4, False)]
        assert isinstance(handle.told[-1], Removed)


class TestReconnect:
    def test_an_event_waits_for_the_writes_before_it_alone(
        self, subscription: Subscription, handle: Recorder
    ) -> None:
        with subscription.writing():
            subscription.reconnected()
            with subscription.writing():
                receive(subscription, 2)
                subscription.wrote(3, make_snapshot(3))
                receive(subscription, 3)
                assert handle.revisions == []
                subscription.wrote(2, make_snapshot(2))
        assert handle.revisions == [(2, True), (3, True)]

        with subscription.writing():
            receive(subscription, 4)
            assert handle.revisions[-1] == (4, False)


class TestRemoval:
    BODY = {
        "sid": SID,
        "revision": "9",
        "removed_by": "bob",
        "expired": False,
        "date_removed": "2026-01-31T08:15:30.123Z",
    }

    def test_it_is_told_with_the_last_state_and_ends_the_handles(
        self, subscription: Subscription, handle: Recorder
    ) -> None:
        receive(subscription, 2)
        subscription.receive(Removal(self.BODY), may_be_early=False)

        event = handle.told[-1]
        assert isinstance(event, Removed)
        assert event.previous == make_snapshot(2)
        assert (event.sid, event.revision, event.is_local) == (SID, "9", False)
        assert (event.removed_by, event.expired) == ("bob", False)
        assert event.date_removed is not None
        assert event.date_removed.isoformat() == "2026-01-31T08:15:30.123000+00:00"
        assert subscription.removed
        assert handle.ends == [None]

    def test_one_that_was_only_found_says_that_it_knows_no_more(
        self, subscription: Subscription, handle: Recorder
    ) -> None:
        subscription.receive(Removal(), may_be_early=True)

        assert handle.told == [Removed(SID, make_snapshot(1), is_local=False)]

    def test_one_that_was_found_after_its_expiry_has_expired(
        self, subscription: Subscription, handle: Recorder
    ) -> None:
        for passed, expired in ((timedelta(hours=1), None), (timedelta(hours=-1), True)):
            snapshot = replace(make_snapshot(1), date_expires=datetime.now(UTC) + passed)
            found = Subscription(snapshot, 10)
            found.handles.add(handle)
            found.receive(Removal(), may_be_early=True)
            event = handle.told[-1]
            assert isinstance(event, Removed)
            assert event.expired is expired

    def test_an_own_one_is_local(self, subscription: Subscription, handle: Recorder) -> None:
        with subscription.writing():
            subscription.receive(Removal(self.BODY), may_be_early=True)
            subscription.wrote_removal()

        [event] = handle.told
        assert event.is_local

    def test_own_writes_whose_events_were_lost_are_told_first(
        self, subscription: Subscription, handle: Recorder
    ) -> None:
        with subscription.writing():
            subscription.wrote(2, make_snapshot(2))
        subscription.receive(Removal(), may_be_early=False)

        assert handle.revisions == [(2, True)]
        assert handle.told[-1] == Removed(SID, make_snapshot(2), is_local=False)

    def test_it_is_told_once(self, subscription: Subscription, handle: Recorder) -> None:
        subscription.receive(Removal(self.BODY), may_be_early=False)
        subscription.receive(Removal(), may_be_early=True)

        assert len(handle.told) == 1

    def test_nothing_is_told_after_it(self, subscription: Subscription, handle: Recorder) -> None:
        subscription.receive(Removal(self.BODY), may_be_early=False)
        receive(subscription, 10)

        assert len(handle.told) == 1


class TestEnd:
    def test_handles_are_told_why(self, subscription: Subscription, handle: Recorder) -> None:
        error = ConnectionError()
        subscription.end(error)

        assert handle.ends == [error]
        assert not subscription.removed

    async def test_a_handle_that_closes_itself_on_an_event_does_not_disturb_the_others(
        self, subscription: Subscription, handle: Recorder
    ) -> None:
        class Leaving(Recorder):
            def emit(self, event: DocumentEvent) -> None:
                super().emit(event)
                subscription.handles.discard(self)

        leaving = Leaving()
        subscription.handles.add(leaving)
        receive(subscription, 2, 3)

        assert leaving.revisions == [(2, False)]
        assert handle.revisions == [(2, False), (3, False)]

    async def test_mutations_take_turns(self, subscription: Subscription) -> None:
        steps: list[str] = []

        async def mutate() -> None:
            async with subscription.mutations.turn():
                steps.append("begins")
                await asyncio.sleep(0)
                steps.append("ends")

        await asyncio.gather(mutate(), mutate())

        assert steps == ["begins", "ends"] * 2
