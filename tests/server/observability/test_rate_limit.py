from __future__ import annotations

from syncline_server.observability.rate_limit import FixedWindow, TokenBucket


class Clock:
    """Attributes: `now`: the time in seconds."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class TestFixedWindow:
    def test_admits_so_many_in_each_window(self) -> None:
        clock = Clock()
        window = FixedWindow(2, 10.0, clock=clock)
        assert [window.admit() for _ in range(4)] == [True, True, False, False]
        clock.now += 9.9
        assert not window.admit()
        clock.now += 0.1
        assert [window.admit() for _ in range(3)] == [True, True, False]

    def test_a_window_begins_with_the_first_call_after_the_last_one(self) -> None:
        clock = Clock()
        window = FixedWindow(1, clock=clock)
        assert window.admit()
        clock.now += 1.7
        assert window.admit()
        assert window.rest() == 1.0
        clock.now += 0.9
        assert not window.admit()

    def test_counts_each_key_apart(self) -> None:
        window = FixedWindow(1, clock=Clock())
        assert [window.admit(key=key) for key in ("a", "b", "a")] == [True, True, False]

    def test_what_is_left_is_enough_for_one_call_of_any_size(self) -> None:
        window = FixedWindow(100, clock=Clock())
        assert [window.admit(units) for units in (99, 500, 1)] == [True, True, False]

    def test_says_what_is_left(self) -> None:
        clock = Clock()
        window = FixedWindow(100, clock=clock)
        assert window.left() == 100
        window.take(60)
        assert window.left() == 40
        clock.now += 1.0
        assert window.left() == 100


class TestTokenBucket:
    def test_so_many_come_in_at_once_and_no_more(self) -> None:
        bucket = TokenBucket(3, Clock())
        assert [bucket.admit() for _ in range(5)] == [True, True, True, False, False]

    def test_room_grows_with_time_up_to_a_second_of_it(self) -> None:
        clock = Clock()
        bucket = TokenBucket(4, clock)
        while bucket.admit():
            pass
        clock.now += 0.5
        assert [bucket.admit() for _ in range(3)] == [True, True, False]
        clock.now += 1000
        assert [bucket.admit() for _ in range(5)] == [True] * 4 + [False]
