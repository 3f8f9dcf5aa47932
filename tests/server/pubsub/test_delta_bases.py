from __future__ import annotations

from collections import Counter

import pytest

from syncline_protocol.deltas import SMALLEST_DATA
from syncline_protocol.documents import Updated
from syncline_protocol.objects import Event, Removed
from syncline_server.observability.metrics import Limit
from syncline_server.pubsub.delta_bases import (
    BYTES_PER_UNIT,
    LONGEST_PAUSE,
    DeltaBases,
)

DATA = b"." * SMALLEST_DATA
LIMIT = 3 * SMALLEST_DATA


@pytest.fixture
def limit_hits() -> Counter[Limit]:
    return Counter()


@pytest.fixture
def delta_bases(limit_hits: Counter[Limit]) -> DeltaBases:
    return DeltaBases(LIMIT, limit_hits)


def updated(revision: int, data: bytes = DATA, *, sid: str = "a", previous: int = -1) -> Updated:
    before = revision - 1 if previous < 0 else previous
    return Updated(
        sid=sid,
        unique_name=None,
        revision=revision,
        previous=before,
        at_ms=0,
        by="alice",
        data=data,
        expires_ms=None,
    )


def base_of(delta_bases: DeltaBases, event: Event) -> bytes | None:
    """The data that the event was given to begin from."""
    delta_bases.set_base(event)
    assert isinstance(event, Updated)
    return None if event.base is None else event.base.data


def test_a_delta_begins_at_the_remembered_data_or_at_that_of_the_event_before(
    delta_bases: DeltaBases,
) -> None:
    first, second = DATA + b"1", DATA + b"2"
    delta_bases.remember_base("a", 1, first)

    assert base_of(delta_bases, updated(2, second)) is first
    assert base_of(delta_bases, updated(3)) is second


def test_only_the_data_at_exactly_the_revision_before_is_a_base(delta_bases: DeltaBases) -> None:
    delta_bases.remember_base("a", 1, DATA)

    assert base_of(delta_bases, updated(3)) is None
    assert base_of(delta_bases, updated(5, previous=3)) is not None


def test_older_data_does_not_take_the_place_of_newer(delta_bases: DeltaBases) -> None:
    delta_bases.remember_base("a", 5, DATA)
    delta_bases.remember_base("a", 4, DATA + b"old")
    delta_bases.remember_base("a", 5, DATA + b"again")

    assert base_of(delta_bases, updated(6)) is DATA


def test_a_document_that_is_dropped_or_removed_leaves_nothing(delta_bases: DeltaBases) -> None:
    delta_bases.remember_base("a", 1, DATA)
    delta_bases.drop("a")
    delta_bases.drop("a")
    assert base_of(delta_bases, updated(2)) is None

    delta_bases.set_base(
        Removed(
            sid="a", unique_name=None, revision=3, previous=2, at_ms=0, by="alice", expired=False
        )
    )
    assert base_of(delta_bases, updated(4, previous=2)) is None


def test_data_of_which_a_delta_could_be_no_gain_is_not_kept(delta_bases: DeltaBases) -> None:
    delta_bases.remember_base("a", 1, DATA)
    delta_bases.set_base(updated(2, DATA[1:]))

    assert base_of(delta_bases, updated(3)) is None


def test_beyond_the_limit_the_oldest_is_forgotten_and_counted(
    delta_bases: DeltaBases, limit_hits: Counter[Limit]
) -> None:
    for sid in "abc":
        delta_bases.remember_base(sid, 1, DATA)
    delta_bases.set_base(updated(2, sid="a"))
    assert not limit_hits
    delta_bases.remember_base("d", 1, DATA)

    assert limit_hits == {Limit.DELTA_MEMORY: 1}
    assert base_of(delta_bases, updated(2, sid="d")) is DATA
    assert base_of(delta_bases, updated(3, sid="a")) is DATA
    assert base_of(delta_bases, updated(2, sid="b")) is None


def test_what_is_larger_than_the_limit_pushes_nothing_out(
    delta_bases: DeltaBases, limit_hits: Counter[Limit]
) -> None:
    delta_bases.remember_base("a", 1, DATA)
    delta_bases.remember_base("b", 1, b"." * (LIMIT + 1))

    assert base_of(delta_bases, updated(2)) is DATA
    assert not limit_hits


def test_a_limit_of_0_keeps_nothing(limit_hits: Counter[Limit]) -> None:
    delta_bases = DeltaBases(0, limit_hits)
    delta_bases.remember_base("a", 1, DATA)

    assert base_of(delta_bases, updated(2)) is None
    assert not limit_hits


def test_attempts_in_vain_become_rare_until_one_succeeds(delta_bases: DeltaBases) -> None:
    delta_bases.remember_base("a", 0, DATA)
    attempts = []
    for revision in range(1, 400):
        event = updated(revision)
        delta_bases.set_base(event)
        if event.base is not None:
            attempts.append(revision)
            event.base.record_outcome(False)

    gaps = [after - before for before, after in zip(attempts, attempts[1:], strict=False)]
    assert gaps[:6] == [2, 4, 8, 16, 32, 64]
    assert set(gaps[6:]) == {LONGEST_PAUSE}

    for revision in range(400, 400 + LONGEST_PAUSE):
        event = updated(revision)
        delta_bases.set_base(event)
        if event.base is not None:
            event.base.record_outcome(True)
            break
    assert base_of(delta_bases, updated(revision + 1)) is not None
    assert base_of(delta_bases, updated(revision + 2)) is not None


def test_where_there_is_no_time_to_compare_an_event_goes_whole(limit_hits: Counter[Limit]) -> None:
    allowed = [True, False, True]
    sizes: list[int] = []

    def spend(units: int) -> bool:
        sizes.append(units)
        return allowed.pop(0)

    delta_bases = DeltaBases(LIMIT, limit_hits)
    delta_bases.limit_work(spend)
    delta_bases.remember_base("a", 1, DATA)
    found = [base_of(delta_bases, updated(number, previous=number - 1)) for number in (2, 3, 4)]
    assert found == [DATA, None, DATA]
    assert sizes == [len(DATA) // BYTES_PER_UNIT + 1] * 3
