from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from support.strategies import bounded
from syncline.backoff import STABLE_AFTER, Backoff


def test_the_ceiling_doubles_up_to_the_limit() -> None:
    backoff = Backoff(0.5, 3)
    ceilings = []
    for _ in range(5):
        ceilings.append(backoff.ceiling)
        backoff.pause()

    assert ceilings == [0.5, 1, 2, 3, 3]


@bounded
@given(st.integers(1, 20))
def test_a_pause_is_never_longer_than_the_ceiling(failures: int) -> None:
    backoff = Backoff(0.5, 30)
    for _ in range(failures):
        ceiling = backoff.ceiling
        assert 0 <= backoff.pause() <= ceiling


def test_pauses_differ_so_that_clients_do_not_return_all_at_once() -> None:
    assert len({Backoff(1, 30).pause() for _ in range(20)}) > 1


def test_a_connection_that_stood_brings_the_ceiling_down() -> None:
    backoff = Backoff(0.5, 30)
    backoff.pause()

    backoff.connection_stood(STABLE_AFTER)

    assert backoff.ceiling == 0.5


def test_a_connection_that_broke_at_once_does_not() -> None:
    backoff = Backoff(0.5, 30)
    backoff.pause()

    backoff.connection_stood(STABLE_AFTER - 0.1)

    assert backoff.ceiling == 1
