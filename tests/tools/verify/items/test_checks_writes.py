"""What was written to items, and what is there."""

from __future__ import annotations

from support.item_histories import (
    FIRST,
    added,
    answered,
    changed,
    command,
    evidence_of,
    gone,
    opened,
    read,
    state,
    wrote,
)
from syncline_tools.verify.findings import Check
from syncline_tools.verify.items.checks_complete import check_item_complete
from syncline_tools.verify.items.checks_revisions import (
    check_item_removals,
    check_item_revisions,
)
from syncline_tools.verify.items.checks_writes import check_item_kept, check_item_origin
from syncline_tools.verify.records import Injected, Outcome

A, B, C = (FIRST + 100 * number for number in (1, 2, 3))


class TestKept:
    def test_what_is_read_is_at_least_as_new_as_what_was_acknowledged(self) -> None:
        history = [*wrote(1, 1, "k", A), *wrote(2, 3, "k", C)]

        assert not check_item_kept(evidence_of(*history, read(2, state("k", A, 1)))).findings
        assert not check_item_kept(evidence_of(*history, read(2, state("k", C, 2)))).findings
        assert text(check_item_kept(evidence_of(*history, read(4, state("k", A, 1))))) == (
            f"item k was at revision {A}, and {C} had been acknowledged"
        )

    def test_an_event_that_does_not_follow_what_was_acknowledged(self) -> None:
        history = [*wrote(1, 1, "k", A), opened(0.5, FIRST), changed(1.5, FIRST, added("k", B, 2))]
        lost = answered(wrote(2, 1.4, "k", B), Outcome.UNKNOWN)

        assert "was acknowledged" in text(check_item_kept(evidence_of(*history)))
        # The old master may publish after the new one has acknowledged, but acknowledge no more.
        excused = evidence_of(*history, *lost, command(0.9, 0.5))
        assert not check_item_kept(excused).findings
        assert not check_item_complete(excused).findings
        kept = wrote(2, 1.4, "k", B)
        assert check_item_kept(evidence_of(*history, *kept, command(0.9, 0.5))).findings

    def test_an_item_is_missing(self) -> None:
        history = wrote(1, 1, "k", A)

        assert "was missing" in text(check_item_kept(evidence_of(*history, read(2))))

    def test_an_item_that_was_removed_is_not_missing(self) -> None:
        history = [*wrote(1, 1, "k", A), *wrote(2, 1.5, "k", None, do="remove")]

        assert not check_item_kept(evidence_of(*history, read(2))).findings

    def test_a_refused_removal_explains_nothing(self) -> None:
        removal = answered(wrote(2, 1.5, "k", None, do="remove"), Outcome.REFUSED)
        history = [*wrote(1, 1, "k", A), *removal]

        assert check_item_kept(evidence_of(*history, read(2))).findings

    def test_a_lost_write_shows_although_another_one_followed(self) -> None:
        history = [*wrote(1, 1, "k", A, do="merge"), *wrote(2, 2, "k", B, do="merge")]

        assert "lacked write 1" in text(
            check_item_kept(evidence_of(*history, read(3, state("k", B, 2))))
        )

    def test_an_event_that_passes_over_an_acknowledged_revision(self) -> None:
        history = [*wrote(1, 1, "k", A), *wrote(2, 2, "other", B)]
        seen = [opened(0.5, FIRST), changed(2, FIRST, added("other", B, 2))]

        assert text(check_item_kept(evidence_of(*history, *seen))) == (
            f"revision {A} was acknowledged, and {B} followed {FIRST}"
        )


class TestOrigin:
    def test_a_state_that_was_written(self) -> None:
        history = [*wrote(1, 1, "k", A), read(2, state("k", A, 1))]

        assert not check_item_origin(evidence_of(*history)).findings

    def test_a_state_that_nobody_wrote(self) -> None:
        assert check_item_origin(evidence_of(read(2, state("k", A, 7)))).findings
        assert check_item_origin(evidence_of(read(2, state("k", A)))).findings

    def test_a_write_that_was_refused(self) -> None:
        refused = answered(wrote(1, 1, "k", A), Outcome.REFUSED)
        seen = read(2, state("k", A, 1))
        duplicate = Injected(at=1.5, client="items-1", fault="duplicate", seconds=0, detail="")

        assert "was refused" in text(check_item_origin(evidence_of(*refused, seen)))
        # What was refused is not remembered: it may be applied when it is sent again.
        assert not check_item_origin(evidence_of(*refused, duplicate, seen)).findings

    def test_a_write_of_another_item(self) -> None:
        history = [*wrote(1, 1, "k", A), read(2, state("other", A, 1))]

        assert "was of item k" in text(check_item_origin(evidence_of(*history)))

    def test_an_addition_that_was_applied_twice(self) -> None:
        history = [*wrote(1, 1, "0", A, do="add"), read(2, state("0", A, 1), state("1", B, 1))]

        assert "made item 0 too" in text(check_item_origin(evidence_of(*history, type_="list")))


class TestRemovals:
    def test_a_removed_item_comes_back(self) -> None:
        seen = [opened(0.5, FIRST), changed(2, A, gone("k", B))]
        history = [*wrote(1, 1, "k", A), *seen]

        again = read(3, state("k", A, 1))
        assert f"had been removed at {B}" in text(check_item_removals(evidence_of(*history, again)))
        created = [*wrote(3, 3, "k", C), read(4, state("k", C, 3))]
        assert not check_item_removals(evidence_of(*history, *created)).findings

    def test_an_item_that_is_there_after_its_acknowledged_removal(self) -> None:
        history = [*wrote(1, 1, "k", A), *wrote(2, 2, "k", None, do="remove")]

        assert check_item_removals(evidence_of(*history, read(3, state("k", A, 1)))).findings


class TestRevisions:
    def test_a_revision_of_two_items(self) -> None:
        history = [read(1, state("k", A, 1)), read(2, state("other", A, 1))]

        assert "and of item other" in text(check_item_revisions(evidence_of(*history)))

    def test_a_revision_with_two_contents(self) -> None:
        history = [*wrote(1, 1, "k", A), read(2, state("k", A, 9))]

        assert check_item_revisions(evidence_of(*history)).findings

    def test_a_later_write_has_a_lower_revision(self) -> None:
        history = [*wrote(1, 1, "k", B), *wrote(2, 2, "other", A)]

        assert text(check_item_revisions(evidence_of(*history))) == (
            f"it got revision {A}, after {B} was given"
        )


def text(check: Check) -> str:
    """The only finding."""
    (finding,) = check.findings
    return finding.text
