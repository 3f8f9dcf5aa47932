from __future__ import annotations

from syncline_protocol.errors import Code
from syncline_server.auth.identity_limit import IdentityLimit
from syncline_server.observability.metrics import Limit, Meters


class Clock:
    """Attributes: `now`: the time in seconds."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_each_caller_has_so_many_in_a_second() -> None:
    meters, clock = Meters(), Clock()
    limit = IdentityLimit(2, 100, meters, clock=clock)
    assert [limit.refusal("alice") is None for _ in range(4)] == [True, True, False, False]
    assert limit.refusal("bob") is None
    clock.now += 0.9
    refusal = limit.refusal("alice")
    assert refusal is not None and refusal.code is Code.RATE_LIMITED
    assert refusal.code.status == 429 and refusal.code.retry
    clock.now += 0.1
    assert limit.refusal("alice") is None
    assert meters.limit_hits[Limit.IDENTITY_RATE] == 3


def test_each_caller_may_make_so_much_work_in_a_second() -> None:
    meters, clock = Meters(), Clock()
    limit = IdentityLimit(10, 100, meters, clock=clock)
    # What is left is enough for one piece of any size.
    assert [limit.charge("alice", units) is None for units in (99, 500, 1)] == [True, True, False]
    assert limit.charge("bob", 1) is None
    refusal = limit.charge("alice", 1)
    assert refusal is not None and refusal.code is Code.RATE_LIMITED
    assert 0 < limit.rest() <= 1
    clock.now += limit.rest()
    assert limit.charge("alice", 1) is None
    assert meters.limit_hits[Limit.IDENTITY_WORK] == 2
