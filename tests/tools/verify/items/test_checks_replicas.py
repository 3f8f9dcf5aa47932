"""Whether replicas end with what is stored, in time, in order, and with own writes at once."""

from __future__ import annotations

import pytest

from support.item_histories import (
    COLLECTION,
    FIRST,
    added,
    answered,
    command,
    evidence_of,
    gone,
    read,
    state,
    wrote,
)
from syncline_tools.verify.evidence import Evidence
from syncline_tools.verify.items.checks import item_checks
from syncline_tools.verify.items.checks_freshness import check_replica_fresh
from syncline_tools.verify.items.checks_replicas import (
    check_replica_converged,
    check_replica_order,
    check_replica_own,
)
from syncline_tools.verify.items.records import ItemChange, ItemsJoined, ItemState
from syncline_tools.verify.items.replica_records import (
    ReplicaChanged,
    ReplicaOpened,
    ReplicaRead,
    ReplicaReset,
    ReplicaWrote,
)
from syncline_tools.verify.records import Connected, Outcome, Record

A, B, C = (FIRST + 100 * number for number in (1, 2, 3))

CLIENT = "replica-native-1"


def seen(*records: Record, prefix: str = "") -> Evidence:
    joined = ItemsJoined(at=0, client=CLIENT, wire="python", prefix=prefix)
    opened = ReplicaOpened(at=0, client=CLIENT, collection=COLLECTION, items=())
    connected = Connected(at=0, client=CLIENT, connection=1)
    return evidence_of(joined, connected, opened, *records)


def announced(at: float, change: ItemChange) -> ReplicaChanged:
    return ReplicaChanged(at=at, client=CLIENT, collection=COLLECTION, changes=(change,))


def shown(
    at: float, *items: ItemState, final: bool = False, is_complete: bool = True
) -> ReplicaRead:
    return ReplicaRead(
        at=at,
        client=CLIENT,
        collection=COLLECTION,
        items=items,
        is_complete=is_complete,
        repairs=2,
        final=final,
    )


def reset(at: float) -> ReplicaReset:
    return ReplicaReset(at=at, client=CLIENT, collection=COLLECTION)


STORED = read(50, state("k", A, 1), revision=A, final=True)


class TestConverged:
    def test_it_ends_with_what_is_stored(self) -> None:
        check = check_replica_converged(
            seen(announced(1, added("k", A, 1)), STORED, shown(51, state("k", A, 1), final=True))
        )

        assert (check.examined, check.findings) == (1, ())

    @pytest.mark.parametrize("items", [(), (state("k", A, 2),), (state("k", A - 1, 1),)])
    def test_it_shows_something_else(self, items: tuple[ItemState, ...]) -> None:
        (finding,) = check_replica_converged(
            seen(announced(1, added("k", A, 1)), STORED, shown(51, *items, final=True))
        ).findings

        assert "as it is shown" in finding.text

    def test_it_announced_something_else(self) -> None:
        (finding,) = check_replica_converged(
            seen(STORED, shown(51, state("k", A, 1), final=True))
        ).findings

        assert "as it was announced" in finding.text

    def test_it_is_not_complete(self) -> None:
        (finding,) = check_replica_converged(
            seen(STORED, shown(51, final=True, is_complete=False))
        ).findings

        assert "not complete" in finding.text

    def test_of_a_prefix_only_its_items_count(self) -> None:
        other = seen(STORED, shown(51, final=True), prefix="free/")

        assert not check_replica_converged(other).findings


