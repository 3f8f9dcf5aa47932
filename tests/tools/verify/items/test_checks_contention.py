"""Conditions, indexes and batches of items."""

from __future__ import annotations

from support.item_histories import (
    FIRST,
    added,
    answered,
    batch,
    changed,
    command,
    evidence_of,
    opened,
    read,
    state,
    wrote,
)
from syncline_tools.verify.items.checks_batches import check_item_batches
from syncline_tools.verify.items.checks_contention import (
    check_item_conditions,
    check_item_indexes,
)
from syncline_tools.verify.items.operation import ABSENT
from syncline_tools.verify.items.records import ItemChange
from syncline_tools.verify.records import Outcome

A, B, C = (FIRST + 100 * number for number in (1, 2, 3))


class TestConditions:
    def test_a_write_follows_what_it_named(self) -> None:
        history = [*wrote(1, 1, "k", A, if_match=ABSENT), *wrote(2, 2, "k", B, if_match=A)]

        assert check_item_conditions(evidence_of(*history)).examined == 2
        assert not check_item_conditions(evidence_of(*history)).findings

    def test_two_writes_succeed_against_one_revision(self) -> None:
        history = [*wrote(1, 1, "k", A), *wrote(2, 2, "k", B, if_match=A)]
        history += wrote(3, 3, "k", C, if_match=A)

        texts = [each.text for each in check_item_conditions(evidence_of(*history)).findings]
        assert texts == [
            f"its condition was revision {A} of item k, and {B} had been written when it was "
            f"applied as {C}",
            f"its condition was revision {A} of item k, on which write 2 was acknowledged too",
        ]

    def test_two_removals_succeed_against_one_revision(self) -> None:
        history = [*wrote(1, 1, "k", A), *wrote(2, 2, "k", None, do="remove", if_match=A)]
        history += wrote(3, 3, "k", None, do="remove", if_match=A)

        assert check_item_conditions(evidence_of(*history)).findings

    def test_an_item_is_created_where_there_is_one(self) -> None:
        history = [*wrote(1, 1, "k", A), *wrote(2, 2, "k", B, if_match=ABSENT)]
        removal = wrote(3, 1.5, "k", None, do="remove")

        assert check_item_conditions(evidence_of(*history)).findings
        assert not check_item_conditions(evidence_of(*history, *removal)).findings

    def test_a_write_that_a_failover_lost_was_not_there(self) -> None:
        lost = [opened(0.5, FIRST), changed(1, FIRST, added("k", A, 1))]
        write = [
            *answered(wrote(1, 1, "k", A), Outcome.UNKNOWN),
            *wrote(2, 3, "k", B, if_match=FIRST),
        ]

        assert check_item_conditions(evidence_of(*lost, *write)).findings
        assert not check_item_conditions(evidence_of(*lost, command(1.2, 1), *write)).findings
        follows = changed(3, A, added("k", B, 2))
        there = evidence_of(*lost, command(1.2, 1), follows, *write)
        assert check_item_conditions(there).findings


class TestIndexes:
    def test_each_index_is_used_once(self) -> None:
        history = [*wrote(1, 1, "0", A, do="add"), *wrote(2, 2, "1", B, do="add")]

        assert check_item_indexes(evidence_of(*history, type_="list")).examined == 2
        assert not check_item_indexes(evidence_of(*history, type_="list")).findings

    def test_two_writes_get_one_index(self) -> None:
        history = [*wrote(1, 1, "0", A, do="add"), *wrote(2, 1, "0", B, do="add")]

        texts = [x.text for x in check_item_indexes(evidence_of(*history, type_="list")).findings]
        assert texts == ["index 0 was given to write 1, and to write 2"]

    def test_the_index_of_a_removed_item_is_used_again(self) -> None:
        history = [*wrote(1, 1, "0", A, do="add"), *wrote(2, 2, "0", None, do="remove")]
        history += wrote(3, 3, "0", C, do="add")

        texts = [x.text for x in check_item_indexes(evidence_of(*history, type_="list")).findings]
        assert texts == [
            "index 0 was given to write 1, and to write 3",
            "it got index 0, after 0 was given",
        ]

    def test_only_what_was_acknowledged_keeps_its_index_through_a_failover(self) -> None:
        lost = answered(wrote(1, 1, "0", A, do="add"), Outcome.UNKNOWN)
        seen = [opened(0.5, FIRST), changed(1, FIRST, added("0", A, 1))]
        history = [*lost, *seen, *wrote(2, 3, "0", B, do="add")]

        assert check_item_indexes(evidence_of(*history, type_="list")).findings
        excused = evidence_of(*history, command(1.2, 1), type_="list")
        assert not check_item_indexes(excused).findings

    def test_what_was_lost_may_be_seen_after_its_index_was_given_again(self) -> None:
        lost = answered(wrote(1, 3.1, "0", A, do="add"), Outcome.UNKNOWN)
        seen = [opened(0.5, FIRST), changed(3.2, FIRST, added("0", A, 1))]
        history = [*wrote(2, 3, "0", B, do="add"), *lost, *seen]

        assert check_item_indexes(evidence_of(*history, type_="list")).findings
        excused = evidence_of(*history, command(1.2, 1), type_="list")
        assert not check_item_indexes(excused).findings


class TestBatches:
    WHOLE = batch(1, 1, {"k": A, "l": A + 1})

    def test_a_batch_is_seen_whole(self) -> None:
        seen = [opened(0.5, FIRST), changed(1, FIRST, both("k", 0), both("l", 1))]
        page = read(2, state("k", A, 1), state("l", A + 1, 1, part=1))

        assert not check_item_batches(evidence_of(*self.WHOLE, *seen, page)).findings

    def test_a_page_shows_a_part(self) -> None:
        page = read(2, state("k", A, 1), state("l", FIRST, 9))

        assert check_item_batches(evidence_of(*self.WHOLE, page)).findings
        assert check_item_batches(evidence_of(*self.WHOLE, read(2, state("k", A, 1)))).findings

    def test_a_part_is_overwritten_or_removed(self) -> None:
        overwritten = read(2, state("k", A, 1), state("l", B, 2))
        removed = [*wrote(3, 1.5, "l", None, do="remove"), read(2, state("k", A, 1))]

        assert not check_item_batches(evidence_of(*self.WHOLE, overwritten)).findings
        assert not check_item_batches(evidence_of(*self.WHOLE, *removed)).findings

    def test_pages_of_different_moments_show_nothing(self) -> None:
        pages = read(2, state("k", A, 1), is_atomic=False)

        assert not check_item_batches(evidence_of(*self.WHOLE, pages)).findings

    def test_items_that_get_newer_revisions_after_a_failover_are_no_part_of_it(self) -> None:
        again = changed(9, A + 1, added("k", C, 1))

        assert not check_item_batches(evidence_of(*self.WHOLE, again)).findings

    def test_an_event_has_a_part(self) -> None:
        seen = [opened(0.5, FIRST), changed(1, FIRST, both("k", 0))]

        (finding,) = check_item_batches(evidence_of(*self.WHOLE, *seen)).findings
        assert finding.text == f"the event of {A} has 1 of the 2 operations of batch 1"

    def test_a_refused_batch_is_seen(self) -> None:
        refused = answered(self.WHOLE, Outcome.REFUSED)
        page = read(2, state("k", A, 1), state("l", A + 1, 1, part=1))

        assert check_item_batches(evidence_of(*refused, page)).findings


def both(key: str, part: int) -> ItemChange:
    """The change of one item of the batch."""
    return added(key, A + part, 1, part=part)
