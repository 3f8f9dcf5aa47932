from __future__ import annotations

from typing import Any

import pytest

from support.vectors import each
from syncline_protocol.backoff import Backoff


@each("backoff")
def test_vectors(vector: dict[str, Any]) -> None:
    draws = iter([step["draw"] for step in vector["steps"] if "draw" in step])
    backoff = Backoff(
        vector["initial"],
        vector["limit"],
        stable_after=vector["stable_after"],
        draw=lambda: next(draws),
    )
    assert backoff.ceiling == vector["initial"]
    for step in vector["steps"]:
        if "draw" in step:
            assert backoff.pause() == pytest.approx(step["pause"])
        else:
            backoff.reset_if_stable(step["lasted"])
        assert backoff.ceiling == step["ceiling"]


def test_pauses_are_random_by_default() -> None:
    assert len({Backoff(1, 30).pause() for _ in range(20)}) > 1
