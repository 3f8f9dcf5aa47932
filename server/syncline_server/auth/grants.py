"""Grants: what a token lets its bearer do with the documents of certain unique names.

    [
        {"documents": "room-*", "rights": ["read", "write"]},
        {"documents": "news", "rights": ["read"]}
    ]

In a pattern `*` stands for any characters or none; all else stands for itself. A document without a
unique name is only in the pattern that is `*` alone.
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
"""Grants in one token, at most."""

ANY = "*"
"""Stands for any characters; alone, for all documents, also those without a name."""

_RIGHTS = {"read": Right.READ, "write": Right.WRITE, "manage": Right.MANAGE}

_MEMBERS = {"documents", "rights"}


@dataclass(frozen=True, slots=True)
class Grant:
    """Rights on the documents whose unique names fit a pattern."""

    pattern: str
    rights: Right

    def fits(self, name: str) -> bool:
        """True for the unique names that the grant is for; takes one step through the name."""
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
    """All grants of one token; what they do not give is not allowed."""

    def __init__(self, grants: Iterable[Grant]) -> None:
        self._grants = tuple(grants)
        self._everywhere = self._sum(each for each in self._grants if each.pattern == ANY)

    @classmethod
    def parse(cls, claim: Any) -> Self:
        """The grants in a claim: exactly as in the text above.

        Raises:
            Refusal: `TOKEN_GRANTS`. Nothing is passed over: it might have been a restriction.
        """
        if not isinstance(claim, list) or len(claim) > GRANTS_LIMIT:
            raise _refusal(f"a list of at most {GRANTS_LIMIT} grants")
        return cls(map(_grant, claim))

    def rights(self, name: str | None) -> Right:
        """All that may be done with the document of a unique name; None for one that has none."""
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
