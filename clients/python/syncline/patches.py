"""Patches: rules by which the server changes the newest data."""

from __future__ import annotations

from collections.abc import Mapping

import orjson

from .encoding import encode, pointer_to

__all__ = ["OPERATIONS_LIMIT", "encode_rule", "shallow_merge"]

OPERATIONS_LIMIT = 1_000
"""Maximum number of operations in one JSON patch (docs/protocol.md, section 3)."""


def shallow_merge(changes: Mapping[str, object]) -> list[dict[str, object]]:
    """Return the JSON patch that sets some top-level keys."""
    return [
        {"op": "add", "path": pointer_to(key), "value": value} for key, value in changes.items()
    ]


def encode_rule(**rules: object) -> dict[str, orjson.Fragment]:
    """Encode the only rule of a patch that is not None, as a member of the request.

    Raises:
        TypeError: no rule was given, or more than one.
        InvalidRequest: as in `encode`.
    """
    given = {name: rule for name, rule in rules.items() if rule is not None}
    if len(given) != 1:
        raise TypeError("patch takes exactly one of merge, operations and increment")
    return {name: orjson.Fragment(encode(rule)) for name, rule in given.items()}
