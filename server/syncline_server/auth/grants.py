"""Grants: the rights that a token gives on documents, by patterns of unique names.

    [
        {"documents": "room-*", "rights": ["read", "write"]},
        {"documents": "news", "rights": ["read"]}
    ]

In a pattern, `*` matches any characters or none; every other character matches itself. A document
without a unique name matches only the pattern `*`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Self

from syncline_protocol.errors import Code, Refusal
from syncline_protocol.fields import NAME_LENGTH, show
from syncline_server.storage.rights import Right

__all__ = ["GRANTS_LIMIT", "Grant", "Grants"]

GRANTS_LIMIT = 64
"""Maximum grants in one token."""

ANY = "*"
"""Matches any characters; as a whole pattern, all documents, also those without a name."""

_RIGHTS = {"read": Right.READ, "write": Right.WRITE, "manage": Right.MANAGE}

_MEMBERS = {"documents", "rights"}


@dataclass(frozen=True, slots=True)
class Grant:
    """Rights on the documents whose unique names match a pattern."""

    pattern: str
    rights: Right

    def fits(self, name: str) -> bool:
        """True if the unique name matches; passes once over the name, without backtracking."""
        first, *others = self.pattern.split(ANY)
        if not others:
            return name == first
        *middle, last = others
        start, end = len(first), len(name) - len(last)
        if start > end or not name.startswith(first) or not name.endswith(last):
            return False
        for part in middle:
            found = name.find(part, start, end)
            if found < 0:
                return False
            start = found + len(part)
        return True


class Grants:
    """All grants of one token; a right that none of them gives is denied."""

    def __init__(self, grants: Iterable[Grant]) -> None:
        self._grants = tuple(grants)
        self._everywhere = self._sum(each for each in self._grants if each.pattern == ANY)

    @classmethod
    def parse(cls, claim: Any) -> Self:
        """The grants in a claim, which must have the form above.

        Raises:
            Refusal: `TOKEN_GRANTS`. An unknown member is refused too: ignoring it might drop a
                restriction.
        """
        if not isinstance(claim, list) or len(claim) > GRANTS_LIMIT:
            raise _refusal(f"a list of at most {GRANTS_LIMIT} grants")
        return cls(map(_grant, claim))

    def rights(self, name: str | None) -> Right:
        """All rights on the document with this unique name; None for one without a name."""
        if name is None:
            return self._everywhere
        return self._everywhere | self._sum(each for each in self._grants if each.fits(name))

    @staticmethod
    def _sum(grants: Iterable[Grant]) -> Right:
        rights = Right.NONE
        for grant in grants:
            rights |= grant.rights
        return rights


def _grant(given: Any) -> Grant:
    if not isinstance(given, dict) or given.keys() != _MEMBERS:
        raise _refusal("objects with the members documents and rights, and no others")
    pattern, rights = given["documents"], given["rights"]
    if not isinstance(pattern, str) or not 1 <= len(pattern) <= NAME_LENGTH:
        raise _refusal(f"patterns (documents) of 1 to {NAME_LENGTH} characters")
    if not isinstance(rights, list) or not rights:
        raise _refusal("lists of rights that name at least one")
    return Grant(pattern, _right(rights))


def _right(given: list[Any]) -> Right:
    rights = Right.NONE
    for name in given:
        if not isinstance(name, str) or name not in _RIGHTS:
            raise _refusal(f"the rights {', '.join(_RIGHTS)}, not {show(name)}")
        rights |= _RIGHTS[name]
    return rights


def _refusal(allowed: str) -> Refusal:
    return Refusal(Code.TOKEN_GRANTS, f"The grants of the access token must be {allowed}.")
