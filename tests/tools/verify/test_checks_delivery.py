"""What undisturbed subscribers have to receive, and how soon."""

from __future__ import annotations

import pytest

from support.histories import (
    COMMAND,
    FIRST,
    created,
    evidence_of,
    fault,
    opened,
    removed,
    updated,
    written,
)
from syncline_tools.verify.checks_delivery import FRESH_WITHIN, check_complete, check_fresh
from syncline_tools.verify.records import Connected, Lost, Record, Stalled

A, B, C = (FIRST + 10_000 * number for number in (1, 2, 3))
"""Revisions of commits of their own."""

LATE = FRESH_WITHIN + 1


def missed(*records: Record) -> list[str]:
    return [each.text for each in check_complete(evidence_of(created(), *records)).findings]


def stale(*records: Record, end: float = 100.0) -> list[str | None]:
    """The clients that did not have the newest state in time."""
    return [each.client for each in check_fresh(evidence_of(created(), *records, end=end)).findings]


class TestComplete:
    def test_all_events_in_a_row_are_good(self) -> None:
        events = [updated(1, A, FIRST), updated(2, B, A), removed(3, C)]

        assert missed(opened(), *events, *written(1, 0.9, A), *written(2, 1.9, B)) == []

    def test_an_event_that_another_subscriber_received_is_missing(self) -> None:
        other = [opened(client="twilsock-1"), updated(1, A, client="twilsock-1")]

        assert missed(opened(), updated(2, B), *other) == [
            f"after {FIRST} it received {B}, and not {A} between"
        ]

    def test_an_event_that_the_next_one_names_is_missing_at_all(self) -> None:
        others = [
            opened(client="python-1"),
            updated(2, B, client="python-1"),
        ]

        assert len(missed(opened(), updated(2, B, A), *others)) == 2

    def test_an_acknowledged_revision_that_nobody_received_is_missing(self) -> None:
        assert len(missed(opened(), updated(2, B), *written(1, 1, A))) == 1

    def test_an_event_before_the_removal_is_missing(self) -> None:
        assert len(missed(opened(), removed(2, B), *written(1, 1, A))) == 1

    def test_revisions_of_one_batch_have_one_event(self) -> None:
        batch = [*written(1, 1, A), *written(2, 1, A + 1), *written(3, 1, A + 2)]

        assert missed(opened(), updated(1.1, A + 2, FIRST), *batch) == []
        assert missed(opened(), updated(1.1, A + 2), *batch[2:]) == []

    def test_revisions_that_follow_closely_have_an_event_each_where_one_names_the_other(
        self,
    ) -> None:
        close = [*written(1, 1, A), *written(2, 1, A + 1)]

        assert len(missed(opened(), updated(1.1, A + 1, A), *close)) == 1

    def test_the_state_at_the_opening_counts_as_received(self) -> None:
        assert missed(opened(1.5, A), updated(2, B, A), *written(1, 1, A)) == []

    def test_what_came_while_there_was_no_connection_is_not_missing(self) -> None:
        again = [
            Lost(at=1, client="native-1", reason="", final=False),
            Connected(at=2, client="native-1", connection=2),
            opened(2.1, B, connection=2),
            updated(3, C, B, connection=2),
        ]

        assert missed(opened(), *again, *written(1, 1.5, A), *written(2, 1.6, B)) == []

    @pytest.mark.parametrize(
        "excuse",
        [
            fault(1, 0.5),
            fault(1, 0.5, kind=COMMAND, client=None),
            Stalled(at=2, seconds=1.5),
        ],
    )
    def test_a_disturbed_or_slow_reader_may_get_the_newest_state_alone(
        self, excuse: Record
    ) -> None:
        assert missed(opened(), excuse, updated(2.5, B, A), *written(1, 1.2, A)) == []

    @pytest.mark.parametrize(
        "excuse", [fault(1, 0, kind="duplicate"), fault(1, 0.5, client="rest-1"), fault(5, 1)]
    )
    def test_what_happens_to_others_or_later_is_no_excuse(self, excuse: Record) -> None:
        assert len(missed(opened(), excuse, updated(2.5, B, A))) == 1

    def test_events_may_give_way_while_an_own_write_takes_long(self) -> None:
        own = written(9, 3, C, client="native-1", took=2)

        assert missed(opened(), updated(2.5, B, A), *own) == []

    def test_the_python_client_may_change_its_transport_after_a_break(self) -> None:
        def events(connection: int) -> list[Record]:
            return [
                updated(2, A, client="python-1", connection=connection),
                updated(3, C, client="python-1", connection=connection),
                *written(1, 2.5, B),
            ]

        assert len(missed(*events(1))) == 1
        assert missed(*events(2)) == []


