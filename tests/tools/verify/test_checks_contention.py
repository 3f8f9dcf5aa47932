"""Conditions, repeated operations, and turns."""

from __future__ import annotations

from support.histories import (
    COMMAND,
    DOCUMENT,
    FIRST,
    answered_again,
    created,
    evidence_of,
    fault,
    opened,
    updated,
    written,
)
from syncline_protocol.errors import Code
from syncline_tools.verify.checks_contention import (
    LEAST_WRITES,
    TURN_TOLERANCE,
    check_conditions,
    check_repeats,
    check_turns,
)
from syncline_tools.verify.checks_events import check_order, check_replies
from syncline_tools.verify.evidence import Evidence
from syncline_tools.verify.records import Kind, Record

A, B, C = (FIRST + 10_000 * number for number in (1, 2, 3))


class TestConditions:
    def test_a_write_follows_what_it_named(self) -> None:
        writes = [*written(1, 1, A, if_match=FIRST), *written(2, 2, B, if_match=A)]

        assert not check_conditions(evidence_of(created(), *writes)).findings

    def test_two_writes_follow_the_same_revision(self) -> None:
        writes = [*written(1, 1, A, if_match=FIRST), *written(2, 2, B, if_match=FIRST)]
        (finding,) = check_conditions(evidence_of(created(), *writes)).findings

        assert finding.text == (
            f"its condition was revision {FIRST}, and {A} had been written when it was applied "
            f"as {B}"
        )

    def test_an_event_shows_what_was_there_before(self) -> None:
        event = [opened(client="rest-1"), updated(2, B, A, client="rest-1")]
        write = written(1, 2, B, if_match=FIRST)

        assert check_conditions(evidence_of(created(), *event, *write)).findings

    def test_a_write_that_a_failover_lost_was_not_there(self) -> None:
        lost = [opened(0.5), updated(1, A, FIRST)]
        command = fault(1.2, 1.0, kind=COMMAND, client=None)
        write = written(1, 3, B, if_match=FIRST)

        assert not check_conditions(evidence_of(created(), *lost, command, *write)).findings
        assert check_conditions(evidence_of(created(), *lost, *write)).findings

    def test_a_write_that_was_acknowledged_is_never_taken_for_lost(self) -> None:
        writes = [*written(1, 1, A, if_match=FIRST), *written(2, 3, B, if_match=FIRST)]
        command = fault(1.2, 1.0, kind=COMMAND, client=None)

        assert check_conditions(evidence_of(created(), command, *writes)).findings

    def test_an_event_says_that_nothing_was_lost(self) -> None:
        seen = [opened(0.5), updated(1, A, FIRST), updated(3, B, A)]
        command = fault(1.2, 1.0, kind=COMMAND, client=None)
        write = written(1, 3, B, if_match=FIRST)

        assert check_conditions(evidence_of(created(), *seen, command, *write)).findings


class TestRepeats:
    def test_the_first_answer_comes_again(self) -> None:
        evidence = evidence_of(created(), *written(1, 1, A), answered_again(1, A))

        assert check_repeats(evidence).examined == 1
        assert not check_repeats(evidence).findings

    def test_another_answer_shows_that_it_was_applied_again(self) -> None:
        evidence = evidence_of(created(), *written(1, 1, A), answered_again(1, B))

        (finding,) = check_repeats(evidence).findings
        assert finding.text == f"write 1 had revision {A}, and {B} when it was sent again"

    def test_a_repeated_write_is_not_refused_for_its_condition(self) -> None:
        again = answered_again(1, code=Code.REVISION_MISMATCH)

        assert check_repeats(evidence_of(created(), *written(1, 1, A), again)).findings

    def test_a_document_that_is_gone_says_nothing(self) -> None:
        again = answered_again(1, code=Code.DOCUMENT_NOT_FOUND)

        assert not check_repeats(evidence_of(created(), *written(1, 1, A), again)).findings


class TestTurns:
    def test_plain_writes_take_the_same_time_everywhere(self) -> None:
        assert not check_turns(contended(0.8, 0.7)).findings

    def test_half_of_them_wait(self) -> None:
        check = check_turns(contended(TURN_TOLERANCE + 0.3, 0.02))

        assert check.examined == LEAST_WRITES
        assert check.findings

    def test_some_of_them_wait_for_long(self) -> None:
        check = check_turns(contended(0.01, 0.01, slowest=5))

        assert check.findings

    def test_few_writes_show_nothing(self) -> None:
        check = check_turns(contended(5, 0.01, count=LEAST_WRITES - 1))

        assert (check.examined, check.findings) == (0, ())


class TestReplies:
    def test_the_event_of_a_batch_is_that_of_each_write_in_it(self) -> None:
        early = [opened(), updated(1, A + 1, FIRST), *written(1, 1.1, A, client="native-1")]

        (finding,) = check_replies(evidence_of(created(), *early)).findings
        assert finding.at == 1

    def test_the_event_of_an_earlier_write_is_not(self) -> None:
        good = [opened(), updated(1, A, FIRST), *written(1, 1.1, B, client="native-1")]

        assert not check_replies(evidence_of(created(), *good)).findings


def contended(
    slow: float, usual: float, count: int = LEAST_WRITES, slowest: float | None = None
) -> Evidence:
    """Plain writes that take so long to a contended document, and to another one."""
    other = "ET2"
    records: list[Record] = [created(Kind.CONTENDED), created(document=other)]
    for number in range(count):
        at, revision = 10.0 + 6 * number, A + 10_000 * number
        took = slowest if slowest and number < 2 else slow
        records += written(2 * number, at, revision, took=took, document=DOCUMENT)
        records += written(2 * number + 1, at, revision, took=usual, document=other)
    return evidence_of(*records)


def test_a_client_goes_back_only_from_what_a_failover_may_have_lost() -> None:
    seen = [opened(), updated(2, B, FIRST), opened(3, A, connection=2)]
    command = fault(1, 0.5, kind=COMMAND, client=None)

    assert check_order(evidence_of(created(), *seen)).findings
    assert not check_order(evidence_of(created(), *seen, command)).findings
    kept = written(1, 2, B)
    assert check_order(evidence_of(created(), *seen, *kept, command)).findings
