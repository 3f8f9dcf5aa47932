from __future__ import annotations

import dataclasses
from datetime import UTC, datetime

from support.snapshots import SID, make_snapshot
from syncline.events import ConnectionState, Removed, StateChanged, Updated

MOMENT = datetime(2026, 1, 31, tzinfo=UTC)


def test_an_update_reports_both_states_and_who_wrote_when() -> None:
    new = dataclasses.replace(make_snapshot(2, {"a": 2}), updated_by="bob", date_expires=MOMENT)
    event = Updated(new, make_snapshot(1, {"a": 1}), is_local=False)

    assert event.name == "updated"
    assert (event.data, event.previous_data) == ({"a": 2}, {"a": 1})
    assert (event.revision, event.updated_by) == ("2", "bob")
    assert (event.date_updated, event.date_expires) == (new.date_updated, MOMENT)


def test_a_listener_may_change_the_data_it_received() -> None:
    event = Updated(make_snapshot(2, {"a": [2]}), make_snapshot(1, {"a": [1]}), is_local=False)
    event.data["a"].append(3)
    event.previous_data.clear()

    assert (event.data, event.previous_data) == ({"a": [2]}, {"a": [1]})


def test_joined_updates_lead_from_the_first_state_to_the_last() -> None:
    states = [make_snapshot(revision) for revision in range(4)]
    first, second, third = (
        Updated(new, old, is_local=bool(new.revision % 2))
        for old, new in zip(states, states[1:], strict=False)
    )

    joined = third.following(second.following(first))

    assert joined == Updated(states[3], states[0], third.is_local)


def test_a_removal_reports_the_last_data_and_who_removed() -> None:
    event = Removed(SID, make_snapshot(1, {"a": 1}), is_local=True, removed_by="bob")

    assert event.name == "removed"
    assert event.data is None
    assert event.previous_data == {"a": 1}
    assert event.updated_by == event.removed_by == "bob"


def test_a_removal_that_nobody_saw_has_no_date_and_no_author() -> None:
    event = Removed(SID, make_snapshot(1), is_local=False)

    assert (event.revision, event.removed_by, event.expired, event.date_removed) == (None,) * 4


def test_a_removal_joined_with_another_is_itself() -> None:
    event = Removed(SID, make_snapshot(1), is_local=False)

    assert event.following(event) is event


def test_joined_changes_of_state_lead_from_the_first_to_the_last() -> None:
    error = ConnectionError()
    broke = StateChanged(ConnectionState.WAITING, ConnectionState.CONNECTED, error=error)
    dialled = StateChanged(ConnectionState.CONNECTING, ConnectionState.WAITING)

    joined = dialled.following(broke)

    assert joined == StateChanged(ConnectionState.CONNECTING, ConnectionState.CONNECTED)
    assert joined.name == "state"


def test_a_state_is_its_word() -> None:
    assert [str(state) for state in ConnectionState] == [
        "connecting", "connected", "waiting", "closed",
    ]  # fmt: skip