class TestFresh:
    def test_the_last_event_of_a_quiet_document_comes_in_time(self) -> None:
        assert stale(opened(), *written(1, 1, A), updated(1.5, A)) == []

    def test_a_last_event_that_does_not_come_shows_by_time(self) -> None:
        assert stale(opened(), *written(1, 1, A)) == ["native-1"]

    def test_a_later_event_does_not_hide_it(self) -> None:
        written_later = written(2, 1 + LATE, B)

        assert stale(opened(), *written(1, 1, A), *written_later, updated(1 + LATE, B)) == [
            "native-1"
        ]

    def test_what_another_subscriber_has_is_known(self) -> None:
        other = [opened(client="rest-1"), updated(1, A, client="rest-1")]

        assert stale(opened(), *other) == ["native-1"]

    def test_an_acknowledged_removal_is_received_in_time(self) -> None:
        assert stale(opened(), *written(1, 1, A, do="remove")) == ["native-1"]
        assert stale(opened(), *written(1, 1, A, do="remove"), removed(1.2, A)) == []

    def test_the_state_at_the_opening_is_the_newest(self) -> None:
        assert stale(opened(5, FIRST), *written(1, 1, A)) == ["native-1"]
        assert stale(opened(5, A), *written(1, 1, A)) == []

    def test_what_is_written_at_the_end_is_left_to_the_end(self) -> None:
        assert stale(opened(), *written(1, 1, A), end=2) == []

    def test_faults_and_pauses_postpone_it_and_no_more(self) -> None:
        excuses = [
            fault(1.5, 4),
            fault(1.5, 4, kind=COMMAND, client=None),
            Stalled(at=3, seconds=2),
        ]
        for excuse in excuses:
            assert stale(opened(), excuse, *written(1, 1, A), updated(1 + LATE, A)) == []
            assert stale(opened(), excuse, *written(1, 1, A), updated(20, A)) == ["native-1"]

    def test_a_process_that_starves_doubts_what_came_late(self) -> None:
        seen = [opened(), *written(1, 1, A), updated(60, A)]
        turns = [Stalled(at=1 + number / 5, seconds=0.12) for number in range(1, 40)]

        (finding,) = check_fresh(evidence_of(created(), *seen, *turns)).findings
        assert finding.is_doubt
        # Nothing was late for long, and all together for so long.
        assert stale(*seen[:-1], *turns, updated(1 + LATE + 1, A)) == []
        (finding,) = check_fresh(evidence_of(created(), *seen, *turns[::3])).findings
        assert not finding.is_doubt

    def test_who_connects_again_has_it_soon_after(self) -> None:
        again = [
            Lost(at=1.5, client="native-1", reason="", final=False),
            Connected(at=10, client="native-1", connection=2),
        ]

        assert stale(opened(), *again, *written(1, 1, A), opened(10.5, A, connection=2)) == []
        assert stale(opened(), *again, *written(1, 1, A)) == ["native-1"]

    def test_a_command_that_stops_all_writes_postpones_it(self) -> None:
        # Nothing is acknowledged between 1 s and 20 s.
        command = fault(1.1, 0.1, kind=COMMAND, client=None)
        before, after = written(1, 1, A), written(2, 20, A)

        assert stale(opened(), command, *before, *after, updated(21, A)) == []
        assert stale(opened(), *before, *after, updated(21, A)) == ["native-1"]