class TestOrder:
    def test_items_only_go_on(self) -> None:
        check = check_replica_order(
            seen(
                announced(1, added("k", A, 1)),
                shown(1.5, state("k", A, 1)),
                announced(2, gone("k", B)),
                announced(3, added("k", C, 2)),
                shown(4, state("k", C, 2)),
                shown(5, state("k", C, 2)),
            )
        )

        assert (check.examined, check.findings) == (6, ())

    @pytest.mark.parametrize("again", [A, B])
    def test_an_item_is_announced_older_or_twice(self, again: int) -> None:
        (finding,) = check_replica_order(
            seen(announced(1, added("k", B, 1)), announced(2, added("k", again, 1)))
        ).findings

        assert f"it announced {again} of item k after {B}" in finding.text

    def test_an_item_is_shown_older(self) -> None:
        (finding,) = check_replica_order(
            seen(shown(1, state("k", B, 1)), shown(2, state("k", A, 1)))
        ).findings

        assert f"it showed {A} of item k after {B}" in finding.text

    def test_after_a_reset_older_items_are_right(self) -> None:
        records = (announced(1, added("k", B, 1)), reset(2), announced(3, added("k", A, 1)))

        assert not check_replica_order(seen(*records)).findings

    @pytest.mark.parametrize("outcome", [Outcome.UNKNOWN, Outcome.ACKNOWLEDGED])
    def test_a_failover_may_lose_what_nobody_acknowledged(self, outcome: Outcome) -> None:
        write = wrote(1, 1, "k", B)
        check = check_replica_order(
            seen(
                *(write if outcome is Outcome.ACKNOWLEDGED else answered(write, outcome)),
                command(0.5, 1),
                announced(1, added("k", B, 1)),
                announced(3, added("k", A, 2)),
            )
        )

        assert bool(check.findings) is (outcome is Outcome.ACKNOWLEDGED)


class TestFresh:
    WRITTEN = wrote(1, 1, "k", A)

    @pytest.mark.parametrize("at", [0.9, 3.9])
    def test_it_comes_in_time(self, at: float) -> None:
        check = check_replica_fresh(seen(*self.WRITTEN, announced(at, added("k", A, 1))))

        assert (check.examined, check.findings) == (1, ())

    def test_it_comes_late(self) -> None:
        (finding,) = check_replica_fresh(
            seen(*self.WRITTEN, announced(4.1, added("k", A, 1)))
        ).findings

        assert f"it did not have revision {A} of item k" in finding.text

    def test_what_is_not_the_newest_any_more_may_be_left_out(self) -> None:
        check = check_replica_fresh(
            seen(*self.WRITTEN, *wrote(2, 2, "k", B), announced(2.5, added("k", B, 2)))
        )

        assert not check.findings

    def test_a_removal_comes_late(self) -> None:
        (finding,) = check_replica_fresh(
            seen(
                *self.WRITTEN,
                announced(1, added("k", A, 1)),
                *wrote(2, 2, "k", B, do="remove"),
            )
        ).findings

        assert "it did not have the removal of item k" in finding.text

    def test_of_an_item_that_it_never_had_no_removal_comes(self) -> None:
        records = (*self.WRITTEN, *wrote(2, 1.1, "k", B, do="remove"))

        assert not check_replica_fresh(seen(*records)).findings

    def test_of_a_prefix_only_its_items_count(self) -> None:
        assert not check_replica_fresh(seen(*self.WRITTEN, prefix="free/")).examined


class TestOwn:
    @pytest.mark.parametrize(("revision", "is_broken"), [(None, True), (A, True), (B, False)])
    def test_it_is_shown_at_the_answer(self, revision: int | None, is_broken: bool) -> None:
        record = ReplicaWrote(
            at=1,
            client=CLIENT,
            collection=COLLECTION,
            write=1,
            key="k",
            revision=B,
            shown=revision,
        )
        check = check_replica_own(seen(record))

        assert (check.examined, bool(check.findings)) == (1, is_broken)


def test_what_a_replica_shows_is_compared_with_what_others_see() -> None:
    evidence = seen(*wrote(1, 1, "k", A), announced(1, added("k", A, 7)))

    broken = {check.name for check in item_checks(evidence) if check.broken}

    assert "item-origin" in broken


def test_repairs_are_counted() -> None:
    assert seen(shown(1), shown(2)).items.count_repairs() == 2
