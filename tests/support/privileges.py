"""The rights of a Redis user, as docs/operations.md lists them."""

from __future__ import annotations

import re
from pathlib import Path

__all__ = ["documented_rules"]

_DOCS = Path(__file__).parents[2] / "docs/operations.md"

SHARDED = {"+publish": "+spublish", "+subscribe": "+ssubscribe", "+unsubscribe": "+sunsubscribe"}


def documented_rules(*further: str, sharded: bool = False) -> list[str]:
    """What follows `ACL SETUSER syncline on >PASSWORD`.

    Args:
        further: rules besides.
        sharded: for a Cluster.
    """
    [block] = re.findall(r"ACL SETUSER syncline on >PASSWORD (.*?)```", _DOCS.read_text(), re.S)
    rules = block.split()
    if sharded:
        rules = [SHARDED.get(rule, rule) for rule in rules] + ["+cluster|slots"]
    return [*rules, *further]
