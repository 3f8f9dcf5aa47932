"""Headers that make a request conditional (`If-Match`, `If-None-Match`) or safe to repeat."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from starlette.datastructures import Headers

from syncline_protocol import fields
from syncline_protocol.errors import Code, Refusal
from syncline_protocol.fields import show

from .values import only

__all__ = ["IfNoneMatch", "if_match", "if_none_match", "operation", "write_condition"]

# RFC 9110, 8.8.3; the vendor sends revisions without quotes.
_TAG = re.compile(r'[ \t]*(?:(?:W/)?"([^"]*)"|([0-9]+))[ \t]*')


@dataclass(frozen=True, slots=True)
class IfNoneMatch:
    """The entity tags of `If-None-Match`, weak ones included, or `*`.

    Attributes:
        tags: without quotes; None for `*`.
    """

    tags: frozenset[str] | None

    def matches(self, tag: str) -> bool:
        """True if `tag`, of an existing resource, is named."""
        return self.tags is None or tag in self.tags


def if_match(headers: Headers) -> int | None:
    """The revision that `If-Match` names; None without the header, and for `*`.

    The revision may stand in quotes, or without them as the vendor sends it. A list of tags and a
    weak tag are refused: a write can be conditional on exactly one revision.

    Raises:
        Refusal: `INVALID_IF_MATCH`.
    """
    value = only(headers.getlist("If-Match"), "If-Match", Code.INVALID_IF_MATCH)
    return None if value is None or value.strip() == "*" else fields.revision(value, "If-Match")


def if_none_match(headers: Headers) -> IfNoneMatch | None:
    """The tags of all `If-None-Match` headers; None without one.

    Raises:
        Refusal: `INVALID_IF_MATCH`.
    """
    values = headers.getlist("If-None-Match")
    if not values:
        return None
    text = ",".join(values)
    if text.strip() == "*":
        return IfNoneMatch(None)
    tags, position = set[str](), 0
    while match := _TAG.match(text, position):
        tags.add(match[2] if match[1] is None else match[1])
        position = match.end()
        if position == len(text):
            return IfNoneMatch(frozenset(tags))
        if text[position] != ",":
            break
        position += 1
    raise Refusal(
        Code.INVALID_IF_MATCH,
        f"If-None-Match must be * or revisions separated by commas, not {show(text)}.",
    )


async def write_condition(
    headers: Headers, newest: Callable[[], Awaitable[int]], exists: Refusal
) -> int | None:
    """The revision that a write of something that exists is conditional on; None for any.

    With `If-None-Match` the newest revision is read first. If it is named, or for `*`, the write is
    refused. Otherwise the write is conditional on the revision that was read: another write may
    come in between and lead to a named one. If `If-Match` is given too, its revision is the
    condition.

    Args:
        newest: reads the newest revision; raises the refusal of a write to what does not exist.
        exists: the refusal because of `If-None-Match`.
    """
    revision, unless = if_match(headers), if_none_match(headers)
    if unless is None:
        return revision
    found = await newest()
    if unless.matches(str(found)):
        raise exists
    return found if revision is None else revision


def operation(headers: Headers, name: str = "Idempotency-Key") -> str | None:
    """The operation id in the header `name`; None without it. Raises `INVALID_PARAMETER`."""
    value = only(headers.getlist(name), name, Code.INVALID_PARAMETER)
    return None if value is None else fields.operation(value, name)
