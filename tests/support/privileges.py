"""ACL rules of the Redis user, read from docs/operations.md."""

from __future__ import annotations

import re
from pathlib import Path

__all__ = ["documented_rules"]

_DOCS = Path(__file__).parents[2] / "docs/operations.md"

SHARDED = {
    "+publish": "+spublish",
    "+subscribe": "+ssubscribe",
    "+unsubscribe": "+sunsubscribe",
}


def documented_rules(*further: str, sharded: bool = False) -> list[str]:
    """The rules that docs/operations.md gives after `ACL SETUSER syncline on >PASSWORD`.

    Args:
        further: rules to add.
        sharded: True returns the rules for a Cluster.
    """
    [block] = re.findall(r"ACL SETUSER syncline on >PASSWORD (.*?)```", _DOCS.read_text(), re.S)
    rules = block.split()
    if sharded:
        rules = [SHARDED.get(rule, rule) for rule in rules] + ["+cluster|slots"]
    return [*rules, *further]
