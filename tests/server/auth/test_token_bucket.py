from __future__ import annotations

from syncline_server.auth.token_bucket import TokenBucket


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_so_many_come_in_at_once_and_no_more() -> None:
    gate = TokenBucket(3, Clock())

    assert [gate.admit() for _ in range(5)] == [True, True, True, False, False]


def test_room_grows_with_time_up_to_a_second_of_it() -> None:
    clock = Clock()
    gate = TokenBucket(4, clock)
    while gate.admit():
        pass
    clock.now += 0.5
    assert [gate.admit() for _ in range(3)] == [True, True, False]
    clock.now += 1000
    assert [gate.admit() for _ in range(5)] == [True] * 4 + [False]
