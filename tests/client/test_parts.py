"""Parts of a collection, and the part that contains several (rule C28)."""

from __future__ import annotations

from typing import Any

import pytest

from syncline import InvalidRequest
from syncline.part import WHOLE, Part, containing


def keys(*keys: Any) -> Part:
    return Part.of(keys, None)


def prefix(text: str) -> Part:
    return Part.of(None, text)


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ([keys("a")], keys("a")),
        ([keys("a"), keys("b", "c")], keys("a", "b", "c")),
        ([keys("a1"), prefix("a")], prefix("a")),
        ([prefix("ab"), prefix("a")], prefix("a")),
        ([prefix("ab"), prefix("ac"), keys("ad")], prefix("a")),
        ([prefix("a"), prefix("b")], WHOLE),
        ([prefix("a"), keys("b")], WHOLE),
        ([keys("a"), WHOLE], WHOLE),
        ([keys(1, 2), keys(3)], keys(1, 2, 3)),
        ([keys(1), WHOLE], WHOLE),
        ([keys(*range(200)), keys(*range(200, 400))], WHOLE),
        (
            [keys(*(f"k{n}" for n in range(200))), keys(*(f"k{n}" for n in range(99, 300)))],
            prefix("k"),
        ),
    ],
)
def test_a_part_that_contains_several(parts: list[Part], expected: Part) -> None:
    assert containing(parts) == expected
    assert all(expected.covers(part) for part in parts)


@pytest.mark.parametrize(
    ("part", "key", "expected"),
    [
        (WHOLE, "a", True),
        (WHOLE, 1, True),
        (prefix("a"), "ab", True),
        (prefix("a"), "b", False),
        (prefix("a"), "", False),
        (keys("a"), "a", True),
        (keys("a"), "ab", False),
    ],
)
def test_what_a_part_has(part: Part, key: Any, expected: bool) -> None:
    assert part.has(key) is expected


def test_parts_that_do_not_contain_each_other() -> None:
    assert not keys("a").covers(prefix("a"))
    assert not prefix("a").covers(WHOLE)
    assert not prefix("ab").covers(prefix("a"))
    assert not prefix("a").covers(keys("a", "b"))


def test_members_of_requests() -> None:
    assert keys("b", "a").members("keys") == {"keys": ["a", "b"]}
    assert prefix("a").members("keys") == {"prefix": "a"}
    assert WHOLE.members("keys") == prefix("").members("keys") == {}


@pytest.mark.parametrize("named", [[], range(257), "abc"])
def test_keys_that_are_no_part(named: Any) -> None:
    with pytest.raises(InvalidRequest):
        Part.of(named, None)
    with pytest.raises(InvalidRequest):
        Part.of(["a"], "b")
