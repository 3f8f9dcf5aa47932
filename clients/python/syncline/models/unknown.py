"""Keeps what a model does not know when it is written back."""

from __future__ import annotations

from typing import Any

import orjson

__all__ = ["keep_unknown"]


def keep_unknown(stored: Any, known: Any, written: Any) -> Any:
    """Add to `written` what is in `stored` and the model does not have.

    Other programs may store fields that this program's model lacks. Objects are compared key by
    key. The members of an array may have moved: one keeps its unknown fields if it is unchanged.

    Args:
        stored: the data before.
        known: what the model reads of `stored`, as it would write it.
        written: what the model writes now.
    """
    if stored == known:
        return written
    if isinstance(stored, dict) and isinstance(known, dict) and isinstance(written, dict):
        unknown = {key: value for key, value in stored.items() if key not in known}
        merged = {
            key: keep_unknown(stored[key], known[key], value)
            if key in known and key in stored
            else value
            for key, value in written.items()
        }
        return {**unknown, **merged}
    if isinstance(stored, list) and isinstance(known, list) and isinstance(written, list):
        return _keep_in_members(stored, known, written)
    return written


def _keep_in_members(stored: list[Any], known: list[Any], written: list[Any]) -> list[Any]:
    if len(stored) != len(known):
        return written
    kept = []
    places = {_digest(each): place for place, each in enumerate(known)}
    for place, value in enumerate(written):
        if place >= len(known) or known[place] != value:
            found = places.get(_digest(value))
        else:
            found = place
        kept.append(value if found is None else stored[found])
    return kept


def _digest(value: Any) -> bytes | None:
    """Equal for equal JSON values; None for what is no JSON value, which encoding refuses."""
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except TypeError:
        return None
