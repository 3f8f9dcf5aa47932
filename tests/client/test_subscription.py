from __future__ import annotations

import asyncio
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from support.snapshots import SID, make_snapshot
from support.vectors import each
from syncline.emitter import Emitter
from syncline.events import DocumentEvent, Removal, Removed, Updated
from syncline.subscription import Subscription
from syncline_protocol.canonical import digest


class Recorder(Emitter[DocumentEvent]):
    """A handle's emitter that keeps what it receives.

    Attributes:
        received: the events so far.
        ends: why it ended, once for each call.
    """

    def __init__(self) -> None:
        super().__init__((Updated.name, Removed.name), 10)
        self.received: list[DocumentEvent] = []
        self.ends: list[Exception | None] = []

    def emit(self, event: DocumentEvent) -> None:
        self.received.append(event)

    def end(self, error: Exception | None = None) -> None:
        self.ends.append(error)

    @property
    def revisions(self) -> list[tuple[int, bool]]:
        """Revision and `is_local` of each update so far."""
        return [
            (event.snapshot.revision, event.is_local)
            for event in self.received
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


def receive(subscription: Subscription, *revisions: int, may_be_early: bool = False) -> None:
    for revision in revisions:
        subscription.receive(make_snapshot(revision), may_be_early=may_be_early)


class Scenario:
    """Carries out the steps of a vector of protocol/vectors/subscriptions.json."""

    def __init__(self, opened: int = 1, bound: int = 10) -> None:
        self.subscription = Subscription(make_snapshot(opened), bound)
        self.handle = Recorder()
        self.subscription.handles.add(self.handle)
        self._previous = make_snapshot(opened)
        self._writes: dict[str, AbstractContextManager[None]] = {}

    def do(self, step: dict[str, Any]) -> None:
        getattr(self, f"_{step['do']}")(step)

    def announced(self) -> list[dict[str, Any]]:
        """What was announced since the last call; each event follows on the one before."""
        events, self.handle.received = self.handle.received, []
        return [self._checked(event) for event in events]

    def _checked(self, event: DocumentEvent) -> dict[str, Any]:
        assert event.previous.data == self._previous.data
        if isinstance(event, Removed):
            return {"removed": True, "local": event.is_local}
        self._previous = event.snapshot
        assert event.data == {"at": event.snapshot.revision}
        return {"updated": event.snapshot.revision, "local": event.is_local}

    def _event(self, step: dict[str, Any]) -> None:
        body = {"sid": SID, **step["document"]}
        self.subscription.update(body, may_be_early=step.get("early", False))

    def _state(self, step: dict[str, Any]) -> None:
        snapshot = make_snapshot(step["revision"])
        self.subscription.receive(snapshot, may_be_early=step.get("early", False))

    def _removal(self, step: dict[str, Any]) -> None:
        removal = Removal(step["document"] or None)
        self.subscription.receive(removal, may_be_early=step.get("early", False))

    def _adopt(self, step: dict[str, Any]) -> None:
        self.subscription.adopt(make_snapshot(step["revision"]))

    def _write(self, step: dict[str, Any]) -> None:
        self._writes[step["id"]] = writing = self.subscription.writing()
        writing.__enter__()

    def _reply(self, step: dict[str, Any]) -> None:
        revision = step["revision"]
        known = make_snapshot(revision) if step.get("data", True) else None
        self.subscription.wrote(revision, known)

    def _finish(self, step: dict[str, Any]) -> None:
        self._writes[step["id"]].__exit__(None, None, None)

    def _reconnected(self, step: dict[str, Any]) -> None:
        self.subscription.reconnected()

    def _removed_here(self, step: dict[str, Any]) -> None:
        self.subscription.wrote_removal()

    def _go_back(self, step: dict[str, Any]) -> None:
        snapshot, before = make_snapshot(step["revision"]), make_snapshot(step["before"])
        assert self.subscription.go_back(snapshot, before) is step["back"]


@each("subscriptions")
def test_vectors(vector: dict[str, Any]) -> None:
    scenario = Scenario(vector.get("opened", 1), vector.get("bound", 10))
    subscription = scenario.subscription
    for step in vector["steps"]:
        scenario.do(step)
        assert scenario.announced() == step.get("announced", []), step
        if "current" in step:
            assert subscription.current == make_snapshot(step["current"]), step
        assert subscription.is_lost is step.get("lost", subscription.is_lost), step
        assert subscription.removed is step.get("removed", subscription.removed), step


class TestHandles:
    def test_every_handle_is_notified(self, subscription: Subscription, handle: Recorder) -> None:
        other = Recorder()
        subscription.handles.add(other)
        receive(subscription, 2)

        assert handle.received == other.received != []

    def test_states_that_were_announced_before_do_not_change(
        self, subscription: Subscription, handle: Recorder
    ) -> None:
        first = subscription.current
        operations = [{"op": "replace", "path": "/at", "value": 2}]
        delta = {"operations": operations, "digest": digest({"at": 2})}
        body = {"sid": SID, "revision": "2", "previous_revision": "1", "delta": delta}
        subscription.update(body, may_be_early=False)

        assert first == make_snapshot(1)
        assert handle.received == [Updated(make_snapshot(2), make_snapshot(1), is_local=False)]

    def test_an_event_that_waited_is_announced_if_the_write_raises(
        self, subscription: Subscription, handle: Recorder
    ) -> None:
        with pytest.raises(ConnectionError), subscription.writing():
            receive(subscription, 2, may_be_early=True)
            raise ConnectionError

        assert handle.revisions == [(2, False)]


class TestRemoval:
    BODY = {
        "sid": SID,
        "revision": "9",
        "removed_by": "bob",
        "expired": False,
        "date_removed": "2026-01-31T08:15:30.123Z",
    }

    def test_it_is_announced_with_the_last_state_and_ends_the_handles(
        self, subscription: Subscription, handle: Recorder
    ) -> None:
        receive(subscription, 2)
        subscription.receive(Removal(self.BODY), may_be_early=False)

        event = handle.received[-1]
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

        assert handle.received == [Removed(SID, make_snapshot(1), is_local=False)]

    def test_one_that_was_found_after_its_expiry_has_expired(
        self, subscription: Subscription, handle: Recorder
    ) -> None:
        for passed, expired in ((timedelta(hours=1), None), (timedelta(hours=-1), True)):
            snapshot = replace(make_snapshot(1), date_expires=datetime.now(UTC) + passed)
            found = Subscription(snapshot, 10)
            found.handles.add(handle)
            found.receive(Removal(), may_be_early=True)
            event = handle.received[-1]
            assert isinstance(event, Removed)
            assert event.expired is expired


class TestEnd:
    def test_handles_receive_the_reason(self, subscription: Subscription, handle: Recorder) -> None:
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
