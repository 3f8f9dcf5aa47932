"""Refusals of unknown parameter names, with a suggestion of the parameter that was meant."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches

from starlette.requests import Request

from syncline_protocol import fields
from syncline_protocol.errors import Code, Refusal

from . import urlencoded

__all__ = ["PAGING", "check_query", "refuse_unknown"]

PAGING = ("PageSize", "Page", "PageToken")
"""Query parameters of a listing."""

_IGNORED = ("HideExpired",)
"""Parameters that some of the vendor's helpers send and that have no effect here."""

_LIKENESS = 0.75
"""Similarity from 0 to 1 above which an unknown name counts as a misspelt parameter."""

_SHOWN = 60


def check_query(
    request: Request, known: Sequence[str] = (), limit: int = urlencoded.FIELD_LIMIT
) -> list[tuple[str, str]]:
    """Refuse a query with misspelt or misplaced parameters; return the names and values.

    A read ignores names that resemble no parameter: a cache or a proxy may add them. A write
    refuses every unknown name: it may have been meant for the body.

    Args:
        known: query parameters of this request, besides those of a listing.
        limit: how many parameters the query may have.

    Raises:
        Refusal: `UNKNOWN_PARAMETER`; as `urlencoded.pairs`.
    """
    if not request.scope["query_string"]:
        return []
    is_read = request.method in ("GET", "HEAD", "OPTIONS")
    allowed = (*PAGING, *known) if is_read else tuple(known)
    given = urlencoded.pairs(request.scope["query_string"], "the query", limit)
    for name, _ in given:
        if name in allowed or name in _IGNORED or name.startswith("_"):
            continue
        if not is_read or _nearest(name, allowed) is not None:
            where = "" if is_read else " Other parameters go into the body."
            raise _unknown(name, allowed, "the query", where)
    return given


def refuse_unknown(name: str, known: Iterable[str]) -> Refusal:
    """The refusal of an unknown name in a body; `known`: the parameters that it accepts."""
    return _unknown(name, tuple(dict.fromkeys(known)), "the body", "")


def _unknown(name: str, known: Sequence[str], place: str, hint: str) -> Refusal:
    near = _nearest(name, known)
    meant = "" if near is None else f" {near} was meant, perhaps."
    listed = ", ".join(known) if known else "none"
    return Refusal(
        Code.UNKNOWN_PARAMETER,
        f"There is no parameter {fields.show(name)} in {place} of this request.{meant} "
        f"Allowed parameters: {listed}.{hint}",
    )


def _nearest(name: str, known: Iterable[str]) -> str | None:
    by_letters = {_letters(each): each for each in known}
    near = get_close_matches(_letters(name[:_SHOWN]), by_letters, 1, _LIKENESS)
    return by_letters[near[0]] if near else None


def _letters(name: str) -> str:
    return "".join(character for character in name.lower() if character.isalnum())
