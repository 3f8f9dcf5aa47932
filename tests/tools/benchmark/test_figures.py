from __future__ import annotations

import pytest

from syncline_tools.benchmark.figures import BUSY, HEADROOM, Delay, Figures


def figures(*, deliveries: float = 1000.0, share: float = 0.2) -> Figures:
    return Figures(
        subscribers=100,
        writers=1,
        connections_per_second=500.0,
        rate=20.0,
        delay=None,
        events_per_second=deliveries / 100,
        deliveries_per_second=deliveries,
        writes_per_second=300.0,
        merged=0,
        refused=0,
        client_share=share,
    )


def test_a_capacity_leaves_room() -> None:
    capacity_at = {each.events_per_second: each.subscribers for each in figures().capacity}

    assert capacity_at[1] == pytest.approx(1000 * HEADROOM, abs=1)
    assert capacity_at[10] == pytest.approx(100 * HEADROOM, abs=1)


def test_busy_clients_make_figures_a_lower_bound() -> None:
    assert not figures().is_lower_bound
    assert figures(share=BUSY).is_lower_bound


def test_a_delay() -> None:
    delays = [each / 1000 for each in range(100, 0, -1)]

    assert Delay.of(delays) == Delay(median=0.0505, p99=0.1, worst=0.1)
    assert Delay.of([]) is None
